"""Instances killed with SIGKILL and frozen again and again, at any moment: each run ends, each effect happens once.

Real processes, real playbooks, the real SDKs; the local Azure's ledger is the witness, and the audit. Beside them runs
whose every effect is a line in a file, where nothing but the journal keeps a line from being written twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess as Process
from pathlib import Path
from typing import Any

import pytest

from responder import service, settings
from responder.core import audits, configurations, errors, runs
from responder.flow import auditing, requests
from responder.simulator import server as simulators
from responder.store import stores
from tests.contracts import postgresql_server, samples
from tests.scenarios import courses, kills, workers
from tests.scenarios import night as nights

RUNS, LINES, FREEZES = 34, 6, 3
KILLS = workers.KILLS
PATIENCE = 200.0  # seconds; only reached when something is broken
COURSES = {
    "drill": courses.BY_HAND["a restore is rehearsed"],
    "point-in-time-restore": courses.BY_HAND["a server is restored as it was"],
    "discard-copy": courses.BY_HAND["a copy that was left behind is thrown away"],
}
EXPECTED = {"drill": {"PUT": 1, "SET": 2, "DELETE": 1}, "point-in-time-restore": {"PUT": 1, "SET": 2},
            "discard-copy": {"DELETE": 1}}  # fmt: skip


@pytest.fixture(scope="module")
def database() -> Iterator[postgresql_server.Server]:
    with postgresql_server.running() as started:
        yield started


def books() -> dict[str, str]:
    """Which playbook each server's run carries out."""
    playbooks = list(COURSES)
    return {kills.name_of(number): playbooks[number % len(playbooks)] for number in range(RUNS)}


@dataclass(kw_only=True)
class Crew:
    """The instances, and the hand that kills and freezes them."""

    sim: simulators.Simulator
    written: Mapping[str, Any]
    folder: Path
    size: int
    alive: list[Process] = field(default_factory=list)
    stopped: Process | None = None
    killed: int = 0

    def __post_init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")  # one that has loaded everything bears the others
        self._context.set_forkserver_preload([workers.__name__])

    def bear(self) -> None:
        while len(self.alive) < self.size:
            born = self._context.Process(
                target=workers.live,
                args=(self.written, self.sim.environment, str(self.folder), self.size > 1),
                daemon=True,
            )
            born.start()
            self.alive.append(born)

    async def kill(self) -> None:
        """One of them, at this very moment; another takes its place."""
        victim = random.choice([process for process in self.alive if process is not self.stopped])
        victim.kill()
        await asyncio.to_thread(victim.join)
        self.alive.remove(victim)
        self.killed += 1
        self.bear()

    @contextlib.asynccontextmanager
    async def frozen(self, store: stores.Store) -> AsyncIterator[None]:
        """One of them just before it does something, until that was done by another. Then it goes on where it was."""
        async with asyncio.timeout(PATIENCE):
            victim, line = await self._stopped_in_the_middle()
            while await self._lives(store, victim.pid):  # noqa: ASYNC110 - the others find it out
                await asyncio.sleep(0.05)
            while line not in self.lines():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        yield
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGCONT)
        self.stopped = None

    async def _stopped_in_the_middle(self) -> tuple[Process, str]:
        while True:
            for victim in self.alive:
                if victim.pid is not None and workers.about_to_write(self.folder, victim.pid):
                    os.kill(victim.pid, signal.SIGSTOP)
                    left = set(workers.about_to_write(self.folder, victim.pid)) - set(self.lines())
                    if left:
                        self.stopped = victim
                        return victim, left.pop()
                    os.kill(victim.pid, signal.SIGCONT)
            await asyncio.sleep(0.005)

    @staticmethod
    async def _lives(store: stores.Store, pid: int | None) -> bool:
        return any(f"pid {pid} " in one.about for one in await store.register.list())

    def lines(self) -> list[str]:
        return (self.folder / "lines").read_text().splitlines()

    async def tell(self, store: stores.Store) -> None:
        """What pytest shows where a test failed: who lives, who is registered, and what they said last."""
        stopped = self.stopped.pid if self.stopped else None
        print("stopped:", stopped, "alive:", [(each.pid, each.exitcode) for each in self.alive])
        with contextlib.suppress(errors.StoreError):
            print(*await store.register.list(), sep="\n")
            print(*((run.id, run.state, run.step, run.wake_at) for run in await store.runs.list(active_only=True)))
        log = self.folder / "log"
        print(*(log.read_text().splitlines()[-80:] if log.exists() else ()), sep="\n")

    async def dismiss(self) -> None:
        for process in self.alive:
            process.kill()
            await asyncio.to_thread(process.join)

    def next_round(self) -> None:
        """Let the lines go one further."""
        with (self.folder / "rounds").open("a") as rounds:
            rounds.write("+")

    async def until_more(self, most: int) -> None:
        """Until something more has happened: some requests of Azure, or some lines."""
        wanted = self._happened() + random.randint(1, most)
        async with asyncio.timeout(PATIENCE):
            while self._happened() < wanted:  # noqa: ASYNC110 - other processes do it
                await asyncio.sleep(0.005)

    def _happened(self) -> int:
        return len(self.sim.world.ledger) + (self.folder / "lines").stat().st_size // len("line-00/s00\n")


