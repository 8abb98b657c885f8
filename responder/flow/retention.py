"""Retention: delete what is older than the settings say, now and then, in batches small enough to hold up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from responder import clock
from responder.store import retention

_log = structlog.get_logger(__name__)

_BATCH = 500
_PAUSE = timedelta(milliseconds=50)
"""Between batches: whoever else wants to write comes first."""

Ages = Mapping[retention.Kind, timedelta | None]
"""How old what may become. None: nothing of that kind is deleted."""


def ages(named: Mapping[str, timedelta | None]) -> Ages:
    """From the names of the settings."""
    return {retention.Kind(name): age for name, age in named.items()}


class Retention:
    """Deletes by age, every so often."""

    def __init__(self, store: retention.Retention, ages: Ages, every: timedelta) -> None:
        self._store = store
        self._ages = ages
        self._every = every

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.turn(clock.now())
            await asyncio.sleep(self._every.total_seconds())

    async def turn(self, now: datetime) -> dict[str, int]:
        """Delete everything that is too old at this moment; how much of what."""
        gone = {kind.value: await self._all(kind, now - age) for kind, age in self._ages.items() if age is not None}
        if any(gone.values()):
            _log.info("retention.deleted", **{kind: count for kind, count in gone.items() if count})
        return gone

    async def _all(self, kind: retention.Kind, before: datetime) -> int:
        deleted = last = await self._store.delete(kind, before, _BATCH)
        while last == _BATCH:
            await asyncio.sleep(_PAUSE.total_seconds())
            last = await self._store.delete(kind, before, _BATCH)
            deleted += last
        return deleted
