"""An instance of the daemon that carries out runs, for `test_soak`: its real parts, and the local Azure behind them.

It is killed and frozen at any moment. What it did is in the ledger of the local Azure, which outlives it, and in a
file to which one more step kind adds lines: Azure's names are deterministic, so that what is done twice there may go
unseen, and a line written twice does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from responder import playbook_files, service, settings, steps
from responder.core import playbooks, runs
from responder.steps import doors
from responder.store import postgresql, stores
from responder.store.postgresql import tenures

AMONG_OTHERS = tenures.Timing(lease=timedelta(seconds=4), beat=timedelta(seconds=1), look=timedelta(seconds=0.25))
ALONE = tenures.Timing(lease=timedelta(seconds=1.5), beat=timedelta(seconds=0.3), look=timedelta(seconds=0.1))
"""Whoever comes after it waits until it is known to be dead."""
SHIPPED = playbook_files.library(None, playbook_files.language(steps.KINDS))


KILLS = 20
LINES = playbooks.Playbook(
    name="lines", title="Lines", purpose="To be survived",
    steps=tuple(
        step
        for number in range(KILLS)
        for step in (playbooks.Step(id=f"p{number:02}", kind="pace"), playbooks.Step(id=f"s{number:02}", kind="line"))
    ),
)  # fmt: skip


@contextlib.contextmanager
def in_hand(folder: Path, line: str) -> Iterator[None]:
    """Tell that this process is about to write that line."""
    told = folder / f"{os.getpid()} is about to write {line.replace('/', ' ')}"
    told.touch()
    try:
        yield
    finally:
        told.unlink()


def about_to_write(folder: Path, pid: int | None) -> list[str]:
    """The lines that the process is about to write at this moment."""
    return ["/".join(found.name.split()[-2:]) for found in folder.glob(f"{pid} is about to write *")]


class Line:
    """A step that must be done once, and can be looked up."""

    EFFECT = "once"
    ABOUT = "writes a line"

    def __init__(self, file: Path) -> None:
        self._file = file

    async def execute(self, ctx: doors.Context) -> runs.Outcome:
        line = f"{ctx.run.id}/{ctx.step.id}"
        with in_hand(self._file.parent, line):
            await asyncio.sleep(random.uniform(0, 0.25))
            ctx.check()
            with self._file.open("a") as file:
                file.write(f"{line}\n")
        await asyncio.sleep(random.uniform(0, 0.15))
        return runs.Done(output={})

    async def reconcile(self, ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
        done = f"{ctx.run.id}/{ctx.step.id}" in self._file.read_text().splitlines()
        return runs.Done(output={}) if done else runs.NotStarted()


class Pace:
    """A step that waits for its turn, so that the runs last as long as there is somebody to be killed."""

    EFFECT = "read"
    ABOUT = "waits for its turn"

    def __init__(self, rounds: Path) -> None:
        self._rounds = rounds

    async def execute(self, ctx: doors.Context) -> runs.Outcome:
        if self._rounds.stat().st_size > int(ctx.step.id[1:]):
            return runs.Done(output={})
        return runs.Wait(until=ctx.now + timedelta(seconds=0.2), topic="pace")


async def work(config: settings.Settings, folder: Path) -> None:
    """Carry out runs for ever."""
    async with service.assembled(config, stores.Role.DAEMON) as parts:
        kinds: Any = {**steps.KINDS, "line": Line(folder / "lines"), "pace": Pace(folder / "rounds")}
        await service.actor(replace(parts, registry=steps.registry(kinds))).run()


def live(written: Mapping[str, Any], environment: Mapping[str, str], folder: str, several: bool) -> None:
    """The life of one instance, until it is killed."""
    os.environ.update(environment)
    playbook_files.library = lambda *_, **__: SHIPPED  # reading YAML would be most of a short life
    timing = AMONG_OTHERS if several else ALONE
    postgresql.open_store = functools.partial(postgresql.open_store, timing=timing)  # type: ignore[assignment]
    with (Path(folder) / "log").open("a", buffering=1) as file:
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(file))
        asyncio.run(work(settings.Settings.model_validate(written), Path(folder)))
