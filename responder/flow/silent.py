"""Keeps the record of silences while outages are open, from the facts that decisions are taken on. Judges nothing."""

from __future__ import annotations

from collections.abc import Sequence

from responder.core import decisions, outages, servers, silences
from responder.store import sqlite


class Silent:
    """What was written of each open outage; the store is only asked again by a new process."""

    def __init__(self, store: sqlite.Store) -> None:
        self._store = store
        self._known: dict[outages.OutageId, dict[servers.ServerId, silences.Silences]] = {}

    async def note(self, outage_id: outages.OutageId, facts: Sequence[decisions.Facts]) -> None:
        """Write what began or ended since the last look."""
        if outage_id not in self._known:
            self._known[outage_id] = await self._store.history.silences(outage_id)
        known = self._known[outage_id]
        changed: dict[servers.ServerId, silences.Silences] = {}
        for fact in facts:
            before = known.get(fact.server.id, ())
            after = silences.observe(before, fact.health)
            if after is not before:
                changed[fact.server.id] = after
        await self._store.history.put_silences(outage_id, changed)
        known.update(changed)

    def forget(self, still_open: Sequence[outages.Outage]) -> None:
        """Let go of outages that are finished."""
        ids = {outage.id for outage in still_open}
        self._known = {id_: known for id_, known in self._known.items() if id_ in ids}
