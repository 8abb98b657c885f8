"""Waiting: ten thousand runs submitted at once, and a daemon that has nothing to do but wait for them; on both stores.

Submit: one call, durable when it returns, against a bare client that commits as many rows of the same size.
Waiting: a daemon with all those runs in its store, against one with none. An item is an idle second, so 20,000 us of
CPU are 2 % of a core. The notes say how soon after its process was started the daemon had begun the one due run.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from responder import playbook_files, settings, steps
from responder.core import playbooks, regions, runs, servers
from responder.store import codec, stores
from responder.store import runs as stored
from tests.benchmarks import bare_store, cloud, idle, measures
from tests.contracts import postgresql_server

RUNS = 10_000
_IDLE = 30.0
"""Seconds of looking at a daemon that waits. The stages that nap wake about once in 30 s."""
_NOW = datetime.now(UTC)

Bare = Callable[[Sequence[tuple[str, str]]], Awaitable[None]]
"""Keeps keys and bodies in a new table; one commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One kind of database."""

    name: str
    config: Callable[[], settings.Store]
    """A store that nobody has used yet."""
    bare: Bare


async def measure(effort: measures.Effort) -> list[measures.Row]:
    """Two rows for each database."""
    playbook = playbook_files.load_all(None, steps.KINDS)["geo-restore"]
    waiting = [_waiting(playbook, number) for number in range(effort.of(RUNS))]
    rows = []
    with tempfile.TemporaryDirectory(prefix="responder-bench-") as folder:
        async with cloud.running() as azure, _sqlite(Path(folder)) as file, _postgresql(Path(folder)) as server:
            for site in (file, server):
                rows.append(await _submit(site, waiting, effort))
                rows.append(await _wait(site, waiting, azure, effort))
    return rows


async def _submit(site: Site, waiting: Sequence[runs.Run], effort: measures.Effort) -> measures.Row:
    same = [(run.id, codec.dump(run, runs.Run)) for run in waiting]

    async def ours() -> measures.Sample:
        async with _store(site.config()) as store:
            watch = measures.Stopwatch()
            found = await store.runs.submit_all(waiting)
            sample = watch.read(len(waiting))
        assert set(found) == {stored.Submitted.CREATED}
        return sample

    async def bare() -> measures.Sample:
        watch = measures.Stopwatch()
        await site.bare(same)
        return watch.read(len(same))

    row = await measures.compare(f"submit: {site.name}", "run", ours, bare, effort)
    slowest = max(sample.seconds for sample, _ in row.pairs)
    return replace(row, notes=[f"{len(waiting):,} runs were durable after {slowest:.2f} s at most"])


async def _wait(
    site: Site, waiting: Sequence[runs.Run], azure: Mapping[str, str], effort: measures.Effort
) -> measures.Row:
    """One turn: a daemon is looked at for so long that more would only take longer."""
    seconds = max(0.5, _IDLE * min(effort.scale, 1.0))
    full = await _lived(site, waiting, azure, seconds)
    empty = await _lived(site, (), azure, seconds)
    notes = [
        f"{len(waiting):,} wait: {full.megabytes:.0f} MB resident ({empty.megabytes:.0f} with none), "
        f"{100 * full.idle.cpu_each:.2f} % of a core ({100 * empty.idle.cpu_each:.2f} with none), "
        f"{full.threads} threads",
        f"restarted: the due run had begun {full.begun:.2f} s after the process was started "
        f"({empty.begun:.2f} with no other run); it served after {full.up:.2f} s",
    ]
    return measures.Row(name=f"waiting: {site.name}", unit="second", pairs=[(full.idle, empty.idle)], notes=notes)


async def _lived(site: Site, waiting: Sequence[runs.Run], azure: Mapping[str, str], seconds: float) -> idle.Life:
    config = site.config()
    async with _store(config) as store:
        await store.runs.submit_all(waiting)
        await store.estate.put_servers([_server("due")])
        await store.runs.submit(_due())
    return await idle.live(config, azure, seconds)


@contextlib.asynccontextmanager
async def _store(config: settings.Store) -> AsyncIterator[stores.Store]:
    store = await stores.open_store(config)
    try:
        yield store
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[Site]:
    names = iter(range(1_000))

    async def bare(rows: Sequence[tuple[str, str]]) -> None:
        connection = bare_store.connect(folder / f"bare-{next(names)}.db")
        with contextlib.closing(connection):
            await asyncio.to_thread(bare_store.append, connection, rows)

    yield Site(name="sqlite", config=lambda: settings.Store(path=folder / f"ours-{next(names)}.db"), bare=bare)


@contextlib.asynccontextmanager
async def _postgresql(folder: Path) -> AsyncIterator[Site]:
    server = await asyncio.to_thread(postgresql_server.Server)
    url = folder / "url"
    url.write_text(server.url)
    try:
        await server.ask("ALTER SYSTEM SET fsync = on")  # it is off for tests; here a commit costs what it costs
        await server.ask("SELECT pg_reload_conf()")

        async def bare(rows: Sequence[tuple[str, str]]) -> None:
            connection = await asyncpg.connect(server.url)
            try:
                await connection.execute("DROP TABLE IF EXISTS kept")
                await connection.execute("CREATE TABLE kept (id bigserial PRIMARY KEY, key text UNIQUE, body text)")
                async with connection.transaction():
                    await connection.executemany("INSERT INTO kept (key, body) VALUES ($1, $2)", rows)
            finally:
                await connection.close()

        def config() -> settings.Store:
            place = server.place()
            return settings.Store(url=settings.Secret(file=url), schema_name=place.schema)

        yield Site(name="postgres", config=config, bare=bare)
    finally:
        await asyncio.to_thread(server.remove)


def _waiting(playbook: playbooks.Playbook, number: int) -> runs.Run:
    """Waits for tomorrow and later, at its first step."""
    run = _run(playbook, f"server-{number}")
    return replace(run, state=runs.State.WAITING, wake_at=_NOW + timedelta(days=1, seconds=number), waiting_for="retry")


def _due() -> runs.Run:
    step = playbooks.Step(id="tell", kind="notify", settings={"subject": "It goes on.", "text": "It was due."})
    book = playbooks.Playbook(name="bench", title="Bench", purpose="To be begun soon", steps=(step,))
    return replace(_run(book, "due"), wake_at=_NOW - timedelta(minutes=1))


def _run(playbook: playbooks.Playbook, name: str) -> runs.Run:
    server = _server(name)
    id_ = runs.run_id(playbook.name, server, "bench")
    return runs.new(id_=id_, server=server, outage_id=None, playbook=playbook, params={}, by="bench", now=_NOW)


def _server(name: str) -> servers.Server:
    address = servers.Address(subscription_id="sub", resource_group="group", family=servers.Family.FLEXIBLE, name=name)
    return servers.Server(
        id=servers.id_of(address),
        name=name,
        family=servers.Family.FLEXIBLE,
        subscription_id="sub",
        resource_group="group",
        region=regions.RegionName("eastus2"),
        tier="GeneralPurpose",
    )
