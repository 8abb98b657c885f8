"""Verification: what a copy really holds, and whatever is wrong with it said in a sentence, never raised."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from responder.postgres import addresses, verification
from responder.simulator.data import plane

PATIENT, IMPATIENT = timedelta(seconds=20), timedelta(milliseconds=200)
NEWEST = "select max(at) from heartbeat"
LOGIN = verification.Login(user="owner", password="s3cret-s3cret", database="app", tls="disable")

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[addresses.Address]:
    """A real PostgreSQL with ten rows a second."""
    async with plane.Plane(
        tmp_path / "plane",
        login=LOGIN.user,
        password=LOGIN.password,
        backup_interval=timedelta(hours=1),
        backup_replication=timedelta(hours=1),
    ) as servers:
        text = await servers.create("orders", "eastus2", real=True, rows_per_second=10, geo_backup=False)
        host, _, port = text.rpartition(":")
        yield addresses.Address(host, int(port))


async def look(
    address: addresses.Address,
    query: str = NEWEST,
    timeout: timedelta = PATIENT,
    **changes: Any,
) -> verification.Look:
    return await verification.look(address, replace(LOGIN, **changes), query, timeout)


async def test_against_a_real_server(server: addresses.Address):
    """One server for all of these: it takes a second to come up."""
    await _the_newest_row_is_found(server)
    await _no_row_is_no_measure(server)
    await _wrong_credentials_are_told_without_the_password(server)
    await _a_wrong_query_spoils_no_good_copy(server)
    await _a_slow_query_is_not_waited_for(server)
    await _without_a_login_there_is_only_a_handshake(server)
    await _tls_that_is_not_there_is_told(server)


async def _the_newest_row_is_found(server: addresses.Address) -> None:
    async with asyncio.timeout(30):
        while (seen := await look(server)).newest_row is None:  # each look takes a connection: no need to sleep
            pass
    assert (seen.answers, seen.sql, seen.why) == (True, True, "")
    assert seen.newest_row.tzinfo is UTC
    assert seen.version.startswith("16.")
    later = await look(server)
    assert later.newest_row is not None
    assert later.newest_row >= seen.newest_row


async def _no_row_is_no_measure(server: addresses.Address) -> None:
    seen = await look(server, "select null::timestamptz")
    assert (seen.sql, seen.newest_row, seen.why) == (True, None, "There is no row to measure by.")


async def _wrong_credentials_are_told_without_the_password(server: addresses.Address) -> None:
    for wrong in ({"password": "wr0ng-wr0ng"}, {"user": "nobody-here"}, {"database": "nosuch"}):
        seen = await look(server, **wrong)
        assert (seen.answers, seen.sql, seen.newest_row) == (True, False, None)
        assert seen.why.startswith("The login failed: ")
        assert "wr0ng" not in seen.why
        assert len(seen.why.splitlines()) == 1


async def _a_wrong_query_spoils_no_good_copy(server: addresses.Address) -> None:
    for query, why in (
        ("select max(at) from nosuch", 'relation "nosuch" does not exist'),
        ("select", "does not return one timestamptz"),
        ("selekt now()", "syntax error"),
        ("select now(), 1", "does not return one timestamptz"),
        ("select 1", "does not return one timestamptz"),
        ("select now()::timestamp", "does not return one timestamptz"),
        ("select 'infinity'::timestamptz", "does not return one timestamptz"),
        ("select 1; select 2", "cannot insert multiple commands"),
        ("", "does not return one timestamptz"),
    ):
        seen = await look(server, query)
        assert (seen.answers, seen.sql, seen.newest_row) == (True, True, None), query
        assert why in seen.why or seen.why == "There is no row to measure by.", query


async def _a_slow_query_is_not_waited_for(server: addresses.Address) -> None:
    seen = await look(server, "select now() from pg_sleep(60)", timedelta(seconds=2))
    assert (seen.answers, seen.why) == (False, "The connection broke: no answer in time.")


async def _without_a_login_there_is_only_a_handshake(server: addresses.Address) -> None:
    seen = await verification.look(server, None, NEWEST, PATIENT)
    assert (seen.answers, seen.sql) == (True, False)
    assert "postgres.user" in seen.why


async def _tls_that_is_not_there_is_told(server: addresses.Address) -> None:
    seen = await look(server, tls="require")
    assert (seen.answers, seen.sql) == (True, False)
    assert "SSL" in seen.why


# What only a broken server does.


@pytest.fixture
async def listen() -> AsyncIterator[Callable[[Talk], Awaitable[addresses.Address]]]:
    async with contextlib.AsyncExitStack() as stack:

        async def start(talk: Talk) -> addresses.Address:
            async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    await talk(reader, writer)
                writer.close()

            server = await asyncio.start_server(one, "127.0.0.1", 0)
            stack.callback(server.close)
            return addresses.Address("127.0.0.1", server.sockets[0].getsockname()[1])

        yield start


async def _startup(reader: asyncio.StreamReader) -> bool:
    """Whether a client logs in (else it only asked whether there is TLS)."""
    size, code = struct.unpack("!ii", await reader.readexactly(8))
    await reader.readexactly(size - 8)
    return bool(code != 80877103)


def _ready() -> bytes:
    version = b"server_version\x00" + b"16.0\x00"
    return (
        b"R" + struct.pack("!ii", 8, 0)
        + b"S" + struct.pack("!i", 4 + len(version)) + version
        + b"Z" + struct.pack("!i", 5) + b"I"
    )  # fmt: skip


async def test_a_server_that_hangs_is_not_waited_for(listen: Any):
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    seen = await look(await listen(hang), timeout=IMPATIENT)
    assert (seen.answers, seen.sql, seen.why) == (False, False, "It does not answer: no answer within 0.2 s.")


async def test_a_server_that_hangs_after_the_login_is_no_usable_copy(listen: Any):
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_ready() if await _startup(reader) else b"N")
        await reader.read()

    seen = await look(await listen(hang), timeout=IMPATIENT)
    assert (seen.answers, seen.sql) == (False, False)
    assert "no answer in time" in seen.why


async def test_a_server_that_dies_after_the_login_is_no_usable_copy(listen: Any):
    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_ready() if await _startup(reader) else b"N")
        await reader.read(1)

    seen = await look(await listen(die))
    assert (seen.answers, seen.sql, seen.newest_row) == (False, False, None)
    assert seen.why.startswith("The connection broke: ")


@pytest.mark.parametrize(
    "noise", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 64, b"R\x00\x00\x00\x08\x00\x00\x00c"]
)
async def test_something_that_is_no_postgresql_is_told(listen: Any, noise: bytes):
    # The second would keep asyncpg 0.32 busy until the end of days: no timeout reaches its parser.
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(noise)

    seen = await look(await listen(talk))
    assert (seen.answers, seen.sql) == (False, False)
    assert seen.why


async def test_nobody_there_is_told(listen: Any):
    seen = await look(addresses.Address("127.0.0.1", 1))
    assert (seen.answers, seen.sql) == (False, False)
    assert "127.0.0.1" not in seen.why


def test_a_login_never_shows_its_password():
    assert LOGIN.password not in f"{LOGIN} {LOGIN!r}"


def test_the_driver_is_the_one_whose_errors_are_mapped():
    assert issubclass(asyncpg.ConnectionDoesNotExistError, asyncpg.PostgresConnectionError)
