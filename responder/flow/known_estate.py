"""The estate in memory: loaded once, then kept up to date by what has changed. Never asks Azure; forgets nothing.

A turn of any stage begins with `now()`, which costs one small query when nothing has changed.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

from responder.core import estates, servers, tolerances
from responder.store import sqlite

_MANY = 10_000
"""Servers; above that many the collector leaves the estate alone, which lives until the end anyhow."""


Declared = Callable[[servers.Server], tolerances.Tolerance]
"""What the owner of a server declared."""


def declared(by: Declared | tolerances.Tolerance) -> Declared:
    """Who reads declarations: the one that is given, or one that reads tags over these defaults."""
    if isinstance(by, tolerances.Tolerance):
        return lambda server: tolerances.read(server.tags, defaults=by)
    return by


class KnownEstate:
    """One for all stages of a process."""

    def __init__(self, store: sqlite.Store, defaults: tolerances.Tolerance | None = None) -> None:
        self._store = store
        self._defaults = defaults or tolerances.Tolerance()
        self._estate = estates.Estate()
        self._version = self._removed = 0
        self._tolerances: dict[servers.ServerId, tuple[servers.Server, tolerances.Tolerance]] = {}
        self._loading = asyncio.Lock()

    async def now(self) -> estates.Estate:
        """The estate as the store has it."""
        async with self._loading:
            version, removed = await self._store.estate.version()
            if (version, removed) != (self._version, self._removed):
                await self._catch_up(removed)
                self._version, self._removed = version, removed
            return self._estate

    def tolerance(self, server: servers.Server) -> tolerances.Tolerance:
        """What the owner declared; read once from each server's tags."""
        known = self._tolerances.get(server.id)
        if known is None or known[0] is not server:
            known = self._tolerances[server.id] = server, tolerances.read(server.tags, defaults=self._defaults)
        return known[1]

    async def _catch_up(self, removed: int) -> None:
        news: list[servers.Server] = []
        after: servers.ServerId | None = servers.ServerId("")
        while after is not None:
            page, after = await self._store.estate.changed(self._version, after)
            news += page
        gone: set[servers.ServerId] = set()
        if removed != self._removed:
            gone = {server.id for server in self._estate} - await self._store.estate.ids()
        # A hundred thousand servers take a tenth of a second to sort: not on everybody's loop.
        self._estate = await asyncio.to_thread(self._estate.changed_by, news, gone)
        for id_ in gone:
            self._tolerances.pop(id_, None)
        if len(news) > _MANY:
            gc.freeze()
