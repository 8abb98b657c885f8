"""A daemon in a process of its own that has next to nothing to do: how soon it begins, and what its waiting costs."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import yaml

from responder import settings
from tests.benchmarks import measures

_ROOT = Path(__file__).parents[2]
_PATIENCE = 60.0
"""Seconds until a daemon that does not begin, or does not end, is given up."""
_TICK = 0.01
"""Seconds. The kernel counts in these; less than one is told as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What was seen of it."""

    up: float
    """Seconds from the start of the process until it served."""
    begun: float
    """Seconds from then until it had begun the run that was due."""
    idle: measures.Sample
    """An item is a second in which it only waited."""
    megabytes: float
    """Resident, at the end."""


async def live(config: settings.Store, seconds: float) -> Life:
    """Start a daemon on that store, which holds one due run; look at it for so many seconds when that has ended."""
    with tempfile.TemporaryDirectory(prefix="responder-bench-") as folder:
        file = Path(folder) / "settings.yaml"
        file.write_text(yaml.safe_dump(_written(config)))
        started = time.time()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "responder", "serve", "--config", str(file)),
            cwd=_ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            return await _watched(process, started, seconds)
        finally:
            await _end(process)


def _written(config: settings.Store) -> Mapping[str, Any]:
    """No subscriptions and no hubs: it has nothing to hear and nothing to look at."""
    return {"store": config.model_dump(mode="json", exclude_defaults=True), "web": {"port": 0}, "log_level": "info"}


async def _watched(process: asyncio.subprocess.Process, started: float, seconds: float) -> Life:
    up = await _told(process, "service.started")
    begun = await _told(process, "step.begun")
    await _told(process, "run.ended")
    watched = psutil.Process(process.pid)
    before, since = _cpu(watched), time.perf_counter()
    await asyncio.sleep(seconds)
    lasted = time.perf_counter() - since
    cpu = max(_cpu(watched) - before, _TICK) / lasted  # of one second
    return Life(
        up=up - started,
        begun=begun - up,
        idle=measures.Sample(items=1, seconds=1.0, cpu=cpu),
        megabytes=watched.memory_info().rss / 1e6,
    )


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _told(process: asyncio.subprocess.Process, event: str) -> float:
    """When it logged that. Raises RuntimeError when it ended instead."""
    assert process.stderr is not None
    said = b""
    async with asyncio.timeout(_PATIENCE):
        while said := await process.stderr.readline():
            if said.startswith(b"{") and (line := json.loads(said))["event"] == event:
                return datetime.fromisoformat(line["timestamp"]).timestamp()
    raise RuntimeError(f"the daemon has ended before {event}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(_PATIENCE):
            await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
