"""The benchmarks run: each with tiny counts, ending well with its rows printed and nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROWS = {
    "hub": ["hub"],
    "restores": ["restores"],
    "webhook": ["webhook"],
    "store": ["store: submit", "store: steps"],
    "estate": ["estate: match", "estate: decide"],
    "waiting": ["submit: sqlite", "waiting: sqlite", "submit: postgres", "waiting: postgres"],
}


@pytest.mark.parametrize("name", ROWS)
def test_each_benchmark_prints_its_rows_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    """A benchmark that nobody can run any more is found out here; how fast anything is, is not asked."""
    command = [sys.executable, "-W", "error", "-m", "tests.benchmarks", "--quick", name]
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        command, cwd=root, env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    printed = [line for line in ended.stdout.splitlines()[2:] if not line.startswith("  ")]
    assert [line[:18].rstrip() for line in printed] == ROWS[name]
    assert all(line.split()[-1] == "1" for line in printed), "one turn"
    assert list(tmp_path.iterdir()) == []
    assert ended.stderr == ""
