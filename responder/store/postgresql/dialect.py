"""The SQL of the repositories in PostgreSQL's words. Knows no table; what it does not know it leaves as it is.

    :name, ?, ?2         $1, $2, ...
    json_each(:ids)      json_array_elements_text(CAST($1 AS json)) AS listed(value)
    INDEXED BY name      nothing: it counts rows itself before it chooses an index

Strings, quoted names, comments and casts (`::`) are left alone.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"""
      (?P<left> '(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | ::)
    | json_each\(\s*(?P<listed> :\w+ | \?\d*)\s*\)
    | (?P<hint> INDEXED[ ]BY[ ]\w+[ ]?)
    | (?P<parameter> :[A-Za-z_]\w* | \?\d*)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with numbered parameters, and which of the given ones each number means."""

    sql: str
    wanted: tuple[str | int, ...]

    def arguments(self, given: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
        """The values in the order of their numbers. Given names that are not asked for are ignored."""
        return [_sendable(given[key]) for key in self.wanted]  # type: ignore[index]  # one of the two


@functools.lru_cache(maxsize=1000)
def translated(sql: str) -> Statement:
    """The statement as PostgreSQL takes it."""
    wanted: dict[str | int, int] = {}
    positions = 0

    def number(parameter: str) -> str:
        nonlocal positions
        if parameter.startswith(":"):
            key: str | int = parameter[1:]
        elif parameter == "?":
            key, positions = positions, positions + 1
        else:
            key = int(parameter[1:]) - 1
        return f"${wanted.setdefault(key, len(wanted) + 1)}"

    def replaced(found: re.Match[str]) -> str:
        if found["left"]:
            return found["left"]
        if found["hint"]:
            return ""
        if found["listed"]:
            return f"json_array_elements_text(CAST({number(found['listed'])} AS json)) AS listed(value)"
        return number(found["parameter"])

    return Statement(_TOKEN.sub(replaced, sql), tuple(wanted))


def _sendable(value: Any) -> Any:
    """PostgreSQL's text holds no NUL. Where one comes so far it is part of something asked for that does not exist."""
    return value.replace("\0", "?") if isinstance(value, str) and "\0" in value else value
