"""Retention: delete what is older than the settings say, now and then, in batches small enough to hold up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

import structlog

from responder import clock
from responder.store import retention

_log = structlog.get_logger(__name__)

_BATCH = 500
_RUNS_AT_ONCE = 50
"""A run has dozens of rows."""
_PAGES_AT_ONCE = 500
"""Of unused space given back to the disk: two megabytes."""
_PAUSE = timedelta(milliseconds=50)
"""Between batches: whoever else wants to write comes first."""

Ages = Mapping[retention.Kind, timedelta | None]
"""How old what may become. None: nothing of that kind is deleted."""


def ages(named: Mapping[str, timedelta | None], cooldown: timedelta = timedelta()) -> Ages:
    """From the names of the settings. A run is kept at least for as long as it holds up the next one of its server."""
    found = {retention.Kind(name): age for name, age in named.items()}
    kept = found.get(retention.Kind.RUNS)
    return found if kept is None else {**found, retention.Kind.RUNS: max(kept, cooldown)}


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
        await _until_done(lambda: self._store.sweep(_BATCH))
        if any(gone.values()):
            await _until_done(lambda: self._store.give_back(_PAGES_AT_ONCE))
            _log.info("retention.deleted", **{kind: count for kind, count in gone.items() if count})
        return gone

    async def _all(self, kind: retention.Kind, before: datetime) -> int:
        batch = _RUNS_AT_ONCE if kind is retention.Kind.RUNS else _BATCH
        deleted = last = await self._store.delete(kind, before, batch)
        while last == batch:
            await asyncio.sleep(_PAUSE.total_seconds())
            last = await self._store.delete(kind, before, batch)
            deleted += last
        return deleted


async def _until_done(work: Callable[[], Awaitable[bool]]) -> None:
    """A piece at a time, until it says that nothing is left."""
    more = await work()
    while more:
        await asyncio.sleep(_PAUSE.total_seconds())
        more = await work()
