"""Rules of reading the estate from Resource Graph."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from responder.azure import clients, inventory
from responder.core import errors, servers

SEEN = datetime(2026, 3, 1, tzinfo=UTC)
ID = "/subscriptions/S/resourceGroups/rg-a/providers/Microsoft.DBforPostgreSQL/flexibleServers/Orders"


def row(**changes: Any) -> dict[str, Any]:
    plain = {
        "id": ID,
        "name": "Orders",
        "type": "microsoft.dbforpostgresql/flexibleservers",
        "location": "East US 2",
        "resourceGroup": "rg-a",
        "subscriptionId": "S",
        "tags": {"outage-rto": "4h"},
        "sku": {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"},
        "properties": {
            "version": "16",
            "state": "Ready",
            "fullyQualifiedDomainName": "orders.postgres.database.azure.com",
            "storage": {"storageSizeGB": 128},
            "backup": {"geoRedundantBackup": "Enabled"},
            "network": {"publicNetworkAccess": "Disabled"},
        },
    }
    return {**plain, **changes}


async def test_the_estate_is_read_without_a_call_a_server(cloud: Any) -> None:
    """One query gives every server of both products, whatever state its region is in."""
    await cloud.world.take_region_down("eastus2")
    to = await cloud.clients()

    found = {s.name: s for s in await inventory.list_servers([cloud.subscription], to.graph())}

    assert sorted(found) == ["billing", "ledger", "orders", "reports"]
    assert found["orders"].id == cloud.server("orders").id
    assert found["orders"].region == "eastus2"
    assert found["orders"].geo_backup
    assert found["orders"].tags["outage-rto"] == "4h"
    assert not found["reports"].geo_backup
    assert found["ledger"].family is servers.Family.SINGLE
    assert found["ledger"].geo_backup
    assert found["ledger"].storage_gb is not None
    assert [e.path for e in cloud.world.ledger] == ["/providers/Microsoft.ResourceGraph/resources"]


async def test_pages_are_followed_to_the_end(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server is missing or there twice when the answer comes in pages."""
    monkeypatch.setattr(inventory, "_PAGE", 1)
    to = await cloud.clients()

    found = await inventory.list_servers([cloud.subscription], to.graph())

    assert sorted(s.name for s in found) == ["billing", "ledger", "orders", "reports"]
    assert len(cloud.world.ledger) == 4


async def test_no_subscriptions_ask_nothing(cloud: Any) -> None:
    """An empty list means none, not all that the identity can see."""
    to = await cloud.clients()

    assert await inventory.list_servers([], to.graph()) == []
    assert len(cloud.world.ledger) == 0


async def test_a_throttled_query_waits_as_long_as_it_is_told(stub: Any) -> None:
    """The quota's own header says when to ask again."""
    answers = [
        web.json_response(
            {"error": {"code": "RateLimiting", "message": "slow down"}},
            status=429,
            headers={"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": "00:00:01"},
        ),
        web.json_response({"totalRecords": 1, "count": 1, "data": [row()], "facets": [], "resultTruncated": "false"}),
    ]

    async def answer(_: web.Request) -> web.Response:
        return answers.pop(0)

    served = await stub(answer)
    async with clients.open_clients(served.endpoints) as to:
        found = await inventory.list_servers(["s"], to.graph())

    assert [s.name for s in found] == ["Orders"]
    assert len(served.asked) == 2


