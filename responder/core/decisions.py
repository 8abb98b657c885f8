"""The decision for one server in one outage: a pure function of facts, with its reasons. Decisions never act.

    facts ──► why not?  ──► is it down? ──► deadlines ──► action
             (ways)        (evidence)      (deadlines)

The rule: start the copy early, cut over late. See `deadlines` for the two clocks and `cutovers` for the guard that
stands before the point of no return.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from responder.core import (
    copies,
    cutovers,
    deadlines,
    durations,
    evidence,
    outage_lengths,
    outages,
    reasons,
    restore_times,
    servers,
    tolerances,
    ways,
    witness,
)


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
class Policy:
    """What the organisation decided once for all servers."""

    timing: deadlines.Timing = field(default_factory=deadlines.Timing)
    evidence: evidence.Policy = field(default_factory=evidence.Policy)
    settle: timedelta = timedelta(hours=2)
    """How long a copy is kept after the region returned: outages recur."""
    loss_bound: timedelta = timedelta(hours=1)
    """Newest data a geo-restore may lack when nothing was measured (Azure: RPO < 1 h)."""
    review: timedelta = timedelta(minutes=1)
    """A decision is taken again at least this often while its outage lasts."""
    beliefs: Mapping[str, restore_times.Belief] = field(default_factory=lambda: dict(restore_times.DEFAULTS))
    survival: outage_lengths.Survival = outage_lengths.DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything a decision may know. Stored with it, so that every decision can be replayed."""

    server: servers.Server
    tolerance: tolerances.Tolerance
    outage: outages.Outage
    health: evidence.Health
    copy: copies.Copy = field(default_factory=copies.Copy)
    pair_impaired: bool = False
    """An active outage is known for the paired region, too."""
    consent: cutovers.Consent | None = None
    witness: witness.Statement | None = None
    """What Azure's Resource Health last said of this server; None: nothing."""
    shadow: bool = False
    """The server is in shadow mode: nothing is started, and `copy` is supposed where no human has made one."""


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
    """`geo-restore`, or None when there is no way out but waiting."""
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

    def changed_from(self, other: Decision | None) -> bool:
        """Whether this says something else than `other`, the passing of time apart."""
        if other is None:
            return True
        return self._said() != other._said()

    def _said(self) -> tuple[object, ...]:
        why = tuple(reason.id for reason in self.reasons)
        return (self.action, self.playbook, self.consent_needed, self.cut_over_at, self.shadow, why)


def decide(facts: Facts, policy: Policy, now: datetime) -> Decision:
    """Decide for one server. Total: every combination of facts has an answer, and the cautious one is to wait."""
    if facts.copy.state is copies.State.PROMOTED:
        return _say(facts, policy, now, Action.DONE, [reasons.say("promoted")])
    verdict = evidence.weigh_with(facts.health, facts.witness, policy.evidence, now)
    copy_exists = facts.copy.state in (copies.State.RESTORING, copies.State.READY)
    if _is_over(facts, verdict):
        return _over(facts, policy, now, verdict, copy_exists=copy_exists)
    if copy_exists:
        return _with_copy(facts, policy, now, evidence.weigh(facts.health, policy.evidence, now))
    if verdict not in (evidence.Verdict.DOWN, evidence.Verdict.UNPROVEN):
        since = facts.health.failing_since
        due = since + policy.evidence.confirm if since else now + policy.evidence.confirm
        return _say(facts, policy, now, Action.OBSERVE, [reasons.say(verdict.value)], due=due)
    other_cause = _other_cause(facts, policy, verdict)
    if other_cause is not None:
        return _say(facts, policy, now, Action.OBSERVE, [reasons.say(other_cause), reasons.say(verdict.value)])
    return _down_without_copy(facts, policy, now, verdict)


def _is_over(facts: Facts, verdict: evidence.Verdict) -> bool:
    """A healthy probe outranks an open event; a closed event does not outrank a silent server."""
    if verdict is evidence.Verdict.UP:
        return True
    if _dropped(facts) and facts.copy.state in (copies.State.RESTORING, copies.State.READY):
        return False  # being left out is no recovery: what exists is held
    # A server that was never reached is believed to be back with its region. One that was not probed lately is not:
    # after a restart of ours that is every server, and their copies must not go for it.
    return verdict is evidence.Verdict.UNPROVEN and not facts.outage.goes_on_for(facts.server)


