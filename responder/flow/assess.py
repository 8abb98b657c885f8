"""Assess: read what has arrived, and for every server of an open outage take a decision.

    arrivals --reading--> outages --match--> servers --decide--> decisions --> runs wanted
    silence  --suspect-->

Decisions are recomputed from stored rows at each turn; the same rows and the same moment give the same decisions.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from responder import clock
from responder.core import (
    announcements,
    approvals,
    brakes,
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
    waves,
)
from responder.flow import (
    asking,
    facts,
    gate,
    known_estate,
    learn,
    pauses,
    reading,
    shadow,
    silent,
    suspect,
    told,
    wakes,
    wave,
)
from responder.store import sqlite

_log = structlog.get_logger(__name__)

_Key = tuple[servers.ServerId, outages.OutageId]
_News = tuple[runs.RunId, str | None]
Taken = tuple[decisions.Decision, decisions.Facts]

_STARTS = (decisions.Action.START, decisions.Action.WAIT)
"""Actions whose playbook is started where none runs."""

_BATCH = 500
"""Decisions written in one transaction."""
_TOLD_ONE_BY_ONE = 200
"""Of more new decisions than this the log has the count, and each one at `debug`."""
_REST, _LONGEST_REST = 2.0, 20.0
"""After a turn, so many times its length, in seconds at most: bells ring all the time while a region is down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What assessing needs to know from the settings."""

    policy: decisions.Policy
    defaults: tolerances.Tolerance
    playbooks: Mapping[str, playbooks.Playbook]
    """May be loaded anew at any time; a turn asks for each when it needs it."""
    suspicion: suspicions.Policy = field(default_factory=suspicions.Policy)
    shadow: shadows.Scope = field(default_factory=shadows.Scope)
    brakes: brakes.Policy = field(default_factory=brakes.Policy)
    wave: waves.Policy = field(default_factory=waves.Policy)
    approvals: approvals.Policy = field(default_factory=approvals.Policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """One open outage after this turn's decisions."""

    outage: outages.Outage
    taken: list[Taken]
    whole: bool
    """No affected server had to be left out."""
    changed: set[servers.ServerId] = field(default_factory=set)
    """Of whom the decision says something new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What follows from decisions, written for many at a time."""

    asks: list[asking.Lacking] = field(default_factory=list)
    words: list[runs.Signal] = field(default_factory=list)
    told: dict[_Key, _News] = field(default_factory=dict)
    """The words again, as they are remembered."""
    runs: list[tuple[runs.Run, servers.Server]] = field(default_factory=list)
    news: list[announcements.Announcement] = field(default_factory=list)
    held: gate.Held
    """What keeps runs from being started by themselves."""


