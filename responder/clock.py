"""The only place that reads the time.

By default that of this machine. Instances that share a store go by the store's clock (`follow`): then they agree with
each other, and a machine whose clock is stepped does not notice.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

_followed: tuple[datetime, float] | None = None
"""What another clock showed, and when that was by our own monotonic one."""


def now() -> datetime:
    """This moment, aware, in UTC."""
    followed = _followed
    if followed is None:
        return datetime.now(UTC)
    shown, since = followed
    return shown + timedelta(seconds=ticks() - since)


def wall() -> datetime:
    """By this machine's own clock, whatever clock we follow: for what Azure has stamped, such as the end of a token."""
    return datetime.now(UTC)


def follow(shown: datetime | None) -> None:
    """From now on, go by another clock that shows this at this moment; to be repeated. None: by our own again."""
    global _followed
    _followed = None if shown is None else (shown, ticks())


def ticks() -> float:
    """Seconds since some moment; also those in which the process is frozen or the machine sleeps. Never steps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
