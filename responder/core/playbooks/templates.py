"""Texts with `${{ expression }}` in them. Finds the expressions and fills in their values; evaluates nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from responder.core import durations

OPEN = "${{"
_CLOSE = "}}"
_UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Hole:
    """An expression in a text."""

    source: str


class Unclosed(Exception):
    """A `${{` without its `}}`; `number` counts from 0 which."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


def parts(text: str) -> Iterator[str | Hole]:
    """The text taken apart, in order.

    Raises:
        Unclosed: an expression does not end.
    """
    position = number = 0
    while (start := text.find(OPEN, position)) >= 0:
        if start > position:
            yield text[position:start]
        end = _end(text, start + len(OPEN))
        if end is None:
            raise Unclosed(number)
        yield Hole(text[start + len(OPEN) : end])
        position, number = end + len(_CLOSE), number + 1
    if position < len(text):
        yield text[position:]


def expressions(value: Any) -> Iterator[str]:
    """Every expression in a value, however deep."""
    match value:
        case str():
            yield from (part.source for part in parts(value) if isinstance(part, Hole))
        case list():
            for item in value:
                yield from expressions(item)
        case dict():
            for item in value.values():
                yield from expressions(item)


def alone(text: str) -> str | None:
    """The expression of a text that is nothing else: its value keeps its type."""
    found = list(parts(text.strip())) if OPEN in text else []
    return found[0].source if len(found) == 1 and isinstance(found[0], Hole) else None


def fill(value: Any, evaluate: Callable[[str], Any]) -> Any:
    """The value with every expression replaced by what it comes to, as JSON can keep it."""
    match value:
        case str():
            source = alone(value)
            if source is not None:
                return plain(evaluate(source))
            return "".join(said(evaluate(p.source)) if isinstance(p, Hole) else p for p in parts(value))
        case list():
            return [fill(item, evaluate) for item in value]
        case dict():
            return {key: fill(item, evaluate) for key, item in value.items()}
    return value


def plain(value: Any) -> Any:
    """A value of the language as a setting has it: durations and times as texts."""
    match value:
        case timedelta():
            return durations.write(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case list():
            return [plain(item) for item in value]
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
    return value


def said(value: Any, unknown: str = _UNKNOWN) -> str:
    """A value of the language within a sentence."""
    match value:
        case None:
            return unknown
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.10g}"
        case timedelta():
            return durations.show(value)
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        case list():
            return ", ".join(said(item) for item in value)
    return str(value)


def _end(text: str, start: int) -> int | None:
    """Where the `}}` of an expression is, past quotes and braces of its own."""
    quote, depth, i = "", 0, start
    while i < len(text):
        character = text[i]
        if quote:
            i += character == "\\"
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "{":
            depth += 1
        elif character == "}" and depth:
            depth -= 1
        elif text.startswith(_CLOSE, i):
            return i
        i += 1
    return None
