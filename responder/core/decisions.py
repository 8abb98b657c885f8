"""The decision for one server in one outage: a pure function of facts, with its reasons. Decisions never act.

    facts ──► is it down? ──► why not? ──► deadlines ──► action
             (silence)        (ways)      (figures)

The rule: start the copy early, cut over late. See `deadlines` for the two clocks and `cutovers` for the guard that
stands before the point of no return.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from responder.core import (
    copies,
    cutovers,
    deadlines,
    durations,
    evidence,
    outages,
    reasons,
    servers,
    successions,
    tolerances,
    ways,
)
from responder.core.deciding import figures, knowledge, silence

Facts = knowledge.Facts
Policy = knowledge.Policy
last_written = figures.last_written
ways_of = knowledge.survey


class Action(StrEnum):
    """What the decision says to do now."""

    OBSERVE = "observe"
    """Azure reports an outage, this server answers or is not proven down: look on, touch nothing."""
    WAIT = "wait"
    START = "start-restore"
    RESTORING = "restoring"
    HOLD = "hold"
    """The copy is ready and the cut-over is not due."""
    ASK = "ask"
    """The cut-over is due and a human's yes is missing."""
    CUT_OVER = "cut-over"
    SETTLE = "settle"
    """The server answers again; the copy is kept until that has lasted."""
    STAND_DOWN = "stand-down"
    """The copy is not needed: throw it away."""
    DONE = "done"
    """Applications run on the copy. Nothing more to decide."""


WAIT_IT_OUT, GEO_RESTORE = "wait-it-out", "geo-restore"
NEEDED = (WAIT_IT_OUT, GEO_RESTORE)
"""Playbooks that nothing goes without."""
STARTED = (ways.Name.PROMOTE.value, ways.Name.IN_REGION.value)
"""Those that are started by themselves, too; without one of them that way out is closed."""

PLAYBOOK_OF: Mapping[Action, str | None] = {
    Action.OBSERVE: None,
    Action.WAIT: WAIT_IT_OUT,
    Action.START: GEO_RESTORE,
    Action.RESTORING: GEO_RESTORE,
    Action.HOLD: GEO_RESTORE,
    Action.ASK: GEO_RESTORE,
    Action.CUT_OVER: GEO_RESTORE,
    Action.SETTLE: GEO_RESTORE,
    Action.STAND_DOWN: GEO_RESTORE,
    Action.DONE: GEO_RESTORE,
}
"""The playbook that should be running while an action stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do about one server, and why. All times aware UTC; None where a figure does not apply."""

    server: servers.ServerId
    outage: outages.OutageId
    at: datetime
    action: Action
    playbook: str | None
    """The playbook that should be running; None: none."""
    reasons: tuple[reasons.Reason, ...]
    """In order of weight."""
    review_at: datetime
    """When it must be taken again at the latest."""
    way: str | None = None
    """`geo-restore`, `point-in-time-restore`, `promote-replica`, or `wait` for a standby in another zone. None: there
    is no way out but waiting."""
    start_by: datetime | None = None
    start_at: datetime | None = None
    cut_over_at: datetime | None = None
    must_serve_by: datetime | None = None
    restore_p50: timedelta | None = None
    restore_p90: timedelta | None = None
    outlook: deadlines.Outlook | None = None
    data_loss_bound: timedelta | None = None
    consent_needed: bool = False
    """A human's yes is missing for the cut-over."""
    shadow: bool = False
    """Taken in shadow mode: what would be done. Nothing was started."""
    standing: evidence.Standing | None = None
    """What our probes and Azure's word amount to together. None: no longer looked at."""
    refresh: bool = False
    """The copy lacks rows of a healthy spell, there is time for a newer one, and it is to be made now, or is being."""
    target: servers.ServerId | None = None
    """The replica to promote, where that is the way."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the playbook is started with."""

    @property
    def says(self) -> str:
        """What it says, the passing of time apart: of two decisions that say the same, the second is no news."""
        why = (reason.says for reason in self.reasons)
        what = (self.action, self.playbook, self.consent_needed, self.cut_over_at, self.shadow or None, *why)
        return "|".join("" if part is None else str(part) for part in what)

    def changed_from(self, other: Decision | None) -> bool:
        """Whether this says something else than `other`, the passing of time apart."""
        return other is None or self.says != other.says


