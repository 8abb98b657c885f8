"""The types that parameters, settings and outputs have, and their values as a file or a command line gives them.

Values stay what JSON can keep: a duration is `1h30m`, a time is `2026-11-22T10:00:00Z`. `meant` makes of them what an
expression compares.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from responder.core import durations, errors


class Type(StrEnum):
    """What a value is."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    DURATION = "duration"
    TIME = "time"
    CHOICE = "choice"
    LIST = "list"
    MAP = "map"
    ANY = "any"


PARAMETER_TYPES = (Type.TEXT, Type.NUMBER, Type.FLAG, Type.DURATION, Type.TIME, Type.CHOICE)
"""What `--set` can carry."""

_EXAMPLES = {
    Type.TEXT: "Put it in quotes.",
    Type.NUMBER: "Write it like 5 or 0.5.",
    Type.FLAG: "Write true or false.",
    Type.DURATION: "Write it like 45s, 15m, 4h or 1h30m.",
    Type.TIME: "Write it in ISO 8601 with its zone, like 2026-11-22T10:00:00Z.",
    Type.LIST: "Start each entry with a dash.",
    Type.MAP: "Write `name: value` lines.",
}


_EXACT = 2**53
"""Below it a broken number stands for every whole one exactly."""


class Names(dict[str, "Type"]):
    """The names an expression may use, with their types; and of some texts, all that they may be."""

    def __init__(self, types: Mapping[str, Type], words: Mapping[str, Sequence[str]]) -> None:
        super().__init__(types)
        self.words = dict(words)

    def also(self, types: Mapping[str, Type], words: Mapping[str, Sequence[str]] | None = None) -> Names:
        """With these, too."""
        return Names({**self, **types}, {**self.words, **(words or {})})


class Misfit(Exception):
    """A value is not of the type; `remedy` says how such a value is written."""

    def __init__(self, message: str, remedy: str) -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(message)


def typed(type_: Type, value: Any, *, choices: Collection[str] = (), spoken: bool = False) -> Any:
    """The value in its one spelling.

    Args:
        choices: the words that a `choice` may be.
        spoken: it comes from a command line, where a number and a flag are texts, too.

    Raises:
        Misfit: it is none of that type.
    """
    value = _unspoken(type_, value) if spoken and isinstance(value, str) else value
    match type_:
        case Type.DURATION | Type.TIME if isinstance(value, str):
            return _of_time(type_, value)
        case Type.CHOICE:
            if value not in choices or not isinstance(value, str):
                # YAML makes flags of a bare yes and no.
                quote = " Put it in quotes." if isinstance(value, bool) else ""
                raise Misfit(f"{value!r} is not one of the choices", f"Choose {', '.join(choices)}.{quote}")
            return value
        case Type.NUMBER if _fits(type_, value):
            # 5.0 and 5 are the same number, and a plan with either must have the same hash.
            return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT else value
        case _ if _fits(type_, value):
            return value
    raise Misfit(f"{_shown(value)} is not a {type_}", _EXAMPLES.get(type_, "Correct it."))


def meant(type_: Type, value: Any) -> Any:
    """What an expression compares: a timedelta of a duration, an aware datetime of a time, floats of numbers."""
    if value is None:
        return None
    match type_:
        case Type.DURATION if isinstance(value, str):
            return durations.parse(value)
        case Type.TIME if isinstance(value, str):
            return datetime.fromisoformat(value)
        case Type.NUMBER if isinstance(value, int) and not isinstance(value, bool):
            return float(value)
    return value


def _unspoken(type_: Type, text: str) -> Any:
    if type_ is Type.NUMBER:
        try:
            return float(text)
        except ValueError:
            return text
    if type_ is Type.FLAG:
        return {"true": True, "yes": True, "false": False, "no": False}.get(text.lower(), text)
    return text


def _of_time(type_: Type, text: str) -> str:
    try:
        if type_ is Type.DURATION:
            return durations.write(durations.parse(text))
        at = datetime.fromisoformat(text.strip())
        if at.tzinfo is not None:
            at = at.astimezone(UTC)
    except (errors.InputError, ValueError, OverflowError) as error:
        raise Misfit(f"{text[:60]!r} is not a {type_}", _EXAMPLES[type_]) from error
    if at.tzinfo is None:
        raise Misfit(f"{text[:60]!r} does not say its zone", _EXAMPLES[type_])
    return at.isoformat().replace("+00:00", "Z")


def _fits(type_: Type, value: Any) -> bool:
    match type_:
        case Type.TEXT:
            return isinstance(value, str)
        case Type.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case Type.FLAG:
            return isinstance(value, bool)
        case Type.LIST:
            return isinstance(value, list)
        case Type.MAP:
            return isinstance(value, dict)
    return type_ is Type.ANY


def _shown(value: Any) -> str:
    """As the file has it, not as Python does."""
    text = "nothing" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
