"""Inventory: keep the cached record of the estate fresh. A failed refresh forgets nothing.

A server that is not listed any more is kept for a while: a listing can be wrong, and an outage is when we need it. Only
copies that we made, and deleted, go at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import structlog

from responder import clock
from responder.core import errors, restores, servers
from responder.flow import wakes
from responder.store import sqlite

_log = structlog.get_logger(__name__)

_SOON = timedelta(seconds=30)
_FORGET_AFTER = timedelta(days=7)


class Inventory:
    """Asks for the list of servers at an interval and stores it."""

    def __init__(
        self,
        store: sqlite.Store,
        list_servers: Callable[[], Awaitable[Sequence[servers.Server]]],
        interval: timedelta,
        assess: wakes.Wake,
    ) -> None:
        self._store = store
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
        known = await self._store.estate.servers()
        await self._store.estate.put_servers(listed)
        await self._store.estate.remove(gone(known, listed, clock.now()))
        _log.info("inventory.refreshed", servers=len(listed))
        self._assess.ring()
        return True


def gone(known: Sequence[servers.Server], listed: Sequence[servers.Server], now: datetime) -> list[servers.ServerId]:
    """What may be forgotten after a complete listing. An empty listing proves nothing."""
    seen = {server.id for server in listed}
    return [
        server.id
        for server in known
        if listed
        and server.id not in seen
        and (
            server.tags.get(restores.CREATED_BY_TAG) == restores.CREATED_BY
            or (server.seen_at is not None and now - server.seen_at > _FORGET_AFTER)
        )
    ]