def decide(facts: Facts, policy: Policy, now: datetime) -> Decision:
    """Decide for one server. Total: every combination of facts has an answer, and the cautious one is to wait."""
    seen = silence.look(facts, policy, now)
    course = figures.course(seen.facts, policy)
    request = figures.request(seen, policy, course.way)
    case = _Case(seen=seen, policy=policy, now=now, course=course, request=request)
    if facts.copy.state is copies.State.PROMOTED:
        return _say(case, Action.DONE, [reasons.say("promoted")])
    if facts.superseded is not None and not (facts.copy.state in _LIVE and silence.is_over(seen)):
        return _superseded(case, facts.superseded)
    if silence.is_over(seen):
        return _over(case)
    if facts.copy.state in _LIVE:
        return _with_copy(case)
    if seen.leaning not in (evidence.Verdict.DOWN, evidence.Verdict.UNPROVEN):
        since = seen.facts.health.failing_since
        due = since + policy.evidence.confirm if since else None
        return _say(case, Action.OBSERVE, [reasons.say(seen.leaning.value)], due=due)
    cause = silence.other_cause(seen, policy)
    if cause is not None:
        return _say(case, Action.OBSERVE, [reasons.say(cause), reasons.say(seen.leaning.value)])
    return _down_without_copy(case)


def cut_over_request(facts: Facts, policy: Policy, now: datetime) -> cutovers.Request:
    """The facts as the guard wants them; asked by the decision, and again by the step just before it writes."""
    seen = silence.look(facts, policy, now)
    return figures.request(seen, policy, figures.course(seen.facts, policy).way)


