"""An instance that does nothing but carry out runs, for `test_shared_soak`. Its one step kind writes a line to a file.

It is killed and frozen at any moment; the lines are the effects that really happened.
"""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from responder import steps
from responder.core import brakes, runs, tolerances
from responder.flow import act, wakes
from responder.steps import doors
from responder.store import postgresql, stores
from responder.store.postgresql import places, tenures
from tests.flow import steps as fakes

TIMING = tenures.Timing(lease=timedelta(seconds=3), beat=timedelta(seconds=0.7), look=timedelta(seconds=0.2))


class Ledger:
    """A step that must be done once, and can be looked up."""

    EFFECT = "once"
    ABOUT = "writes a line"

    def __init__(self, file: Path) -> None:
        self._file = file

    async def execute(self, ctx: doors.Context) -> runs.Outcome:
        await asyncio.sleep(random.uniform(0, 0.03))
        ctx.check()
        with self._file.open("a") as ledger:
            ledger.write(f"{ctx.run.id}/{ctx.step.id}\n")
        await asyncio.sleep(random.uniform(0, 0.03))
        return runs.Done(output={})

    async def reconcile(self, ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
        done = f"{ctx.run.id}/{ctx.step.id}" in self._file.read_text().splitlines()
        return runs.Done(output={}) if done else runs.NotStarted()


async def work(url: str, schema: str, ledger: Path) -> None:
    place = places.Place(url=url, schema=schema)
    store = await postgresql.open_store(place, role=stores.Role.DAEMON, timing=TIMING)
    kinds: Any = {"ledger": Ledger(ledger)}
    plenty = brakes.Policy(caps=brakes.Caps(per_subscription=1000, per_region=1000), quarantine_after=1000)
    bell, loop = wakes.Wake(), asyncio.get_running_loop()
    store.tenure.hear({"act": lambda: loop.call_soon_threadsafe(bell.ring)}, lambda _: None)
    stage = act.Act(
        store, fakes.Stage().context("restore").doors, tolerances.Tolerance(),
        wake=bell, assess=wakes.Wake(), registry=steps.registry(kinds), policy=plenty,
    )  # fmt: skip
    await stage.run()


def live(url: str, schema: str, ledger: str, log: str) -> None:
    """The life of one instance, until it is killed."""
    with Path(log).open("a") as file:
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(file))
        asyncio.run(work(url, schema, Path(ledger)))
