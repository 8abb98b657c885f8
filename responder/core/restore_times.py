"""How long a geo-restore takes: a belief, per size class, as a probability distribution.

The natural logarithm of the hours is believed normal with unknown mean and variance, so predictions follow a Student t
with four degrees of freedom. The defaults put the predictive 95th percentile where Microsoft's "ERT < 12 h" has it for
a middle-sized server; drills replace them (see the settings). Never a promise: Azure gives no bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """Restore time of one size class on a calm day, before surge."""

    p50: timedelta
    p95: timedelta
    surge: float = 1.5
    """A whole region restoring at once is slower than a drill on a calm day; both quantiles are multiplied by this."""

    def quantile(self, p: float) -> timedelta:
        """The time within which a share `p` (0 < p < 1) of restores is done, surge included."""
        log_hours = self._mu + t4_quantile(p) * self._spread
        return timedelta(hours=math.exp(log_hours) * self.surge)

    def done_within(self, elapsed: timedelta) -> float:
        """The probability that a restore takes at most `elapsed`, surge included."""
        hours = elapsed / timedelta(hours=1) / self.surge
        if hours <= 0:
            return 0.0
        if self._spread == 0:
            return 1.0 if math.log(hours) >= self._mu else 0.0
        return t4_cdf((math.log(hours) - self._mu) / self._spread)

    def done_within_given(self, elapsed: timedelta, running: timedelta) -> float:
        """The same for a restore that has been running for `running` and is not done."""
        still = 1 - self.done_within(running)
        if elapsed <= running:
            return 0.0
        if still <= 1e-9:
            return 1.0
        return min(1.0, (self.done_within(elapsed) - self.done_within(running)) / still)

    @property
    def _mu(self) -> float:
        return math.log(self.p50 / timedelta(hours=1))

    @property
    def _spread(self) -> float:
        return max(0.0, math.log(self.p95 / self.p50)) / t4_quantile(0.95)


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


def t4_cdf(t: float) -> float:
    """P(T <= t) of Student's t with four degrees of freedom: 1/2 + 3/8 u (1 - u²/12), u = t / sqrt(1 + t²/4)."""
    u = t / math.sqrt(1 + t * t / 4)
    return 0.5 + 0.375 * u * (1 - u * u / 12)


def t4_quantile(p: float) -> float:
    """The inverse of `t4_cdf` for 0 < p < 1 (W. T. Shaw, Journal of Computational Finance 9(4), 2006)."""
    root = math.sqrt(4 * p * (1 - p))
    q = 4 * math.cos(math.acos(min(1.0, root)) / 3) / root
    return math.copysign(math.sqrt(max(0.0, q - 4)), p - 0.5)
