"""Replaying recorded outages under several policies: what each would have missed, and lost for nothing.

The same deadlines and beliefs as the decision itself; only the outcomes are drawn, with a seed. What is assumed and not
recorded: how the servers of one incident come back (85 % evenly until most are back, the rest in a falling tail), how
often the restore path is blocked, and that restores of a region run beside each other without a queue.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from statistics import fmean

from responder.core import deadlines, restore_times, tolerances

HOUR = timedelta(hours=1)
_T0 = datetime(2000, 1, 1, tzinfo=UTC)  # any moment: everything is relative to the impact start
_BACK_BY_BULK = 0.85
_BLOCKED, _BLOCKED_OTHERWISE = 0.6, 0.05  # where the incident named the restore path, and where not
_BLOCK = 4.0  # mean hours


class Policy(StrEnum):
    """What is compared."""

    ALWAYS_WAIT = "always-wait"
    RESTORE_AT_ONCE = "restore-at-once"
    """Start at the notice, cut over as soon as the copy is ready."""
    HEDGE_EAGER = "hedge-eager"
    HEDGE_LAZY = "hedge-lazy"
    FIXED_1H = "fixed-1h"
    """Start an hour after the impact, cut over when ready."""
    FIXED_4H = "fixed-4h"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One recorded outage. Hours since its impact start."""

    name: str
    bulk_h: float
    """When most servers were back."""
    full_h: float
    """When the last one was."""
    restore_blocked: bool = False
    """The restore path itself was impaired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a replay is run with."""

    rto_h: Sequence[float] = (1, 4, 8, 12, 24)
    size_classes: Sequence[str] = (restore_times.SMALL, restore_times.MIDDLE, restore_times.LARGE)
    beliefs: Mapping[str, restore_times.Belief]
    timing: deadlines.Timing
    notices_min: Sequence[float]
    """Recorded delays of the first notice, minutes after the impact start."""
    servers: int = 200
    """Drawn for each incident."""
    seed: int = 1
    resamples: int = 200
    """Of the bootstrap over incidents; 0 leaves the intervals out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One policy under one RTO for one size class. Shares in per cent of all servers."""

    policy: Policy
    rto_h: float
    size_class: str
    missed_pct: float
    needless_pct: float
    """Cut over, and the outage ended within the RTO all the same: data lost for nothing."""
    mean_down_h: float
    copies_pct: float
    copy_hours: float
    """Mean per server."""
    cutovers_pct: float
    cost_h: float
    """Mean per server: hours of downtime, and the RTO once more for a cut-over. That is the owner's own rate: "after
    the RTO I prefer losing data"."""
    missed_95: tuple[float, float] | None = None
    """95 % interval of the bootstrap over incidents."""
    needless_95: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class _Draw:
    """One server of one incident: the same for every policy, so that policies differ by nothing else."""

    out_h: float
    notice_h: float
    restore_h: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Outcome:
    down_h: float
    copy_h: float
    cut_over: bool


def replay(incidents: Sequence[Incident], setup: Setup) -> list[Row]:
    """Every policy under every RTO and size class, over the same draws. Deterministic for a seed."""
    rng = random.Random(setup.seed)  # noqa: S311  # a simulation, not a secret
    draws = [[_draw(incident, setup, rng) for _ in range(setup.servers)] for incident in incidents]
    picks = [[rng.randrange(len(incidents)) for _ in incidents] for _ in range(setup.resamples)]
    return [
        _row(policy, rto_h, size, draws, setup, picks)
        for size in setup.size_classes
        for rto_h in setup.rto_h
        for policy in Policy
    ]


