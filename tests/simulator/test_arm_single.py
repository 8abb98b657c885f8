"""Single Server (2017-12-01) through azure-mgmt-rdbms."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.rdbms.postgresql import models

from .conftest import Arm, FakeData, Serve

SKU = models.Sku(name="GP_Gen5_2", tier="GeneralPurpose", family="Gen5", capacity=2)


def geo_restore(arm: Arm, *, region: str = "westeurope") -> models.ServerForCreate:
    properties = models.ServerPropertiesForGeoRestore(source_server_id=arm.id_of("ledger"))
    return models.ServerForCreate(location=region, sku=SKU, properties=properties)


async def test_a_single_server_is_geo_restored_into_any_region(arm: Arm) -> None:
    client = await arm.single()
    poller = await client.servers.begin_create("rg-recovery", "ledger-copy", geo_restore(arm))
    server = await poller.result()
    assert server.user_visible_state == "Ready"
    assert server.location == "westeurope"
    assert server.earliest_restore_date is None


async def test_a_basic_server_cannot_be_geo_restored(arm: Arm) -> None:
    source = arm.world.server_named("ledger")
    assert source is not None
    source.tier = "Basic"
    client = await arm.single()
    with pytest.raises(HttpResponseError, match="Basic"):
        await client.servers.begin_create("rg-recovery", "ledger-copy", geo_restore(arm))


async def test_recoverable_servers_tell_how_old_the_newest_backup_is(serve: Serve) -> None:
    data = FakeData()
    arm = await serve(data=data)
    client = await arm.single()
    with pytest.raises(HttpResponseError) as raised:
        await client.recoverable_servers.get("rg-orders", "ledger")
    assert raised.value.status_code == 404
    data.backups["ledger"] = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    recoverable = await client.recoverable_servers.get("rg-orders", "ledger")
    assert recoverable.last_available_backup_date_time == "2026-03-01T12:30:00.000Z"
    assert recoverable.v_core == 2


async def test_the_families_are_listed_apart(arm: Arm) -> None:
    single, flexible = await arm.single(), await arm.flexible()
    assert [s.name async for s in single.servers.list()] == ["ledger"]
    assert "ledger" not in [s.name async for s in flexible.servers.list_by_subscription()]


async def test_parameters_are_set_in_one_operation_and_rules_one_by_one(arm: Arm) -> None:
    client = await arm.single()
    rule = models.FirewallRule(start_ip_address="10.0.0.1", end_ip_address="10.0.0.1")
    poller = await client.firewall_rules.begin_create_or_update("rg-orders", "ledger", "one", rule)
    assert (await poller.result()).start_ip_address == "10.0.0.1"
    put = await client.configurations.begin_create_or_update(
        "rg-orders", "ledger", "work_mem", models.Configuration(value="9000")
    )
    assert (await put.result()).value == "9000"


async def test_a_batch_of_parameters_has_to_name_them_which_the_models_of_the_sdk_do_not(arm: Arm) -> None:
    """`Configuration.name` is read-only in azure-mgmt-rdbms, so it is not sent: the batch has to be given as JSON."""
    client = await arm.single()
    batch = client.server_parameters.begin_list_update_configurations
    with pytest.raises(HttpResponseError, match="needs a name"):
        await batch("rg-orders", "ledger", models.ConfigurationListResult(value=[models.Configuration(value="64")]))
    sent = json.dumps({"value": [{"name": "max_connections", "properties": {"value": "64"}}]}).encode()
    await (await batch("rg-orders", "ledger", io.BytesIO(sent))).result()
    assert (await client.configurations.get("rg-orders", "ledger", "max_connections")).value == "64"


async def test_a_replica_is_promoted_by_taking_its_role_away(arm: Arm) -> None:
    client = await arm.single()
    wanted = models.ServerForCreate(
        location="centralus",
        sku=SKU,
        properties=models.ServerPropertiesForReplica(source_server_id=arm.id_of("ledger")),
    )
    replica = await (await client.servers.begin_create("rg-recovery", "ledger-replica", wanted)).result()
    assert (replica.replication_role, replica.master_server_id) == ("Replica", arm.id_of("ledger"))
    update = models.ServerUpdateParameters(replication_role="None")
    server = await (await client.servers.begin_update("rg-recovery", "ledger-replica", update)).result()
    assert server.replication_role == ""
