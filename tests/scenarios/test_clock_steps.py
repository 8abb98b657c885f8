"""The machine's clock is stepped an hour back and forward under runs: none is lost, none is doubled, none is early.

An embedded store goes by the machine's clock, so a step forward ends waits, and one back makes them longer: by
the step, not by more. A shared store has a clock of its own, and no step of any machine's is noticed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from responder import settings
from responder.core import runs
from responder.store import stores
from tests.contracts import postgresql_server, samples
from tests.scenarios import stepped

HOUR = 3600
LONG = [f"long-{number}" for number in range(12)]
LATER = [f"later-{number}" for number in range(6)]
PATIENCE = 120.0  # seconds; only reached when something is broken
ROOT = Path(__file__).parents[2]


class Machine:
    """One machine: its clock, and the instance on it."""

    def __init__(self, stage: Stage, name: str) -> None:
        self._stage, self._shift = stage, stage.folder / f"shift of {name}"
        self._log = stage.folder / f"log of {name}"
        self._process: asyncio.subprocess.Process | None = None
        self.step_to(0)

    def step_to(self, seconds: int) -> None:
        """Its clock is ahead of the true time by so much, from this moment on."""
        new = self._shift.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._shift)

    async def start(self) -> None:
        stage = self._stage
        files = {name: str(stage.folder / name) for name in ("ledger", "waiting", "early")}
        files["shift"] = str(self._shift)
        order = json.dumps({"store": stage.config.model_dump(mode="json", exclude_defaults=True), **files})
        with self._log.open("a") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.scenarios.stepped", order),
                cwd=ROOT, env=os.environ, stdin=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip

    async def begins_and_ends(self, name: str) -> None:
        """It starts a run with a short wait, and that comes to its end: time goes on, and the instance lives."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name}\n".encode())
        await self._stage.until(lambda: self._stage.did(name, "after"))

    async def stop(self, *, kill: bool = False) -> None:
        if self._process is not None and self._process.returncode is None:
            if kill:
                self._process.kill()
            assert self._process.stdin is not None
            self._process.stdin.close()
            await self._process.wait()

    def log(self) -> str:
        return self._log.read_text()


class Stage:
    """The store, and what became of the runs."""

    def __init__(self, folder: Path, config: settings.Store) -> None:
        self.folder, self.config = folder, config
        for name in ("ledger", "waiting", "early"):
            (folder / name).touch()

    def lines(self, name: str) -> list[str]:
        return (self.folder / name).read_text().splitlines()

    def effects(self) -> Counter[str]:
        return Counter(self.lines("ledger"))

    def all_wait(self, names: list[str]) -> bool:
        return set(names) <= set(self.lines("waiting"))

    def did(self, name: str, step: str) -> bool:
        return self.effects()[f"{name}/{step}"] > 0

    def all_did(self, names: list[str], step: str) -> bool:
        return all(self.did(name, step) for name in names)

    def some_did(self, names: list[str], step: str) -> bool:
        return any(self.did(name, step) for name in names)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110 - other processes do it
                await asyncio.sleep(0.02)

    @contextlib.asynccontextmanager
    async def store(self) -> AsyncIterator[stores.Store]:
        opened = await stores.open_store(self.config)
        try:
            yield opened
        finally:
            await opened.close()

    async def submit(self, names: list[str], now: datetime) -> None:
        async with self.store() as store:
            await store.estate.put_servers([samples.server(name) for name in names])
            await store.runs.submit_all([stepped.a_run(name, stepped.HALF_AN_HOUR, now) for name in names])

    async def assert_each_once(self) -> None:
        """At the very end, when nobody has the store any more."""
        async with self.store() as store:
            found = await store.runs.list(1000)
        assert {run.state for run in found} == {runs.State.DONE}
        assert self.effects() == {f"{run.id}/{step}": 1 for run in found for step in ("before", "after")}
        assert self.lines("early") == []


@pytest.fixture
def server() -> Iterator[postgresql_server.Server]:
    with postgresql_server.running() as started:
        yield started


@contextlib.asynccontextmanager
async def machines(stage: Stage, count: int) -> AsyncIterator[list[Machine]]:
    made = [Machine(stage, str(number)) for number in range(count)]
    try:
        yield made
    finally:
        for machine in made:
            await machine.stop(kill=True)


MARKERS = ["back", "again", "forward", "dead", "born"]


async def know_markers(stage: Stage) -> None:
    async with stage.store() as store:
        await store.estate.put_servers([samples.server(name) for name in MARKERS])


@pytest.mark.slow
async def test_on_a_file_a_wait_is_longer_or_shorter_by_the_step_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    stage = Stage(tmp_path, settings.Store(path=tmp_path / "store.db"))
    await stage.submit(LONG, datetime.now(UTC))
    await know_markers(stage)
    async with machines(stage, 1) as (machine,):
        await machine.start()
        await stage.until(lambda: stage.all_wait(LONG))

        machine.step_to(-HOUR)
        await machine.begins_and_ends("back")
        machine.step_to(0)
        await machine.begins_and_ends("again")
        assert not stage.some_did(LONG, "after"), "an hour back and an hour forward leave half an hour to wait"

        machine.step_to(HOUR)
        await stage.until(lambda: stage.all_did(LONG, "after"))

        # Killed an hour ahead, born again at the true time: what it wrote of the future still stands.
        await machine.begins_and_ends("forward")
        await machine.stop(kill=True)
        ahead = datetime.fromtimestamp(datetime.now(UTC).timestamp() + HOUR, UTC)
        await stage.submit(LATER, ahead)
        await machine.start()
        await stage.until(lambda: stage.all_wait(LATER))
        await machine.stop(kill=True)
        machine.step_to(0)
        await machine.start()
        await machine.begins_and_ends("born")
        assert not stage.some_did(LATER, "after")

        machine.step_to(2 * HOUR)
        await stage.until(lambda: stage.all_did(LATER, "after"))
        await machine.stop()
    await stage.assert_each_once()


@pytest.mark.slow
async def test_on_a_shared_store_no_step_of_a_machines_clock_is_noticed(
    server: postgresql_server.Server, tmp_path: Path
) -> None:
    url = tmp_path / "url"
    url.write_text(server.url)
    stage = Stage(tmp_path, settings.Store(url=settings.Secret(file=url), schema_name="stepped"))
    await stage.submit(LONG, datetime.now(UTC))
    await know_markers(stage)
    async with machines(stage, 2) as both, stage.store() as beside:
        one, other = both
        one.step_to(HOUR)  # wrong from its birth: what it knows in its first moments is the machine's clock
        await one.start()
        await stage.until(lambda: stage.all_wait(LONG))
        await other.start()

        async def instances() -> Any:
            return {instance.id for instance in await beside.register.list()}

        await one.begins_and_ends("born")
        await other.begins_and_ends("again")
        known = await instances()
        assert len(known) == 2
        one.step_to(-HOUR)
        other.step_to(HOUR)
        await one.begins_and_ends("back")
        await other.begins_and_ends("forward")
        assert await instances() == known, "nobody was taken for dead, and nobody's lease has lapsed"
        assert not stage.some_did(LONG, "after"), "half an hour has not passed"

        said = {"step": "wait", "reason": "because"}
        at = datetime.now(UTC)
        words = [
            runs.Signal(run_id=runs.RunId(n), topic=runs.Topic.GO_NOW, by="ada", at=at, payload=said) for n in LONG
        ]
        await beside.runs.signal_all(words)
        await stage.until(lambda: stage.all_did(LONG, "after"))
        for machine in both:
            await machine.stop()
            assert "instance.dead" not in machine.log()
    await stage.assert_each_once()
