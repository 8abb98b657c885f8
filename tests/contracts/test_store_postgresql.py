"""What only the shared store promises: its place, its schema, many writers, and connections that break."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import asyncpg
import pytest

from responder import settings
from responder.core import errors, runs
from responder.store import migrations, postgresql, stores
from responder.store.postgresql import places, pools, sessions, transactions
from tests.contracts import postgresql_backend, postgresql_server, samples

T = TypeVar("T")
STEPS = migrations.scripts("postgresql")


@pytest.fixture
async def backend(server: postgresql_server.Server) -> AsyncIterator[postgresql_backend.Backend]:
    made = postgresql_backend.Backend(server)
    yield made
    await made.close()


# the place


def test_a_place_is_named_without_user_and_password() -> None:
    place = places.Place(url="postgresql://me:s3cret@db.example:6432/app?sslmode=disable", password="s3cret")

    assert place.name == "db.example:6432/app, schema responder"
    assert "s3cret" not in repr(place)


@pytest.mark.parametrize(
    ("url", "ends"),
    [
        ("postgresql://me@db.example/app", "?sslmode=require"),
        ("postgresql://me@db.example/app?connect_timeout=3", "?connect_timeout=3&sslmode=require"),
        ("postgresql://me@db.example/app?sslmode=verify-full", "?sslmode=verify-full"),
        ("postgresql://me@/app?host=%2Frun%2Fpostgresql", "?host=%2Frun%2Fpostgresql"),
    ],
)
def test_a_connection_is_encrypted_unless_the_url_says_otherwise(url: str, ends: str) -> None:
    assert places.Place(url=url).secured().endswith(ends)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:12#3cret@db.example/app",
        "postgresql://me:12/3cret@db.example/app",
        "postgresql://me:12?3cret@db.example/app",
        "postgresql://me:s3cret#1@db.example/app",
        "postgresql://me:s3cret/1@db.example/app",
        "postgresql://me:[s3cret@db.example/app",
        "postgresql://me:s3cret@db.example:s3cret/app",
        "mysql://me:s3cret@db.example/app",
        "s3cret",
    ],
)
def test_a_url_that_is_not_whole_is_refused_before_a_part_of_its_password_is_taken_for_a_host(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE_URL", url)
    with pytest.raises(errors.InputError, match=r"settings\.store-url") as raised:
        places.place_of(settings.Store(url=settings.Secret(env="STORE_URL")))

    assert "3cret" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://kim@contoso:s3cret@db.example/app",
        "postgres://me:a%23b%2Fc@[::1]:5432,db.example/app?options=-c%20a%3Db",
        "postgresql:///app?host=/run/postgresql&user=kim@contoso.example",
        "postgresql://db.example",
    ],
)
def test_a_url_as_libpq_takes_it_is_a_place(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_URL", url)

    assert "s3cret" not in places.place_of(settings.Store(url=settings.Secret(env="STORE_URL"))).name


async def test_an_option_of_the_url_that_is_none_is_told_in_words() -> None:
    place = places.Place(url="postgresql:///app?host=db.example&port=s3cret&sslmode=disable")
    with pytest.raises(errors.InputError, match=r"settings\.store-url") as raised:
        await postgresql.open_store(place)

    assert "s3cret" not in "".join(traceback.format_exception(raised.value))


async def test_a_database_that_cannot_be_reached_is_named_without_its_password() -> None:
    place = places.Place(url="postgresql://me:s3cret@127.0.0.1:1/app?sslmode=disable")
    with pytest.raises(errors.StoreError, match=r"127\.0\.0\.1:1/app.*Is it up.*store\.unavailable") as raised:
        await postgresql.open_store(place)

    assert "s3cret" not in str(raised.value)


async def test_a_database_that_does_not_exist_is_told(server: postgresql_server.Server) -> None:
    place = replace(server.place(), url=server.url.replace("/postgres?", "/nosuch?"))
    with pytest.raises(errors.StoreError, match=r"nosuch.*Create the database.*store\.unavailable"):
        await postgresql.open_store(place)


# the schema


async def test_every_schema_step_of_one_database_has_a_twin_in_the_other() -> None:
    assert list(STEPS) == list(migrations.scripts("sqlite"))


async def columns(store: stores.Store) -> set[tuple[str, str]]:
    if store.database.KIND == "sqlite":
        found = set()
        for table in await store.database.tables():
            rows = await store.database.rows(f"SELECT name FROM pragma_table_info('{table}')")
            found |= {(table, row["name"]) for row in rows if not table.startswith("sqlite_")}
        return found
    sql = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
    return {(row["table_name"], row["column_name"]) for row in await store.database.rows(sql)}


async def test_both_databases_have_the_same_tables_and_columns(
    backend: postgresql_backend.Backend, tmp_path: Any
) -> None:
    from responder.store import sqlite

    embedded = await sqlite.open_store(tmp_path / "store.db")
    expected = await columns(embedded)
    await embedded.close()

    assert await columns(await backend.open()) == expected


async def test_a_store_of_every_older_schema_is_brought_up_to_date_with_what_it_holds(
    server: postgresql_server.Server,
) -> None:
    for oldest in list(STEPS)[:-1]:
        place = server.place()
        base = pools.Database(place, read_only=False)
        await migrations.apply(base, {version: step for version, step in STEPS.items() if version <= oldest})
        await base.execute_transaction(samples.fill_as_the_first_schema)
        await base.close()

        store = await postgresql.open_store(place, role=stores.Role.DAEMON)
        await samples.all_is_there(store, oldest)
        await migrations.verify(store.database, STEPS)
        await store.close()


async def test_instances_that_start_together_make_one_schema(backend: postgresql_backend.Backend) -> None:
    first, *others = await asyncio.gather(*(backend.open() for _ in range(4)))
    await first.intake.append([samples.arrival("a")])

    assert [(await other.intake.counts())["arrivals"] for other in others] == [1, 1, 1]


async def test_a_reader_makes_no_store_and_does_not_migrate(backend: postgresql_backend.Backend) -> None:
    with pytest.raises(errors.StoreError, match=r"store\.missing"):
        await postgresql.open_store(backend.place, exclusive=False)
    store = await backend.open()
    await store.database.execute_transaction(lambda c: c.execute("UPDATE meta SET value = '1'"))

    with pytest.raises(errors.StoreError, match=r"store\.older"):
        await postgresql.open_store(backend.place, exclusive=False)


async def test_a_newer_schema_is_refused(backend: postgresql_backend.Backend) -> None:
    store = await backend.open()
    await store.database.execute_transaction(lambda c: c.execute("UPDATE meta SET value = '999'"))

    with pytest.raises(errors.StoreError, match=r"schema 999.*store\.newer"):
        await backend.open()


async def test_the_tables_of_another_program_are_left_alone(backend: postgresql_backend.Backend) -> None:
    schema = backend.place.schema
    await backend.server.ask(f"CREATE SCHEMA {schema}")
    await backend.server.ask(f"CREATE TABLE {schema}.songs (title TEXT)")

    with pytest.raises(errors.StoreError, match=r"store\.foreign"):
        await backend.open()


# a reader


async def test_a_reader_cannot_write(store: stores.Store, backend: postgresql_backend.Backend) -> None:
    reader = await postgresql.open_store(backend.place, exclusive=False)
    with pytest.raises(errors.StoreError, match=r"store\.read-only"):
        await reader.intake.append([samples.arrival("a")])
    await reader.close()

    assert (await store.intake.counts())["arrivals"] == 0


# several writers


async def test_of_many_that_submit_a_run_for_one_server_one_succeeds(backend: postgresql_backend.Backend) -> None:
    instances = [await backend.open() for _ in range(4)]
    answers = await asyncio.gather(
        *(store.runs.submit(samples.run(f"run-{i}", server="x")) for i, store in enumerate(instances))
    )

    assert sorted(answers) == ["busy", "busy", "busy", "created"]


async def test_what_one_has_read_still_stands_when_it_writes(backend: postgresql_backend.Backend) -> None:
    """Read, then write, by many at once: none of the additions is lost."""
    store = await backend.open()
    await store.database.execute_transaction(lambda c: c.execute("INSERT INTO meta VALUES ('count', '0')"))

    def add(connection: Any) -> None:
        row = connection.execute("SELECT value FROM meta WHERE key = 'count'").fetchone()
        connection.execute("UPDATE meta SET value = ? WHERE key = 'count'", (str(int(row["value"]) + 1),))

    await asyncio.gather(*(store.database.execute_transaction(add) for _ in range(30)))

    row = await store.database.row("SELECT value FROM meta WHERE key = 'count'")
    assert row is not None
    assert row["value"] == "30"


# connections that break


async def test_connections_killed_in_the_middle_of_writes_lose_and_double_nothing(
    backend: postgresql_backend.Backend,
) -> None:
    store = await backend.open()
    killed, answers = [], []

    async def amid_killing(write: Coroutine[Any, Any, T]) -> T:
        answer, count = await asyncio.gather(write, backend.server.terminate("writes"))
        killed.append(count)
        return answer

    for number in range(12):
        answers.append(await amid_killing(store.runs.submit(samples.run(f"run-{number}"))))
        run = await amid_killing(store.runs.claim(samples.NOON, only=runs.RunId(f"run-{number}")))
        assert run is not None
        assert run.fence == 1, "a claim whose answer was lost is not made twice"
        asleep = replace(run, state=runs.State.WAITING, wake_at=None)
        assert await amid_killing(store.runs.write(asleep, samples.record()))

    assert sum(killed) > 12
    assert set(answers) == {"created"}, "a commit whose answer was lost is known to have happened"
    assert [len(await store.runs.journal(run.id)) for run in await store.runs.list()] == [1] * 12


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_commit_whose_answer_is_lost_is_asked_for_its_fate(
    backend: postgresql_backend.Backend, monkeypatch: pytest.MonkeyPatch, arrives: bool
) -> None:
    store, lost = await backend.open(), []
    original = transactions.sessions.Session.run_script

    def losing(self: Any, script: str) -> None:
        if script == "COMMIT" and not lost:
            lost.append(script)
            if arrives:
                original(self, script)
            raise ConnectionResetError("the answer was lost")
        original(self, script)

    monkeypatch.setattr(transactions.sessions.Session, "run_script", losing)
    times: list[int] = []

    def count(connection: Any) -> int:
        times.append(1)
        connection.execute("INSERT INTO meta VALUES (?, '')", (f"try {len(times)}",))
        return len(times)

    assert await store.database.execute_transaction(count) == (1 if arrives else 2)
    rows = await store.database.rows("SELECT key FROM meta WHERE key LIKE 'try%'")
    assert [row["key"] for row in rows] == ["try 1" if arrives else "try 2"]


async def test_a_commit_that_is_still_under_way_is_waited_for(
    backend: postgresql_backend.Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, asked, times, orphans = await backend.open(), [], [], list[Any]()
    run_script, execute = sessions.Session.run_script, sessions.Session.execute

    def losing(self: Any, script: str) -> None:
        if script == "COMMIT" and not orphans:
            orphans.append(self._connection)  # the server goes on with it, and we do not hear of that
            self._connection = None
            raise ConnectionResetError("the answer was lost")
        run_script(self, script)

    def asking(self: Any, sql: str, *given: Any) -> Any:
        if sql == transactions._FATE:
            asked.append(sql)
            if len(asked) == 3:
                self._run(orphans[0].execute("COMMIT"))
                self._run(orphans[0].close())
        return execute(self, sql, *given)

    monkeypatch.setattr(sessions.Session, "run_script", losing)
    monkeypatch.setattr(sessions.Session, "execute", asking)

    def count(connection: Any) -> int:
        times.append(1)
        connection.execute("INSERT INTO meta VALUES ('try', '')")
        return len(times)

    assert await store.database.execute_transaction(count) == 1
    assert len(asked) == 3


async def test_a_write_that_a_fail_over_has_lost_is_done_again(
    backend: postgresql_backend.Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new primary has never heard of its number."""
    store, times = await backend.open(), []
    closing, run_script = sessions.Session.closing, sessions.Session.run_script

    def losing(self: Any, script: str) -> None:
        if script == "COMMIT" and len(times) == 1:
            raise ConnectionResetError("the primary is gone")
        run_script(self, script)

    monkeypatch.setattr(sessions.Session, "run_script", losing)
    monkeypatch.setattr(sessions.Session, "closing", lambda self: ("9999999", closing(self)[1]))

    def count(connection: Any) -> int:
        times.append(1)
        connection.execute("INSERT INTO meta VALUES ('try', '')")
        return len(times)

    assert await store.database.execute_transaction(count) == 2


