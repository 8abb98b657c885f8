"""How things look in a terminal: tables for people, one JSON value for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import click
from rich import box, console, table

from responder import clock
from responder.core import durations, regions


def as_json(value: Any) -> None:
    """One JSON value on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def rows(title: str, columns: Sequence[str], lines: Sequence[Sequence[object]], *, empty: str) -> None:
    """A table, or a sentence when there is nothing to show."""
    out = console.Console()
    if not lines:
        out.print(empty)
        return
    grid = table.Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        grid.add_column(column, overflow="fold")
    for line in lines:
        grid.add_row(*("" if cell is None else str(cell) for cell in line))
    out.print(grid)


def ago(text: str | None) -> str:
    """A stored time as a person says it: `3 m ago`, `in 2 h 10 m`."""
    if not text:
        return ""
    distance = clock.now() - datetime.fromisoformat(text)
    if distance.total_seconds() < 0:
        return f"in {durations.show(-distance)}"
    return f"{durations.show(distance)} ago"


def span(value: float | None) -> str:
    """Seconds as a person says them."""
    return durations.show(timedelta(seconds=value)) if value is not None else ""


def percent(value: float | None) -> str:
    """A probability."""
    return f"{value:.1%}" if value is not None else ""


def region(name: str) -> str:
    """A region by the name people read."""
    return regions.display(name)