def _draw(incident: Incident, setup: Setup, rng: random.Random) -> _Draw:
    if rng.random() < _BACK_BY_BULK:
        out_h = incident.bulk_h * rng.random()
    else:
        out_h = incident.bulk_h + (incident.full_h - incident.bulk_h) * rng.betavariate(1, 6)
    blocked = rng.random() < (_BLOCKED if incident.restore_blocked else _BLOCKED_OTHERWISE)
    extra = rng.expovariate(1 / _BLOCK) if blocked else 0.0
    luck = min(max(rng.random(), 1e-6), 1 - 1e-6)
    restore = {size: setup.beliefs[size].quantile(luck) / HOUR + extra for size in setup.size_classes}
    return _Draw(out_h, rng.choice(setup.notices_min) / 60, restore)


def _row(
    policy: Policy,
    rto_h: float,
    size: str,
    draws: Sequence[Sequence[_Draw]],
    setup: Setup,
    picks: Sequence[Sequence[int]],
) -> Row:
    plan = _plan(policy, rto_h, size, setup)
    takes = setup.timing.cutover / HOUR
    outcomes = [[(draw, _play(draw, *plan(draw.notice_h), takes, size)) for draw in group] for group in draws]
    missed = [fmean(outcome.down_h > rto_h for _, outcome in group) for group in outcomes]
    needless = [fmean(outcome.cut_over and draw.out_h <= rto_h for draw, outcome in group) for group in outcomes]
    flat = [outcome for group in outcomes for _, outcome in group]
    mean_down_h, cutovers = fmean(outcome.down_h for outcome in flat), fmean(outcome.cut_over for outcome in flat)
    return Row(
        policy=policy,
        rto_h=rto_h,
        size_class=size,
        missed_pct=100 * fmean(missed),
        needless_pct=100 * fmean(needless),
        mean_down_h=mean_down_h,
        copies_pct=100 * fmean(outcome.copy_h > 0 for outcome in flat),
        copy_hours=fmean(outcome.copy_h for outcome in flat),
        cutovers_pct=100 * cutovers,
        cost_h=mean_down_h + rto_h * cutovers,
        missed_95=_interval(missed, picks),
        needless_95=_interval(needless, picks),
    )


def _plan(policy: Policy, rto_h: float, size: str, setup: Setup) -> Callable[[float], tuple[float | None, float]]:
    """(hour the restore starts, earliest hour of the cut-over) by the hour of the notice; None: never."""
    fixed = {Policy.RESTORE_AT_ONCE: 0.0, Policy.FIXED_1H: 1.0, Policy.FIXED_4H: 4.0}
    if policy is Policy.ALWAYS_WAIT:
        return lambda notice: (None, 0.0)
    if policy in fixed:
        return lambda notice: (max(notice, fixed[policy]), 0.0)
    hedge = tolerances.Hedge.EAGER if policy is Policy.HEDGE_EAGER else tolerances.Hedge.LAZY
    tolerance = tolerances.Tolerance(rto=rto_h * HOUR, hedge=hedge, cutover=tolerances.Cutover.AUTO)

    def hedged(notice: float) -> tuple[float, float]:
        clock = deadlines.compute(
            impact_start=_T0,
            notice=_T0 + notice * HOUR,
            expected_end=None,
            tolerance=tolerance,
            belief=setup.beliefs[size],
            timing=setup.timing,
        )
        return max(notice, (clock.start_at - _T0) / HOUR), (clock.cut_over_at - _T0) / HOUR

    return hedged


def _play(draw: _Draw, start: float | None, earliest: float, takes: float, size: str) -> _Outcome:
    if start is None or draw.out_h <= max(start, draw.notice_h):
        return _Outcome(draw.out_h, 0.0, cut_over=False)
    cut = max(start + draw.restore_h[size], earliest)
    if draw.out_h <= cut:
        return _Outcome(draw.out_h, draw.out_h - start, cut_over=False)
    return _Outcome(cut + takes, cut - start, cut_over=True)


def _interval(shares: Sequence[float], picks: Sequence[Sequence[int]]) -> tuple[float, float] | None:
    if not picks:
        return None
    means = sorted(100 * fmean(shares[i] for i in pick) for pick in picks)
    return means[int(0.025 * len(means))], means[min(int(0.975 * len(means)), len(means) - 1)]
