"""The copy: the restored server before cut-over, as the journal of its run tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    """Where a copy is in its life."""

    NONE = "none"
    RESTORING = "restoring"
    READY = "ready"
    FAILED = "failed"
    PROMOTED = "promoted"
    """Applications were sent to it: the point of no return is behind us."""
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One server's copy. The empty value: nothing was started."""

    state: State = State.NONE
    way: str = "geo-restore"
    """How it came about: `geo-restore`, `point-in-time-restore`, or `promote-replica` for a replica that a run stands
    ready to promote."""
    server_id: str | None = None
    """ARM id of the copy."""
    started_at: datetime | None = None
    ready_at: datetime | None = None
    recovery_point: datetime | None = None
    """Time of the newest row found in it. None: not measured, so the bound counts."""
    verified: bool = False
    """It answered SQL, not only the handshake."""
    renewable: bool = True
    """A newer one can be made in its stead: its run has a step for that, and has not begun it."""
    renewing_since: datetime | None = None
    """When the newer one was begun, while that is not ready. This one is kept until then."""
    instead_of: str | None = None
    """ARM id of the older copy of the same run that it took the place of."""


def data_loss(copy: Copy, impact_start: datetime, bound: timedelta) -> timedelta:
    """What cutting over to this copy would lose: measured if its newest row is known, else the bound."""
    if copy.recovery_point is None:
        return bound
    return max(impact_start - copy.recovery_point, timedelta())
