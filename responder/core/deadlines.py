"""The two deadlines and the probabilities that go with them. All arithmetic, no judgement.

Starting a restore costs money; cutting over loses data. So they are separate: the copy is started early enough to be
ready with high probability (`start_by`), and the applications are sent there as late as the tolerance allows
(`cut_over_at`). A declared RTO is the owner's break-even point: "after this long I prefer losing up to my RPO".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.core import outage_lengths, restore_times, tolerances

_ZERO = timedelta()


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
    """Azure's estimate beyond the RTO brings the cut-over forward to this share of the RTO; it never pushes it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """When to start and when to cut over, for one declared RTO."""

    must_serve_by: datetime
    """Impact start plus RTO."""
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
) -> Deadlines:
    """The deadlines of a server whose tolerance is declared.

    Args:
        impact_start: where the RTO clock starts, not the notice.
        notice: when we first heard; nothing starts before it.
        expected_end: Azure's estimate, if it gave one.
    """
    assert tolerance.rto is not None, "deadlines exist only for a declared tolerance"
    must_serve_by = impact_start + tolerance.rto
    approval = timing.approval if tolerance.cutover is tolerances.Cutover.ASK else _ZERO
    cut_over_at = must_serve_by - timing.cutover - approval - timing.margin
    if expected_end is not None and expected_end > must_serve_by:
        cut_over_at = min(cut_over_at, impact_start + timing.eta_trust * tolerance.rto)
    start_by = cut_over_at - belief.quantile(timing.quantile)
    eager = max(notice, min(impact_start + timing.grace, start_by))
    start_at = min(eager, max(start_by, notice)) if tolerance.hedge is tolerances.Hedge.EAGER else start_by
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


def outlook(plan: Plan, belief: restore_times.Belief, survival: outage_lengths.Survival) -> Outlook:
    """P(meeting the RTO) and expected downtime, with the plan and without."""

    def copy_missing(u: timedelta) -> float:
        """P(the copy does not serve at u)."""
        if u < max(plan.cut_over, plan.elapsed) + plan.takes:
            return 1.0
        if plan.ready:
            return 0.0
        running = max(plan.elapsed - plan.start, _ZERO)
        begun = max(plan.start, plan.elapsed) if running == _ZERO else plan.start
        return 1 - belief.done_within_given(u - plan.takes - begun, running)

    still_out = survival.beyond_given(plan.rto, plan.elapsed)
    acting, waiting = _integrals(plan, copy_missing, survival)
    return Outlook(
        p_meet_rto=1 - still_out * copy_missing(plan.rto),
        p_meet_rto_waiting=1 - still_out,
        expected_downtime=plan.elapsed + acting,
        expected_downtime_waiting=plan.elapsed + waiting,
    )


def _integrals(
    plan: Plan, copy_missing: Callable[[timedelta], float], survival: outage_lengths.Survival
) -> tuple[timedelta, timedelta]:
    """Trapezoids over growing intervals: the curve is steep at first and flat for days."""
    horizon = survival.points[-1][0] * 4
    acting = waiting = _ZERO
    u, width = plan.elapsed, survival.points[0][0] / 16
    out, missing = 1.0, copy_missing(u)
    while u < horizon and out > 1e-4:
        v = u + width
        out_v, missing_v = survival.beyond_given(v, plan.elapsed), copy_missing(v)
        waiting += width * ((out + out_v) / 2)
        acting += width * ((out * missing + out_v * missing_v) / 2)
        u, out, missing, width = v, out_v, missing_v, width * 1.06
    return acting, waiting
