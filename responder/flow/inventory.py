"""Inventory: keep the cached record of the estate fresh. A failed or partial refresh forgets nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog

from responder.core import errors, servers
from responder.flow import wakes
from responder.store import sqlite

_log = structlog.get_logger(__name__)

_SOON = timedelta(seconds=30)


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
        await self._store.estate.put_servers(listed)
        _log.info("inventory.refreshed", servers=len(listed))
        self._assess.ring()
        return True
