"""What is gathered for a decision beside the server itself: replicas, neighbours, the region its copy goes to."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from responder.core import decisions, estates, evidence, offers, outages, regions, servers, services, ways
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


# What was learnt in peace.


def lag(seconds: float, at_: datetime) -> ways.Lag:
    return ways.Lag(behind=timedelta(seconds=seconds), at=at_)


@pytest.mark.parametrize(
    ("measured", "known"),
    [
        pytest.param(at(0) - timedelta(minutes=10), timedelta(seconds=20), id="just before it fell silent"),
        pytest.param(at(0) - timedelta(hours=2), None, id="long before"),
    ],
)
async def test_the_lag_of_a_replica_is_known_from_shortly_before_the_silence(
    store: sqlite.Store, measured: datetime, known: timedelta | None
):
    primary, copy = neighbour("orders"), neighbour("orders-r", region=WEST, replica_of=cases.server().id)
    await store.peacetime.put_lags({copy.id: lag(20, measured)})
    await store.peacetime.put_lags({copy.id: lag(99, measured - timedelta(minutes=1))})  # older: no news
    found = await gathered(store, [primary, copy], {"orders": down(NOW), "orders-r": up(NOW)})
    assert found.replicas[0].lag == known


async def test_a_replica_whose_lag_is_within_the_rpo_is_preferred_to_a_geo_restore(store: sqlite.Store):
    primary, copy = neighbour("orders"), neighbour("orders-r", region=WEST, replica_of=cases.server().id)
    await store.peacetime.put_lags({copy.id: lag(20, at(0) - timedelta(minutes=2))})
    found = await gathered(store, [primary, copy], {"orders": down(NOW), "orders-r": up(NOW)})
    decided = decisions.decide(replace(found, tolerance=cases.tolerance(4, 0.5)), cases.POLICY, NOW)
    assert (decided.way, decided.data_loss_bound) == ("promote-replica", timedelta(seconds=20))


async def test_what_the_pair_offers_is_among_the_facts(store: sqlite.Store):
    server = neighbour("orders", sku="Standard_D4ds_v5")
    place = offers.place_of(server)
    assert place is not None
    offered = offers.Offered(place=place, asked_at=at(-1), free={"cores": 6}, sizes={"generalpurpose": (server.sku,)})
    await store.peacetime.put_offer(offered)
    found = await gathered(store, [server, neighbour("shop", sku=server.sku)], {"orders": down(NOW)})
    assert found.offer is not None
    assert (found.offer.free_vcores, found.offer.needed_by_all, found.offer.restricted) == (6, 8, False)
    other = replace(server, subscription_id=cases.OTHER_SUBSCRIPTION)
    assert (await gathered(store, [other], {"orders": down(NOW)})).offer is None
