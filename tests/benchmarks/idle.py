"""A daemon in a process of its own that has next to nothing to do: how soon it begins, and what its waiting costs.

It is set up as a real one: a hub that it hears, webhooks with a secret, an API with a token, a subscription whose
servers it lists, probes, captures and asks Resource Health about; all of it by the local Azure.

Its modules are compiled beforehand, as an installer does it: else the first start of a checkout takes twice as long.
"""

from __future__ import annotations

import asyncio
import compileall
import json
import os
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import yaml

from responder import settings
from tests.benchmarks import cloud, measures

_ROOT = Path(__file__).parents[2]
_PATIENCE = 60.0
"""Seconds until a daemon that does not begin, or does not end, is given up."""
_HABITS = ("service.started", "step.begun", "run.ended", "inventory.refreshed")
"""What it has to have logged before it is called idle."""
_TICK = 0.01
"""Seconds. The kernel counts in these; less than one is told as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What was seen of it."""

    begun: float
    """Seconds from the start of the process until it had begun the run that was due."""
    up: float
    """Seconds from the start of the process until it served."""
    idle: measures.Sample
    """An item is a second in which it only waited."""
    megabytes: float
    """Resident, at the end; a million bytes each."""
    threads: int


async def live(config: settings.Store, azure: Mapping[str, str], seconds: float) -> Life:
    """Start a daemon on that store, which holds one due run; look at it for so many seconds when that has ended.

    Args:
        azure: the environment of the local Azure that it lives in.
    """
    with tempfile.TemporaryDirectory(prefix="responder-bench-") as folder:
        file = Path(folder) / "settings.yaml"
        file.write_text(yaml.safe_dump(_written(config, azure)))
        await asyncio.to_thread(compileall.compile_dir, _ROOT / "responder", quiet=2)
        started = time.time()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "responder", "serve", "--config", str(file)),
            cwd=_ROOT, env={**os.environ, **azure, "API_TOKEN": "t" * 32},
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            return await _watched(process, started, seconds)
        finally:
            await _end(process)


def _written(config: settings.Store, azure: Mapping[str, str]) -> Mapping[str, Any]:
    return {
        "store": config.model_dump(mode="json", exclude_defaults=True),
        "azure": {
            "subscriptions": [azure["SIM_SUBSCRIPTION"]],
            "resource_manager": azure["SIM_ARM_TLS"],
            "ca_file": azure["SIM_CA_FILE"],
            "credential": "managed-identity",
        },
        "event_hubs": [{"hub": cloud.HUB, "connection_string": {"env": cloud.hub_variable()}}],
        "web": {"port": 0, "token": {"env": "API_TOKEN"}, "webhook_secret": {"env": "API_TOKEN"}},
        "log_level": "info",
    }


async def _watched(process: asyncio.subprocess.Process, started: float, seconds: float) -> Life:
    told = await _told(process, _HABITS)
    up, begun = told["service.started"], told["step.begun"]
    listening = asyncio.create_task(_heard_out(process))
    watched = psutil.Process(process.pid)
    before, since = _cpu(watched), time.perf_counter()
    await asyncio.sleep(seconds)
    lasted = time.perf_counter() - since
    cpu = max(_cpu(watched) - before, _TICK) / lasted  # of one second
    listening.cancel()
    return Life(
        up=up - started,
        begun=begun - started,
        idle=measures.Sample(items=1, seconds=1.0, cpu=cpu),
        megabytes=watched.memory_info().rss / 1e6,
        threads=watched.num_threads(),
    )


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _told(process: asyncio.subprocess.Process, events: Collection[str]) -> dict[str, float]:
    """When it first logged each of these. Raises RuntimeError when it ended instead."""
    assert process.stderr is not None
    found: dict[str, float] = {}
    async with asyncio.timeout(_PATIENCE):
        while said := await process.stderr.readline():
            if said.startswith(b"{") and (line := json.loads(said))["event"] in events:
                found.setdefault(line["event"], datetime.fromisoformat(line["timestamp"]).timestamp())
            if len(found) == len(events):
                return found
    raise RuntimeError(f"the daemon has ended before {', '.join(set(events) - set(found))}")


async def _heard_out(process: asyncio.subprocess.Process) -> None:
    """Read on, so that it never waits for its log to be read."""
    assert process.stderr is not None
    while await process.stderr.readline():
        pass


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(_PATIENCE):
            await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
