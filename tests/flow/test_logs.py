"""Logs: a stack shows where it happened, never what the variables held."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import io, sys
class Stream(io.TextIOWrapper):
    def isatty(self): return {people}
sys.stderr = Stream(sys.stderr.buffer, write_through=True)
from responder import logs
import structlog
logs.configure("info")
def failing():
    token = "-".join(["hunter2"] * 2)
    raise RuntimeError("something broke")
try: failing()
except RuntimeError: structlog.get_logger("x").exception("web.failed", path="/api")
structlog.get_logger("x").debug("not.shown")
"""


@pytest.mark.parametrize("people", [True, False])
def test_a_stack_in_the_log_shows_no_variable(people: bool):
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(people=people)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "something broke" in done.stderr
    assert "failing" in done.stderr
    assert "hunter2-hunter2" not in done.stderr
    assert "not.shown" not in done.stderr
    assert done.stdout == ""
