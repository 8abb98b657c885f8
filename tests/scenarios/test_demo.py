"""The whole product as processes, as anybody can try it: the demo, its daemon killed again and again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import uuid
from pathlib import Path

import psutil
import pytest

PROJECT = Path(__file__).parents[2]
MARK = "RESPONDER_TEST_MARK"


def marked(mark: str) -> list[str]:
    """The processes that were started, by whatever way, from one that was given the mark."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.environ().get(MARK) == mark:
                found.append(" ".join(process.cmdline()))
    return found


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(400)
async def test_the_demo_ends_well_though_its_daemon_is_killed_and_leaves_nothing(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "responder", "demo", "--kill", "--plain", cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(tmp_path), MARK: mark},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    said = output.decode()
    assert process.returncode == 0, said
    assert "was killed with -9" in said
    assert " NO " not in said
    assert marked(mark) == []
    assert os.listdir(tmp_path) == []
