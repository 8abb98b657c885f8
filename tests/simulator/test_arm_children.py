"""Updates, children and replicas of flexible servers."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.postgresqlflexibleservers import models
from azure.mgmt.postgresqlflexibleservers.aio import PostgreSQLManagementClient

from .conftest import Arm, Serve


async def replicate(arm: Arm, client: PostgreSQLManagementClient) -> models.Server:
    wanted = models.Server(
        location="centralus",
        properties=models.ServerProperties(create_mode="Replica", source_server_resource_id=arm.id_of("orders")),
    )
    poller = await client.servers.begin_create_or_update("rg-recovery", "orders-replica", wanted)
    return await poller.result()


def promotion(arm: Arm, mode: str, option: str) -> models.ServerForPatch:
    replica = models.Replica(
        role="Primary" if mode == "Switchover" else "None", promote_mode=mode, promote_option=option
    )
    return models.ServerForPatch(properties=models.ServerPropertiesForPatch(replica=replica))


async def test_tags_are_replaced_by_a_patch(arm: Arm) -> None:
    client = await arm.flexible()
    poller = await client.servers.begin_update("rg-orders", "orders", models.ServerForPatch(tags={"a": "b"}))
    assert (await poller.result()).tags == {"a": "b"}


async def test_firewall_rules_come_and_go(arm: Arm) -> None:
    client = await arm.flexible()
    rules = client.firewall_rules
    wanted = models.FirewallRule(
        properties=models.FirewallRuleProperties(start_ip_address="10.1.0.1", end_ip_address="10.1.0.2")
    )
    created = await (await rules.begin_create_or_update("rg-orders", "orders", "home", wanted)).result()
    assert created.properties.end_ip_address == "10.1.0.2"
    assert [r.name async for r in rules.list_by_server("rg-orders", "orders")] == ["home", "office"]
    await (await rules.begin_delete("rg-orders", "orders", "office")).result()
    assert [r.name async for r in rules.list_by_server("rg-orders", "orders")] == ["home"]


async def test_a_parameter_tells_whether_somebody_changed_it(arm: Arm) -> None:
    client = await arm.flexible()
    changed = {
        p.name: p.properties.value
        async for p in client.configurations.list_by_server("rg-orders", "orders")
        if p.properties.source == "user-override"
    }
    assert changed == {"work_mem": "8192"}
    wanted = models.ConfigurationForUpdate(
        properties=models.ConfigurationProperties(value="100", source="user-override")
    )
    await (await client.configurations.begin_update("rg-orders", "orders", "max_connections", wanted)).result()
    parameter = await client.configurations.get("rg-orders", "orders", "max_connections")
    assert (parameter.properties.value, parameter.properties.default_value) == ("100", "859")
    with pytest.raises(ResourceNotFoundError):
        await client.configurations.begin_update("rg-orders", "orders", "no_such_thing", wanted)


async def test_databases_are_listed(arm: Arm) -> None:
    client = await arm.flexible()
    assert [d.name async for d in client.databases.list_by_server("rg-orders", "orders")] == ["app"]


async def test_a_replica_says_where_it_came_from(arm: Arm) -> None:
    client = await arm.flexible()
    replica = await replicate(arm, client)
    assert replica.properties.replica.role == "GeoAsyncReplica"
    assert replica.properties.source_server_resource_id == arm.id_of("orders")
    assert [r.name async for r in client.replicas.list_by_server("rg-orders", "orders")] == ["orders-replica"]


async def test_with_the_primary_out_of_reach_only_a_forced_promotion_works(arm: Arm) -> None:
    client = await arm.flexible()
    await replicate(arm, client)
    await arm.world.take_region_down("eastus2")
    with pytest.raises(HttpResponseError) as raised:
        await client.servers.begin_update("rg-recovery", "orders-replica", promotion(arm, "Standalone", "Planned"))
    assert raised.value.status_code == 409
    poller = await client.servers.begin_update("rg-recovery", "orders-replica", promotion(arm, "Standalone", "Forced"))
    assert (await poller.result()).properties.replica.role == "Primary"


async def test_a_switchover_needs_a_virtual_endpoint_and_swaps_the_roles(arm: Arm) -> None:
    client = await arm.flexible()
    await replicate(arm, client)
    switchover = promotion(arm, "Switchover", "Planned")
    with pytest.raises(HttpResponseError, match="virtual endpoint"):
        await client.servers.begin_update("rg-recovery", "orders-replica", switchover)
    endpoint = models.VirtualEndpoint(
        properties=models.VirtualEndpointResourceProperties(endpoint_type="ReadWrite", members=["orders-replica"])
    )
    await (await client.virtual_endpoints.begin_create("rg-orders", "orders", "orders-ve", endpoint)).result()
    poller = await client.servers.begin_update("rg-recovery", "orders-replica", switchover)
    assert (await poller.result()).properties.replica.role == "Primary"
    assert (await client.servers.get("rg-orders", "orders")).properties.replica.role == "GeoAsyncReplica"


async def test_a_list_comes_in_pages(serve: Serve) -> None:
    from responder.simulator.estates import Limits

    arm = await serve(limits=Limits(page_size=1))
    client = await arm.flexible()
    assert [s.name async for s in client.servers.list_by_subscription()] == ["billing", "orders", "reports"]
    assert [s.name async for s in client.servers.list_by_resource_group("rg-orders")] == ["orders", "reports"]
    assert len([e for e in arm.world.ledger if e.path.endswith("flexibleServers")]) == 5
