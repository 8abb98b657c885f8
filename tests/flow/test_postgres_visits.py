"""Visits: how deep a look gets, what each outcome is called, and no password where it does not belong."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from responder.core import answers, errors, evidence
from responder.postgres import addresses, visits
from responder.simulator import certificates
from responder.simulator.data import gateway, handshake, plane

PATIENT, IMPATIENT = timedelta(seconds=20), timedelta(milliseconds=300)
SHORT = timedelta(seconds=1.5)
"""Enough for a handshake on a busy machine, and waited for to the end."""
NAME = "orders.postgres.database.azure.com"
LOGIN = visits.Login(user="owner", password="s3cret-s3cret", database="app")
NOBODY = addresses.Address("127.0.0.1", 1)

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def authority() -> certificates.Authority:
    return certificates.Authority()


@pytest.fixture
def trust(authority: certificates.Authority, tmp_path: Path) -> visits.Trust:
    return visits.Trust(authority.write(tmp_path / "ca.pem"))


@pytest.fixture
async def listen() -> AsyncIterator[Callable[[Talk], Awaitable[addresses.Address]]]:
    async with contextlib.AsyncExitStack() as stack:
        talking: set[asyncio.Task[object]] = set()

        async def start(talk: Talk) -> addresses.Address:
            async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.current_task()
                assert task is not None
                talking.add(task)
                try:
                    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                        await talk(reader, writer)
                finally:
                    writer.transport.abort()

            server = await asyncio.start_server(one, "127.0.0.1", 0)
            stack.callback(server.close)
            return addresses.Address("127.0.0.1", server.sockets[0].getsockname()[1])

        yield start
    for task in talking:
        task.cancel()
    await asyncio.gather(*talking, return_exceptions=True)


async def visit(
    address: addresses.Address, trust: visits.Trust, login: visits.Login | None = LOGIN, **changes: Any
) -> evidence.Probe:
    values: dict[str, Any] = {"address": address, "name": NAME, "timeout": PATIENT, "login": login}
    return await visits.visit(visits.Visit(**(values | changes)), trust)


@contextlib.asynccontextmanager
async def cloud(home: Path, authority: certificates.Authority) -> AsyncIterator[tuple[plane.Plane, addresses.Address]]:
    """A real PostgreSQL behind a gateway that demands TLS and outlives it."""
    async with plane.Plane(
        home / "plane",
        login=LOGIN.user,
        password=LOGIN.password,
        backup_interval=timedelta(hours=1),
        backup_replication=timedelta(hours=1),
        gateways=gateway.Manner(tls=authority.postgresql_context(), outlive=True),
    ) as servers:
        text = await servers.create("orders", "eastus2", real=True, rows_per_second=5, geo_backup=False)
        host, _, port = text.rpartition(":")
        yield servers, addresses.Address(host, int(port))


async def test_against_a_real_server(tmp_path: Path, authority: certificates.Authority, trust: visits.Trust):
    """One server for all of these: it takes a second to come up."""
    async with cloud(tmp_path, authority) as (servers, address):
        found = await visit(address, trust)
        assert (found.said, found.answered, found.detail) == ("served", True, "answers SELECT 1")
        assert (await visit(address, trust, None)).said == "tls"
        for wrong, said in (
            ({"password": "wr0ng-wr0ng"}, "password"),
            ({"user": "nobody-here"}, "password"),
            ({"database": "nosuch"}, "no-database"),
            ({"tls": False}, "refused"),
        ):
            found = await visit(address, trust, replace(LOGIN, **wrong))
            assert (found.said, found.answered) == (said, True), wrong
            assert "wr0ng" not in found.detail
            assert "nobody-here" not in found.detail
        assert (await visit(address, trust, name="orders.elsewhere.example")).said == "certificate"
        assert (await visit(address, trust, None, name="orders.elsewhere.example")).said == "certificate"
        assert (await visit(address, visits.Trust(), name="orders.elsewhere.example")).said == "served"
        await _a_replica_says_how_far_it_is_behind(servers, trust)
        await servers.region_down("eastus2")
        found = await visit(address, trust, timeout=SHORT)
        assert (found.said, found.detail) == ("login-silent", "the login was not answered: no answer within 1.5 s")
        assert (await visit(address, trust, None)).said == "tls"  # the gateway lives


async def _a_replica_says_how_far_it_is_behind(servers: plane.Plane, trust: visits.Trust) -> None:
    text = await servers.replicate("orders-r", "westeurope", source="orders")
    host, _, port = text.rpartition(":")
    found = await visit(addresses.Address(host, int(port)), trust, replica=True)
    assert found.said == "served"
    assert found.lag is not None
    assert timedelta() <= found.lag < timedelta(minutes=1)
    assert (await visit(addresses.Address(host, int(port)), trust)).lag is None


async def test_a_certificate_of_another_name_or_authority_is_told_and_gets_no_password(
    listen: Any, authority: certificates.Authority, trust: visits.Trust
):
    heard = bytearray()

    def talking(context: ssl.SSLContext) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await handshake.greet(reader, writer, context)
            heard.extend(await reader.read())

        return talk

    strange = certificates.Authority().postgresql_context()
    for context in (authority.postgresql_context("other.example"), strange):
        for login in (LOGIN, None):
            found = await visit(await listen(talking(context)), trust, login)
            assert (found.said, found.answered) == ("certificate", True)
            assert found.detail.startswith("its certificate is not good: ")
    assert not heard


@pytest.mark.parametrize("login", [LOGIN, None], ids=["login", "no login"])
async def test_a_gateway_that_offers_tls_and_does_not_agree_on_it_is_told(
    listen: Any, trust: visits.Trust, login: visits.Login | None
):
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"S")
        await reader.read()
        await reader.read()

    found = await visit(await listen(stall), trust, login, timeout=IMPATIENT)
    assert (found.said, found.answered) == ("tls-broken", True)


@pytest.mark.parametrize("login", [LOGIN, None], ids=["login", "no login"])
async def test_without_encryption_no_login_is_sent(listen: Any, trust: visits.Trust, login: visits.Login | None):
    asked = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readexactly(8))
        writer.write(b"N")
        asked.append(await reader.read())

    found = await visit(await listen(plain), trust, login)
    assert (found.said, found.answered) == ("no-tls", True)
    assert not b"".join(asked)[8:]


@pytest.mark.parametrize("login", [LOGIN, None], ids=["login", "no login"])
async def test_nobody_there_is_silence(listen: Any, trust: visits.Trust, login: visits.Login | None):
    assert (await visit(NOBODY, trust, login)).said == "silent"

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    found = await visit(await listen(silent), trust, login, timeout=IMPATIENT)
    assert (found.said, found.answered, found.detail) == ("silent", False, "no answer within 0.3 s")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("28P01", "password"),
        ("28000", "refused"),
        ("3D000", "no-database"),
        ("53300", "full"),
        ("53200", "short"),
        ("57P03", "starting"),
        ("57P01", "ended"),
        ("08006", "cut-off"),
        ("58030", "ailing"),
        ("XX000", "ailing"),
        ("0A000", "other"),
    ],
)
async def test_every_code_that_a_login_is_answered_with_has_its_outcome(
    listen: Any, trust: visits.Trust, code: str, said: str
):
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size, kind = struct.unpack("!ii", await reader.readexactly(8))
        await reader.readexactly(size - 8)
        if kind != 80877103:
            writer.write(handshake.refusal(code, 'something about "ada"'))
        else:
            writer.write(b"N")
        await writer.drain()
        await reader.read()

    found = await visit(await listen(refuse), trust, replace(LOGIN, tls=False))
    assert found.said == said
    assert answers.ANSWERS[said].text
    assert "ada" not in found.detail


async def test_a_server_that_takes_the_login_and_no_query_is_told(listen: Any, trust: visits.Trust):
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size, kind = struct.unpack("!ii", await reader.readexactly(8))
        await reader.readexactly(size - 8)
        version = b"server_version\x0016.0\x00"
        ready = b"R" + struct.pack("!ii", 8, 0) + b"S" + struct.pack("!i", 4 + len(version)) + version
        writer.write(b"N" if kind == 80877103 else ready + b"Z" + struct.pack("!i", 5) + b"I")
        await reader.read()

    found = await visit(await listen(hang), trust, replace(LOGIN, tls=False), timeout=SHORT)
    assert found.said == "query-silent"


def test_a_file_of_authorities_that_is_none_is_told_at_the_start(tmp_path: Path):
    for content in (None, "no certificate"):
        file = tmp_path / "ca.pem"
        if content:
            file.write_text(content)
        with pytest.raises(errors.InputError) as raised:
            visits.Trust(file)
        assert "probes.ca_file" in raised.value.remedy


def test_a_login_never_shows_its_password():
    assert LOGIN.password not in f"{LOGIN} {LOGIN!r}"


def test_every_outcome_that_can_be_told_has_its_sentence():
    assert set(answers.CODES.values()) <= set(answers.ANSWERS)
