"""Times that people give. Decides nothing about them; whoever asks says in its own words what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime

_YEARS = range(1970, 9999)
"""Outside of these, an hour more or less may be no time at all."""


def parse(text: str) -> datetime:
    """ISO 8601; without an offset it is UTC.

    Raises:
        ValueError: it is no time, or none that anything of ours can have happened at.
    """
    moment = datetime.fromisoformat(text)
    if moment.year not in _YEARS:
        raise ValueError(f"the year {moment.year}")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
