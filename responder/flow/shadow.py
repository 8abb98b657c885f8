"""Shadow mode inside the assessment: marks facts, supposes copies, tells what would be done. Starts nothing.

facts ─► suppose ─► decide ─► tell, note
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from responder.core import announcements, copies, decisions, durations, outages, regions, servers, shadows
from responder.flow import pauses
from responder.store import sqlite

Taken = tuple[decisions.Decision, decisions.Facts]

_REAL = (copies.State.RESTORING, copies.State.READY, copies.State.PROMOTED)

_TOLD = {
    decisions.Action.WAIT: "would wait",
    decisions.Action.START: "a copy would be started now",
    decisions.Action.HOLD: "its copy would be ready, and held",
    decisions.Action.ASK: "a human's yes would be asked for",
    decisions.Action.CUT_OVER: "applications would be sent to its copy now",
    decisions.Action.STAND_DOWN: "its copy would be thrown away",
}
"""The decisions that a team in normal mode is told of, in the words of shadow mode."""


class Shadow:
    """What is in shadow, and how far each server of it would be."""

    def __init__(self, store: sqlite.Store, scope: shadows.Scope) -> None:
        self._store = store
        self._scope = scope
        self._supposed: dict[outages.OutageId, dict[servers.ServerId, shadows.Supposed]] = {}

    async def suppose(
        self, outage: outages.Outage, gathered: Sequence[decisions.Facts], now: datetime
    ) -> list[decisions.Facts]:
        """The facts, those in shadow marked, and with the copy there would be where there is none."""
        if not any(self._scope.holds(fact.server) for fact in gathered):
            return list(gathered)
        if outage.id not in self._supposed:
            self._supposed[outage.id] = await self._remembered(outage.id)
        found, rest = [], pauses.Pauses()
        for fact in gathered:
            found.append(self._marked(outage.id, fact, now) if self._scope.holds(fact.server) else fact)
            await rest.breathe()
        return found

    def note(self, taken: Sequence[Taken]) -> None:
        """Remember what was decided: the next supposed copies follow from it."""
        for decision, fact in taken:
            if decision.shadow:
                self._supposed.setdefault(decision.outage, {})[decision.server] = shadows.supposed(decision, fact.copy)

    async def forget(self, still_open: Sequence[outages.Outage]) -> None:
        """Let go of outages that are finished; what a suspected one supposed counts for the one that it became."""
        for id_ in self._supposed.keys() - {outage.id for outage in still_open}:
            supposed = self._supposed.pop(id_)
            ended = await self._store.outages.get(id_)
            if ended is not None and ended.merged_into is not None:
                self._supposed[ended.merged_into] = supposed | await self._remembered(ended.merged_into)

    async def tell(self, fresh: Sequence[Taken]) -> None:
        """Announce what would be done, once for each copy there would be."""
        told = [_announcement(decision, fact) for decision, fact in fresh if decision.shadow]
        await self._store.outbox.put([one for one in told if one is not None])

    async def _remembered(self, outage_id: outages.OutageId) -> dict[servers.ServerId, shadows.Supposed]:
        """As the store has it: a new process goes on from there."""
        latest = await self._store.history.latest(outage_id)
        return {id_: shadows.supposed(*_pair(found)) for id_, found in latest.items() if found[0].shadow}

    def _marked(self, outage_id: outages.OutageId, fact: decisions.Facts, now: datetime) -> decisions.Facts:
        if fact.copy.state in _REAL:  # a human has started a run, and that copy is no supposition
            return replace(fact, shadow=True)
        return replace(fact, shadow=True, copy=self._copy(outage_id, fact.server.id, now))

    def _copy(self, outage_id: outages.OutageId, server: servers.ServerId, now: datetime) -> copies.Copy:
        """That of this outage; else of another one that it shares its server with: there would be one run."""
        own = shadows.copy_now(self._supposed[outage_id].get(server), now)
        if own.state in _REAL:
            return own
        others = (shadows.copy_now(known.get(server), now) for known in self._supposed.values())
        return next((copy for copy in others if copy.state in _REAL), own)


def _pair(found: Taken) -> tuple[decisions.Decision, copies.Copy]:
    decision, fact = found
    return decision, fact.copy


def _announcement(decision: decisions.Decision, fact: decisions.Facts) -> announcements.Announcement | None:
    would = _TOLD.get(decision.action)
    if would is None:
        return None
    name, made = fact.server.name, fact.copy.started_at
    loss = decision.data_loss_bound
    price = f" It would lose up to {durations.show(loss)} of the newest data." if loss and _moves(decision) else ""
    return announcements.Announcement(
        key=f"shadow/{decision.outage}/{decision.server}/{decision.action}/{made.isoformat() if made else '-'}",
        kind=f"shadow.{decision.action}",
        subject=f"Shadow, nothing was started: {name} is down with {regions.display(fact.server.region)}, {would}",
        text=(
            f"Shadow: nothing was started. {' '.join(reason.text for reason in decision.reasons)}{price}"
            f" Whoever is to act, has to act by hand: responder run {_by_hand(decision)} --server {name}."
            f" Outage: {decision.outage}."
        ),
        at=decision.at,
        to=fact.tolerance.owner,
        facts={"server": decision.server, "outage": decision.outage, "mode": "shadow"},
    )


def _by_hand(decision: decisions.Decision) -> str:
    return decision.way if decision.way is not None and decision.way != "wait" else decisions.GEO_RESTORE


def _moves(decision: decisions.Decision) -> bool:
    return decision.action in (decisions.Action.HOLD, decisions.Action.ASK, decisions.Action.CUT_OVER)
