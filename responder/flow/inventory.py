"""Inventory: keep the cached record of the estate fresh. A failed refresh forgets nothing.

A server that is not listed any more is kept for a while: a listing can be wrong, and an outage is when we need it. Only
copies that we made, and deleted, go at once.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from responder import clock
from responder.core import errors, restores, servers
from responder.flow import known_estate, pauses, wakes
from responder.store import sqlite

_log = structlog.get_logger(__name__)

_SOON = timedelta(seconds=30)
_BATCH = 1000
_FORGET_AFTER = timedelta(days=7)


class Inventory:
    """Asks for the list of servers at an interval and stores it."""

    def __init__(
        self,
        store: sqlite.Store,
        list_servers: Callable[[], Awaitable[Sequence[servers.Server]]],
        interval: timedelta,
        assess: wakes.Wake,
        estate: known_estate.KnownEstate | None = None,
    ) -> None:
        self._store = store
        self._estate = estate or known_estate.KnownEstate(store)
        self._list = list_servers
        self._interval = interval
        self._assess = assess

    async def run(self) -> None:
        """Until cancelled. After a failure it is tried again soon."""
        while True:
            known = await self.turn()
            await asyncio.sleep((self._interval if known else min(_SOON, self._interval)).total_seconds())

    async def turn(self) -> bool:
        """Refresh once. False: it failed, and what was known stays."""
        try:
            listed = await self._list()
        except errors.AzureError as error:
            _log.warning("inventory.stale", error=str(error))
            return False
        await self._keep(listed)
        missing = await self._store.estate.ids() - {server.id for server in listed}
        known = list((await self._store.estate.some(missing)).values()) if missing else []
        await self._store.estate.remove(gone(known, listed, clock.now()))
        _log.info("inventory.refreshed", servers=len(listed))
        self._assess.ring()
        return True

    async def _keep(self, listed: Sequence[servers.Server]) -> None:
        """Write what is new or changed; of the rest only that it was seen. Of a large estate that is nearly all."""
        estate, rest = await self._estate.now(), pauses.Pauses()
        changed: list[servers.Server] = []
        same: dict[datetime | None, list[servers.ServerId]] = defaultdict(list)
        for server in listed:
            before = estate.get(server.id)
            if before is not None and replace(before, seen_at=server.seen_at) == server:
                same[server.seen_at].append(server.id)
            else:
                changed.append(server)
            await rest.breathe()
        for batch in pauses.batches(changed, _BATCH):
            await self._store.estate.put_servers(batch)
        for seen_at, ids in same.items():
            for part in pauses.batches(ids, _BATCH):
                if seen_at is not None:
                    await self._store.estate.seen(part, seen_at)


def gone(known: Sequence[servers.Server], listed: Sequence[servers.Server], now: datetime) -> list[servers.ServerId]:
    """What may be forgotten after a complete listing. An empty listing proves nothing."""
    seen = {server.id for server in listed}
    return [
        server.id
        for server in known
        if listed
        and server.id not in seen
        and (restores.unused_copy(server.tags) or (server.seen_at is not None and now - server.seen_at > _FORGET_AFTER))
    ]