@contextlib.asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[simulators.Simulator]:
    described: list[dict[str, Any]] = []
    for name, book in books().items():
        course = COURSES[book]
        described += [nights.a_server(name, course.region, **course.server), *courses.others_of(course, name)]
    estate = nights.an_estate(described)
    options = simulators.Options(data_plane=False, data_dir=folder / "cloud")
    async with simulators.running(estate, options) as sim:
        sim.world.data = nights.Harbour(sim.world.now)
        await sim.world.start()
        yield sim


async def begun(config: settings.Settings) -> None:
    """The estate is known, and somebody has asked for a run of every server."""
    office = configurations.Rule(name="office", start="10.0.0.1", end="10.0.0.9")
    many = configurations.Parameter(name="max_connections", value="400", static=True)
    known = configurations.Configuration(rules=(office,), parameters=(many,))
    async with service.assembled(config, stores.Role.WRITER) as parts:
        await service.refresh_inventory(parts)
        for name, book in books().items():
            asked = requests.RunRequest(playbook=book, server=name, by="ada")
            run = await requests.planned(parts.store, parts.playbooks, asked, datetime.now(UTC))
            captured = configurations.Captured(at=run.created_at, configuration=known)
            await parts.store.configurations.put(run.server_id, captured)
            await requests.submit(parts.store, run)
        for number in range(LINES):
            run = samples.run(f"line-{number:02}", server=f"l{number:02}")
            await parts.store.estate.put_servers([samples.server(f"l{number:02}")])
            await parts.store.runs.submit(replace(run, playbook=workers.LINES, step="p00"))


def settings_of(sim: simulators.Simulator, folder: Path, database: postgresql_server.Server | None) -> dict[str, Any]:
    store: dict[str, Any] = {"path": str(folder / "store.db")}
    if database is not None:
        (folder / "url").write_text(database.url)
        store = {"url": {"file": str(folder / "url")}, "schema_name": database.place().schema}
    groups = {"westeurope": "rg-recovery-europe"}
    written = nights.written_settings(
        sim, folder, event_hubs=[], channels=[], restore={"resource_groups": groups, "poll": "1s", "retry": "1s"}
    )
    return {**written, "store": store, "brakes": {"quarantine_after": 1000}}


