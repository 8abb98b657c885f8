"""Three instances on one PostgreSQL, killed and frozen again and again: each run ends, each effect happens once."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.process import BaseProcess as Process
from pathlib import Path

import pytest

from responder.core import playbooks, runs
from responder.store import postgresql
from tests.contracts import postgresql_server, samples
from tests.scenarios import workers

RUNS, KILLS, FREEZES = 40, 20, 3
BOOK = playbooks.Playbook(
    name="soak", title="Soak", purpose="To be survived",
    steps=tuple(playbooks.Step(id=f"s{i}", kind="ledger") for i in range(6)),
)  # fmt: skip


@pytest.fixture
def server() -> Iterator[postgresql_server.Server]:
    started = postgresql_server.Server()
    yield started
    started.remove()


class Crew:
    """The instances, and the hand that kills them."""

    def __init__(self, server: postgresql_server.Server, schema: str, folder: Path) -> None:
        self.ledger = folder / "ledger"
        self.ledger.touch()
        self._arguments = (server.url, schema, str(self.ledger), str(folder / "log"))
        self._context = multiprocessing.get_context("forkserver")  # one that has loaded everything bears the others
        self._context.set_forkserver_preload([workers.__name__])
        self.alive = [self._born() for _ in range(3)]

    def _born(self) -> Process:
        born = self._context.Process(target=workers.live, args=self._arguments, daemon=True)
        born.start()
        return born

    def kill(self) -> None:
        """One of them, at this very moment; another takes its place."""
        number = random.randrange(len(self.alive))
        self.alive[number].kill()
        self.alive[number].join()
        self.alive[number] = self._born()

    def freeze(self) -> int:
        """One of them; its process id."""
        frozen = random.choice(self.alive).pid
        assert frozen is not None
        os.kill(frozen, signal.SIGSTOP)
        return frozen

    def dismiss(self) -> None:
        for process in self.alive:
            process.kill()
            process.join()

    def effects(self) -> Counter[str]:
        return Counter(self.ledger.read_text().splitlines())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    os.environ.get("RESPONDER_TEST_PROFILE") != "fuzz",
    reason="about one time in four all instances stand still for minutes (ARCHITECTURE, Known flaws): for `make fuzz`",
)
async def test_instances_are_killed_and_frozen_and_every_effect_happens_once(
    server: postgresql_server.Server, tmp_path: Path
) -> None:
    random.seed(7)
    place = server.place()
    store = await postgresql.open_store(place)
    names = [f"run-{number}" for number in range(RUNS)]
    await store.estate.put_servers([samples.server(name) for name in names])
    for name in names:
        await store.runs.submit(replace(samples.run(name), playbook=BOOK, step="s0"))
    crew = Crew(server, place.schema, tmp_path)
    try:
        await torment(crew)
        async with asyncio.timeout(300):
            while await store.runs.list(active_only=True):  # noqa: ASYNC110 - other processes do it
                await asyncio.sleep(0.1)
    finally:
        crew.dismiss()

    assert {run.state for run in await store.runs.list()} == {runs.State.DONE}
    assert crew.effects() == {f"{name}/s{i}": 1 for name in names for i in range(6)}
    await store.close()


async def torment(crew: Crew) -> None:
    """Kill whenever something has happened since the last time; now and then freeze one until it was taken over."""
    frozen: int | None = None
    for number in range(KILLS):
        seen = crew.effects().total()
        async with asyncio.timeout(120):
            while crew.effects().total() <= seen + 2 and crew.effects().total() < RUNS * 6:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        if number % (KILLS // FREEZES) == 2:
            frozen = crew.freeze()
        else:
            crew.kill()
        if frozen is not None and number % (KILLS // FREEZES) == 4:
            thaw(frozen)
    if frozen is not None:
        thaw(frozen)


def thaw(frozen: int) -> None:
    """It may have been killed meanwhile, frozen as it was."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(frozen, signal.SIGCONT)
