"""The way of one partition's events from the SDK to being durable: in order, and with the next ones on their heels.

While one commit runs the SDK goes on receiving; what gathers meanwhile is the next commit. It acknowledges nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

_AHEAD = 900
"""Events that may wait for the commit before them; then the SDK waits, and the hub keeps the rest."""


class Lane:
    """One partition.

    Args:
        carry: makes events durable and does whatever that allows; False: it failed, and nothing later may follow.
    """

    def __init__(self, carry: Callable[[list[Any]], Awaitable[bool]]) -> None:
        self._carry = carry
        self._waiting: list[Any] = []
        self._taken = asyncio.Event()
        self._broken = False
        self._task: asyncio.Task[None] | None = None

    async def put(self, events: list[Any]) -> None:
        """Send events on their way; waits only while too many are waiting. After a failure it drops them."""
        while len(self._waiting) >= _AHEAD and not self._broken:
            self._taken.clear()
            await self._taken.wait()
        if self._broken:
            return
        self._waiting += events
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="hub lane")

    async def empty(self) -> None:
        """Wait until what was put is durable, or has failed."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Drop what is waiting, and give up waiting for the commit under way."""
        self._broken = True
        self._waiting = []
        self._taken.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._waiting and not self._broken:
            events, self._waiting = self._waiting, []
            self._taken.set()
            if not await self._carry(events):
                self._broken, self._waiting = True, []
                self._taken.set()
