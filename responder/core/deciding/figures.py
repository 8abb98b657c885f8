"""The figures of a decision: the way out, its deadlines, what it may lose, and what acting and waiting promise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.core import copies, cutovers, deadlines, evidence, outages, restore_times, ways
from responder.core.deciding import knowledge, silence

_ZERO = timedelta()
_LIVE = (copies.State.RESTORING, copies.State.READY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The way that is taken or would be, with what belongs to it."""

    found: tuple[ways.Way, ...]
    """Every way, cheapest in data first."""
    way: ways.Way | None
    """The one that counts: that of a copy under way, else the best. None: none is open."""
    belief: restore_times.Belief
    """How long it takes until a server stands there."""
    clock: deadlines.Deadlines | None
    """None: undeclared, or no way."""
    given_up: bool
    """A copy was tried and failed, and no way is left that costs more data."""

    @property
    def playbook(self) -> str:
        """The playbook of the way, or of the one that would be taken if it opened."""
        return self.way.name.value if self.way is not None else ways.Name.GEO_RESTORE.value


def course(facts: knowledge.Facts, policy: knowledge.Policy) -> Course:
    """Choose the way and set its clock."""
    found = knowledge.survey(facts, policy)
    live = facts.copy.state in (*_LIVE, copies.State.PROMOTED)
    under_way = next((way for way in found if live and way.name.value == facts.copy.way), None)
    left = _left(found, facts.copy)
    way = under_way or ways.best(left, facts.tolerance.rpo)
    given_up = way is None and len(left) < len(found)
    if given_up:  # what it would have been is still told
        way = ways.best(found, facts.tolerance.rpo)
    belief = policy.beliefs[restore_times.size_class(facts.server.storage_gb)]
    if way is not None and way.name is ways.Name.PROMOTE:
        belief = policy.promotion
    clock = None
    if facts.tolerance.declared and (way is not None or live):
        clock = deadlines.compute(
            impact_start=facts.outage.impact_start,
            notice=facts.outage.heard_at,
            expected_end=facts.outage.expected_end,
            tolerance=facts.tolerance,
            belief=belief,
            timing=policy.timing,
            queue_wait=facts.queue_wait,
        )
    return Course(found=found, way=way, belief=belief, clock=clock, given_up=given_up)


def _left(found: tuple[ways.Way, ...], copy: copies.Copy) -> tuple[ways.Way, ...]:
    """The ways that have not been tried and given up: only those that cost more data are left after one."""
    names = [way.name.value for way in found]
    if copy.state is not copies.State.FAILED:
        return found
    return found[names.index(copy.way) + 1 :] if copy.way in names else ()


def last_written(facts: knowledge.Facts) -> datetime:
    """Until when the server surely took writes: a server that still answered did, whenever the impact began."""
    began, looks = facts.outage.impact_start, (facts.health, *facts.vantages.values())
    return max([began, *(look.last_answer_at for look in looks if look.last_answer_at is not None)])


def missed_spell(facts: knowledge.Facts) -> timedelta:
    """How much later than the copy's start the server still answered: a copy lacks the rows of a healthy spell."""
    answered, started = facts.health.last_answer_at, facts.copy.started_at
    return max(answered - started, _ZERO) if answered and started and facts.copy.state in _LIVE else _ZERO


def loss(facts: knowledge.Facts, policy: knowledge.Policy, way: ways.Way | None) -> timedelta | None:
    """What cutting over would lose: measured where the copy's newest row is known, else the bound. None: not known."""
    if facts.copy.recovery_point is not None:
        return copies.data_loss(facts.copy, last_written(facts), policy.loss_bound)
    if facts.copy.way == ways.Name.PROMOTE.value and facts.copy.state in _LIVE:
        return None  # it is the run that measures it
    if way is not None and way.name is ways.Name.PROMOTE:
        return way.loss
    bound = way.loss if way is not None and way.loss is not None else policy.loss_bound
    return bound + missed_spell(facts)


def request(seen: silence.Seen, policy: knowledge.Policy, way: ways.Way | None) -> cutovers.Request:
    """The facts as the guard before the point of no return wants them."""
    facts = seen.facts
    return cutovers.Request(
        copy=facts.copy,
        tolerance=facts.tolerance,
        outage_status=outages.Status.DROPPED if seen.dropped else facts.outage.status,
        by_its_owner=evidence.by_its_owner(facts.health, facts.witness),
        concern=seen.concern,
        verdict=seen.verdict,
        loss=loss(facts, policy, way),
        consent=facts.consent,
    )


def outlook(facts: knowledge.Facts, policy: knowledge.Policy, now: datetime, taken: Course) -> deadlines.Outlook | None:
    """What acting and waiting promise; to the minute or five, so that the servers of a wave share their sums."""
    rto, clock, copy = facts.tolerance.rto, taken.clock, facts.copy
    if rto is None or clock is None:
        return None
    began, live = facts.outage.impact_start, copy.state in _LIVE
    replica = taken.way is not None and taken.way.name is ways.Name.PROMOTE
    ready = replica or copy.state is copies.State.READY  # a replica is there; promoting it is part of the cut-over
    start = copy.started_at if live and copy.started_at is not None else max(clock.start_at, now)
    plan = deadlines.Plan(
        elapsed=_rounded(max(now - began, _ZERO)),
        rto=rto,
        start=_ZERO if ready else _rounded(start - began, 300),
        ready=ready,
        cut_over=_rounded(clock.cut_over_at - began),
        takes=policy.timing.cutover,
        wait=_ZERO if live else _rounded(facts.queue_wait),
    )
    return deadlines.outlook(plan, taken.belief, policy.survival, policy.blocked)


def _rounded(span: timedelta, to: int = 60) -> timedelta:
    return timedelta(span.days, span.seconds - span.seconds % to)
