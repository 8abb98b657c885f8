"""Replaying a recorded incident of one's own with another policy: what would have been decided, and when.

What Azure said, what the probes showed, what people answered and how long restores took is taken as it was; what
follows from decisions (copies, cut-overs) is played anew, in steps that hit every moment at which something changes.
No chance, no clock: the same record and policy give the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from responder.core import (
    chronicles,
    cutovers,
    decisions,
    events,
    outages,
    regions,
    scorecards,
    servers,
    shadows,
    silences,
    tolerances,
)

Decided = tuple[decisions.Decision, decisions.Facts]
Action = decisions.Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One server of a recorded incident."""

    server: servers.ServerId
    name: str
    silences: silences.Silences
    decided: tuple[Decided, ...]
    """Every decision that said something new, with what it knew, oldest first. At least one."""
    words: tuple[cutovers.Consent, ...] = ()
    """What people answered, oldest first."""
    restore_took: timedelta | None = None
    """Measured, from the order to the verified copy. None: none was made, and half of such restores stand in."""
    course: scorecards.Course


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One piece of news, and when it reached us."""

    at: datetime
    event: events.HealthEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """An incident as it was. Times aware UTC."""

    outage: outages.Outage
    """As it was last known."""
    as_of: datetime
    """Up to when it is recorded: it was closed, or exported."""
    news: tuple[Heard, ...]
    """What Azure said under its tracking id, oldest first. Empty for one that we suspected ourselves."""
    servers: tuple[Recorded, ...]
    policy: decisions.Policy
    """That was in force when it was exported."""
    defaults: tolerances.Tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """One server, replayed."""

    recorded: Recorded
    steps: tuple[decisions.Decision, ...]
    """Every decision that said something new, oldest first."""
    before: scorecards.Score
    """Of what happened."""
    after: scorecards.Score
    """Of what would have."""


_MOVES = (Action.START, Action.CUT_OVER, Action.STAND_DOWN)
_AT_ONCE = timedelta(minutes=1)
"""The step after what changes the copy."""
_GRID = timedelta(minutes=10)
"""The longest step. Decisions also follow from facts whose times are not known beforehand."""


def rehearse(recording: Recording, policy: decisions.Policy, defaults: tolerances.Tolerance) -> list[Rehearsed]:
    """Every server of the incident under that policy, in the recorded order."""
    told = _outages(recording)
    found = []
    for one in recording.servers:
        steps = _play(recording, one, told, (policy, defaults))
        found.append(
            Rehearsed(
                recorded=one,
                steps=tuple(steps),
                before=_score(recording, one, one.course, defaults=recording.defaults, policy=recording.policy),
                after=_score(recording, one, _course(steps), defaults=defaults, policy=policy),
            )
        )
    return found


def _outages(recording: Recording) -> list[tuple[datetime, outages.Outage]]:
    """The outage after each piece of news."""
    known: dict[regions.RegionName, outages.Outage] = {}
    chronicle, found = chronicles.Chronicle(), []
    for news in recording.news:
        chronicle, changed = chronicles.continued(chronicle, chronicles.Heard(news.event, news.at), known)
        known |= changed
        if recording.outage.region in known:
            found.append((news.at, known[recording.outage.region]))
    return found


def _play(
    recording: Recording,
    one: Recorded,
    told: Sequence[tuple[datetime, outages.Outage]],
    rules: tuple[decisions.Policy, tolerances.Tolerance],
) -> list[decisions.Decision]:
    policy, defaults = rules
    fixed = _fixed(recording, one, told, policy)
    now, before, steps = fixed[0], None, list[decisions.Decision]()
    while now <= recording.as_of:
        facts = _facts(recording, one, told, policy, now)
        tolerance = tolerances.read(facts.server.tags, defaults=defaults)
        facts = replace(facts, tolerance=tolerance, copy=shadows.copy_now(before, now))
        decision = decisions.decide(facts, policy, now)
        if not steps or decision.changed_from(steps[-1]):
            steps.append(decision)
        before = shadows.supposed(decision, facts.copy)
        if one.restore_took is not None:
            before = replace(before, takes=one.restore_took)
        now = _next(now, fixed, decision, before)
    return steps


def _fixed(
    recording: Recording,
    one: Recorded,
    told: Sequence[tuple[datetime, outages.Outage]],
    policy: decisions.Policy,
) -> list[datetime]:
    """The moments that are known beforehand: news, probes, answers, what the record decided, and what follows."""
    first = told[0][0] if told else one.decided[0][0].at
    moments = {first, recording.as_of, *(at for at, _ in told), *(word.at for word in one.words)}
    moments |= {decision.at for decision, _ in one.decided}
    for silence in one.silences:
        confirmed = (timedelta(), policy.evidence.confirm_with_witness, policy.evidence.confirm)
        moments |= {silence.since + span for span in confirmed}
        if silence.until is not None:
            moments |= {silence.until, silence.until + policy.settle}
    if recording.outage.resolved_at is not None:
        moments.add(recording.outage.resolved_at + policy.settle)
    return sorted(moment for moment in moments if moment >= first)


def _next(now: datetime, fixed: Sequence[datetime], decision: decisions.Decision, before: shadows.Supposed) -> datetime:
    ready = None
    if before.copy.started_at is not None and before.takes is not None:
        ready = before.copy.started_at + before.takes
    if decision.action is Action.START and before.takes is not None:
        ready = now + before.takes
    soon = now + (_AT_ONCE if decision.action in _MOVES else _GRID)
    candidates = (soon, *fixed, decision.start_by, decision.start_at, decision.cut_over_at, ready)
    return min(at for at in candidates if at is not None and at > now)


def _facts(
    recording: Recording,
    one: Recorded,
    told: Sequence[tuple[datetime, outages.Outage]],
    policy: decisions.Policy,
    now: datetime,
) -> decisions.Facts:
    """What was known at `now`: what is recorded in full, over what the newest recorded decision knew."""
    known = [facts for decision, facts in one.decided if decision.at <= now] or [one.decided[0][1]]
    outage = [state for at, state in told if at <= now] or [known[-1].outage]
    words = [word for word in one.words if word.at <= now]
    first = min(recording.outage.heard_at, recording.outage.impact_start) - _LONG_BEFORE
    return replace(
        known[-1],
        outage=outage[-1],
        health=silences.health_at(one.silences, now, first_answer=first, policy=policy.evidence),
        vantages={},  # they are in the silences, together
        # A yes was bound to the copy and the loss of that night; here the copies are others.
        consent=replace(words[-1], copy=None, loss_shown=None) if words else None,
        shadow=False,
        # What was cut over to in that night followed from its copy; what had taken the server's place before, did not.
        superseded=one.decided[0][1].superseded,
    )


_LONG_BEFORE = timedelta(days=1)


def _course(steps: Sequence[decisions.Decision]) -> scorecards.Course:
    def first(*actions: Action) -> datetime | None:
        return next((step.at for step in steps if step.action in actions), None)

    away = [step for step in steps if step.action is not Action.OBSERVE]
    moving = [step for step in steps if step.action is Action.CUT_OVER] or away
    return scorecards.Course(
        started_at=first(Action.START),
        ready_at=first(Action.HOLD, Action.ASK, Action.CUT_OVER),
        asked_at=first(Action.ASK),
        moved_at=first(Action.CUT_OVER),
        dropped_at=first(Action.STAND_DOWN),
        loss=moving[-1].data_loss_bound if moving else None,
        why=away[-1].reasons[0].text if away else "",
        supposed=True,
    )


def _score(
    recording: Recording,
    one: Recorded,
    course: scorecards.Course,
    *,
    defaults: tolerances.Tolerance,
    policy: decisions.Policy,
) -> scorecards.Score:
    tolerance = tolerances.read(one.decided[-1][1].server.tags, defaults=defaults)
    return scorecards.judge(
        scorecards.Case(
            server=one.server,
            name=one.name,
            outage=recording.outage.id,
            impact_start=recording.outage.impact_start,
            tolerance=tolerance,
            silences=one.silences,
            course=course,
            as_of=recording.as_of,
            takes=policy.timing.cutover,
        )
    )
