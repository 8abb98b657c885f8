"""The ways in which Azure's health services write one moment. Pure; knows nothing of what is being dated.

All take an aware time. Ticks are 100 ns, hence the seventh digit; Python's own times end at the sixth.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Stamp: TypeAlias = Callable[[datetime], str]


def ticks(moment: datetime) -> str:
    """`2025-04-23T15:01:23.3361260Z`: diagnostic records, updates of events."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"


def ticks_with_offset(moment: datetime) -> str:
    """`2019-06-24T11:31:19.0312690+00:00`: the event and submission times of alerts."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0+00:00"


def milliseconds(moment: datetime) -> str:
    """`2025-04-15T18:20:36.256Z`: the common alert schema."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def trimmed(moment: datetime) -> str:
    """`2024-08-12T04:16:00Z`, with as many fraction digits as it needs: the events operation."""
    whole, _, fraction = f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}".partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"