_LIVE = (copies.State.RESTORING, copies.State.READY)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One server at one moment, with everything that was worked out about it."""

    seen: silence.Seen
    policy: Policy
    now: datetime
    course: figures.Course
    request: cutovers.Request
    """The facts as the guard before the point of no return wants them."""

    @property
    def facts(self) -> Facts:
        return self.seen.facts


def _superseded(case: _Case, by: successions.Succession) -> Decision:
    """It may come back with all its tags and with rows of the past: what takes its place is elsewhere."""
    words = {"by": by.by_name, "since": f"{by.since:%Y-%m-%d %H:%M} UTC"}
    if case.facts.copy.state in _LIVE:  # begun by hand, or before it was known: it goes when the outage is over
        return _say(case, Action.HOLD, [reasons.say("superseded-copy", **words)])
    why = reasons.say("superseded", name=case.facts.server.name, **words)
    return _say(case, Action.OBSERVE, [why, reasons.say(case.seen.leaning.value)])


def _over(case: _Case) -> Decision:
    facts, policy, now = case.facts, case.policy, case.now
    up = case.seen.leaning is evidence.Verdict.UP
    answering = facts.health.answering_since if up else None
    seen = [reasons.say("up" if up else "closed"), *(silence.inside(case.seen) if up else ())]
    if answering is not None and facts.health.unsettled_since is not None:
        until = answering + policy.evidence.settled
        seen.append(reasons.say("recovering", until=durations.moment(until, now)))
    if facts.copy.state not in _LIVE:
        return _say(case, Action.OBSERVE, seen)
    keep_until = (answering or facts.outage.resolved_at or now) + policy.settle
    paid_until = _paid_until(facts)
    if now >= keep_until:
        return _say(case, Action.STAND_DOWN, [reasons.say("not-needed"), *seen])
    if paid_until is not None and now >= paid_until:
        return _say(case, Action.STAND_DOWN, [reasons.say("copy-cost"), *seen])
    keep_until = min(keep_until, paid_until or keep_until)
    why = reasons.say("settling", until=durations.moment(keep_until, now))
    return _say(case, Action.SETTLE, [why, *seen], due=keep_until)


def _down_without_copy(case: _Case) -> Decision:
    facts, policy, now = case.facts, case.policy, case.now
    first = silence.beside(case.seen, policy, now)
    closed = None if case.course.way is not None else _closed(case.course.found)
    if case.course.given_up:
        return _say(case, Action.WAIT, [reasons.say("gave-up"), *first])
    if not facts.tolerance.declared:
        would = reasons.say("would-not", why=closed[0].text) if closed else _would(case)
        problems = [reasons.Reason(id="tolerance.unreadable", text=text) for text in facts.tolerance.problems]
        return _say(case, Action.WAIT, [reasons.say("undeclared"), *problems, would, *first])
    standby_until = facts.outage.impact_start + policy.standby
    if case.course.found[0].name is ways.Name.WAIT and now < standby_until:
        why = reasons.say("standby", until=durations.moment(standby_until, now))
        return _say(case, Action.WAIT, [why, *first], due=standby_until)
    if closed:
        return _say(case, Action.WAIT, [*closed, *first])
    if facts.tolerance.cutover is tolerances.Cutover.NEVER and facts.tolerance.hedge is not tolerances.Hedge.EAGER:
        return _say(case, Action.WAIT, [reasons.say("never"), *first])
    if _paid_for(facts, now):
        return _say(case, Action.WAIT, [reasons.say("copy-cost"), *first])
    clock = case.course.clock
    assert clock is not None, "a declared server with a way has a clock"
    more = _about_the_way(case)
    if now < clock.start_at:
        why = reasons.say("early", until=durations.moment(clock.start_at, now))
        return _say(case, Action.WAIT, [why, *more, *first])
    return _say(case, Action.START, [_why_now(case, clock), *more, *first])


def _why_now(case: _Case, clock: deadlines.Deadlines) -> reasons.Reason:
    if case.now < clock.start_by:
        return reasons.say("eager")
    assert case.course.way is not None
    if case.course.way.name is ways.Name.PROMOTE:
        return reasons.say("replica-due")
    if clock.start_by <= case.facts.outage.heard_at:
        return reasons.say("overdue")
    return reasons.say("off" if case.facts.tolerance.hedge is tolerances.Hedge.OFF else "due")


def _closed(found: tuple[ways.Way, ...]) -> list[reasons.Reason]:
    """Why no way is open, each obstacle once."""
    obstacles = {obstacle.id: obstacle for way in found for obstacle in way.obstacles}
    return [reasons.Reason(id=obstacle.id, text=obstacle.text) for obstacle in obstacles.values()]


def _would(case: _Case) -> reasons.Reason:
    assert case.course.way is not None
    return reasons.say("would-restore", what=_WOULD[case.course.way.name])


_WOULD: Mapping[ways.Name, str] = {
    ways.Name.GEO_RESTORE: "it could be geo-restored into the paired region",
    ways.Name.IN_REGION: "it could be restored to another zone of its region",
    ways.Name.PROMOTE: "its replica could be promoted",
}


def _about_the_way(case: _Case) -> list[reasons.Reason]:
    """What there is to say about the way and its deadlines, apart from whether it is time."""
    facts, way, found = case.facts, case.course.way, []
    if way is not None and way.name is ways.Name.PROMOTE:
        behind = (
            "has an unknown lag" if way.loss is None else f"was {durations.show(way.loss)} behind when last measured"
        )
        found.append(reasons.say("replica", name=_name(way.target), lag=behind))
    if way is not None and way.name is ways.Name.IN_REGION:
        found.append(reasons.say("in-region"))
    found += [reasons.Reason(id=remark.id, text=remark.text) for remark in (way.remarks if way else ())]
    limit, end, clock = facts.tolerance.limit, facts.outage.expected_end, case.course.clock
    if limit is not None and limit != facts.tolerance.rto:
        found.append(reasons.say("costs", limit=durations.show(limit)))
    if end is not None and clock is not None and end > clock.must_serve_by:
        found.append(reasons.say("estimate", until=durations.moment(end, case.now)))
    if facts.tolerance.rto_by_default:
        found.append(reasons.say("default"))
    if facts.queue_wait:
        found.append(reasons.say("queued", wait=durations.show(facts.queue_wait)))
    return found


def _name(id_: servers.ServerId | None) -> str:
    return id_.rpartition("/")[2] if id_ else ""


def _with_copy(case: _Case) -> Decision:
    facts, now, clock = case.facts, case.now, case.course.clock
    if facts.copy.state is copies.State.RESTORING:
        late = [reasons.say("late")] if clock is not None and _will_be_late(case, clock) else []
        return _say(case, Action.RESTORING, [*late, reasons.say("restoring")])
    due = clock.cut_over_at if clock else None
    stale = _stale(case, due)
    if due is not None and now < due:
        why = reasons.say("hold", until=durations.moment(due, now))
        return _say(case, Action.HOLD, [why, *stale])
    refusals = cutovers.refusals(case.request)
    if not refusals:
        return _say(case, Action.CUT_OVER, [reasons.say("tolerance-spent"), *stale])
    paid_until = _paid_until(facts)
    if paid_until is not None and now >= paid_until:
        return _say(case, Action.STAND_DOWN, [reasons.say("copy-cost")])
    why_not = [reasons.Reason(id=refusal.id, text=refusal.text) for refusal in refusals]
    action = Action.ASK if any(r.signable for r in refusals) else Action.HOLD
    return _say(case, action, [*why_not, *stale], due=paid_until)


def _will_be_late(case: _Case, clock: deadlines.Deadlines) -> bool:
    """Whether a restore that has run that long is more likely than not to miss the moment of the cut-over."""
    started = case.facts.copy.started_at
    if started is None or case.now >= clock.cut_over_at:
        return started is not None
    return case.course.belief.done_within_given(clock.cut_over_at - started, case.now - started) < 0.5


def _stale(case: _Case, due: datetime | None) -> list[reasons.Reason]:
    """Whether the copy lacks rows of a healthy spell, and whether there is time for a newer one."""
    copy, answered = case.facts.copy, case.facts.health.last_answer_at
    if answered is None or not figures.missed_spell(case.facts) or copy.way == ways.Name.PROMOTE.value:
        return []
    lead = case.course.belief.planning(case.policy.timing.quantile) + case.facts.queue_wait
    if copy.renewing_since is not None:
        in_time = due is not None and copy.renewing_since + lead <= due
        return [reasons.say("refreshing" if in_time else "refreshing-late")]
    if not copy.renewable:
        return [reasons.say("stale-once" if copy.instead_of else "stale-as-it-is")]
    if due is None or case.now + lead > due:
        return [reasons.say("stale")]
    # Backups reach the pair up to an hour late: so long it waits, if it may, lest the newer copy lacks the same rows.
    replicated = min(answered + case.policy.timing.grace, due - lead)
    down = case.seen.leaning in (evidence.Verdict.DOWN, evidence.Verdict.UNPROVEN)
    if case.now < replicated or not down:
        return [reasons.say("refresh-soon", until=durations.moment(max(replicated, case.now), case.now))]
    return [reasons.say("refresh")]


def _paid_until(facts: Facts) -> datetime | None:
    """When the time is over that the owner pays this copy for. None: it never is."""
    limit, started = facts.tolerance.max_copy, facts.copy.started_at
    return None if limit is None or started is None else started + limit


def _paid_for(facts: Facts, now: datetime) -> bool:
    """A copy was thrown away because its time was over, and the server has not been back since."""
    until, answered = _paid_until(facts), facts.health.last_answer_at
    if facts.copy.state is not copies.State.DISCARDED or until is None or facts.copy.started_at is None:
        return False
    return now >= until and (answered is None or answered < facts.copy.started_at)


def _arguments(case: _Case, way: ways.Way | None) -> dict[str, Any]:
    if way is not None and way.name is ways.Name.IN_REGION:
        return {"zone": case.facts.well_zones[0]} if case.facts.well_zones else {}
    if way is not None and way.target is not None:
        return {"replica": way.target}
    return {}


def _say(case: _Case, action: Action, why: list[reasons.Reason], *, due: datetime | None = None) -> Decision:
    """Dress an action with every figure that applies to the server, acting or not."""
    facts, policy, now, course = case.facts, case.policy, case.now, case.course
    clock, way = course.clock, course.way if course.way is not None and course.way.open else None
    live = facts.copy.state in (*_LIVE, copies.State.PROMOTED)
    playbook = PLAYBOOK_OF[action]
    if playbook == GEO_RESTORE:
        playbook = facts.copy.way if live else course.playbook
    bounds = (due, clock.start_at, clock.cut_over_at) if clock else (due,)
    standby = action is Action.WAIT and why[0].id == "standby"
    return Decision(
        server=facts.server.id,
        outage=facts.outage.id,
        at=now,
        action=action,
        playbook=playbook,
        reasons=tuple(why),
        review_at=min([at for at in bounds if at is not None and at > now] + [now + policy.review]),
        way=ways.Name.WAIT.value if standby else way.name.value if way else None,
        start_by=clock.start_by if clock else None,
        start_at=clock.start_at if clock else None,
        cut_over_at=clock.cut_over_at if clock else None,
        must_serve_by=clock.must_serve_by if clock else None,
        restore_p50=course.belief.quantile(0.5) if way else None,
        restore_p90=course.belief.quantile(0.9) if way else None,
        outlook=figures.outlook(facts, policy, now, course),
        data_loss_bound=case.request.loss if way or live else None,
        consent_needed=playbook not in (None, WAIT_IT_OUT)
        and action is not Action.DONE
        and cutovers.consent_missing(case.request),
        standing=case.seen.standing,
        refresh=any(reason.id in ("refresh", "refreshing") for reason in why),
        target=way.target if way else None,
        arguments=_arguments(case, way) if action is Action.START else {},
        shadow=facts.shadow,
    )
