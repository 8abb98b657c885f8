"""Assess: read what has arrived, and for every server of an open outage take a decision.

    arrivals --reading--> outages --match--> servers --decide--> decisions --> runs wanted
    silence  --suspect-->

Decisions are recomputed from stored rows at each turn; the same rows and the same moment give the same decisions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from responder import clock
from responder.core import (
    approvals,
    decisions,
    errors,
    outages,
    playbooks,
    runs,
    servers,
    shadows,
    suspicions,
    tolerances,
    urgency,
)
from responder.flow import facts, reading, shadow, silent, suspect, wakes
from responder.store import apart, sqlite

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What assessing needs to know from the settings."""

    policy: decisions.Policy
    defaults: tolerances.Tolerance
    playbooks: dict[str, playbooks.Playbook]
    suspicion: suspicions.Policy = field(default_factory=suspicions.Policy)
    shadow: shadows.Scope = field(default_factory=shadows.Scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """One open outage after this turn's decisions."""

    outage: outages.Outage
    taken: list[tuple[decisions.Decision, decisions.Facts]]
    changed: frozenset[servers.ServerId]
    whole: bool
    """No affected server had to be left out."""


class Assess:
    """One turn reads everything new and decides for every open outage."""

    def __init__(self, store: sqlite.Store, rules: Rules, *, wake: wakes.Wake, act: wakes.Wake) -> None:
        self._store = store
        self._reading = reading.Reading(store)
        self._suspect = suspect.Suspect(store, rules.suspicion)
        self._shadow = shadow.Shadow(store, rules.shadow)
        self._silent = silent.Silent(store)
        self._rules = rules
        self._wake = wake
        self._act = act
        self._told: dict[tuple[servers.ServerId, outages.OutageId], tuple[runs.RunId, str | None]] = {}
        """The last word of each decision, and to which run; a new process may say it again."""

    async def run(self) -> None:
        """Turn after turn, until cancelled."""
        while True:
            review_at = await self.turn(clock.now())
            await self._wake.wait(review_at, self._rules.policy.review)

    async def turn(self, now: datetime) -> datetime | None:
        """Read, suspect, then decide. Returns when the earliest decision must be taken again; None: nothing is open."""
        await self._reading.turn()
        await self._suspect.turn(now)
        still_open = await self._store.outages.open()
        await self._shadow.forget(still_open)
        self._silent.forget(still_open)
        judged = [await self._decide(outage, now) for outage in still_open]
        urgent = urgency.most(decision for one in judged for decision, _ in one.taken)
        self._told = {key: told for key, told in self._told.items() if key[1] in {one.outage.id for one in judged}}
        reviews = [await self._conclude(one, judged, urgent, now) for one in judged]
        return min((review for review in reviews if review is not None), default=None)

    async def _decide(self, outage: outages.Outage, now: datetime) -> _Judged:
        """Decide for every server of one outage, and write what is new."""
        estate = await self._store.estate.servers(region=outage.region)
        affected = [server for server in estate if outage.concern(server) is not outages.Concern.NONE]
        before = await self._store.outages.decisions(outage.id)
        gathered = await self._shadow.suppose(outage, await self._gather(outage, affected), now)
        await self._silent.note(outage.id, gathered)
        taken = [(decisions.decide(fact, self._rules.policy, now), fact) for fact in gathered]
        fresh = [(decision, fact) for decision, fact in taken if decision.changed_from(before.get(decision.server))]
        await self._shadow.tell(fresh)
        await self._store.outages.put_decisions(fresh)
        self._shadow.note(taken)
        for decision, fact in fresh:
            _log.info(
                "decision.taken",
                **fact.server.log_context(),
                **outage.log_context(),
                action=decision.action,
                reason=decision.reasons[0].id,
            )
        changed = frozenset(decision.server for decision, _ in fresh)
        return _Judged(outage=outage, taken=taken, changed=changed, whole=len(taken) == len(affected))

    async def _gather(self, outage: outages.Outage, affected: Sequence[servers.Server]) -> list[decisions.Facts]:
        """The facts of all; of those whose rows can be read when some cannot, so that one stops no other."""
        try:
            return await facts.gather(self._store, outage, affected, self._rules.defaults)
        except errors.StoreError as error:
            if error.error_id != apart.UNREADABLE:
                raise
        found = []
        for server in affected:
            try:
                found += await facts.gather(self._store, outage, [server], self._rules.defaults)
            except errors.StoreError as error:
                if error.error_id != apart.UNREADABLE:
                    raise
                _log.error("server.set-apart", **server.log_context(), error=str(error))
        return found

    async def _conclude(
        self, one: _Judged, all_: Sequence[_Judged], urgent: Mapping[servers.ServerId, int], now: datetime
    ) -> datetime | None:
        """See to the runs of one outage; close it when nothing is left to do."""
        ended = [
            await self._see_to(
                decision,
                fact,
                changed=decision.server in one.changed,
                leads=urgency.of(decision) == urgent[decision.server],
            )
            for decision, fact in one.taken
        ]
        if one.whole and all(ended) and self._closable(one, all_, now):
            await self._store.outages.close(one.outage.id, now)
            _log.info("outage.closed", **one.outage.log_context())
            return None
        return min((decision.review_at for decision, _ in one.taken), default=now + self._rules.policy.review)

    async def _see_to(self, decision: decisions.Decision, fact: decisions.Facts, *, changed: bool, leads: bool) -> bool:
        """Start the run a decision wants, or let the running one know. True: no run of this server is left.

        Of several outages, only the most urgent decision about a server starts or asks anything.
        """
        active = await self._store.runs.active_for(decision.server)
        if active is not None:
            if leads and decision.action is decisions.Action.ASK:
                await self._store.outbox.put([approvals.wanted(decision, fact, active)])
            await self._tell(active, decision, changed=changed)
            return False
        if decision.shadow:
            return True
        wanted = {decisions.Action.START: decisions.GEO_RESTORE, decisions.Action.WAIT: decisions.WAIT_IT_OUT}
        name = wanted.get(decision.action) if leads else None
        return name is None or not await self._start(name, decision, fact.server)

    async def _tell(self, active: runs.Run, decision: decisions.Decision, *, changed: bool) -> None:
        """Let a run know of a decision that is new, or new to it. Once: a word makes the run due."""
        key, news = (decision.server, decision.outage), (active.id, decision.playbook)
        other = bool(decision.playbook) and active.playbook.name != decision.playbook
        if changed or (other and self._told.get(key) != news):
            word = runs.Signal(run_id=active.id, topic=runs.Topic.DECISION, by="responder", at=decision.at, payload={})
            await self._store.runs.signal(word)
            self._told[key] = news
            self._act.ring()

    async def _start(self, name: str, decision: decisions.Decision, server: servers.Server) -> bool:
        past = [run for run in await self._store.runs.of(server.id, decision.outage) if run.playbook.name == name]
        if any(run.state is not runs.State.DONE for run in past):
            return False  # failed or stopped by a human: never started again by itself
        playbook = self._rules.playbooks[name]
        run = runs.new(
            id_=runs.run_id(name, server, decision.outage, len(past) + 1),
            server=server,
            outage_id=decision.outage,
            playbook=playbook,
            params=playbook.arguments({}),
            by="responder",
            now=decision.at,
        )
        submitted = await self._store.runs.submit(run)
        _log.info("run.submitted", **run.log_context(), **server.log_context(), answer=submitted)
        self._act.ring()
        return True

    def _closable(self, one: _Judged, all_: Sequence[_Judged], now: datetime) -> bool:
        """Azure calls it over, that has lasted, and there is nothing about any server but to look on.

        One whose copies are in use stays while another outage of its region goes on, which must know of them.
        """

        def quiet(outage: outages.Outage) -> bool:
            return not outage.active and now >= outage.quiet_since + self._rules.policy.settle

        done = any(decision.action is decisions.Action.DONE for decision, _ in one.taken)
        if done and not all(quiet(other.outage) for other in all_ if other.outage.region == one.outage.region):
            return False
        over = (decisions.Action.OBSERVE, decisions.Action.DONE)
        return quiet(one.outage) and all(decision.action in over for decision, _ in one.taken)
