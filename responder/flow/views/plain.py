"""The smallest parts of what is shown: times and spans as JSON has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]


def time(value: datetime | None) -> str | None:
    """ISO 8601 UTC, or null."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value else None


def seconds(value: timedelta | None) -> float | None:
    """Seconds, or null."""
    return round(value.total_seconds(), 3) if value is not None else None
