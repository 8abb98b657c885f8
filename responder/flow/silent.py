"""Keeps the record of silences while outages are open, from the facts that decisions are taken on. Judges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from responder.core import decisions, evidence, outages, servers, silences
from responder.flow import pauses
from responder.store import sqlite

_BATCH = 500


class Silent:
    """What was written of each open outage; the store is only asked again by a new process."""

    def __init__(self, store: sqlite.Store, policy: evidence.Policy) -> None:
        self._store = store
        self._policy = policy
        self._known: dict[outages.OutageId, dict[servers.ServerId, silences.Silences]] = {}

    async def note(self, outage_id: outages.OutageId, facts: Sequence[decisions.Facts], now: datetime) -> None:
        """Write what began or ended since the last look."""
        if outage_id not in self._known:
            self._known[outage_id] = await self._store.history.silences(outage_id)
        known = self._known[outage_id]
        changed: dict[servers.ServerId, silences.Silences] = {}
        rest = pauses.Pauses()
        for fact in facts:
            before = known.get(fact.server.id, ())
            every = [fact.health, *fact.vantages.values()]
            health = evidence.combined(every, self._policy, now) if fact.vantages else fact.health
            after = silences.observe(before, health)
            if after is not before:
                changed[fact.server.id] = after
            await rest.breathe()
        for batch in pauses.batches(list(changed.items()), _BATCH):
            await self._store.history.put_silences(outage_id, dict(batch))
            known.update(batch)
            await rest.breathe()

    def forget(self, still_open: Sequence[outages.Outage]) -> None:
        """Let go of outages that are finished."""
        ids = {outage.id for outage in still_open}
        self._known = {id_: known for id_, known in self._known.items() if id_ in ids}
