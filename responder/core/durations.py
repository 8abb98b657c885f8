"""Durations as people write them (`4h`, `90m`, `1h30m`, `PT4H`) and as people read them (`2 h 10 m`)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from responder.core import errors

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_NUMBER = r"(?:(?P<{0}>\d+(?:\.\d+)?){0})?"
_TIME = "".join(map(_NUMBER.format, "hms"))
_SHORT = re.compile(_NUMBER.format("d") + _TIME)
_ISO = re.compile("p" + _NUMBER.format("d") + "(?:t" + _TIME + ")?")
_BLANKS = re.compile(r"(?<!\d)\s+|\s+(?!\d)")
"""Blanks that part nothing. Those between two digits stay: `1 30m` is 1 h 30 m to one reader and 130 m to another."""
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(days=366)


def parse(text: str, *, place: str = "", longest: timedelta = _LONGEST) -> timedelta:
    """Read `4h`, `90m`, `1h30m`, `45s`, `2d` or ISO 8601 `PT4H`.

    Raises:
        InputError: not a duration, less than a second, or more than `longest`. A bare number is refused: its unit would
            be a guess.
    """
    squeezed = _BLANKS.sub("", text).lower()
    match = _ISO.fullmatch(squeezed) if squeezed.startswith("p") else _SHORT.fullmatch(squeezed)
    if len(squeezed) > 40 or match is None or not any(match.groups()):
        raise errors.InputError(
            "duration.unreadable",
            f"{text[:40]!r} is not a duration.",
            remedy="Write it like 4h, 90m, 1h30m or PT4H.",
            place=place,
        )
    seconds = sum(float(value) * _UNITS[unit] for unit, value in match.groupdict().items() if value)
    if not _SHORTEST.total_seconds() <= seconds <= longest.total_seconds():
        raise errors.InputError(
            "duration.out-of-range",
            f"{text[:40]!r} is not between one second and {'one year' if longest == _LONGEST else show(longest)}.",
            remedy="Give one that is.",
            place=place,
        )
    return timedelta(seconds=seconds)


def write(value: timedelta) -> str:
    """The one spelling that `parse` reads back as exactly this: `1d2h`, `1h30m`, `45s`, `0.5s`."""
    micro = round(value / timedelta(microseconds=1))
    sign, micro = ("-", -micro) if micro < 0 else ("", micro)
    seconds, fraction = divmod(micro, 1_000_000)
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    last = f"{seconds}.{fraction:06d}".rstrip("0") if fraction else str(seconds)
    parts = [f"{n}{unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "m")) if n]
    if last != "0" or not parts:
        parts.append(f"{last}s")
    return sign + "".join(parts)


def moment(at: datetime, now: datetime) -> str:
    """A moment as it is said at `now`: the time of day, and the date when it is far."""
    return (
        f"{at.hour:02}:{at.minute:02}:{at.second:02} UTC"
        if abs(at - now) < timedelta(hours=20)
        else f"{at:%Y-%m-%d %H:%M} UTC"
    )


def show(value: timedelta) -> str:
    """At most two units, the way a clock is read aloud: `2 h 10 m`, `45 s`, `-3 m`."""
    seconds = round(value.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    parts = [f"{n} {unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")) if n]
    return sign + (" ".join(parts[:2]) if parts else "0 s")