class Assess:
    """One turn reads everything new and decides for every open outage."""

    def __init__(
        self,
        store: sqlite.Store,
        rules: Rules,
        *,
        wake: wakes.Wake,
        act: wakes.Wake,
        estate: known_estate.KnownEstate | None = None,
    ) -> None:
        self._store = store
        self._reading = reading.Reading(store)
        self._estate = estate or known_estate.KnownEstate(store, rules.defaults)
        self._suspect = suspect.Suspect(store, rules.suspicion, self._estate)
        self._beliefs = learn.Beliefs(store, rules.policy)
        self._wave = wave.Wave(self._estate, rules.wave)
        self._shadow = shadow.Shadow(store, rules.shadow)
        self._silent = silent.Silent(store, rules.policy.evidence)
        self._rules = rules
        self._wake = wake
        self._act = act
        self._told: dict[_Key, _News] = {}
        """The last word of each decision, and to which run; a new process may say it again."""

    async def run(self) -> None:
        """Turn after turn, until cancelled. After a long one the others get their share of the machine."""
        while True:
            began = time.monotonic()
            review_at = await self.turn(clock.now())
            await asyncio.sleep(min(_REST * (time.monotonic() - began), _LONGEST_REST))
            await self._wake.wait(review_at, self._rules.policy.review)

    async def turn(self, now: datetime) -> datetime | None:
        """Read, suspect, then decide. Returns when the earliest decision must be taken again; None: nothing is open."""
        with pauses.uncollected():  # almost all that a turn makes, it needs until its end
            return await self._turn(now)

    async def _turn(self, now: datetime) -> datetime | None:
        await self._reading.turn()
        policy = replace(await self._beliefs.policy(), playbooks=frozenset(self._rules.playbooks))
        ill = await facts.ill(self._store)
        await self._suspect.turn(now, ill)
        known = await facts.turn(self._store, ill, estate=await self._estate.now())
        await self._shadow.forget(known.still_open)
        self._silent.forget(known.still_open)
        held = await gate.held(self._store, self._rules.brakes.cooldown, now)
        judged = [await self._decide(outage, known, policy, now) for outage in known.still_open]
        await self._take_turns(judged, known, held, policy, now)
        for one in judged:
            await self._write(one, now)
        urgent = urgency.most(decision for one in judged for decision, _ in one.taken)
        self._told = {key: told for key, told in self._told.items() if key[1] in {one.outage.id for one in judged}}
        reviews = [await self._conclude(one, judged, known, held, urgent, now) for one in judged]
        for one in judged:
            await pauses.let_go(one.taken)
        await known.let_go()
        return min((review for review in reviews if review is not None), default=None)

    async def _take_turns(
        self, judged: Sequence[_Judged], known: facts.Turn, held: gate.Held, policy: decisions.Policy, now: datetime
    ) -> None:
        """Of all restores that are wanted, some are begun, in the order of the wave; the decisions of others say so."""
        wanted, there, rest = [], [], pauses.Pauses()
        for pair in (pair for one in judged for pair in one.taken):
            if self._startable(*pair, known, held):
                wanted.append(pair)
            if self._rules.wave.copies is not None and wave.has_copy(*pair):
                there.append(pair)
            await rest.breathe()
        await self._wave.move(wanted, there, known, policy, now)
        for one in judged:
            for number, (decision, fact) in enumerate(one.taken):
                one.taken[number] = self._wave.held(decision, fact, now), fact
                await rest.breathe()
            one.taken.sort(key=lambda pair: self._wave.place(pair[0]))

    async def _decide(
        self, outage: outages.Outage, known: facts.Turn, policy: decisions.Policy, now: datetime
    ) -> _Judged:
        """Decide for every server of one outage; everybody else has their turn in between."""
        # By id: neighbours in the store's indexes are written together.
        affected = sorted((await self._estate.now()).affected_by(outage), key=lambda server: server.id)
        found = await facts.gather(self._store, outage, affected, self._estate.tolerance, known)
        gathered = await self._shadow.suppose(outage, found, now)
        taken, rest = [], pauses.Pauses()
        for fact in gathered:
            waiting = self._wave.waits(fact)
            taken.append((decisions.decide(waiting, policy, now), waiting))
            await rest.breathe()
        for server in affected:
            if server.id in known.spoiled:
                _log.error("server.set-apart", **server.log_context())
        return _Judged(outage=outage, taken=taken, whole=len(taken) == len(affected))

    async def _write(self, one: _Judged, now: datetime) -> None:
        """Keep what is new, many at a time."""
        await self._silent.note(one.outage.id, [fact for _, fact in one.taken], now)
        before = await self._store.outages.said(one.outage.id)
        fresh, rest = [], pauses.Pauses()
        for decision, fact in one.taken:
            if decision.says != before.get(decision.server):
                fresh.append((decision, fact))
            await rest.breathe()
        one.changed.update(decision.server for decision, _ in fresh)
        for batch in pauses.batches(fresh, _BATCH):
            await self._shadow.tell(batch)
            await self._store.outages.put_decisions(batch)
            await rest.breathe()
        self._shadow.note(one.taken)
        say = _log.info if len(fresh) <= _TOLD_ONE_BY_ONE else _log.debug
        for decision, fact in fresh:
            say(
                "decision.taken",
                **fact.server.log_context(),
                **one.outage.log_context(),
                action=decision.action,
                reason=decision.reasons[0].id,
            )
            await rest.breathe()
        if len(fresh) > _TOLD_ONE_BY_ONE:
            actions = Counter(decision.action.value for decision, _ in fresh)
            _log.info("decisions.taken", **one.outage.log_context(), servers=len(fresh), actions=dict(actions))

    async def _conclude(
        self,
        one: _Judged,
        all_: Sequence[_Judged],
        known: facts.Turn,
        held: gate.Held,
        urgent: Mapping[servers.ServerId, int],
        now: datetime,
    ) -> datetime | None:
        """See to the runs of one outage; close it when nothing is left to do."""
        ended, rest = True, pauses.Pauses()
        for batch in pauses.batches(one.taken, _BATCH):
            wanted = _Wanted(held=held)
            for decision, fact in batch:
                leads = urgency.of(decision) == urgent[decision.server]
                ended &= self._see_to(
                    wanted, decision, fact, known, changed=decision.server in one.changed, leads=leads
                )
                await rest.breathe()
            await self._carry_out(wanted)
        if one.whole and ended and self._closable(one, all_, now):
            await self._store.outages.close(one.outage.id, now)
            _log.info("outage.closed", **one.outage.log_context())
            return None
        return min((decision.review_at for decision, _ in one.taken), default=now + self._rules.policy.review)

    def _see_to(
        self,
        wanted: _Wanted,
        decision: decisions.Decision,
        fact: decisions.Facts,
        known: facts.Turn,
        *,
        changed: bool,
        leads: bool,
    ) -> bool:
        """Want the run a decision wants, or let the running one know. True: no run of this server is left.

        Of several outages, only the most urgent decision about a server starts or asks anything.
        """
        active = known.active(decision.server)
        if active is not None:
            if leads and decision.action is decisions.Action.ASK:
                wanted.asks.append(asking.Lacking(run=active, decision=decision, facts=fact))
            if leads and decision.action is decisions.Action.START and not decision.shadow:
                wanted.news.extend(told.in_the_way(active, decision, fact))
            self._tell(wanted, active, decision, changed=changed)
            return False
        if decision.shadow:
            return True
        name = decision.playbook if leads and decision.action in _STARTS else None
        run = self._run(name, decision, fact.server, known) if name is not None else None
        if run is None:
            return True
        place = brakes.Place(server=fact.server.id, region=fact.server.region, outage=decision.outage)
        braked = wanted.held.why(run.playbook, place)
        if braked:
            _log.info("run.braked", **run.log_context(), **fact.server.log_context(), why=braked)
            return False
        wanted.runs.append((run, fact.server))
        return False

    def _tell(self, wanted: _Wanted, active: runs.Run, decision: decisions.Decision, *, changed: bool) -> None:
        """Let a run know of a decision that is new, or new to it. Once: a word makes the run due."""
        key, news = (decision.server, decision.outage), (active.id, decision.playbook)
        other = bool(decision.playbook) and active.playbook.name != decision.playbook
        if changed or (other and self._told.get(key) != news):
            word = runs.Signal(run_id=active.id, topic=runs.Topic.DECISION, by="responder", at=decision.at, payload={})
            wanted.words.append(word)
            wanted.told[key] = news

    def _startable(
        self, decision: decisions.Decision, fact: decisions.Facts, known: facts.Turn, held: gate.Held
    ) -> bool:
        """Whether a restore that the decision wants would be started: one that would not, takes nobody's turn."""
        playbook = self._rules.playbooks.get(decision.playbook or "")
        begins = decision.action is decisions.Action.START or decision.refresh
        if not begins or decision.shadow or playbook is None:
            return False
        place = brakes.Place(server=decision.server, region=fact.server.region, outage=decision.outage)
        if decision.refresh:
            return not held.why(playbook, place)
        past = _past(playbook.name, decision, known)
        return all(run.state is runs.State.DONE for run in past) and not held.why(playbook, place)

    def _run(
        self, name: str, decision: decisions.Decision, server: servers.Server, known: facts.Turn
    ) -> runs.Run | None:
        """The run to start; None when one failed or was stopped by a human: never started again by itself.

        Nor one whose playbook, an operator's own, does not take what the decision gives: the others are decided about.
        """
        past = _past(name, decision, known)
        if any(run.state is not runs.State.DONE for run in past):
            return None
        playbook = self._rules.playbooks[name]
        taken = {parameter.name for parameter in playbook.parameters}  # an operator's own may take less
        try:
            params = playbook.arguments({key: value for key, value in decision.arguments.items() if key in taken})
        except errors.InputError as error:
            _log.error("run.not-possible", **server.log_context(), playbook=name, why=str(error))
            return None
        return runs.new(
            id_=runs.run_id(name, server, decision.outage, len(past) + 1),
            server=server,
            outage_id=decision.outage,
            playbook=playbook,
            params=params,
            by="responder",
            now=decision.at,
        )

    async def _carry_out(self, wanted: _Wanted) -> None:
        """Write what follows from a batch of decisions, each sort in one transaction, and wake those it is for."""
        said = await asking.ask(self._store, wanted.asks, self._rules.approvals, wanted.held.now)
        await self._store.runs.signal_all(wanted.words)
        await self._store.outbox.put(wanted.news)
        self._told |= wanted.told
        answers = await self._store.runs.submit_all([run for run, _ in wanted.runs])
        say = _log.info if len(wanted.runs) < _BATCH else _log.debug
        for (run, server), answer in zip(wanted.runs, answers, strict=True):
            say("run.submitted", **run.log_context(), **server.log_context(), answer=answer)
        if said or wanted.words or wanted.runs:
            self._act.ring()

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


def _past(playbook: str, decision: decisions.Decision, known: facts.Turn) -> list[runs.Run]:
    """The runs of a playbook for one server in one outage, newest first."""
    of_outage = known.runs_of(decision.server, decision.outage)
    return [one.run for one in of_outage if one.run.playbook.name == playbook]
