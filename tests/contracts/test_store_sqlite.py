"""What only the embedded store promises: its file, its lock, its readers, its schema, its indexes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from responder.core import errors, runs
from responder.store import embedded, intake, locks, migrations, retention, run_rows, sqlite
from tests.contracts import samples, sqlite_backend

DAEMON = """
import asyncio, sys
from datetime import UTC, datetime
from responder.store import intake, sqlite

async def serve():
    store = await sqlite.open_store(sys.argv[1])
    for count, _ in enumerate(iter(sys.stdin.readline, "")):
        at = datetime.now(UTC)
        await store.intake.append([intake.Arrival(source="hub", key=str(count), body=b"", received_at=at)])
        print("written", flush=True)

asyncio.run(serve())
"""


class Daemon:
    """Another process that has the store open and writes when told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def write(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"go\n")
        await self._process.stdin.drain()
        assert await self._process.stdout.readline() == b"written\n"

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.communicate()


@asynccontextmanager
async def daemon(path: Path) -> AsyncIterator[Daemon]:
    pipe = asyncio.subprocess.PIPE
    arguments = (sys.executable, "-c", DAEMON, str(path))
    process = await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe, env={"PYTHONPATH": os.getcwd()})
    running = Daemon(process)
    try:
        await running.write()
        yield running
    finally:
        await running.kill()


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[sqlite_backend.Backend]:
    made = sqlite_backend.Backend(tmp_path)
    yield made
    await made.close()


@pytest.fixture
def path(backend: sqlite_backend.Backend) -> Path:
    return backend.path


# the lock


async def test_a_second_daemon_is_refused_and_told_who_has_the_store(path: Path) -> None:
    async with daemon(path) as other:
        with pytest.raises(errors.StoreError, match=rf"in use by pid {other.pid} on .* since .* \[store\.locked\]"):
            await sqlite.open_store(path)


async def test_whoever_has_the_lock_is_named_and_nobody_else_who_has_its_number_by_now(path: Path) -> None:
    assert locks.holder(path) == ""
    async with daemon(path) as other:
        assert locks.holder(path).startswith(f"pid {other.pid} on ")
        await other.kill()
        assert locks.holder(path) == ""

    lock = path.with_name(path.name + ".lock")
    lock.write_text(f"pid {os.getpid()} on {socket.gethostname()} since 2026-03-04T12:00:00+00:00\n")
    assert locks.holder(path) == ""
    lock.write_text("pid 7 on another-machine since 2026-03-04T12:00:00+00:00\n")
    assert locks.holder(path) == "pid 7 on another-machine since 2026-03-04T12:00:00+00:00", "nobody can tell"


async def test_the_lock_of_a_killed_daemon_is_free_and_what_it_wrote_is_there(path: Path) -> None:
    async with daemon(path) as other:
        await other.kill()

        store = await sqlite.open_store(path)
        counts = await store.intake.counts()
        await store.close()

    assert counts["arrivals"] == 1


async def test_a_closed_store_can_be_opened_again_and_is_closed_for_good(backend: sqlite_backend.Backend) -> None:
    first = await backend.open()
    await first.close()
    await first.close()
    second = await backend.open()

    assert (await second.intake.counts())["arrivals"] == 0
    with pytest.raises(errors.StoreError, match=r"store\.closed"):
        await first.intake.counts()


def put_nonsense(path: Path) -> None:
    path.write_bytes(b"this is no database, but long enough to be looked at" * 50)


async def test_a_store_that_could_not_be_opened_keeps_no_lock(path: Path) -> None:
    put_nonsense(path)
    with pytest.raises(errors.StoreError, match=r"not a database.*store\.unavailable"):
        await sqlite.open_store(path)
    os.unlink(path)

    await (await sqlite.open_store(path)).close()


async def test_a_directory_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.StoreError, match=r"nowhere.*directory exists.*store\.unavailable"):
        await sqlite.open_store(tmp_path / "nowhere" / "store.db")


# reading beside a daemon


async def test_a_reader_sees_what_another_process_has_written_so_far(path: Path) -> None:
    async with daemon(path) as other:
        reader = await sqlite.open_store(path, exclusive=False)
        before = await reader.intake.counts()
        await other.write()
        after = await reader.intake.counts()
        await reader.close()

    assert (before["arrivals"], after["arrivals"]) == (1, 2)


