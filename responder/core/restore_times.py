"""How long a geo-restore takes: a belief, per size class, as a probability distribution.

The natural logarithm of the hours is believed normal with unknown mean and variance (Normal-inverse-gamma), so that
predictions follow a Student t. The defaults put the predictive 95th percentile where Microsoft's "ERT < 12 h" has it
for a middle-sized server; rehearsals and real restores move them (`Belief.updated`). Never a promise: Azure gives no
bound.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from responder.core import student

_HOUR = timedelta(hours=1)
_SHORTEST = 1 / 60  # hours; no restore is taken to be shorter: the logarithm of nothing is no evidence
_LONGEST = 12.0  # logarithm of hours, a lifetime: what lies beyond has no use, and no room in a timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One restore that was measured: a rehearsal, or a real one."""

    took: timedelta
    """From the request until the copy answered; of a failed one, until it was given up."""
    failed: bool = False
    """It never came up: all that is known is that it would have taken longer."""
    real: bool = False
    """Restored in an outage, so the surge is in it already; a rehearsal runs on a calm day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """Restore time of one size class on a calm day, before surge."""

    p50: timedelta
    p95: timedelta
    surge: float = 1.5
    """A whole region restoring at once is slower than a rehearsal on a calm day; both quantiles are multiplied."""
    kappa: float = 2.0
    """How many restores the mean is worth before any sample."""
    nu: float = 4.0
    """Degrees of freedom: how many restores the spread is worth."""
    observed: tuple[float, ...] = ()
    """Logarithms of the hours of what has been counted in, on a calm day."""
    prior: Belief | None = None
    """What was believed before it; None: nothing was counted in."""
    mu: float = field(init=False, compare=False, repr=False)
    """Mean of the logarithm of the hours."""
    scale: float = field(init=False, compare=False, repr=False)
    """Scale of the predictive Student t."""
    _hash: int = field(init=False, compare=False, repr=False)

    def __hash__(self) -> int:
        return self._hash

    def __post_init__(self) -> None:
        # Set once: a decision asks for them dozens of times.
        object.__setattr__(self, "mu", math.log(max(self.p50 / _HOUR, 1e-9)))
        spread = max(0.0, math.log(self.p95 / self.p50)) if self.p50 else 0.0
        object.__setattr__(self, "scale", spread / student.quantile(0.95, self.nu))
        own = (self.p50, self.p95, self.surge, self.kappa, self.nu, self.observed, self.prior)
        object.__setattr__(self, "_hash", hash(own))

    def quantile(self, p: float) -> timedelta:
        """The time within which a share `p` (0 < p < 1) of restores is done, surge included."""
        return _quantile(self, p)

    def quantile_h(self, p: float) -> float:
        """The same in hours."""
        return math.exp(min(self.mu + student.quantile(p, self.nu) * self.scale, _LONGEST)) * self.surge

    def done_within(self, elapsed: timedelta) -> float:
        """The probability that a restore takes at most `elapsed`, surge included."""
        return self.done_within_h(elapsed / _HOUR)

    def done_within_h(self, elapsed: float) -> float:
        """The same for hours."""
        hours = elapsed / self.surge
        if hours <= 0:
            return 0.0
        if self.scale == 0:
            return 1.0 if math.log(hours) >= self.mu else 0.0
        return student.cdf((math.log(hours) - self.mu) / self.scale, self.nu)

    def done_within_given(self, elapsed: timedelta, running: timedelta) -> float:
        """The same for a restore that has been running for `running` and is not done."""
        return given(self.done_within_h, elapsed / _HOUR, running / _HOUR)

    def planning(self, p: float) -> timedelta:
        """The quantile that a start is planned with: no longer than `quantile`, and never longer for a quicker sample.

        By the textbook a restore far quicker than believed widens the spread, hence makes the slow end slower, and a
        better rehearsal would start copies earlier. So the quickest count here as quick as they may without that.
        """
        return _quantile(self, p) if self.prior is None else _planning(self.prior, self.observed, p)

    def updated(self, samples: Sequence[Sample]) -> Belief:
        """The belief after measured restores of the same class.

        A failed restore is only known to take longer: it counts as the median of those that last that long.
        """
        prior = self.prior or self
        done = [self._log_hours(sample) for sample in samples if not sample.failed]
        known = prior._fitted((*self.observed, *done))
        lost = [known._median_beyond(self._log_hours(sample)) for sample in samples if sample.failed]
        return prior._fitted((*self.observed, *done, *lost))

    def _log_hours(self, sample: Sample) -> float:
        hours = sample.took / _HOUR / (self.surge if sample.real else 1.0)
        return math.log(max(hours, _SHORTEST))

    def _median_beyond(self, log_hours: float) -> float:
        """The logarithm of the time that half of the restores take that take longer than that."""
        if self.scale == 0:
            return max(self.mu, log_hours)
        before = student.cdf((log_hours - self.mu) / self.scale, self.nu)
        return max(log_hours, self.mu + self.scale * student.quantile(min((1 + before) / 2, 1 - 1e-9), self.nu))

    def _fitted(self, logs: tuple[float, ...]) -> Belief:
        """The conjugate update of a prior. K. Murphy, Conjugate Bayesian analysis of the Gaussian distribution (2007),
        section 3: https://www.cs.ubc.ca/~murphyk/Papers/bayesGauss.pdf"""
        if not logs:
            return self
        mu, scale, nu = _predictive(logs, self)
        return replace(
            self,
            p50=timedelta(hours=math.exp(mu)),
            p95=timedelta(hours=math.exp(min(mu + student.quantile(0.95, nu) * scale, _LONGEST))),
            kappa=self.kappa + len(logs),
            nu=nu,
            observed=logs,
            prior=self,
        )


