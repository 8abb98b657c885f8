"""How long outages last: the survival curve S(t), the share of outages still going on after t since the impact start.

The default mixes two histories: 41 Azure incidents that took a data plane down (2014 to 2026, the time by which most
servers were back; the table that `responder replay` ships with) and 124 ordinary AWS database, compute and volume
events. Which sort an outage is shows while it lasts: `Mixture.big_given`. Advice only: it gives the probabilities shown
with a decision and never moves a deadline. Replaceable in the settings.
"""

from __future__ import annotations

import functools
import itertools
import math
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import timedelta

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Survival:
    """A survival curve through points, falling exponentially between them and beyond the last."""

    points: tuple[tuple[timedelta, float], ...]
    """(time since impact start, share still out), times rising from more than zero, shares falling within (0, 1]."""
    _hours: tuple[float, ...] = field(init=False, compare=False, repr=False)
    _logs: tuple[float, ...] = field(init=False, compare=False, repr=False)
    _hash: int = field(init=False, compare=False, repr=False)

    def __hash__(self) -> int:
        return self._hash

    def __post_init__(self) -> None:
        times = [t for t, _ in self.points]
        shares = [s for _, s in self.points]
        if not self.points or times != sorted(set(times)) or times[0] <= timedelta():
            raise ValueError("the times of a survival curve rise from more than zero")
        if shares != sorted(shares, reverse=True) or shares[0] > 1 or shares[-1] <= 0:
            raise ValueError("the shares of a survival curve fall from at most one and stay above zero")
        # A decision asks for shares at hundreds of hours: plain numbers, made once.
        object.__setattr__(self, "_hours", (0.0, *(t / _HOUR for t in times)))
        object.__setattr__(self, "_logs", (0.0, *map(math.log, shares)))
        object.__setattr__(self, "_hash", hash(self.points))

    def beyond(self, t: timedelta) -> float:
        """The share of outages that last longer than `t`."""
        return math.exp(self.log_beyond_h(t / _HOUR))

    def beyond_given(self, t: timedelta, elapsed: timedelta) -> float:
        """The share that lasts longer than `t`, of those that have lasted `elapsed`."""
        return self.beyond_given_h(t / _HOUR, elapsed / _HOUR)

    def beyond_given_h(self, t: float, elapsed: float) -> float:
        """The same for hours."""
        # A quotient of shares would divide by zero far beyond the last point.
        return 1.0 if t <= elapsed else math.exp(self.log_beyond_h(t) - self.log_beyond_h(elapsed))

    def log_beyond_h(self, t: float) -> float:
        """The natural logarithm of the share that lasts longer than `t` hours."""
        if t <= 0:
            return 0.0
        i = min(bisect_right(self._hours, t), len(self._hours) - 1)
        return self._logs[i] + (self._logs[i] - self._logs[i - 1]) * (t - self._hours[i]) / (
            self._hours[i] - self._hours[i - 1]
        )

    def mean_within_h(self, elapsed: float, until: float) -> float:
        """Hours between `elapsed` and `until` that an outage which has lasted `elapsed` is expected to last. Exact."""
        if until <= elapsed:
            return 0.0
        bounds = [elapsed, *(h for h in self._hours if elapsed < h < until), until]
        first, total = self.log_beyond_h(elapsed), 0.0
        before = 0.0
        for a, b in itertools.pairwise(bounds):
            after = self.log_beyond_h(b) - first
            fall = before - after
            total += (b - a) * math.exp(before) * (-math.expm1(-fall) / fall if fall > 1e-12 else 1.0)
            before = after
        return total

    @property
    def horizon_h(self) -> float:
        """Hours from any moment beyond which nothing is added up: a curve that does not fall would never end."""
        return 4 * self._hours[-1]


def mixed(big: Survival, ordinary: Survival, share: float) -> Survival:
    """The curve of outages of which a share is of the big sort, at the times of both curves."""
    if share >= 1:
        return big
    if share <= 0:
        return ordinary
    times = sorted({t for curve in (big, ordinary) for t, _ in curve.points})
    return Survival(tuple((t, share * big.beyond(t) + (1 - share) * ordinary.beyond(t)) for t in times))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Two sorts of outages, and how many of the outages that are heard of are of the big sort."""

    big: Survival
    ordinary: Survival
    share: float

    def big_given(self, elapsed: timedelta) -> float:
        """The probability that an outage which has lasted `elapsed` is of the big sort."""
        if self.share in (0, 1):
            return float(self.share)
        big, ordinary = (curve.log_beyond_h(elapsed / _HOUR) for curve in (self.big, self.ordinary))
        return 1 / (1 + (1 - self.share) / self.share * math.exp(min(ordinary - big, 50.0)))

    def curve(self) -> Survival:
        """The survival curve of both together."""
        return _curve(self)


@functools.lru_cache(maxsize=16)
def _curve(mixture: Mixture) -> Survival:
    return mixed(mixture.big, mixture.ordinary, mixture.share)


BIG = Survival(
    (
        (1 * _HOUR, 1.0),
        (2 * _HOUR, 0.90),
        (4 * _HOUR, 0.68),
        (6 * _HOUR, 0.585),
        (8 * _HOUR, 0.39),
        (10 * _HOUR, 0.268),
        (11.5 * _HOUR, 0.195),
        (12 * _HOUR, 0.171),
        (24 * _HOUR, 0.10),
        (48 * _HOUR, 0.05),
    )
)
"""Azure incidents that were big enough for a public review: the time by which most servers were back."""
ORDINARY = Survival(
    (
        (0.5 * _HOUR, 0.79),
        (1 * _HOUR, 0.57),
        (2 * _HOUR, 0.30),
        (3 * _HOUR, 0.16),
        (4 * _HOUR, 0.13),
        (6 * _HOUR, 0.073),
        (8 * _HOUR, 0.024),
    )
)
"""Events of one provider's status archive; most are over before anybody acts."""
DEFAULTS = Mixture(big=BIG, ordinary=ORDINARY, share=0.3)
DEFAULT = DEFAULTS.curve()