def _other_cause(facts: Facts, policy: Policy, verdict: evidence.Verdict) -> str | None:
    """Why this silence is not this outage's doing; None when it may be."""
    concern = facts.outage.concern(facts.server)
    if concern is outages.Concern.NONE:
        return "elsewhere"
    if facts.server.state.lower() in servers.NOT_MEANT_TO_ANSWER:
        return "stopped"
    if evidence.by_its_owner(facts.health, facts.witness):
        return "by-its-owner"
    if facts.outage.status is outages.Status.WITHDRAWN:
        return "withdrawn"
    if concern is outages.Concern.SUSPECTED and verdict is evidence.Verdict.UNPROVEN:
        return "only-suspected"
    if concern is outages.Concern.SUSPECTED and _dropped(facts):
        return "dropped"
    over, since = facts.outage.resolved_at, facts.health.failing_since
    proven = verdict is evidence.Verdict.DOWN
    if proven and since is not None and since < facts.outage.impact_start - policy.evidence.precede:
        return "silent-before"
    # Azure reopens an outage that recurs; a silence that began after its end is news of its own.
    if not facts.outage.active and over is not None and since is not None and since > over:
        return "silent-since"
    return None


def _dropped(facts: Facts) -> bool:
    """Azure goes on about the outage, and has left out this region, or told this subscription no more of it."""
    ended = facts.outage.status in (outages.Status.RESOLVED, outages.Status.WITHDRAWN)
    return not ended and not facts.outage.goes_on_for(facts.server)


def _beside(facts: Facts, policy: Policy, now: datetime, verdict: evidence.Verdict) -> list[reasons.Reason]:
    """What is known of a server that is silent: our own verdict, then what weighs less and is said all the same."""
    said = facts.witness
    found = [reasons.say(verdict.value)]
    if said is not None and evidence.supports(facts.health, said, policy.evidence, now):
        found.append(reasons.say("witnessed", state=said.state.value))
    elif said is not None and said.state is witness.State.AVAILABLE:
        found.append(reasons.say("contradicted"))
    if facts.outage.ours:
        found.append(reasons.say("suspected"))
    if _dropped(facts):
        found.append(reasons.say("dropped-named"))
    return found


def _over(facts: Facts, policy: Policy, now: datetime, verdict: evidence.Verdict, *, copy_exists: bool) -> Decision:
    up = verdict is evidence.Verdict.UP
    answering = facts.health.answering_since if up else None
    seen = reasons.say("up" if up else "closed")
    if not copy_exists:
        return _say(facts, policy, now, Action.OBSERVE, [seen])
    back_since = answering or facts.outage.resolved_at or now
    keep_until = back_since + policy.settle
    if now >= keep_until:
        return _say(facts, policy, now, Action.STAND_DOWN, [reasons.say("not-needed"), seen])
    why = reasons.say("settling", until=durations.moment(keep_until, now))
    return _say(facts, policy, now, Action.SETTLE, [why, seen], due=keep_until)


def _down_without_copy(facts: Facts, policy: Policy, now: datetime, verdict: evidence.Verdict) -> Decision:
    first = _beside(facts, policy, now, verdict)
    obstacles = ways.against_geo_restore(facts.server, pair_impaired=facts.pair_impaired)
    if facts.copy.state is copies.State.FAILED:
        return _say(facts, policy, now, Action.WAIT, [reasons.say("gave-up"), *first])
    if not facts.tolerance.declared:
        would = reasons.say("would-not", why=obstacles[0].text) if obstacles else reasons.say("would-restore")
        problems = [reasons.Reason(id="tolerance.unreadable", text=text) for text in facts.tolerance.problems]
        return _say(facts, policy, now, Action.WAIT, [reasons.say("undeclared"), *problems, would, *first])
    if obstacles:
        why_not = [reasons.Reason(id=o.id, text=o.text) for o in obstacles]
        return _say(facts, policy, now, Action.WAIT, [*why_not, *first])
    if facts.tolerance.cutover is tolerances.Cutover.NEVER and facts.tolerance.hedge is not tolerances.Hedge.EAGER:
        return _say(facts, policy, now, Action.WAIT, [reasons.say("never"), *first])
    clock = _clock(facts, policy)
    if now < clock.start_at:
        why = reasons.say("early", until=durations.moment(clock.start_at, now))
        return _say(facts, policy, now, Action.WAIT, [why, *first], clock=clock, due=clock.start_at)
    why = reasons.say(
        "overdue" if clock.start_by <= facts.outage.heard_at else "due" if now >= clock.start_by else "eager"
    )
    return _say(facts, policy, now, Action.START, [why, *first], clock=clock)


def _with_copy(facts: Facts, policy: Policy, now: datetime, verdict: evidence.Verdict) -> Decision:
    clock = _clock(facts, policy) if facts.tolerance.declared else None
    if facts.copy.state is copies.State.RESTORING:
        return _say(facts, policy, now, Action.RESTORING, [reasons.say("restoring")], clock=clock)
    due = clock.cut_over_at if clock else None
    if due is not None and now < due:
        why = reasons.say("hold", until=durations.moment(due, now))
        return _say(facts, policy, now, Action.HOLD, [why], clock=clock, due=due)
    refusals = cutovers.refusals(_request(facts, policy, now, verdict))
    if not refusals:
        return _say(facts, policy, now, Action.CUT_OVER, [reasons.say("tolerance-spent")], clock=clock)
    why_not = [reasons.Reason(id=refusal.id, text=refusal.text) for refusal in refusals]
    action = Action.ASK if any(r.signable for r in refusals) else Action.HOLD
    return _say(facts, policy, now, action, why_not, clock=clock)