async def test_a_reader_cannot_write(store: sqlite.Store, path: Path) -> None:
    reader = await sqlite.open_store(path, exclusive=False)
    with pytest.raises(errors.StoreError, match=r"store\.read-only"):
        await reader.intake.append([samples.arrival("a")])
    await reader.close()

    assert (await store.intake.counts())["arrivals"] == 0


async def test_the_store_of_a_stopped_daemon_can_be_read(store: sqlite.Store, path: Path) -> None:
    await store.intake.append([samples.arrival("a")])
    await store.close()

    reader = await sqlite.open_store(path, exclusive=False)
    counts = await reader.intake.counts()
    await reader.close()

    assert counts["arrivals"] == 1


async def test_the_store_of_a_killed_daemon_can_be_read(path: Path) -> None:
    async with daemon(path) as other:
        await other.kill()
        path.with_name(path.name + "-shm").unlink()  # as after a power cut

        reader = await sqlite.open_store(path, exclusive=False)
        counts = await reader.intake.counts()
        await reader.close()

    assert counts["arrivals"] == 1


async def test_reading_makes_no_store(path: Path) -> None:
    with pytest.raises(errors.StoreError, match=r"store\.missing"):
        await sqlite.open_store(path, exclusive=False)

    assert os.listdir(path.parent) == []


# the schema


def schema_of(path: Path) -> str:
    connection = sqlite3.connect(path)
    (version,) = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    connection.close()
    return str(version)


