"""A handshake-only server: enough of PostgreSQL's protocol to be seen alive, and to be seen silent."""

import asyncio
import struct
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from responder.simulator import world
from responder.simulator.data import plane

SSL_REQUEST = struct.pack("!II", 8, 80877103)
SHORT = 0.3


@pytest_asyncio.fixture
async def data(tmp_path: Path) -> AsyncIterator[plane.Plane]:
    root = tmp_path / "data"
    root.mkdir()
    moments = {"backup_interval": timedelta(seconds=1), "backup_replication": timedelta(0)}
    async with plane.Plane(root, login="admin", password="secret", **moments) as data:
        yield data
    assert not root.exists()


async def open_to(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = address.split(":")
    return await asyncio.open_connection(host, int(port))


async def test_a_request_for_tls_is_answered_with_no(data: plane.Plane) -> None:
    reader, writer = await open_to(await data.create("small", "eastus2", real=False))
    writer.write(SSL_REQUEST)
    async with asyncio.timeout(5):
        assert await reader.readexactly(1) == b"N"
    writer.close()


async def test_a_client_library_reads_the_refusal_as_what_it_is(data: plane.Plane) -> None:
    host, port = (await data.create("small", "eastus2", real=False)).split(":")
    with pytest.raises(asyncpg.InvalidPasswordError, match='user "probe"'):
        await asyncpg.connect(host=host, port=int(port), user="probe", password="x", database="app", timeout=5)


async def test_bytes_that_are_not_postgresql_end_the_connection_without_an_answer(data: plane.Plane) -> None:
    reader, writer = await open_to(await data.create("small", "eastus2", real=False))
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_it_is_silent_while_its_region_is_down_and_answers_after(data: plane.Plane) -> None:
    address = await data.create("small", "eastus2", real=False)
    await data.region_down("eastus2")
    frozen_reader, frozen_writer = await open_to(address)
    frozen_writer.write(SSL_REQUEST)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(frozen_reader.read(1), SHORT)
    await data.region_up("eastus2")
    reader, writer = await open_to(address)
    writer.write(SSL_REQUEST)
    async with asyncio.timeout(5):
        assert await reader.readexactly(1) == b"N"
        assert await frozen_reader.read() == b""
    frozen_writer.close()
    writer.close()


async def test_a_region_that_was_down_before_anything_was_in_it_is_asked_for(tmp_path: Path) -> None:
    moments = {"backup_interval": timedelta(seconds=1), "backup_replication": timedelta(0)}
    async with plane.Plane(
        tmp_path / "data", login="a", password="b", is_down=lambda region: region == "eastus2", **moments
    ) as data:
        reader, writer = await open_to(await data.create("small", "East US 2", real=False))
        writer.write(SSL_REQUEST)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), SHORT)
        writer.close()


async def test_it_has_backups_that_hold_nothing_and_is_restored_as_what_it_is(data: plane.Plane) -> None:
    await data.create("small", "eastus2", real=False)
    async with asyncio.timeout(5):
        while data.newest_backup("small") is None:  # noqa: ASYNC110 - time makes it one, there is no event
            await asyncio.sleep(0.01)
    reader, writer = await open_to(await data.restore("small-copy", "centralus", source="small"))
    writer.write(SSL_REQUEST)
    async with asyncio.timeout(5):
        assert await reader.readexactly(1) == b"N"
    writer.close()


async def test_a_region_without_a_pair_has_nowhere_to_send_backups(data: plane.Plane) -> None:
    await data.create("alone", "polandcentral", real=False)
    with pytest.raises(world.NoBackup):
        await data.restore("copy", "westeurope", source="alone")


async def test_two_creations_of_one_name_do_not_both_succeed(data: plane.Plane) -> None:
    outcomes = await asyncio.gather(
        *(data.create("twin", region, real=False) for region in ("eastus2", "westus")), return_exceptions=True
    )
    assert sorted(type(outcome) for outcome in outcomes if not isinstance(outcome, str)) == [plane.NameTaken]
