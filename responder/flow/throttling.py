"""Sharing what Azure's answers say of its budgets: written, and read, at most once a second while Azure is asked.

Holds nothing back itself; whoever asks Azure does that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

from responder import clock
from responder.core import throttles
from responder.store import stores

_EVERY = timedelta(seconds=1)
_NEWS = timedelta(minutes=10)
"""What is older says nothing any more: a bucket is full again within half a minute."""

Key = tuple[str, throttles.Kind]


class Budgets(Protocol):
    """What this instance knows."""

    def changes(self) -> Mapping[Key, throttles.Bucket]: ...

    def learn(self, theirs: Mapping[Key, throttles.Bucket]) -> None: ...


class Throttling:
    """Keeps what this instance hears where the others find it."""

    def __init__(self, store: stores.Store, budgets: Budgets) -> None:
        self._store = store
        self._budgets = budgets

    async def run(self) -> None:
        """Until cancelled. First what was heard before, by an earlier life or by others."""
        self._budgets.learn(await self._store.throttles.since(clock.now() - _NEWS))
        while True:
            await asyncio.sleep(_EVERY.total_seconds())
            await self.turn()

    async def turn(self) -> None:
        """Write what is new, then read what the others have written. In peace, nothing is new and nothing is read."""
        changes = self._budgets.changes()
        if changes:
            await self._store.throttles.put(changes)
            self._budgets.learn(await self._store.throttles.since(clock.now() - _NEWS))
