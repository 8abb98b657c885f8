"""A file as its loader saw it: every value with the line and column it begins at, both from 1. Knows no format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class At:
    """A place in a file."""

    line: int
    column: int

    def later(self, line: int, column: int) -> At:
        """The place of what lies at a line and column (from 1) of a text that begins here."""
        return At(self.line, self.column + column - 1) if line <= 1 else At(self.line + line - 1, column)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, number, flag, or nothing."""

    value: bool | int | float | str | None
    at: At
    text_at: At
    """Where the text itself begins, behind a quote or the mark of a block."""
    spots: tuple[At, ...] = ()
    """Where the expression of each `${{` in it begins."""


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    at: At


@dataclass(frozen=True, slots=True)
class Fields:
    """`name: value` lines, in their order; a name may be there twice."""

    entries: tuple[tuple[Scalar, Node], ...]
    at: At


Node = Scalar | Items | Fields


def plain(node: Node) -> Any:
    """The value without its places; of a name that is there twice, the last."""
    match node:
        case Scalar(value=value):
            return value
        case Items(items=items):
            return [plain(item) for item in items]
        case Fields(entries=entries):
            return {str(key.value): plain(item) for key, item in entries}
