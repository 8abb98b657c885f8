"""The wave inside the assessment: of all restores that decisions want now, some are begun and the others held back.

    decisions ──► jobs ──► plan (`core/waves`) ──► a decision that is held says so, and waits

Starts nothing. What is under way is read off the journals, so a new process knows it as well.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from responder.core import (
    copies,
    copy_caps,
    decisions,
    durations,
    reasons,
    regions,
    restore_times,
    runs,
    servers,
    waves,
    ways,
)
from responder.flow import facts, known_estate, pauses

_log = structlog.get_logger(__name__)

Taken = tuple[decisions.Decision, decisions.Facts]

_MANY = 500
"""Restores wanted; more are planned in a thread, so that nobody waits for it."""
_STEP = timedelta(minutes=15)
"""A turn that is expected so much later or earlier is news."""


class Wave:
    """One for all outages: they share the regions that copies go to."""

    def __init__(self, estate: known_estate.KnownEstate, policy: waves.Policy) -> None:
        self._estate = estate
        self._policy = policy
        self._plan = waves.Plan()
        self._shares = copy_caps.Shares()
        self._places: dict[servers.ServerId, int] = {}

    def waits(self, fact: decisions.Facts) -> decisions.Facts:
        """The facts with how long a restore that is asked for now would wait, as of the last turn."""
        target = regions.pair_of(fact.server.region)
        wait = self._plan.wait(target, fact.tolerance.priority)
        return replace(fact, queue_wait=wait) if wait else fact

    async def move(
        self,
        wanted: Sequence[Taken],
        there: Sequence[Taken],
        known: facts.Turn,
        policy: decisions.Policy,
        now: datetime,
    ) -> None:
        """Plan anew, from all decisions of the turn that want a restore begun and could have it.

        Args:
            there: the decisions about servers that have a copy; needed only where their number is capped.
        """
        under_way, proven = await self._under_way(known, policy, now)
        busy = {one.server for one in under_way}
        jobs: dict[servers.ServerId, waves.Job] = {}
        for decision, fact in wanted:
            job = None if decision.server in busy else _job(decision, fact, policy)
            if job is not None and (decision.server not in jobs or job.deadline < jobs[decision.server].deadline):
                jobs[decision.server] = job
        self._shares = copy_caps.share(list(jobs.values()), _kept(there), self._policy.copies)
        able = [job for id_, job in jobs.items() if id_ not in self._shares.no_room]
        before = self._plan
        planned = functools.partial(waves.plan, able, under_way, proven, self._policy, now)
        self._plan = plan = await asyncio.to_thread(planned) if len(jobs) > _MANY else planned()
        self._places = {server: place for place, server in enumerate(plan.go)}
        if len(plan.held) != len(before.held):
            _log.info("wave.moves", under_way=len(under_way), begun=len(plan.go), held=len(plan.held))

    def place(self, decision: decisions.Decision) -> int:
        """When a decision is to be carried out, among those of a turn: restores in the order of the wave."""
        return self._places.get(decision.server, len(self._places))

    def held(self, decision: decisions.Decision, fact: decisions.Facts, now: datetime) -> decisions.Decision:
        """The decision; changed into a wait that says so when its restore must wait for its turn."""
        held, no_room = self._plan.held.get(decision.server), decision.server in self._shares.no_room
        if decision.refresh and (held is not None or no_room):
            return _later(decision)
        if decision.server in self._shares.given_up and has_copy(decision, fact):
            return self._given_up(decision, fact)
        if no_room and decision.action is decisions.Action.START and not decision.shadow:
            return _waits(decision, self._about_the_cap("no-room", fact))
        if held is None or decision.action is not decisions.Action.START or decision.shadow:
            return decision
        until = _rounded(held.about)
        words = {"until": durations.moment(until, now)}
        if held.canary:
            why = reasons.say("sent-ahead", region=regions.display(fact.server.region), **words)
        else:
            why = reasons.say("its-turn", before=str(held.before), **words)
        return _waits(decision, replace(why, mark=until.isoformat()))

    def _given_up(self, decision: decisions.Decision, fact: decisions.Facts) -> decisions.Decision:
        """Its copy makes room for that of a more important server."""
        if decision.action not in _CAN_BE_GIVEN_UP:
            return decision
        why = self._about_the_cap("made-room", fact)
        return replace(decision, action=decisions.Action.STAND_DOWN, refresh=False, reasons=(why, *decision.reasons))

    def _about_the_cap(self, id_: str, fact: decisions.Facts) -> reasons.Reason:
        target = regions.pair_of(fact.server.region) or fact.server.region
        return reasons.say(id_, most=str(self._policy.copies), region=regions.display(target))

    async def _under_way(
        self, known: facts.Turn, policy: decisions.Policy, now: datetime
    ) -> tuple[list[waves.UnderWay], set[waves.Group]]:
        """The restores that are being made, by whomever, and the groups of which one was verified."""
        estate, found, proven, rest = await self._estate.now(), [], set[waves.Group](), pauses.Pauses()
        for server_id, journals in known.journals.items():
            server = estate.get(server_id)
            for journal in journals:
                if server is None or not any(step.kind == "restore" for step in journal.run.playbook.steps):
                    continue
                copy, group = runs.copy_of(journal.run, journal.steps), _group(server, _way(journal.run.playbook.name))
                if group is None:
                    continue
                if copy.ready_at is not None:
                    proven.add(group)
                since = _being_made_since(journal.run, copy, now)
                if since is not None:
                    left = waves.still(_belief(server, policy).quantile(0.5), now - since)
                    subscription = server.subscription_id.lower()
                    found.append(waves.UnderWay(server=server_id, group=group, subscription=subscription, left=left))
            await rest.breathe()
        return found, proven


def _being_made_since(run: runs.Run, copy: copies.Copy, now: datetime) -> datetime | None:
    """When the restore was begun that a run has under way; None: none is."""
    if run.state.ended:
        return None
    first = copy.ready_at is None and copy.state in (copies.State.NONE, copies.State.RESTORING)
    return copy.started_at or now if first else copy.renewing_since


def _job(decision: decisions.Decision, fact: decisions.Facts, policy: decisions.Policy) -> waves.Job | None:
    """The restore that a decision wants to begin now; None when it wants none, or none that waits in a queue."""
    group = _group(fact.server, decision.way)
    if group is None:
        return None
    due = decision.must_serve_by or decision.cut_over_at or decision.at
    refresh = decision.action is not decisions.Action.START
    return waves.Job(
        server=decision.server,
        group=group,
        subscription=fact.server.subscription_id.lower(),
        priority=waves.AFTER_ALL if refresh else fact.tolerance.priority,
        takes=_belief(fact.server, policy).quantile(0.5),
        deadline=due - policy.timing.cutover,
    )


_CAN_BE_GIVEN_UP = (decisions.Action.HOLD, decisions.Action.SETTLE)
_LIVE = (copies.State.RESTORING, copies.State.READY)


def has_copy(decision: decisions.Decision, fact: decisions.Facts) -> bool:
    """Whether a restored copy of the server exists or is being made, and is not in use."""
    restored = fact.copy.way != ways.Name.PROMOTE.value
    return fact.copy.state in _LIVE and restored and not decision.shadow


def _kept(there: Sequence[Taken]) -> list[copy_caps.Kept]:
    """One for each server, whatever number of outages it is in; a decision that may use it soon keeps it."""
    found: dict[servers.ServerId, copy_caps.Kept] = {}
    for decision, fact in there:
        group, before = _group(fact.server, fact.copy.way), found.get(decision.server)
        if group is None:
            continue
        ready = fact.copy.state is copies.State.READY
        found[decision.server] = copy_caps.Kept(
            server=decision.server,
            target=group[2],
            priority=fact.tolerance.priority,
            held=ready and decision.action in _CAN_BE_GIVEN_UP and (before is None or before.held),
            settling=ready and decision.action is decisions.Action.SETTLE and (before is None or before.settling),
            due=decision.cut_over_at,
        )
    return list(found.values())


def _waits(decision: decisions.Decision, why: reasons.Reason) -> decisions.Decision:
    return replace(
        decision,
        action=decisions.Action.WAIT,
        playbook=decisions.WAIT_IT_OUT,
        reasons=(why, *decision.reasons),
    )


def _later(decision: decisions.Decision) -> decisions.Decision:
    """The newer copy of a server that has one waits its turn, and the decision stays what it is."""
    why = (reasons.say("refresh-waits") if one.id == "refresh" else one for one in decision.reasons)
    return replace(decision, refresh=False, reasons=tuple(why))


def _group(server: servers.Server, way: str | None) -> waves.Group | None:
    """Where a restore goes; None for what is no restore."""
    if way == ways.Name.GEO_RESTORE:
        pair = regions.pair_of(server.region)
        return (server.region, server.family.value, pair) if pair else None
    if way == ways.Name.IN_REGION:
        return server.region, server.family.value, server.region
    return None


def _way(playbook: str) -> str:
    """Of a run that restores. A playbook of somebody's own is taken to go to the pair."""
    return ways.Name.IN_REGION if playbook == ways.Name.IN_REGION else ways.Name.GEO_RESTORE


def _belief(server: servers.Server, policy: decisions.Policy) -> restore_times.Belief:
    return policy.beliefs[restore_times.size_class(server.storage_gb)]


def _rounded(at: datetime) -> datetime:
    """To a quarter of an hour: nobody can say it better, and what changes all the time is no news."""
    past = timedelta(minutes=at.minute, seconds=at.second, microseconds=at.microsecond)
    return at - past + _STEP * round(past / _STEP)
