"""The two deadlines and the probabilities that go with them. All arithmetic, no judgement.

Starting a restore costs money; cutting over loses data. So they are separate: the copy is started early enough to be
ready with high probability (`start_by`), and the applications are sent there as late as the tolerance allows
(`cut_over_at`). A declared RTO is the owner's break-even point: "after this long I prefer losing up to my RPO".
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.core import outage_lengths, restore_times, tolerances

_ZERO = timedelta()
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The parts of a deadline that are policy, not fact."""

    cutover: timedelta = timedelta(minutes=15)
    """From the decision to cut over until applications are served by the copy."""
    approval: timedelta = timedelta(minutes=30)
    """Added where a human must say yes."""
    margin: timedelta = timedelta(minutes=10)
    quantile: float = 0.95
    """The share of restores that must be done by `cut_over_at` when one is started at `start_by`."""
    grace: timedelta = timedelta(hours=1)
    """An eager copy is not started before this: replication lags up to an hour, a later copy loses less."""
    eta_trust: float = 0.5
    """Azure's estimate beyond the limit brings the cut-over forward to this share of it; it never pushes it back."""
    off_quantile: float = 0.5
    """The same share for who wants no early copy (`outage-hedge=off`): started when half would come too late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """When to start and when to cut over, for one declared RTO."""

    must_serve_by: datetime
    """Impact start plus RTO, or sooner where the declared costs break even before."""
    start_by: datetime
    start_at: datetime
    """When the hedge says to start: `start_by`, or earlier when eager. May lie in the past: then at once."""
    cut_over_at: datetime


def compute(
    *,
    impact_start: datetime,
    notice: datetime,
    expected_end: datetime | None,
    tolerance: tolerances.Tolerance,
    belief: restore_times.Belief,
    timing: Timing,
    queue_wait: timedelta = _ZERO,
) -> Deadlines:
    """The deadlines of a server whose tolerance is declared.

    Args:
        impact_start: where the RTO clock starts, not the notice.
        notice: when we first heard; nothing starts before it.
        expected_end: Azure's estimate, if it gave one.
        queue_wait: how long a restore that is asked for now waits for its turn.
    """
    limit = tolerance.limit
    assert limit is not None, "deadlines exist only for a declared tolerance"
    must_serve_by = impact_start + limit
    approval = timing.approval if tolerance.cutover is tolerances.Cutover.ASK else _ZERO
    cut_over_at = must_serve_by - timing.cutover - approval - timing.margin
    if expected_end is not None and expected_end > must_serve_by:
        cut_over_at = min(cut_over_at, impact_start + timing.eta_trust * limit)
    off = tolerance.hedge is tolerances.Hedge.OFF
    lead = belief.planning(timing.off_quantile if off else timing.quantile)
    start_by = start_at = cut_over_at - queue_wait - lead
    if tolerance.hedge is tolerances.Hedge.EAGER:
        early = max(notice, min(impact_start + timing.grace, start_by))
        if tolerance.max_copy is not None:  # an early copy is insurance; its price is bounded, the deadline is not
            early = max(early, min(start_by, cut_over_at - tolerance.max_copy))
        start_at = min(early, start_by)  # who pays for insurance never starts later than who does not
    return Deadlines(must_serve_by=must_serve_by, start_by=start_by, start_at=start_at, cut_over_at=cut_over_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What acting and waiting promise, given that the outage has lasted until now."""

    p_meet_rto: float
    p_meet_rto_waiting: float
    expected_downtime: timedelta
    """From impact start, when the plan is followed."""
    expected_downtime_waiting: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """That the way of restoring is itself out of order for a while, as in 6 of 41 recorded incidents."""

    share: float = 0.15
    lasts: timedelta = timedelta(hours=4)


NEVER_BLOCKED = Blocked(share=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an outlook is computed for. All times since impact start."""

    elapsed: timedelta
    rto: timedelta
    start: timedelta
    """When the restore starts, or started."""
    ready: bool
    """The copy is there already."""
    cut_over: timedelta
    takes: timedelta
    wait: timedelta = _ZERO
    """Until a restore that starts has its turn."""


@functools.lru_cache(maxsize=20_000)
def outlook(
    plan: Plan,
    belief: restore_times.Belief,
    survival: outage_lengths.Survival,
    blocked: Blocked = NEVER_BLOCKED,
) -> Outlook:
    """P(meeting the RTO) and expected downtime, with the plan and without. Remembered: in a wave many plans are one."""
    elapsed, rto = plan.elapsed / _HOUR, plan.rto / _HOUR
    serves = max(plan.cut_over / _HOUR, elapsed) + plan.takes / _HOUR
    missing = (lambda _: 0.0) if plan.ready else _missing(plan, belief, blocked)
    waiting = survival.mean_within_h(elapsed, elapsed + survival.horizon_h)
    acting = survival.mean_within_h(elapsed, serves) + _late(serves, elapsed, missing, survival)
    acting = min(acting, waiting)
    still_out = survival.beyond_given_h(rto, elapsed)
    return Outlook(
        p_meet_rto=1 - still_out * (missing(rto) if rto >= serves else 1.0),
        p_meet_rto_waiting=1 - still_out,
        expected_downtime=plan.elapsed + timedelta(hours=acting),
        expected_downtime_waiting=plan.elapsed + timedelta(hours=waiting),
    )


def _missing(plan: Plan, belief: restore_times.Belief, blocked: Blocked) -> Callable[[float], float]:
    """P(the copy does not serve `u` hours after the impact), for a `u` at which it may."""
    elapsed, start, takes = plan.elapsed / _HOUR, plan.start / _HOUR, plan.takes / _HOUR
    running = max(elapsed - start, 0.0)
    begun = start if running else max(start, elapsed) + plan.wait / _HOUR
    share, later = blocked.share, blocked.lasts / _HOUR

    def done(hours: float) -> float:
        quick = belief.done_within_h(hours)
        return quick if not share else (1 - share) * quick + share * belief.done_within_h(hours - later)

    return lambda u: 1 - restore_times.given(done, u - takes - begun, running)


def _late(serves: float, elapsed: float, missing: Callable[[float], float], survival: outage_lengths.Survival) -> float:
    """Hours of downtime after the cut-over was due, for want of a copy. Trapezoids over growing intervals: the curve is
    steep at first and flat for days."""
    u, width, total = serves, 1 / 8, 0.0
    here = survival.beyond_given_h(u, elapsed) * missing(u)
    while u < elapsed + survival.horizon_h and here > 1e-4:
        there = survival.beyond_given_h(u + width, elapsed) * missing(u + width)
        total += width * (here + there) / 2
        u, here, width = u + width, there, width * 1.15
    return total
