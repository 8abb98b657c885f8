"""Rate limits as Resource Manager has had them since 2024: token buckets, told in headers.

One bucket for each caller, subscription and sort of request, and a global one fifteen times its size.
https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from responder.simulator import estates
from responder.simulator import world as worlds
from responder.simulator.arm import calls

Sort = Literal["read", "write", "delete"]
GLOBAL = 15


@dataclass(slots=True, kw_only=True)
class _Level:
    tokens: float
    at: datetime


def sort_of(method: str) -> Sort:
    """A POST counts as a write, checkNameAvailability included."""
    if method in ("GET", "HEAD"):
        return "read"
    return "delete" if method == "DELETE" else "write"


def throttled(sort: Sort, subscription: str, principal: str, seconds: int) -> calls.Refused:
    """The 429 as on the wire, its two quoted words included."""
    return calls.Refused(
        429,
        "SubscriptionRequestsThrottled",
        f"Number of '{sort}' requests for subscription '{subscription}' actor '{principal}' exceeded. Please try "
        f"again after '{seconds}' seconds after additional tokens are available. Refer to "
        "https://aka.ms/arm-throttling for additional information.",
        headers={"Retry-After": str(seconds)},
        fault="throttle",
    )


class Limits:
    """How much of each bucket is left."""

    def __init__(self, world: worlds.World) -> None:
        self._world = world
        self._levels: dict[tuple[str, ...], _Level] = {}
        self._queries: dict[str, deque[datetime]] = {}

    def take(self, sort: Sort, subscription: str, principal: str) -> dict[str, str]:
        """Take a token; returns the headers that tell what is left. Raises `Refused` (429)."""
        limits = self._world.estate.limits
        own = {"read": limits.reads, "write": limits.writes, "delete": limits.deletes}[sort]
        wide = estates.Bucket(size=own.size * GLOBAL, per_second=own.per_second * GLOBAL)
        left = self._take((sort, subscription, principal), own)
        if left is None:
            raise throttled(sort, subscription, principal, max(1, math.ceil(1 / own.per_second)))
        left_globally = self._take((sort, subscription), wide) or 0
        return {
            f"x-ms-ratelimit-remaining-subscription-{sort}s": str(left),
            f"x-ms-ratelimit-remaining-subscription-global-{sort}s": str(left_globally),
        }

    def take_query(self, principal: str) -> tuple[int, timedelta]:
        """Count a Resource Graph query: how many are left (-1: this one is too many) and when the count starts anew."""
        limits, now = self._world.estate.limits, self._world.now()
        asked = self._queries.setdefault(principal, deque())
        while asked and now - asked[0] >= limits.graph_window:
            asked.popleft()
        resets = limits.graph_window - (now - asked[0]) if asked else limits.graph_window
        left = limits.graph_queries - len(asked) - 1
        if left >= 0:
            asked.append(now)
        return left, resets

    def _take(self, key: tuple[str, ...], bucket: estates.Bucket) -> int | None:
        now = self._world.now()
        level = self._levels.setdefault(key, _Level(tokens=bucket.size, at=now))
        elapsed = max(0.0, (now - level.at).total_seconds())
        level.tokens = min(bucket.size, level.tokens + elapsed * bucket.per_second)
        level.at = now
        if level.tokens < 1:
            return None
        level.tokens -= 1
        return int(level.tokens)