def cut_over_request(facts: Facts, policy: Policy, now: datetime) -> cutovers.Request:
    """The facts as the guard wants them; asked by the decision, and again by the step just before it writes."""
    return _request(facts, policy, now, evidence.weigh(facts.health, policy.evidence, now))


def _request(facts: Facts, policy: Policy, now: datetime, verdict: evidence.Verdict) -> cutovers.Request:
    return cutovers.Request(
        copy=facts.copy,
        tolerance=facts.tolerance,
        outage_status=outages.Status.DROPPED if _dropped(facts) else facts.outage.status,
        by_its_owner=evidence.by_its_owner(facts.health, facts.witness),
        concern=facts.outage.concern(facts.server),
        verdict=verdict,
        loss=_loss(facts, policy),
        consent=facts.consent,
    )


def last_written(facts: Facts) -> datetime:
    """Until when the server surely took writes: a server that still answered did, whenever the impact began."""
    answered = facts.health.last_answer_at
    return facts.outage.impact_start if answered is None else max(facts.outage.impact_start, answered)


def _loss(facts: Facts, policy: Policy) -> timedelta:
    """What cutting over would lose. A copy older than a healthy spell in the middle lacks the rows of that spell."""
    answered, started = facts.health.last_answer_at, facts.copy.started_at
    missed = max(answered - started, timedelta()) if answered and started else timedelta()
    return copies.data_loss(facts.copy, last_written(facts), policy.loss_bound + missed)


def _clock(facts: Facts, policy: Policy) -> deadlines.Deadlines:
    return deadlines.compute(
        impact_start=facts.outage.impact_start,
        notice=facts.outage.heard_at,
        expected_end=facts.outage.expected_end,
        tolerance=facts.tolerance,
        belief=_belief(facts, policy),
        timing=policy.timing,
    )


def _belief(facts: Facts, policy: Policy) -> restore_times.Belief:
    return policy.beliefs[restore_times.size_class(facts.server.storage_gb)]


def _say(
    facts: Facts,
    policy: Policy,
    now: datetime,
    action: Action,
    why: list[reasons.Reason],
    *,
    clock: deadlines.Deadlines | None = None,
    due: datetime | None = None,
) -> Decision:
    """Dress an action with every figure that applies to the server, acting or not."""
    belief, playbook = _belief(facts, policy), PLAYBOOK_OF[action]
    possible = not ways.against_geo_restore(facts.server, pair_impaired=facts.pair_impaired)
    if clock is None and facts.tolerance.declared and possible:
        clock = _clock(facts, policy)
    loss = _loss(facts, policy) if possible else None
    request = cut_over_request(facts, policy, now)
    return Decision(
        server=facts.server.id,
        outage=facts.outage.id,
        at=now,
        action=action,
        playbook=playbook,
        reasons=tuple(why),
        review_at=min(due, now + policy.review) if due and due > now else now + policy.review,
        way=GEO_RESTORE if possible else None,
        start_by=clock.start_by if clock else None,
        start_at=clock.start_at if clock else None,
        cut_over_at=clock.cut_over_at if clock else None,
        must_serve_by=clock.must_serve_by if clock else None,
        restore_p50=belief.quantile(0.5) if possible else None,
        restore_p90=belief.quantile(0.9) if possible else None,
        outlook=_outlook(facts, policy, now, clock) if clock else None,
        data_loss_bound=loss,
        consent_needed=playbook == GEO_RESTORE and action is not Action.DONE and cutovers.consent_missing(request),
        shadow=facts.shadow,
    )


def _outlook(facts: Facts, policy: Policy, now: datetime, clock: deadlines.Deadlines) -> deadlines.Outlook:
    began = facts.outage.impact_start
    assert facts.tolerance.rto is not None
    copy = facts.copy if facts.copy.state in (copies.State.RESTORING, copies.State.READY) else copies.Copy()
    plan = deadlines.Plan(
        elapsed=max(now - began, timedelta()),
        rto=facts.tolerance.rto,
        start=(copy.started_at or max(clock.start_at, now)) - began,
        ready=copy.state is copies.State.READY,
        cut_over=clock.cut_over_at - began,
        takes=policy.timing.cutover,
    )
    return deadlines.outlook(plan, _belief(facts, policy), policy.survival)
