"""Waking a stage: something may have changed, look at the rows. Losing a wake is harmless: each has a clock, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from responder import clock


class Wake:
    """A bell that can be rung by anybody and is heard once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """There may be something to do."""
        self._event.set()

    async def wait(self, until: datetime | None, longest: timedelta) -> None:
        """Sleep until rung, until `until`, or for `longest`, whichever comes first."""
        seconds = longest.total_seconds()
        if until is not None:
            seconds = min(seconds, max((until - clock.now()).total_seconds(), 0.0))
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass  # the clock rang
        self._event.clear()


class SharedWake(Wake):
    """A bell that is heard by the other instances of the store, too.

    Args:
        others: rings there; at once, without waiting.
    """

    def __init__(self, others: Callable[[], None]) -> None:
        super().__init__()
        self._others = others

    def ring(self) -> None:
        """There may be something to do, here or there."""
        super().ring()
        self._others()

    def ring_here(self) -> None:
        """Another instance has rung."""
        super().ring()
