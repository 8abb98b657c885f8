"""Real PostgreSQL: a server as it was at a moment, and a replica that is promoted."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
import pytest_asyncio

from responder.simulator import world
from responder.simulator.data import plane, sites

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOGIN, PASSWORD = "admin", "local"
EAST = "eastus2"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def data() -> AsyncIterator[plane.Plane]:
    settings = {"backup_interval": timedelta(seconds=2), "backup_replication": timedelta(seconds=0.5)}
    async with plane.Plane(sites.scratch(), login=LOGIN, password=PASSWORD, **settings) as data:
        yield data


async def query(address: str, sql: str, *, fetch: bool = True) -> object:
    host, port = address.split(":")
    connection = await asyncpg.connect(host=host, port=int(port), user=LOGIN, password=PASSWORD, database="app")
    try:
        return await (connection.fetchval(sql) if fetch else connection.execute(sql))
    finally:
        await connection.close()


async def test_a_server_comes_back_as_it_was_before_the_mistake(data: plane.Plane) -> None:
    address = await data.create("orders", EAST, real=True)
    await query(address, "insert into orders (amount) select 1 from generate_series(1, 7)", fetch=False)
    before = await query(address, "select clock_timestamp()")
    await query(address, "delete from orders", fetch=False)

    rewound = await data.restore("orders-past", EAST, source="orders", to=before)

    assert await query(rewound, "select count(*) from orders") == 7
    assert await query(address, "select count(*) from orders") == 0
    await query(rewound, "insert into orders (amount) values (2)", fetch=False)


async def test_as_late_as_can_be_is_everything_there_is(data: plane.Plane) -> None:
    address = await data.create("late", EAST, real=True)
    await query(address, "insert into orders (amount) values (1)", fetch=False)
    now = await query(address, "select clock_timestamp()")

    rewound = await data.restore("late-past", EAST, source="late", to=now)

    assert await query(rewound, "select count(*) from orders") == 1


async def test_what_was_itself_restored_has_no_past(data: plane.Plane) -> None:
    address = await data.create("young", EAST, real=True)
    now = await query(address, "select clock_timestamp()")
    await data.restore("young-past", EAST, source="young", to=now)
    with pytest.raises(world.NoBackup):
        await data.restore("young-past-past", EAST, source="young-past", to=now)


async def test_a_replica_follows_until_it_is_promoted(data: plane.Plane) -> None:
    primary = await data.create("billing", EAST, real=True)
    replica = await data.replicate("billing-replica", "centralus", source="billing")
    await query(primary, "insert into orders (amount) values (3)", fetch=False)
    async with asyncio.timeout(20):
        while not await query(replica, "select count(*) from orders"):  # noqa: ASYNC110 - only SQL can tell
            await asyncio.sleep(0.02)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await query(replica, "insert into orders (amount) values (4)", fetch=False)

    await data.promote("billing-replica")
    await query(replica, "insert into orders (amount) values (4)", fetch=False)

    assert await query(replica, "select count(*) from orders") == 2
    assert await query(primary, "select count(*) from orders") == 1
