"""How things look in a terminal: tables for people, one JSON value for programs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import click
from rich import box, console, padding, table, text

from responder import clock
from responder.core import durations, regions

_WIDE = 1000
"""Characters of a line that nobody looks at."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
_WORD = 24
"""A longer word may be broken: an id, an address."""


def as_json(value: Any) -> None:
    """One JSON value on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def rows(title: str, columns: Sequence[str], lines: Sequence[Sequence[object]], *, empty: str) -> None:
    """A table, or a sentence when there is nothing to show."""
    # Into a pipe, lines are not folded: scripts and `grep` want an id in one piece.
    out = console.Console() if sys.stdout.isatty() else console.Console(width=_WIDE)
    if not lines:
        out.print(empty)
        return
    if _narrowest(columns, lines) > out.width:
        _cards(out, title, columns, lines)
        return
    grid = table.Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        grid.add_column(column, overflow="fold", no_wrap=i == 0)
    for line in lines:
        # As text: what Azure and owners wrote is not markup.
        grid.add_row(*(text.Text("" if cell is None else str(cell)) for cell in line))
    out.print(grid)


def _narrowest(columns: Sequence[str], lines: Sequence[Sequence[object]]) -> int:
    """Characters of a line that a table needs so that no short word is broken."""
    widths = [_longest(column) for column in columns]
    for line in lines:
        widths = [max(width, _longest(cell)) for width, cell in zip(widths, line, strict=True)]
        widths[0] = max(widths[0], len(str(line[0] or "")))  # the first column is not folded
    return sum(widths) + 3 * len(widths)


def _longest(cell: object) -> int:
    words = ("" if cell is None else str(cell)).split()
    return min(max(map(len, words), default=0), _WORD)


def _cards(out: console.Console, title: str, columns: Sequence[str], lines: Sequence[Sequence[object]]) -> None:
    """The table for a narrow terminal: each line a paragraph, `column: cell; column: cell`."""
    if title:
        out.print(text.Text(title, style="italic"))
    for line in lines:
        out.print(text.Text("" if line[0] is None else str(line[0]), style="bold"), soft_wrap=True)
        rest = (
            f"{column}: {cell}" for column, cell in zip(columns[1:], line[1:], strict=True) if cell not in (None, "")
        )
        out.print(padding.Padding(text.Text("; ".join(rest)), (0, 0, 0, 2)))


def ago(value: str | None) -> str:
    """A stored time as a person says it: `3 m ago`, `in 2 h 10 m`."""
    if not value:
        return ""
    distance = clock.now() - datetime.fromisoformat(value)
    if distance.total_seconds() < 0:
        return f"in {durations.show(-distance)}"
    return f"{durations.show(distance)} ago"


def brief(value: object) -> str:
    """A value of a step for people: of an ARM id the name, of a time the second."""
    written = str(value)
    if written.startswith("/subscriptions/"):
        return written.rpartition("/")[2]
    if _TIME.fullmatch(written):
        return written[:19].replace("T", " ") + " UTC"
    return written


def resource_health(said: Any) -> str:
    """What Resource Health last said of a server: `unavailable (platform), 3 m ago`. It is evidence, not health."""
    return f"{said['state']} ({said['cause']}), {ago(said['at'])}" if said else ""


def span(value: float | None) -> str:
    """Seconds as a person says them."""
    return durations.show(timedelta(seconds=value)) if value is not None else ""


def percent(value: float | None) -> str:
    """A probability."""
    return f"{value:.1%}" if value is not None else ""


def region(name: str) -> str:
    """A region by the name people read."""
    return regions.display(name)
