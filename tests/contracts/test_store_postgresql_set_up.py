"""A PostgreSQL that somebody has set up in his own way: rights taken away, limits, defaults, and things between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import structlog

from responder.core import errors
from responder.store import migrations, stores
from responder.store.postgresql import places, pools, sessions, transactions
from tests.contracts import postgresql_backend, postgresql_server, samples
from tests.contracts.test_store_instances import SHORT, claimed, freeze, hanging, until

STEPS = migrations.scripts("postgresql")


@pytest.fixture
async def backend(server: postgresql_server.Server) -> AsyncIterator[postgresql_backend.Backend]:
    made = postgresql_backend.Backend(server)
    yield made
    await made.close()


@pytest.fixture
async def role(server: postgresql_server.Server) -> AsyncIterator[str]:
    """A user with no more rights than the documents ask for."""
    await server.ask("CREATE ROLE plain LOGIN")
    await server.ask("GRANT CREATE ON DATABASE postgres TO plain")
    yield "plain"
    await server.ask("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'plain'")
    await server.ask("DROP OWNED BY plain CASCADE")
    await server.ask("DROP ROLE plain")


def told(level: str, event: str, lines: list[Any]) -> list[Any]:
    return [line for line in lines if (line["log_level"], line["event"]) == (level, event)]


def as_user(place: places.Place, user: str) -> places.Place:
    return replace(place, url=place.url.replace("postgres@", f"{user}@"))


async def lapse(store: stores.Store, other: stores.Store) -> None:
    """Its beat does not come through any more, and its lease has run out."""
    freeze(store)
    sql, name = "UPDATE instances SET lease_until = '' WHERE id = ?", store.tenure.id
    await other.database.execute_transaction(lambda c: c.execute(sql, (name,)))


@pytest.mark.parametrize("taken", ["the right to end connections", "the role they have in common"])
async def test_who_may_not_end_the_connections_of_the_dead_says_so_and_takes_over(
    backend: postgresql_backend.Backend, role: str, taken: str
) -> None:
    if taken == "the right to end connections":
        await backend.server.ask("REVOKE EXECUTE ON FUNCTION pg_terminate_backend FROM PUBLIC")
        backend.place = as_user(backend.place, role)
    try:
        one = await backend.open(SHORT)
        held, name = await claimed(one, "a"), one.tenure.id
        if taken == "the role they have in common":
            schema = backend.place.schema
            await backend.server.ask(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
            await backend.server.ask(f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}")
            await backend.server.ask(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {role}")
            backend.place = as_user(backend.place, role)
        other = await backend.open(SHORT)
        with structlog.testing.capture_logs() as lines:
            await lapse(one, other)
            assert await until(lambda: other.runs.claim(samples.NOON, only=held.id))
        (*_, line) = told("warning", "lease.not-disconnected", lines)
        assert line["connection"].endswith(name[:12])
        assert "pg_signal_backend" in line["remedy"]
    finally:
        await backend.server.ask("GRANT EXECUTE ON FUNCTION pg_terminate_backend TO PUBLIC")


async def test_who_may_ends_the_connections_of_the_dead_whatever_their_role(
    backend: postgresql_backend.Backend, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_IDLE", timedelta(minutes=5))
    owner, backend.place = backend.place, as_user(backend.place, role)
    one = await backend.open(SHORT)
    held = await claimed(one, "a")
    backend.place = owner
    other = await backend.open(SHORT)

    async with hanging(one, lambda c: c.execute("UPDATE runs SET why = 'frozen'")):
        await lapse(one, other)
        assert await until(lambda: other.runs.claim(samples.NOON, only=held.id))


async def test_a_promised_write_is_on_the_disk_whatever_the_role_has_for_a_default(
    backend: postgresql_backend.Backend, role: str
) -> None:
    backend.place = as_user(backend.place, role)
    found = {}
    for default in ("off", "local"):
        await backend.server.ask(f"ALTER ROLE {role} SET synchronous_commit = {default}")
        store = await backend.open()
        found[default] = await store.database.execute_transaction(
            lambda c: c.execute("SELECT current_setting('synchronous_commit')").fetchone()[0]
        )
    assert found == {"off": "on", "local": "local"}


async def test_the_time_outs_of_the_role_are_not_ours(backend: postgresql_backend.Backend, role: str) -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    for name in names:
        await backend.server.ask(f"ALTER ROLE {role} SET {name} = 1")
    backend.place = as_user(backend.place, role)
    store = await backend.open()

    sql = f"SELECT {', '.join(f'current_setting({name!r})' for name in names)}"
    (reads,) = await store.database.rows(sql)
    writes = await store.database.execute_transaction(lambda c: c.execute(sql).fetchone())
    assert tuple(reads) == tuple(writes) == ("25s", "8s", "4s")


async def test_settings_that_do_not_reach_the_server_are_told(
    backend: postgresql_backend.Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a pooler that was told to ignore them: the tables would be looked for, and made, anywhere."""
    monkeypatch.setattr(transactions, "_LOST", timedelta())
    connect = sessions.asyncpg.connect

    async def through_a_pooler(*given: Any, server_settings: Any, **options: Any) -> Any:
        return await connect(*given, **options)

    monkeypatch.setattr(sessions.asyncpg, "connect", through_a_pooler)
    with pytest.raises(errors.StoreError, match=r"did not reach the server.*not a pooler.*store\.unavailable"):
        await backend.open()


