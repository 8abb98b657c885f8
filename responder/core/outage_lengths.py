"""How long outages last: the survival curve S(t), the share of outages still going on after t.

The default mixes two histories: 41 Azure incidents that took a data plane down (2018 to 2024, the time by which most
servers were back; weight 0.3) and 124 ordinary AWS database, compute and volume events (weight 0.7). Advice only: it
gives the probabilities shown with a decision and never moves a deadline. Replaceable in the settings.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from datetime import timedelta

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Survival:
    """A survival curve through points, falling exponentially between them and beyond the last."""

    points: tuple[tuple[timedelta, float], ...]
    """(time since impact start, share still out), times rising from more than zero, shares falling within (0, 1]."""

    def __post_init__(self) -> None:
        times = [t for t, _ in self.points]
        shares = [s for _, s in self.points]
        if not self.points or times != sorted(set(times)) or times[0] <= timedelta():
            raise ValueError("the times of a survival curve rise from more than zero")
        if shares != sorted(shares, reverse=True) or shares[0] > 1 or shares[-1] <= 0:
            raise ValueError("the shares of a survival curve fall from at most one and stay above zero")

    def beyond(self, t: timedelta) -> float:
        """The share of outages that last longer than `t`."""
        return math.exp(self._log_beyond(t))

    def beyond_given(self, t: timedelta, elapsed: timedelta) -> float:
        """The share that lasts longer than `t`, of those that have lasted `elapsed`."""
        # A quotient of shares would divide by zero far beyond the last point.
        return 1.0 if t <= elapsed else math.exp(self._log_beyond(t) - self._log_beyond(elapsed))

    def _log_beyond(self, t: timedelta) -> float:
        if t <= timedelta():
            return 0.0
        i = bisect_right(self.points, (t, math.inf))
        (t0, s0) = self.points[i - 1] if i else (timedelta(), 1.0)
        if i == len(self.points):
            t0, s0 = self.points[-2] if len(self.points) > 1 else (timedelta(), 1.0)
            i -= 1
        t1, s1 = self.points[i]
        slope = (math.log(s1) - math.log(s0)) / ((t1 - t0) / _HOUR)
        return math.log(s0) + slope * ((t - t0) / _HOUR)


DEFAULT = Survival(
    (
        (0.5 * _HOUR, 0.85),
        (1 * _HOUR, 0.70),
        (2 * _HOUR, 0.48),
        (4 * _HOUR, 0.30),
        (8 * _HOUR, 0.13),
        (12 * _HOUR, 0.053),
        (24 * _HOUR, 0.030),
        (48 * _HOUR, 0.015),
    )
)
