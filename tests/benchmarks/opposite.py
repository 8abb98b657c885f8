"""The process that stands opposite: started, told to end by the end of its input, and waited for, whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PATIENCE = 30.0
"""Seconds until a process that says nothing, or does not end, is given up."""


@contextlib.asynccontextmanager
async def running(module: str, *arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m tests.benchmarks.MODULE`, for as long as the block runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)),
        cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        await _end(process)


async def line(process: asyncio.subprocess.Process) -> str:
    """The next line it says. Raises RuntimeError when it ended instead; why is on standard error."""
    assert process.stdout is not None
    async with asyncio.timeout(_PATIENCE):
        said = await process.stdout.readline()
    if not said:
        raise RuntimeError("the process opposite has ended; see its standard error above")
    return said.decode().rstrip("\n")


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_PATIENCE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