def _predictive(logs: Sequence[float], prior: Belief) -> tuple[float, float, float]:
    """Centre, scale and degrees of freedom of the Student t that predicts the next one."""
    n = len(logs)
    kappa, nu = prior.kappa + n, prior.nu + n
    before = prior.scale**2 / (1 + 1 / prior.kappa)
    mean = math.fsum(logs) / n
    squares = math.fsum((x - mean) ** 2 for x in logs)
    variance = (prior.nu * before + squares + prior.kappa * n / kappa * (mean - prior.mu) ** 2) / nu
    return (prior.kappa * prior.mu + n * mean) / kappa, math.sqrt(variance * (1 + 1 / kappa)), nu


@functools.lru_cache(maxsize=1024)
def _quantile(belief: Belief, p: float) -> timedelta:
    return timedelta(hours=belief.quantile_h(p))


@functools.lru_cache(maxsize=1024)
def _planning(prior: Belief, logs: tuple[float, ...], p: float) -> timedelta:
    """The smallest `p` quantile over all observations that are no quicker than these.

    It never falls when one of them grows, for then it is taken over fewer. The quantile is convex in the observations,
    so that the smallest is reached by raising the quickest to one common level, found by bisection.
    """
    reach = student.quantile(p, prior.nu + len(logs))

    def at(level: float) -> tuple[float, float]:
        """(the logarithm of the quantile, its slope in one raised observation)."""
        mu, scale, nu = _predictive([max(x, level) for x in logs], prior)
        kappa = prior.kappa + len(logs)
        slope = 1 / kappa + reach * (1 + 1 / kappa) * (level - mu) / (nu * scale) if scale else 1.0
        return mu + reach * scale, slope

    low, high = min(logs), max(*logs, prior.mu)
    if at(low)[1] < 0:
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if at(middle)[1] < 0 else (low, middle)
    return timedelta(hours=math.exp(min(at(low)[0], _LONGEST)) * prior.surge)


def given(done_within: Callable[[float], float], elapsed: float, running: float) -> float:
    """P(done within `elapsed` hours | not done after `running` hours), for a distribution function over hours."""
    if elapsed <= running:
        return 0.0
    before = done_within(running)
    still = 1 - before
    if still <= 1e-9:
        return 1.0
    return min(1.0, (done_within(elapsed) - before) / still)


SMALL, MIDDLE, LARGE = "small", "middle", "large"

DEFAULTS: Mapping[str, Belief] = {
    SMALL: Belief(p50=timedelta(minutes=30), p95=timedelta(hours=4)),
    MIDDLE: Belief(p50=timedelta(hours=2), p95=timedelta(hours=12)),
    LARGE: Belief(p50=timedelta(hours=6), p95=timedelta(hours=24)),
}
"""Used data up to 128 GB, up to 1 TB, above. Before any drill."""


def size_class(storage_gb: int | None) -> str:
    """The class of a server by its data; unknown counts as middle."""
    if storage_gb is None:
        return MIDDLE
    if storage_gb <= 128:
        return SMALL
    return MIDDLE if storage_gb <= 1024 else LARGE