def alter(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


async def test_an_empty_file_is_brought_to_the_newest_schema(store: sqlite.Store, path: Path) -> None:
    steps = migrations.scripts("sqlite")

    assert list(steps) == sorted(steps)  # numbers may be left out: several people write steps at a time
    assert schema_of(path) == str(max(steps))


async def test_a_store_of_every_older_schema_is_brought_up_to_date_with_what_it_holds(path: Path) -> None:
    steps = migrations.scripts("sqlite")
    for oldest in list(steps)[:-1]:
        old = path.with_name(f"of-{oldest}.db")
        base = embedded.Database(old, read_only=False)
        await base.connect()
        await migrations.apply(base, {version: step for version, step in steps.items() if version <= oldest})
        await base.execute_transaction(samples.fill_as_the_first_schema)
        await base.close()

        store = await sqlite.open_store(old)
        await samples.all_is_there(store, oldest)
        await store.close()
        assert schema_of(old) == str(max(steps))


@pytest.mark.parametrize("exclusive", [True, False], ids=["writing", "reading"])
async def test_a_newer_schema_is_refused_and_left_alone(store: sqlite.Store, path: Path, exclusive: bool) -> None:
    await store.close()
    alter(path, "UPDATE meta SET value = '999' WHERE key = 'schema'")

    with pytest.raises(errors.StoreError, match=r"schema 999.*newer.*store\.newer"):
        await sqlite.open_store(path, exclusive=exclusive)

    assert schema_of(path) == "999"


async def test_a_reader_does_not_migrate(store: sqlite.Store, path: Path) -> None:
    await store.close()
    alter(path, "UPDATE meta SET value = '0' WHERE key = 'schema'")

    with pytest.raises(errors.StoreError, match=r"Start the daemon.*store\.older"):
        await sqlite.open_store(path, exclusive=False)

    assert schema_of(path) == "0"


async def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    alter(path, "CREATE TABLE songs (title TEXT)")

    with pytest.raises(errors.StoreError, match=r"store\.foreign"):
        await sqlite.open_store(path)


async def test_a_migration_that_fails_leaves_the_schema_it_found(store: sqlite.Store, path: Path) -> None:
    broken = {**migrations.scripts("sqlite"), 999: "CREATE TABLE half (x TEXT);\nINSERT INTO nothing VALUES (1);\n"}
    with pytest.raises(errors.StoreError, match="nothing"):
        await migrations.apply(store.database, broken)

    assert await store.database.row("SELECT 1 FROM sqlite_master WHERE name = 'half'") is None
    await migrations.verify(store.database, migrations.scripts("sqlite"))


async def test_opening_a_new_store_survives_a_power_cut(backend: sqlite_backend.Backend) -> None:
    store = await backend.open()
    backend.lose_power(store, before_commit=True)
    with pytest.raises(sqlite_backend.PowerLost):
        await migrations.apply(store.database, {**migrations.scripts("sqlite"), 999: "CREATE TABLE half (x TEXT);\n"})

    await migrations.verify((await backend.restart()).database, migrations.scripts("sqlite"))


# a full disk, a busy file


async def test_a_full_disk_is_our_error_and_breaks_nothing(store: sqlite.Store) -> None:
    await store.intake.append([samples.arrival("small")])
    pages = await store.database.row("PRAGMA page_count")
    assert pages is not None
    await store.database.rows(f"PRAGMA max_page_count = {pages[0] + 2}")
    big = intake.Arrival(source="hub", key="big", body=b"x" * 100_000, received_at=samples.NOON)

    with pytest.raises(errors.StoreError, match=r"full.*Free space.*store\.full") as raised:
        await store.intake.append([samples.arrival("before it"), big])
    assert isinstance(raised.value.__cause__, sqlite3.Error)
    assert (await store.intake.counts())["arrivals"] == 1
    check = await store.database.row("PRAGMA integrity_check")
    assert check is not None
    assert check[0] == "ok"

    await store.database.rows("PRAGMA max_page_count = 100000")
    await store.intake.append([big])
    assert len(await store.intake.pending()) == 2


async def test_a_file_that_somebody_else_holds_is_our_error(store: sqlite.Store, path: Path) -> None:
    await store.database.rows("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(errors.StoreError, match=r"locked.*Another process.*store\.unavailable"):
        await store.intake.append([samples.arrival("a")])
    other.close()

    await store.intake.append([samples.arrival("a")])
    assert len(await store.intake.pending()) == 1


async def test_a_mistake_inside_a_transaction_undoes_it_and_shows_as_it_is(store: sqlite.Store) -> None:
    def mistaken(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM meta")
        raise KeyError("ours")

    with pytest.raises(KeyError):
        await store.database.execute_transaction(mistaken)

    await migrations.verify(store.database, migrations.scripts("sqlite"))


async def test_a_cancelled_write_is_whole_or_not_at_all_and_the_store_goes_on(store: sqlite.Store) -> None:
    task = asyncio.create_task(store.intake.append([samples.arrival(str(i)) for i in range(100)]))
    await asyncio.sleep(0)  # the write is under way
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (await store.intake.counts())["arrivals"] in (0, 100)


async def test_commits_are_flushed_before_they_are_reported(store: sqlite.Store) -> None:
    journal, synchronous = [await store.database.row(f"PRAGMA {name}") for name in ("journal_mode", "synchronous")]

    assert journal is not None
    assert synchronous is not None
    assert (journal[0], synchronous[0]) == ("wal", 2)


async def test_a_restarted_daemon_need_not_wait_for_its_dead_self(backend: sqlite_backend.Backend) -> None:
    hub = {"fully_qualified_namespace": "n", "eventhub_name": "h", "consumer_group": "g", "partition_id": "0"}
    store = await backend.open()
    await store.checkpoints.claim_ownership([{**hub, "owner_id": "before"}])
    await store.close()

    (ownership,) = await (await backend.open()).checkpoints.list_ownership("n", "h", "g")
    assert ownership["owner_id"] == ""


# ten thousand waiting runs


async def with_waiting_runs(store: sqlite.Store, count: int) -> None:
    def insert(connection: sqlite3.Connection) -> None:
        for i in range(count):
            run_rows.insert(connection, [samples.run(f"run-{i}", minutes=60 + i)])
        connection.execute("UPDATE runs SET state = 'waiting'")

    await store.database.execute_transaction(insert)


async def plans(store: sqlite.Store, statements: list[str]) -> list[str]:
    lines: list[str] = []
    for statement in statements:
        if statement.lstrip().upper().startswith(("SELECT", "UPDATE")):
            rows = await store.database.rows(f"EXPLAIN QUERY PLAN {statement}")
            lines += [row["detail"] for row in rows]
    return lines


async def test_with_ten_thousand_waiting_runs_claim_and_next_wake_look_into_indexes(store: sqlite.Store) -> None:
    await with_waiting_runs(store, 10_000)
    statements: list[str] = []

    def trace(connection: Any) -> None:
        connection.set_trace_callback(statements.append)

    await store.database.execute_transaction(trace)
    assert await store.runs.claim(samples.NOON) is None
    assert await store.runs.next_wake() == samples.at(60)
    first = await store.runs.claim(samples.at(61), excluding=[runs.RunId("run-0")])
    await store.database.execute_transaction(lambda c: c.set_trace_callback(None))

    assert first is not None
    assert first.id == "run-1"
    found = await plans(store, statements)
    looks = [line for line in found if " runs " in f"{line} "]
    assert looks
    assert [line for line in looks if not line.startswith("SEARCH runs USING") and "runs_signalled" not in line] == []
    assert [line for line in looks if "INDEX" in line and "PRIMARY" not in line]
    assert sum("runs_signalled" in line for line in looks) == 2, "else a claim reads all that wait, in search of a word"


async def test_space_that_is_not_used_any_more_is_given_back_to_the_disk(store: sqlite.Store, path: Path) -> None:
    await store.intake.append([intake.Arrival(source="hub", key="a", body=b"x" * 4_000_000, received_at=samples.NOON)])
    (received,) = await store.intake.pending()
    await store.intake.record(received.id, events=[], unreadable=[], outages=[])
    assert await store.retention.delete(retention.Kind.ARRIVALS, samples.at(1)) == 1

    def pages() -> int:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return int(connection.execute("PRAGMA page_count").fetchone()[0])

    before, pieces = pages(), 1
    while await store.retention.give_back(200):
        pieces += 1
    assert pieces > 1, "a bounded piece at a time"
    assert pages() < before / 2


async def test_a_file_that_was_made_without_it_is_used_as_it_is(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        connection.commit()
    base = embedded.Database(path, read_only=False)
    await base.connect()
    await base.execute_transaction(lambda c: c.execute("INSERT INTO meta VALUES ('a', ?)", ("x" * 1_000_000,)))
    await base.execute_transaction(lambda c: c.execute("DELETE FROM meta"))
    assert not await base.give_back(10)
    await base.close()


# two hundred thousand events


async def test_what_is_asked_about_news_outages_and_their_decisions_looks_into_indexes(store: sqlite.Store) -> None:
    """The plans do not depend on how many rows there are: nobody runs ANALYZE."""
    told, outage, server = samples.event("c1"), samples.outage(), samples.server_id("a")
    await store.intake.append([samples.arrival("0/1")])
    (received,) = await store.intake.pending()
    await store.intake.record(received.id, events=[told], unreadable=[("r", "p", b"x")], outages=[outage])
    statements: list[str] = []
    await store.database.execute_transaction(lambda c: c.set_trace_callback(statements.append))
    await store.outages.put_decisions([samples.decided("a"), samples.decided("b")])
    await store.intake.known(["a", "b"])
    for found in (
        await store.intake.of_tracking(told.tracking_id or ""),
        await store.history.events(told.tracking_id or ""),
        await store.intake.events(),
        await store.intake.recorded(),
        await store.intake.quarantine(),
        await store.outages.list(),
        await store.outages.of_tracking(outage.tracking_id),
    ):
        assert found
    await store.intake.reparse([1])
    await store.intake.counts()
    for decided in (store.outages.said, store.outages.actions, store.outages.decisions, store.history.latest):
        await decided(outage.id)
    await store.history.taken(outage.id)
    await store.history.decided(outage.id)
    await store.history.decided(outage.id, server)
    await store.history.silences(outage.id)
    await store.database.execute_transaction(lambda c: c.set_trace_callback(None))

    newest = ("ORDER BY ID DESC", "ORDER BY E.ID DESC", "ORDER BY Q.ID DESC")  # walked from the end, up to the limit
    looked = {statement: await plans(store, [statement]) for statement in statements}
    walked = [s for s, lines in looked.items() if _walks(lines) and not any(order in s.upper() for order in newest)]
    assert walked == []
    for index in ("events_by_tracking (tracking_id=?", "decisions_by_server (outage_id=? AND server_id=?)"):
        assert any(index in line for lines in looked.values() for line in lines)


def _walks(plan: list[str]) -> bool:
    """Whether it reads the rows of a whole table."""
    tables = ("events", "e", "arrivals", "a", "quarantine", "q", "outages", "decisions", "d", "silences")
    return any(line in {f"SCAN {table}" for table in tables} for line in plan)


async def test_what_is_kept_for_the_end_of_a_transaction_elsewhere_is_not_even_made_here(tmp_path: Path) -> None:
    """To draft an audit entry for a server that seals it costs as much as to seal it."""

    def drafted() -> Iterator[Mapping[str, Any]]:
        raise AssertionError("nobody needs it")
        yield

    store = await sqlite.open_store(tmp_path / "store.db")
    try:
        assert not await store.database.execute_transaction(lambda c: c.at_commit("", drafted()))
    finally:
        await store.close()
