"""The table that `make bench` prints. Text only; it measures nothing."""

from __future__ import annotations

import os
import platform

from tests.benchmarks import measures

_LINE = "{:<18}{:<10}{:>9}{:>9}{:>8}{:>13}{:>13}{:>7}{:>7}"


def head() -> str:
    """The machine, and the names of the columns."""
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, loopback; medians of turns taken one by one"
    names = ("", "unit", "ours/s", "bare/s", "ratio", "ours CPU us", "bare CPU us", "ratio", "turns")
    return f"{machine}\n{_LINE.format(*names)}"


def line(row: measures.Row) -> str:
    """One row. Ratios above 1 in the first column say that we are faster, in the second that we cost more."""
    return "\n  ".join([_line(row), *row.notes])


def _line(row: measures.Row) -> str:
    return _LINE.format(
        row.name,
        row.unit,
        f"{row.median(lambda ours, _: ours.rate):,.0f}",
        f"{row.median(lambda _, bare: bare.rate):,.0f}",
        f"{row.median(lambda ours, bare: ours.rate / bare.rate):.2f}",
        f"{row.median(lambda ours, _: ours.cpu_each * 1e6):,.0f}",
        f"{row.median(lambda _, bare: bare.cpu_each * 1e6):,.0f}",
        f"{row.median(lambda ours, bare: ours.cpu_each / bare.cpu_each):.2f}",
        len(row.pairs),
    )