async def test_a_refused_query_is_an_error_and_not_an_empty_estate(stub: Any) -> None:
    """What Resource Graph refuses for good is raised at once."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"error": {"code": "BadRequest", "message": "no"}}, status=400)

    served = await stub(answer)
    async with clients.open_clients(served.endpoints) as to:
        with pytest.raises(errors.AzureError) as caught:
            await inventory.list_servers(["s"], to.graph())

    assert (caught.value.code, caught.value.retryable) == ("BadRequest", False)
    assert len(served.asked) == 1


def test_a_flexible_server_is_read() -> None:
    """Ids in lower case, regions by programmatic name, everything else as Azure has it."""
    assert inventory.server_of(row(), SEEN) == servers.Server(
        id=servers.ServerId(ID.lower()),
        name="Orders",
        family=servers.Family.FLEXIBLE,
        subscription_id="s",
        resource_group="rg-a",
        region=inventory.regions.RegionName("eastus2"),
        tier="GeneralPurpose",
        sku="Standard_D2ds_v5",
        version="16",
        storage_gb=128,
        geo_backup=True,
        fqdn="orders.postgres.database.azure.com",
        state="Ready",
        tags={"outage-rto": "4h"},
        public_access=False,
        seen_at=SEEN,
    )


def test_what_decides_about_ways_out_is_read() -> None:
    """Zone, standby, nodes, keys and network, as Azure shows them."""
    key = {"type": "AzureKeyVault", "geoBackupKeyURI": "https://v/k", "geoBackupEncryptionKeyStatus": "Invalid"}
    properties = {
        "availabilityZone": "2",
        "highAvailability": {"mode": "ZoneRedundant", "standbyAvailabilityZone": "3"},
        "cluster": {"clusterSize": 2},
        "dataEncryption": key,
        "network": {"delegatedSubnetResourceId": "/subnets/a"},
    }
    read = inventory.server_of(row(properties=properties), SEEN)
    assert read is not None
    assert (read.zone, read.zone_redundant, read.elastic, read.subnet) == ("2", True, True, "/subnets/a")
    assert (read.own_key, read.geo_key, read.geo_key_status) == (True, True, "Invalid")
    plain = inventory.server_of(row(), SEEN)
    assert plain is not None
    assert (plain.zone, plain.zone_redundant, plain.elastic, plain.own_key, plain.subnet) == (
        "",
        False,
        False,
        False,
        "",
    )


async def test_the_regions_of_the_copys_group_and_of_the_zone_are_looked_up(cloud: Any) -> None:
    """Only for servers that name one: a group, or a zone in a group, takes no writes while its region is down."""
    tags = {"outage-target-group": "RG-Orders", "outage-dns": "db.contoso.example/orders"}
    cloud.world.server_named("orders").tags.update(tags)
    cloud.world.server_named("orders").shape["highAvailability"] = {"mode": "ZoneRedundant"}
    to = await cloud.clients()

    found = {s.name: s for s in await inventory.list_servers([cloud.subscription], to.graph())}

    assert (found["orders"].target_group_region, found["orders"].zone_region) == ("eastus2", "northeurope")
    assert found["orders"].zone_redundant
    assert (found["billing"].target_group_region, found["billing"].zone_region) == (None, None)
    assert len(cloud.world.ledger) == 3


def test_a_single_server_is_read() -> None:
    """It keeps backup and storage in one place, in megabytes."""
    properties = {
        "userVisibleState": "Ready",
        "storageProfile": {"storageMB": 102400, "geoRedundantBackup": "Enabled"},
        "publicNetworkAccess": "Enabled",
    }

    read = inventory.server_of(row(type="Microsoft.DBforPostgreSQL/servers", properties=properties), SEEN)

    assert read is not None
    assert (read.family, read.storage_gb, read.geo_backup, read.state) == (servers.Family.SINGLE, 100, True, "Ready")
    assert read.public_access


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"type": "microsoft.sql/servers"}, id="another type"),
        pytest.param({"id": None}, id="no id"),
        pytest.param({"location": None}, id="no region"),
    ],
)
def test_what_is_no_server_is_left_out(changes: dict[str, Any]) -> None:
    """A row that cannot be a server of ours is not guessed at."""
    assert inventory.server_of(row(**changes), SEEN) is None


@pytest.mark.parametrize("name", ["tags", "sku", "properties"])
def test_what_azure_left_empty_is_unknown_and_no_error(name: str) -> None:
    """Resource Graph gives null where there is nothing."""
    read = inventory.server_of(row(**{name: None}), SEEN)

    assert read is not None
    assert read.name == "Orders"


def test_the_quota_is_read_as_a_duration() -> None:
    """`hh:mm:ss`, or nothing."""
    assert inventory._span("00:01:05") == timedelta(seconds=65)
    assert inventory._span("soon") is None