async def test_a_connection_that_was_closed_between_two_statements_makes_no_half_of_a_transaction(
    backend: postgresql_backend.Backend,
) -> None:
    store, times = await backend.open(), []

    def broken_once(connection: Any) -> None:
        times.append(1)
        connection.execute("INSERT INTO meta VALUES ('first half', '')")
        if len(times) == 1:
            connection._connection.terminate()
        connection.execute("INSERT INTO meta VALUES ('second half', '')")

    await store.database.execute_transaction(broken_once)
    (row,) = await store.database.rows("SELECT COUNT(*) AS n FROM meta WHERE key LIKE '%half'")
    assert (row["n"], len(times)) == (2, 2)


async def test_the_clock_of_the_store_goes_on_in_a_transaction(store: stores.Store) -> None:
    """One that has waited for a lock would else renew a lease from a moment long ago."""
    first, second = await store.database.execute_transaction(lambda c: (c.now(), c.now()))

    assert first < second


async def test_a_server_that_crashes_and_comes_back_has_all_that_was_promised(
    backend: postgresql_backend.Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await backend.open()
    await store.intake.append([samples.arrival("before")])
    backend.server.crash()
    try:
        with monkeypatch.context() as hurry:
            hurry.setattr(transactions, "_LOST", transactions._PAUSE)
            with pytest.raises(errors.StoreError, match=r"store\.unavailable"):
                await store.intake.append([samples.arrival("meanwhile")])
            with pytest.raises(errors.StoreError, match=r"Is it up.*store\.unavailable"):
                await store.intake.counts()
    finally:
        backend.server.start()
    await store.intake.append([samples.arrival("after")])

    assert [received.body for received in await store.intake.pending()] == [b"body of before", b"body of after"]


async def test_a_mistake_inside_a_transaction_undoes_it_and_shows_as_it_is(store: stores.Store) -> None:
    def mistaken(connection: Any) -> None:
        connection.execute("DELETE FROM meta")
        raise KeyError("ours")

    with pytest.raises(KeyError):
        await store.database.execute_transaction(mistaken)

    await migrations.verify(store.database, STEPS)


async def test_a_full_disk_is_our_error_and_breaks_nothing(store: stores.Store) -> None:
    await store.intake.append([samples.arrival("small")])

    def until_full(connection: Any) -> None:
        connection.execute(samples.OLD_ARRIVAL, (b"one too many",))
        raise asyncpg.DiskFullError("could not extend file: No space left on device")

    with pytest.raises(errors.StoreError, match=r"No space left.*Free space.*tried again.*store\.full"):
        await store.database.execute_transaction(until_full)
    assert (await store.intake.counts())["arrivals"] == 1
    await store.intake.append([samples.arrival("afterwards")])
    assert len(await store.intake.pending()) == 2


async def test_a_migration_that_fails_leaves_the_schema_it_found(store: stores.Store) -> None:
    broken = {**STEPS, 999: "CREATE TABLE half (x TEXT);\nINSERT INTO nothing VALUES (1);\n"}
    with pytest.raises(Exception, match="nothing"):
        await migrations.apply(store.database, broken)

    assert "half" not in await store.database.tables()
    await migrations.verify(store.database, STEPS)


async def test_a_closed_store_is_closed_for_good(store: stores.Store) -> None:
    await store.close()
    await store.close()
    with pytest.raises(errors.StoreError, match=r"store\.closed"):
        await store.intake.counts()


async def test_a_cancelled_write_is_whole_or_not_at_all(store: stores.Store) -> None:
    task = asyncio.create_task(store.intake.append([samples.arrival(str(i)) for i in range(100)]))
    await asyncio.sleep(0)  # the write is under way
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (await store.intake.counts())["arrivals"] in (0, 100)
