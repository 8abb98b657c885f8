"""Somewhere to send notifications to: keeps what is posted to it, newest last, for tests and demonstrations to read."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

KEPT = 1000
"""Letters beyond this number push out the oldest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One body that was posted."""

    at: datetime
    content_type: str
    body: object
    """What JSON there was, else the text."""

    def jsonable(self) -> dict[str, object]:
        """The letter with its time in ISO 8601."""
        return {"at": self.at.isoformat(), "content_type": self.content_type, "body": self.body}


class Inbox:
    """The letters. Waiting for one is `wait_for`."""

    def __init__(self) -> None:
        self.letters: deque[Letter] = deque(maxlen=KEPT)
        self._grew = asyncio.Event()

    def append(self, letter: Letter) -> None:
        self.letters.append(letter)
        self._grew.set()
        self._grew = asyncio.Event()

    async def wait_for(self, matches: Callable[[Letter], bool], *, timeout: float = 5) -> Letter:
        """The first letter, past or coming, that matches. Raises `TimeoutError` after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while True:
                grew = self._grew
                for letter in self.letters:
                    if matches(letter):
                        return letter
                await grew.wait()
