"""Azure's token buckets as its answers tell of them: what is left, what has to wait, and for how long. Pure.

One bucket for each subscription and sort of request. Reads fill with 25 a second up to 250, writes and deletes with 10
up to 200, as documented; seen on the wire in 2026-04 were 1100 and 800. https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class Kind(StrEnum):
    """The sort of a request."""

    READS = "reads"
    WRITES = "writes"
    DELETES = "deletes"


_SIZE = {Kind.READS: 1100, Kind.WRITES: 800, Kind.DELETES: 800}
DRIFT = timedelta(minutes=1)
"""More than the clocks of two instances may differ."""
_PER_SECOND = {Kind.READS: 25.0, Kind.WRITES: 10.0, Kind.DELETES: 10.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What was last heard of one bucket."""

    seen_at: datetime
    remaining: int | None = None
    """Tokens left then; None: it was not told."""
    blocked_until: datetime | None = None
    """Azure refused (429) and said to come back then."""


def kind_of(method: str) -> Kind:
    """The sort of a request; a POST counts as a write."""
    if method in ("GET", "HEAD"):
        return Kind.READS
    return Kind.DELETES if method == "DELETE" else Kind.WRITES


def heard(before: Bucket | None, remaining: int | None, refused_for: timedelta | None, now: datetime) -> Bucket:
    """The bucket after an answer. `refused_for`: of a 429."""
    known = before if before is not None and not _of_the_future(before, now) else Bucket(seen_at=now)
    blocked = max(filter(None, (known.blocked_until, now + refused_for if refused_for else None)), default=None)
    if remaining is None and refused_for is not None:
        remaining = 0
    return replace(known, seen_at=now, remaining=known.remaining if remaining is None else remaining,
                   blocked_until=blocked)  # fmt: skip


def _of_the_future(bucket: Bucket, now: datetime) -> bool:
    """It was heard before the clock was stepped back; its refusal would seem to last by as much longer."""
    return bucket.seen_at - now > DRIFT


def merged(mine: Bucket | None, theirs: Bucket, now: datetime) -> Bucket | None:
    """What two instances know together: the newer count, and the later refusal. None: nothing that counts by now."""
    known = [bucket for bucket in (mine, theirs) if bucket is not None and not _of_the_future(bucket, now)]
    if not known:
        return None
    blocked = max((bucket.blocked_until for bucket in known if bucket.blocked_until is not None), default=None)
    return replace(max(known, key=lambda bucket: bucket.seen_at), blocked_until=blocked)


def left(bucket: Bucket, kind: Kind, now: datetime) -> float:
    """What is in the bucket by now, as far as it can be told."""
    if bucket.remaining is None:
        return _SIZE[kind]
    filled = bucket.remaining + max((now - bucket.seen_at).total_seconds(), 0.0) * _PER_SECOND[kind]
    return min(filled, _SIZE[kind])


def wait(bucket: Bucket | None, kind: Kind, now: datetime, *, reserve: int) -> timedelta:
    """How long a request has to wait; zero: send it.

    Args:
        reserve: how much must be left for others. 0 for what is urgent; polls leave some for what comes before a write.
    """
    if bucket is None or _of_the_future(bucket, now):
        return timedelta()
    if bucket.blocked_until is not None and now < bucket.blocked_until:
        return bucket.blocked_until - now
    missing = reserve - left(bucket, kind, now)
    if reserve == 0 or missing <= 0:
        return timedelta()
    return timedelta(seconds=max(missing / _PER_SECOND[kind], 1.0))