CREWS = {"one, SQLite": (1, False), "one, PostgreSQL": (1, True), "three, PostgreSQL": (3, True)}
"""How many instances, and whether they share a database. A file is one instance's: no other may open it."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("size", "shared"), CREWS.values(), ids=CREWS)
async def test_killed_again_and_again_every_run_ends_and_every_effect_happens_once(
    size: int, shared: bool, memory: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    database = request.getfixturevalue("database") if shared else None
    async with performed(memory, monkeypatch, database, size) as (crew, store):
        await torment(crew, store)
        assert crew.killed == KILLS


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_with_connections_cut_and_postgresql_restarted_amid_runs_none_is_lost(
    database: postgresql_server.Server, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with performed(memory, monkeypatch, database, 2) as (crew, _):
        cut = 0
        for number in range(KILLS):
            crew.next_round()
            await crew.until_more(LINES - 1)
            if number in (6, 13):
                await asyncio.to_thread(database.crash)
                await asyncio.to_thread(database.start)
            else:
                cut += await database.terminate("")
        assert cut > KILLS
        assert all(process.is_alive() for process in crew.alive), "nobody has died of it"


@contextlib.asynccontextmanager
async def performed(
    memory: Path, monkeypatch: pytest.MonkeyPatch, database: postgresql_server.Server | None, size: int
) -> AsyncIterator[tuple[Crew, stores.Store]]:
    """So many instances carry out all runs. What happens to them is up to the test; at the end, all is well."""
    async with stage(memory) as sim:
        for name, value in sim.environment.items():
            monkeypatch.setenv(name, value)
        written = settings_of(sim, memory, database)
        config = settings.Settings.model_validate(written)
        (memory / "lines").touch()
        (memory / "rounds").touch()
        await begun(config)
        crew = Crew(sim=sim, written=written, folder=memory, size=size)
        store = await stores.open_store(config.store, exclusive=False)
        try:
            crew.bear()
            yield crew, store
            async with asyncio.timeout(PATIENCE):
                while await active(store):  # noqa: ASYNC110 - other processes do it
                    await asyncio.sleep(0.1)
            await crew.dismiss()
            await assert_each_once(sim, store)
            assert Counter(crew.lines()) == {
                f"line-{number:02}/s{step:02}": 1 for number in range(LINES) for step in range(KILLS)
            }
        except BaseException:
            await crew.tell(store)
            raise
        finally:
            await crew.dismiss()
            await store.close()


async def active(store: stores.Store) -> set[str]:
    """The playbooks of the runs that have not ended."""
    try:
        return {run.playbook.name for run in await store.runs.list(active_only=True)}
    except errors.StoreError:  # the database is away
        return {"nobody knows"}


async def torment(crew: Crew, store: stores.Store) -> None:
    """Kill whenever something has happened since the last time; at last, freeze one until it was taken over, too.

    By then only lines are written: between its last look and the packet on the wire, a zombie may send one request of
    Azure (ARCHITECTURE, Known flaws), and the ledger would tell.
    """
    for number in range(KILLS):
        if crew.size > 1 and number >= KILLS - FREEZES:
            await until_only_lines_are_left(store)
            crew.next_round()
            async with crew.frozen(store):
                await crew.kill()
        else:
            crew.next_round()
            await crew.until_more(LINES - 1)
            await asyncio.sleep(random.uniform(0, 0.1))  # it may just be writing what came of it
            await crew.kill()


async def until_only_lines_are_left(store: stores.Store) -> None:
    async with asyncio.timeout(PATIENCE):
        while await active(store) != {"lines"}:  # noqa: ASYNC110 - other processes do it
            await asyncio.sleep(0.1)


async def assert_each_once(sim: simulators.Simulator, store: stores.Store) -> None:
    found = await store.runs.list(1000)
    assert Counter(run.state for run in found) == {runs.State.DONE: RUNS + LINES}
    assert {name: wrote(sim, name) for name in books()} == {name: EXPECTED[book] for name, book in books().items()}
    for run in found:
        left = [record.id for record in (await store.runs.steps(run.id)).values() if not settled(record)]
        assert left == [], f"{run.id}: begun, and nobody knows what came of it"
    assert (await auditing.verify(store.audit, audits.Witness())).whole


def settled(record: runs.StepRecord) -> bool:
    return record.state in (runs.StepState.DONE, runs.StepState.SKIPPED)


def wrote(sim: simulators.Simulator, name: str) -> dict[str, int]:
    """What reached Azure for that server's copies."""
    found = Counter(
        "SET" if "/firewallrules/" in entry.path.lower() or "/configurations/" in entry.path.lower() else entry.method
        for entry in sim.world.ledger.writes()
        if f"/{name}-" in entry.path
    )
    return dict(found)
