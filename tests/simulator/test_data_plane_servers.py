"""Real PostgreSQL behind a front: what clients see of it, of an outage, and of a copy restored from a backup."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from responder.simulator import world
from responder.simulator.data import plane, sites

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOGIN, PASSWORD = 'ad"min', "it's local"
"""With the characters that SQL text has to escape."""
RETRY = 0.02
SHORT = 0.3
"""Seconds that a probe waits for an answer which does not come."""
SLACK = timedelta(seconds=2)
"""Longer than a backup takes: rows older than this, when it is complete, are in it."""

Connect = Callable[..., Awaitable[asyncpg.Connection]]


@pytest.fixture(scope="module")
def root() -> Path:
    return sites.scratch()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def data(root: Path) -> AsyncIterator[plane.Plane]:
    settings = {"backup_interval": timedelta(seconds=2), "backup_replication": timedelta(seconds=0.5)}
    async with plane.Plane(root, login=LOGIN, password=PASSWORD, **settings) as data:
        yield data


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def orders(data: plane.Plane) -> str:
    """A server in East US 2 that applications write to."""
    return await data.create("orders", "East US 2", real=True, rows_per_second=20)


@pytest_asyncio.fixture(loop_scope="module")
async def connect() -> AsyncIterator[Connect]:
    """Connects to an address as the administrator; closes what it opened."""
    opened: list[asyncpg.Connection] = []

    async def connect(address: str, *, timeout: float = 10, **options: object) -> asyncpg.Connection:
        host, port = address.split(":")
        who = {"user": LOGIN, "password": PASSWORD, "database": "app"}
        opened.append(await asyncpg.connect(host=host, port=int(port), timeout=timeout, **(who | options)))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.terminate()


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110 - only SQL and the clock can tell
            await asyncio.sleep(RETRY)


async def rows(connection: asyncpg.Connection) -> set[asyncpg.Record]:
    return set(await connection.fetch("select id, at, amount from orders"))


async def test_both_tables_gain_rows_through_the_front(orders: str, connect: Connect) -> None:
    connection = await connect(orders)

    async def both() -> bool:
        counts = await connection.fetchrow("select (select count(*) from heartbeat), (select count(*) from orders)")
        return counts[0] >= 3 and counts[0] == counts[1]

    await until(both)


async def test_rows_are_stamped_by_the_server_at_the_time_of_the_write(orders: str, connect: Connect) -> None:
    connection = await connect(orders)
    fresh = "select count(*) from heartbeat where at between now() - interval '1 minute' and now()"
    await until(lambda: connection.fetchval(fresh))


async def test_the_administrator_owns_the_database_and_is_no_superuser(orders: str, connect: Connect) -> None:
    connection = await connect(orders)
    await connection.execute("create table scratch(); drop table scratch")
    assert await connection.fetchval("show is_superuser") == "off"


async def test_a_wrong_password_is_refused(orders: str, connect: Connect) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await connect(orders, password="wrong")


async def test_the_platforms_own_user_cannot_be_used_through_the_front(orders: str, connect: Connect) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await connect(orders, user="azuresu")


async def test_names_are_unique_among_all_regions(data: plane.Plane, orders: str) -> None:
    with pytest.raises(plane.NameTaken, match="orders"):
        await data.create("orders", "westeurope", real=False)


async def test_a_server_keeps_its_rows_through_an_outage_that_silences_it(
    data: plane.Plane, orders: str, connect: Connect
) -> None:
    bystander = await connect(await data.create("bystander", "westeurope", real=True))
    open_before = await connect(orders)
    before = await rows(open_before)
    await data.region_down("eastus2")
    frozen = asyncio.create_task(open_before.fetchval("select 1"))
    with pytest.raises(TimeoutError):
        await connect(orders, timeout=SHORT)
    assert not frozen.done()
    assert await bystander.fetchval("select 1") == 1
    await data.region_up("eastus2")
    with pytest.raises((asyncpg.PostgresConnectionError, ConnectionError)):
        await frozen
    assert before <= await rows(await connect(orders))


async def test_the_front_accepts_during_an_outage_and_neither_speaks_nor_hangs_up(
    data: plane.Plane, orders: str
) -> None:
    await data.region_down("eastus2")
    try:
        host, port = orders.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"\0\0\0\x08\x04\xd2\x16\x2f")  # SSLRequest
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), SHORT)
    finally:
        await data.region_up("eastus2")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_writing_stops_with_the_outage_and_goes_on_after_it(
    data: plane.Plane, orders: str, connect: Connect
) -> None:
    await data.region_down("eastus2")
    await data.region_up("eastus2")
    connection = await connect(orders)
    newest = await connection.fetchval("select max(id) from orders")

    async def more() -> bool:
        return await connection.fetchval("select max(id) from orders") > newest

    await until(more)


async def test_a_server_made_in_a_region_that_is_down_is_silent(data: plane.Plane, connect: Connect) -> None:
    await data.region_down("northeurope")
    address = await data.create("late", "northeurope", real=True)
    with pytest.raises(TimeoutError):
        await connect(address, timeout=SHORT)
    assert data.newest_backup("late") is None
    await data.region_up("northeurope")
    assert await (await connect(address)).fetchval("select count(*) from orders") == 0
    await data.remove("late")


async def test_a_restored_server_has_the_rows_of_the_backup_and_none_written_later(
    data: plane.Plane, orders: str, connect: Connect
) -> None:
    source = await connect(orders)

    async def rows_before_and_after_the_backup() -> bool:
        at = data.newest_backup("orders")
        counts = "select count(*) filter (where at < $1), count(*) filter (where at > $1) from orders"
        return at is not None and min(await source.fetchrow(counts, at - SLACK)) > 2

    await until(rows_before_and_after_the_backup)
    await data.region_down("eastus2")
    backed_up_at = data.newest_backup("orders")

    copy = await connect(await data.restore("orders-copy", "centralus", source="orders"))
    restored = await rows(copy)

    await data.region_up("eastus2")
    original = await rows(await connect(orders))
    assert restored < original
    assert max(row["id"] for row in restored) < max(row["id"] for row in original)
    assert backed_up_at is not None
    assert all(row["at"] <= backed_up_at for row in restored)
    assert restored >= {row for row in original if row["at"] < backed_up_at - SLACK}


async def test_a_restored_server_takes_new_rows_under_new_ids(data: plane.Plane, orders: str, connect: Connect) -> None:
    await until(lambda: _backed_up(data, "orders"))
    copy = await connect(await data.restore("writable", "centralus", source="orders"))
    newest = await copy.fetchval("select max(id) from orders")
    assert await copy.fetchval("insert into orders (amount) values (1) returning id") > newest
    await until(lambda: _backed_up(data, "writable"))
    await data.remove("writable")


async def _backed_up(data: plane.Plane, name: str) -> bool:
    return data.newest_backup(name) is not None


async def test_a_server_without_geo_redundant_backup_cannot_be_restored(data: plane.Plane) -> None:
    await data.create("local-only", "eastus2", real=False, geo_backup=False)
    with pytest.raises(world.NoBackup, match="local-only"):
        await data.restore("copy", "centralus", source="local-only")
    await data.remove("local-only")


async def test_a_server_that_does_not_exist_cannot_be_restored(data: plane.Plane) -> None:
    with pytest.raises(world.NoBackup, match="nowhere"):
        await data.restore("copy", "centralus", source="nowhere")


async def test_a_removed_server_is_gone_with_its_backups_and_its_name_is_free(
    data: plane.Plane, connect: Connect
) -> None:
    address = await data.create("brief", "westus2", real=True, rows_per_second=10)
    await until(lambda: _backed_up(data, "brief"))
    await data.remove("brief")
    assert data.newest_backup("brief") is None
    with pytest.raises(OSError, match="Connect"):
        await connect(address)
    again = await data.create("brief", "westus2", real=True)
    assert await (await connect(again)).fetchval("select count(*) from orders") == 0


async def test_backups_lie_in_the_pair_region(data: plane.Plane, orders: str, root: Path) -> None:
    await until(lambda: _backed_up(data, "orders"))
    assert list((root / "regions" / "centralus" / "backups" / "orders").glob("*/base.tar"))