async def refused(backend: postgresql_backend.Backend, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(transactions, "_LOST", timedelta())
    with pytest.raises(errors.StoreError) as raised:
        await backend.open()
    return str(raised.value)


async def test_a_server_without_connections_to_spare_is_told(
    backend: postgresql_backend.Backend, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backend.server.ask(f"ALTER ROLE {role} CONNECTION LIMIT 1")
    backend.place = as_user(backend.place, role)

    assert "Raise max_connections" in await refused(backend, monkeypatch)


async def test_a_server_that_only_reads_is_told(
    backend: postgresql_backend.Backend, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a standby does."""
    await backend.open()
    await backend.server.ask(f"ALTER ROLE {role} SET default_transaction_read_only = on")
    await backend.server.ask(f"GRANT ALL ON SCHEMA {backend.place.schema} TO {role}")
    await backend.server.ask(f"GRANT ALL ON ALL TABLES IN SCHEMA {backend.place.schema} TO {role}")
    backend.place = as_user(backend.place, role)

    assert "Name the primary" in await refused(backend, monkeypatch)


async def test_a_standby_that_still_has_the_name_of_the_primary_is_let_go_of_until_the_name_has_moved(
    backend: postgresql_backend.Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would refuse every write, SERIALIZABLE among them in words of their own, and answer from an old state."""
    await backend.open()
    ask, connected = asyncpg.Connection.fetchrow, []

    async def in_recovery_at_first(self: Any, sql: str) -> dict[str, Any]:
        connected.append(self)
        return {**await ask(self, sql), "standby": len(connected) <= 2}

    monkeypatch.setattr(asyncpg.Connection, "fetchrow", in_recovery_at_first)
    store = await backend.open()
    assert await store.runs.submit(samples.run("a")) == "created"
    assert [made.is_closed() for made in connected[:2]] == [True, True]


# schema steps that take long


def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What else has half a minute has one second."""
    for name, seconds in (("_ANSWER", 1.0), ("_WORKING", 0.8), ("_LOCKED", 0.3)):
        monkeypatch.setattr(sessions, name, timedelta(seconds=seconds))
    monkeypatch.setattr(transactions, "_LOST", timedelta())


async def test_a_schema_step_takes_as_long_as_it_takes_and_who_comes_meanwhile_waits_for_it(
    backend: postgresql_backend.Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await backend.open()
    hurried(monkeypatch)
    steps = {**STEPS, 999: "SELECT pg_sleep(1.2); CREATE TABLE afterwards (n INTEGER)"}
    several = [await opened(backend.place) for _ in range(2)]
    await asyncio.gather(*(migrations.apply(each, steps) for each in several))
    for each in several:
        await each.close()
    assert "afterwards" in await store.database.tables()


async def opened(place: places.Place) -> pools.Database:
    base = pools.Database(place, read_only=False)
    await base.connect()
    return base
