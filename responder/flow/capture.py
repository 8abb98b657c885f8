"""Capture: keep what servers are set to, read off them while they are healthy. Their copies come without it.

A few servers at a time and seldom: it costs two requests a server, and nobody waits for it. A region with an open
outage is asked nothing, nor is a server that does not answer. Only for servers whose owners declared something.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from responder import clock
from responder.core import configurations, errors, evidence, restores, servers, tolerances
from responder.store import sqlite

_log = structlog.get_logger(__name__)

_PAUSE = timedelta(seconds=1)
_AT_ONCE = 8
"""Servers in one pause: with two requests each, well below what Azure allows a subscription."""
_IDLE = timedelta(minutes=1)

Read = Callable[[servers.ServerId], Awaitable[configurations.Configuration]]


class Capture:
    """Reads the configuration of each declared server once every `every`."""

    def __init__(self, store: sqlite.Store, read: Read, defaults: tolerances.Tolerance, every: timedelta) -> None:
        self._store = store
        self._read = read
        self._defaults = defaults
        self._every = every
        self._tried: dict[servers.ServerId, datetime] = {}
        self._queue: list[servers.ServerId] = []

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            moved = await self.turn(clock.now())
            await asyncio.sleep((_PAUSE if moved else min(_IDLE, self._every)).total_seconds())

    async def turn(self, now: datetime) -> int:
        """Read those that have waited longest; how many. 0: none is due."""
        if not self._queue:
            self._queue = await self._due(now)
        batch, self._queue = self._queue[:_AT_ONCE], self._queue[_AT_ONCE:]
        await asyncio.gather(*(self._one(id_, now) for id_ in batch))
        return len(batch)

    async def _one(self, id_: servers.ServerId, now: datetime) -> None:
        self._tried[id_] = now
        # It may have waited for its turn for a while: a region that has failed since is asked nothing.
        server = await self._store.estate.server(id_)
        hot = {outage.region for outage in await self._store.outages.open()}
        if server is None or server.region in hot or not _well((await self._store.estate.health([id_])).get(id_)):
            return
        try:
            found = await self._read(id_)
        except errors.AzureError as error:
            _log.warning("capture.failed", **server.log_context(), error=str(error))
            return
        await self._store.configurations.put(id_, configurations.Captured(at=now, configuration=found))
        _log.debug("capture.read", **server.log_context(), rules=len(found.rules), parameters=len(found.parameters))

    async def _due(self, now: datetime) -> list[servers.ServerId]:
        """All that are due, the longest unread first."""
        hot = {outage.region for outage in await self._store.outages.open()}
        read_at = await self._store.configurations.read_at()
        health = await self._store.estate.health()
        due: list[tuple[datetime, servers.ServerId]] = []
        for server in await self._store.estate.servers():
            last = max(filter(None, (read_at.get(server.id), self._tried.get(server.id))), default=None)
            if server.region in hot or (last is not None and now - last < self._every):
                continue
            if self._wanted(server) and _well(health.get(server.id)):
                due.append((last or _NEVER, server.id))
        return [id_ for _, id_ in sorted(due)]

    def _wanted(self, server: servers.Server) -> bool:
        return not restores.unused_copy(server.tags) and tolerances.read(server.tags, defaults=self._defaults).declared


def _well(health: evidence.Health | None) -> bool:
    """It answered when we last looked."""
    return health is not None and health.last is not None and health.last.answered


_NEVER = datetime.fromisoformat("0001-01-01T00:00:00+00:00")
