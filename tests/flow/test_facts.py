"""What is gathered for a decision beside the server itself: replicas, neighbours, the region its copy goes to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from responder.core import decisions, estates, evidence, outages, regions, servers, services
from responder.flow import facts
from responder.store import sqlite
from tests.core import cases
from tests.core.cases import at, down, up

NOW = at(1)
PAIR = regions.pair_of(cases.EASTUS2)
WEST = regions.RegionName("westeurope")


def neighbour(name: str, zone: str = "", **changes: object) -> servers.Server:
    id_ = servers.ServerId(str(cases.server().id).replace("orders", name))
    return cases.server(id=id_, name=name, zone=zone, **changes)


def elsewhere(region: regions.RegionName | None, relation: services.Relation, *named: str) -> outages.Outage:
    assert region is not None
    id_ = outages.outage_id("OTHR-123", region)
    return cases.outage(id=id_, tracking_id="OTHR-123", region=region, relation=relation, services=named)


async def gathered(
    store: sqlite.Store, estate: list[servers.Server], health: dict[str, evidence.Health], *others: outages.Outage
) -> decisions.Facts:
    """The facts of the first server, in an outage of its region and these others."""
    await store.estate.put_servers(estate)
    await store.estate.put_health({server.id: health[server.name] for server in estate if server.name in health})
    for outage in (cases.outage(), *others):
        await store.outages.put([outage])
    known = await facts.turn(store, await facts.ill(store), estate=estates.Estate(estate))
    return (await facts.gather(store, cases.outage(), estate[:1], cases.tolerance(), known))[0]


async def test_a_replica_is_among_the_facts_of_its_primary(store: sqlite.Store):
    primary, copy = neighbour("orders"), neighbour("orders-r", region=WEST, replica_of=cases.server().id)
    found = await gathered(store, [primary, copy], {"orders": down(NOW), "orders-r": up(NOW)})
    assert [(replica.id, replica.region, replica.impaired) for replica in found.replicas] == [(copy.id, WEST, False)]


@pytest.mark.parametrize(
    ("health", "others"),
    [
        pytest.param({"orders-r": down(NOW)}, (), id="silent"),
        pytest.param(
            {"orders-r": up(NOW)}, (elsewhere(WEST, services.Relation.POSTGRESQL),), id="its region has an outage"
        ),
    ],
)
async def test_a_replica_that_is_in_trouble_itself_is_marked(
    store: sqlite.Store, health: dict[str, evidence.Health], others: tuple[outages.Outage, ...]
):
    primary, copy = neighbour("orders"), neighbour("orders-r", region=WEST, replica_of=cases.server().id)
    found = await gathered(store, [primary, copy], {"orders": down(NOW)} | health, *others)
    assert found.replicas[0].impaired


async def test_an_outage_of_one_zone_is_told_by_the_neighbours(store: sqlite.Store):
    estate = [neighbour("orders", "1"), neighbour("shop", "1"), neighbour("wiki", "2")]
    health = {"orders": down(NOW), "shop": down(NOW), "wiki": up(NOW)}
    found = await gathered(store, estate, health)
    assert (found.zonal, found.well_zones) == (True, ("2",))
    found = await gathered(store, estate, health | {"wiki": down(NOW)})
    assert (found.zonal, found.well_zones) == (False, ())


async def test_the_neighbours_of_another_subscription_tell_nothing_about_a_zone(store: sqlite.Store):
    estate = [neighbour("orders", "1"), neighbour("wiki", "2", subscription_id=cases.OTHER_SUBSCRIPTION)]
    found = await gathered(store, estate, {"orders": down(NOW), "wiki": up(NOW)})
    assert (found.zonal, found.well_zones) == (False, ())


async def test_trouble_of_resource_manager_in_the_pair_is_no_trouble_of_the_pair(store: sqlite.Store):
    manager = elsewhere(PAIR, services.Relation.CONTROL_PLANE, "Azure Resource Manager")
    found = await gathered(store, [neighbour("orders")], {"orders": down(NOW)}, manager)
    assert (found.arm_impaired, found.pair_impaired) == (True, False)


async def test_an_outage_of_servers_in_the_pair_is(store: sqlite.Store):
    found = await gathered(store, [neighbour("orders")], {}, elsewhere(PAIR, services.Relation.DEPENDENCY, "Storage"))
    assert (found.arm_impaired, found.pair_impaired) == (False, True)
    assert replace(found, pair_impaired=False).queue_wait == timedelta()
