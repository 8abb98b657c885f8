"""Assess: read what has arrived, and for every server of an open outage take a decision.

    arrivals --reading--> outages --match--> servers --decide--> decisions --> runs wanted
    silence  --suspect-->

Decisions are recomputed from stored rows at each turn; the same rows and the same moment give the same decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from responder import clock
from responder.core import approvals, decisions, outages, playbooks, runs, servers, suspicions, tolerances
from responder.flow import facts, reading, suspect, wakes
from responder.store import sqlite

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What assessing needs to know from the settings."""

    policy: decisions.Policy
    defaults: tolerances.Tolerance
    playbooks: dict[str, playbooks.Playbook]
    suspicion: suspicions.Policy = field(default_factory=suspicions.Policy)


class Assess:
    """One turn reads everything new and decides for every open outage."""

    def __init__(self, store: sqlite.Store, rules: Rules, *, wake: wakes.Wake, act: wakes.Wake) -> None:
        self._store = store
        self._reading = reading.Reading(store)
        self._suspect = suspect.Suspect(store, rules.suspicion)
        self._rules = rules
        self._wake = wake
        self._act = act

    async def run(self) -> None:
        """Turn after turn, until cancelled."""
        while True:
            review_at = await self.turn(clock.now())
            await self._wake.wait(review_at, self._rules.policy.review)

    async def turn(self, now: datetime) -> datetime | None:
        """Read, suspect, then decide. Returns when the earliest decision must be taken again; None: nothing is open."""
        await self._reading.turn()
        await self._suspect.turn(now)
        reviews = [await self._assess(outage, now) for outage in await self._store.outages.open()]
        return min((review for review in reviews if review is not None), default=None)

    async def _assess(self, outage: outages.Outage, now: datetime) -> datetime | None:
        """Decide for every server of one outage; close it when nothing is left to do."""
        estate = await self._store.estate.servers(region=outage.region)
        affected = [server for server in estate if outage.concern(server) is not outages.Concern.NONE]
        before = await self._store.outages.decisions(outage.id)
        gathered = await facts.gather(self._store, outage, affected, self._rules.defaults)
        taken = [(decisions.decide(fact, self._rules.policy, now), fact) for fact in gathered]
        fresh = [(decision, fact) for decision, fact in taken if decision.changed_from(before.get(decision.server))]
        await self._store.outages.put_decisions(fresh)
        for decision, fact in fresh:
            _log.info(
                "decision.taken",
                **fact.server.log_context(),
                **outage.log_context(),
                action=decision.action,
                reason=decision.reasons[0].id,
            )
        changed = {decision.server for decision, _ in fresh}
        ended = [await self._see_to(decision, fact, changed=decision.server in changed) for decision, fact in taken]
        if all(ended) and self._closable(outage, [decision for decision, _ in taken], now):
            await self._store.outages.close(outage.id, now)
            _log.info("outage.closed", **outage.log_context())
            return None
        return min((decision.review_at for decision, _ in taken), default=now + self._rules.policy.review)

    async def _see_to(self, decision: decisions.Decision, fact: decisions.Facts, *, changed: bool) -> bool:
        """Start the run a decision wants, or let the running one know. True: no run of this server is left."""
        active = await self._store.runs.active_for(decision.server)
        if active is not None:
            if decision.action is decisions.Action.ASK:
                await self._store.outbox.put([approvals.wanted(decision, fact, active)])
            if changed or (decision.playbook and active.playbook.name != decision.playbook):
                word = runs.Signal(
                    run_id=active.id, topic=runs.Topic.DECISION, by="responder", at=decision.at, payload={}
                )
                await self._store.runs.signal(word)
                self._act.ring()
            return False
        wanted = {decisions.Action.START: decisions.GEO_RESTORE, decisions.Action.WAIT: decisions.WAIT_IT_OUT}
        name = wanted.get(decision.action)
        return name is None or not await self._start(name, decision, fact.server)

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

    def _closable(self, outage: outages.Outage, taken: Sequence[decisions.Decision], now: datetime) -> bool:
        """Azure calls it over, that has lasted, and there is nothing about any server but to look on."""
        if outage.active or now < outage.quiet_since + self._rules.policy.settle:
            return False
        return all(decision.action in (decisions.Action.OBSERVE, decisions.Action.DONE) for decision in taken)
