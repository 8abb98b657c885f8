"""Rules of changing copies and replicas, and of reading configurations, with the real SDKs against the local Azure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from responder import clock
from responder.azure import clients, control_plane, inventory
from responder.core import changes, configurations, errors, regions, restores, servers
from responder.simulator import estates

FAMILIES = [
    pytest.param("orders", servers.Family.FLEXIBLE, id="flexible"),
    pytest.param("ledger", servers.Family.SINGLE, id="single"),
]
MOST_POLLS = 5000


async def finish(plane: control_plane.ControlPlane, change: changes.Change) -> restores.Progress:
    """Ask, then poll as another process would, one look at a time, until the operation has ended."""
    token = await plane.change(change)
    for _ in range(MOST_POLLS):
        progress = await plane.poll_change(change, token)
        if not isinstance(progress, restores.InProgress):
            return progress
    raise AssertionError("the operation does not end")


def with_a_replica(**values: Any) -> tuple[estates.Server, ...]:
    described = estates.load_shipped("small").servers
    replica = estates.Server(
        name="orders-replica", resource_group="rg-recovery", region="centralus", replica_of="orders", **values
    )
    return (*described, replica)


@pytest.mark.parametrize(("name", "family"), FAMILIES)
async def test_rules_and_parameters_are_set_and_read_back(cloud: Any, name: str, family: servers.Family) -> None:
    plane, server = await cloud.control_plane(), cloud.server(name, family)
    before = await plane.configuration(server.id)
    wanted = [
        changes.FirewallRule(server_id=server.id, name="vpn", start="10.1.0.1", end="10.1.0.2"),
        changes.Parameter(server_id=server.id, name="statement_timeout", value="60000"),
    ]
    for change in wanted:
        assert isinstance(await finish(plane, change), restores.Succeeded)
    after = await plane.configuration(server.id)
    assert set(after.rules) - set(before.rules) == {configurations.Rule(name="vpn", start="10.1.0.1", end="10.1.0.2")}
    assert {(p.name, p.value) for p in set(after.parameters) - set(before.parameters)} == {
        ("statement_timeout", "60000")
    }


async def test_only_what_somebody_has_set_is_read(cloud: Any) -> None:
    plane = await cloud.control_plane()
    found = await plane.configuration(cloud.server("orders").id)
    assert found.rules == (configurations.Rule(name="office", start="10.0.0.1", end="10.0.0.9"),)
    assert [(p.name, p.value, p.static) for p in found.parameters] == [("work_mem", "8192", False)]


async def test_a_static_parameter_is_pending_until_the_restart(cloud: Any) -> None:
    plane, server = await cloud.control_plane(), cloud.server("orders")
    await finish(plane, changes.Parameter(server_id=server.id, name="max_connections", value="400"))
    assert (await plane.configuration(server.id)).restart_pending
    await finish(plane, changes.Restart(server_id=server.id))
    assert not (await plane.configuration(server.id)).restart_pending


async def test_a_replica_is_promoted_while_its_primarys_region_is_down(serve: Any) -> None:
    cloud = await serve(servers=with_a_replica())
    replica, primary = cloud.server("orders-replica"), cloud.server("orders")
    plane = await cloud.control_plane()
    found = await plane.find(replica.id)
    assert found is not None
    assert found.replica
    await cloud.world.take_region_down("eastus2")

    ended = await finish(plane, changes.Promotion(server_id=replica.id, source_id=primary.id))

    assert isinstance(ended, restores.Succeeded)
    after = await plane.find(replica.id)
    assert after is not None
    assert (after.replica, after.ready) == (False, True)
    assert cloud.asked_of(primary) == []
    (sent,) = cloud.world.ledger.writes()
    assert sent.method == "PATCH"


async def test_a_replica_of_single_server_is_promoted_too(serve: Any) -> None:
    described = estates.load_shipped("small").servers
    replica = estates.Server(
        name="ledger-replica", kind="single", resource_group="rg-recovery", region="centralus", replica_of="ledger"
    )
    cloud = await serve(servers=(*described, replica))
    ours = cloud.server("ledger-replica", servers.Family.SINGLE)
    plane = await cloud.control_plane()
    await cloud.world.take_region_down("eastus2")
    source = cloud.server("ledger", servers.Family.SINGLE).id
    assert isinstance(await finish(plane, changes.Promotion(server_id=ours.id, source_id=source)), restores.Succeeded)
    found = await plane.find(ours.id)
    assert found is not None
    assert not found.replica


async def test_the_inventory_knows_replicas_and_how_far_back_a_server_can_go(serve: Any) -> None:
    cloud = await serve(servers=with_a_replica())
    to = await cloud.clients()
    listed = {server.name: server for server in await inventory.list_servers([cloud.subscription], to.graph())}
    assert listed["orders-replica"].replica_of == listed["orders"].id
    assert listed["orders"].replica_of is None
    assert listed["orders"].backup_retention_days == 7
    since = listed["orders"].backups_since
    assert since is not None
    assert since < clock.now() - timedelta(days=6)


async def test_a_new_server_is_made_redundant_with_the_configured_administrator(cloud: Any) -> None:
    to = await cloud.clients()
    to.administrator = lambda: clients.Login("boss", "s3cret")
    plane = control_plane.ControlPlane(to)
    source = cloud.server("billing")
    target = servers.server_id(source.id.replace("/billing", "/billing-new-1"))
    creation = changes.Creation(
        server_id=target, source=source, region=regions.RegionName("westeurope"), tags={"outage-run": "r"}
    )
    assert isinstance(await finish(plane, creation), restores.Succeeded)
    made = cloud.world.server_named("billing-new-1")
    assert made is not None
    assert (made.geo_backup, made.administrator, made.sku) == (True, "boss", source.sku)
    assert made.tags[restores.SOURCE_TAG] == source.id


async def test_without_a_login_no_server_is_made(cloud: Any) -> None:
    source = cloud.server("billing")
    creation = changes.Creation(
        server_id=servers.server_id(source.id + "-new"), source=source, region=regions.RegionName("westeurope")
    )
    with pytest.raises(errors.InputError, match="no login is configured"):
        await (await cloud.control_plane()).change(creation)
    assert cloud.world.ledger.writes() == ()


@pytest.mark.parametrize(("name", "family"), FAMILIES)
async def test_a_point_in_time_restore_stays_in_the_region(cloud: Any, name: str, family: servers.Family) -> None:
    plane, request = await cloud.control_plane(), cloud.request(name, family)
    home = servers.address_of(request.source.id)
    assert home is not None
    target = servers.id_of(
        servers.Address(
            subscription_id=home.subscription_id,
            resource_group=home.resource_group,
            family=family,
            name=f"{name}-pit-1",
        )
    )
    asked = restores.RestoreRequest(
        source=request.source, target_id=target, target_region=request.source.region, to=clock.now(), zone="2"
    )
    token = await plane.restore(asked)
    for _ in range(MOST_POLLS):
        progress = await plane.poll_restore(asked, token)
        if not isinstance(progress, restores.InProgress):
            break
    assert isinstance(progress, restores.Succeeded)
    made = cloud.world.server_named(f"{name}-pit-1")
    assert made is not None
    assert (made.region, made.create_mode) == ("eastus2", "PointInTimeRestore")


@pytest.mark.parametrize("ago", [timedelta(days=8), -timedelta(hours=1)], ids=["too long ago", "in the future"])
async def test_a_moment_without_backups_is_refused(cloud: Any, ago: timedelta) -> None:
    plane, request = await cloud.control_plane(), cloud.request("orders")
    asked = restores.RestoreRequest(
        source=request.source, target_id=request.target_id, target_region=request.source.region, to=clock.now() - ago
    )
    with pytest.raises(errors.AzureError) as caught:
        await plane.restore(asked)
    assert caught.value.code == "InvalidParameterValue"


@pytest.mark.parametrize(("name", "family"), FAMILIES)
async def test_tags_are_replaced_as_a_whole(cloud: Any, name: str, family: servers.Family) -> None:
    plane, server = await cloud.control_plane(), cloud.server(name, family)
    for tags in ({"outage-rto": "4h", "team": "a"}, {"team": "b"}):
        assert isinstance(await finish(plane, changes.Tags(server_id=server.id, tags=tags)), restores.Succeeded)
        found = await plane.find(server.id)
        assert found is not None
        assert (dict(found.tags), found.ready) == (tags, True)
    assert {entry.method for entry in cloud.world.ledger.writes()} == {"PATCH"}
