"""The ways out, cheapest in data first, and what stands against each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from responder.core import networks, regions, servers, ways
from tests.core import cases
from tests.core.cases import BEGAN, EASTUS2

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LOSSES = (HOUR, 5 * MINUTE)
WEST = regions.RegionName("westeurope")


def survey(server: servers.Server | None = None, **changes: Any) -> dict[str, ways.Way]:
    around = ways.Surroundings(**({"impact_start": BEGAN} | changes))
    return {way.name.value: way for way in ways.survey(server or cases.server(), around, LOSSES)}


def against(way: str, server: servers.Server, **changes: Any) -> list[str]:
    return [obstacle.id for obstacle in survey(server, **changes)[way].obstacles]


def replica(**changes: Any) -> ways.Replica:
    values = {"id": servers.ServerId("/r"), "region": WEST, "lag": timedelta(seconds=20)}
    return ways.Replica(**(values | changes))


def network(subscription: str = cases.SUBSCRIPTION, region: str = "centralus") -> networks.Network:
    base = f"/subscriptions/{subscription.upper()}/resourceGroups/net/providers/Microsoft.Network"
    return networks.Network(region=regions.RegionName(region), subnet=f"{base}/a/subnets/b", dns_zone=f"{base}/zone")


@pytest.mark.parametrize(
    ("changes", "around", "obstacle"),
    [
        pytest.param({}, {}, None, id="nothing"),
        pytest.param({"tier": "Basic"}, {}, "way.basic-tier", id="Basic"),
        pytest.param({"geo_backup": False}, {}, "way.no-geo-backup", id="no geo-redundant backup"),
        pytest.param({"backups_since": BEGAN - 50 * MINUTE}, {}, "way.too-young", id="younger than an hour"),
        pytest.param({"backups_since": BEGAN - 70 * MINUTE}, {}, None, id="older than an hour"),
        pytest.param({"region": regions.RegionName("italynorth")}, {}, "way.no-pair", id="no pair"),
        pytest.param({}, {"pair_impaired": True}, "way.pair-impaired", id="the pair is down"),
        pytest.param({}, {"offer": ways.Offer(restricted=True)}, "way.offer-restricted", id="not offered there"),
        pytest.param(
            {"sku": "Standard_D8ds_v5"}, {"offer": ways.Offer(free_vcores=4)}, "way.no-quota", id="no quota left"
        ),
        pytest.param({"sku": "Standard_D4ds_v5"}, {"offer": ways.Offer(free_vcores=4)}, None, id="just enough quota"),
        pytest.param({"elastic": True}, {}, "way.elastic-cluster", id="elastic cluster"),
        pytest.param({"own_key": True}, {}, "way.no-geo-key", id="own key, none in the pair"),
        pytest.param({"own_key": True, "geo_key": True}, {}, None, id="own keys in both"),
        pytest.param(
            {"own_key": True, "geo_key": True, "geo_key_status": "Invalid"}, {}, "way.geo-key-invalid", id="broken key"
        ),
        pytest.param({"subnet": "/subnets/a"}, {}, "way.private-network", id="in a virtual network"),
        pytest.param({"subnet": "/a"}, {"networks": {"a": network()}}, None, id="a network was prepared"),
        pytest.param(
            {"subnet": "/a"}, {"networks": {"a": network(region=WEST)}}, "way.private-network", id="in another region"
        ),
        pytest.param(
            {"subnet": "/a"},
            {"networks": {"a": network(cases.OTHER_SUBSCRIPTION)}},
            "way.private-network",
            id="in another subscription",
        ),
        pytest.param(
            {"subnet": "/a"}, {"networks": {"a": network(), "b": network()}}, "way.several-networks", id="which one?"
        ),
        pytest.param(
            {"subnet": "/a", "tags": {"outage-network": "b"}},
            {"networks": {"a": network(), "b": network()}},
            None,
            id="the one that its tag names",
        ),
        pytest.param(
            {"subnet": "/a", "tags": {"outage-network": "c"}},
            {"networks": {"a": network()}},
            "way.no-such-network",
            id="a tag that names none",
        ),
        pytest.param({"target_group_region": EASTUS2}, {}, "way.group-in-region", id="group in the dead region"),
        pytest.param({"target_group_region": WEST}, {}, None, id="group elsewhere"),
        pytest.param({}, {"playbooks": frozenset({"wait-it-out"})}, "way.no-playbook", id="no playbook"),
        pytest.param({}, {"arm_impaired": True}, None, id="Resource Manager impaired: tried again"),
        pytest.param({"zone_region": EASTUS2}, {}, None, id="DNS zone in the dead region: said"),
    ],
)
def test_each_obstacle_to_a_geo_restore_has_its_sentence(
    changes: dict[str, Any], around: dict[str, Any], obstacle: str | None
):
    found = survey(cases.server(**changes), **around)["geo-restore"]
    assert [each.id for each in found.obstacles] == ([obstacle] if obstacle else [])
    assert found.open is (obstacle is None)
    assert all("{" not in each.text and each.text.endswith(".") for each in (*found.obstacles, *found.remarks))


D4 = "Standard_D4ds_v5"


@pytest.mark.parametrize(
    ("changes", "around", "remark"),
    [
        ({}, {"arm_impaired": True}, "way.arm-impaired"),
        ({"zone_region": EASTUS2}, {}, "way.dns-zone-in-region"),
        ({"sku": D4}, {"offer": ways.Offer(size_missing=True)}, "way.size-not-offered"),
        ({"sku": D4}, {"offer": ways.Offer(free_vcores=4, needed_by_all=40)}, "way.quota-tight"),
        ({"high_availability": "ZoneRedundant"}, {"offer": ways.Offer(no_standby=True)}, "way.no-standby-there"),
        ({}, {"offer": ways.Offer(no_geo_backup=True)}, "way.no-geo-backup-there"),
    ],
)
def test_what_makes_a_geo_restore_doubtful_is_said(changes: dict[str, Any], around: dict[str, Any], remark: str):
    assert [each.id for each in survey(cases.server(**changes), **around)["geo-restore"].remarks] == [remark]


def test_the_ways_come_in_the_order_of_what_they_lose():
    server = cases.server(zone="1", high_availability="ZoneRedundant")
    found = list(survey(server, zonal=True, replicas=(replica(),)).items())
    assert [name for name, _ in found] == ["wait", "promote-replica", "point-in-time-restore", "geo-restore"]
    losses = [way.loss for _, way in found if way.loss is not None]
    assert losses == sorted(losses)


@pytest.mark.parametrize(
    ("changes", "around", "obstacle"),
    [
        pytest.param({"zone": "1", "high_availability": "ZoneRedundant"}, {}, [], id="backup in other zones"),
        pytest.param({"zone": "1"}, {}, ["way.backup-in-the-zone"], id="backup perhaps in this zone"),
        pytest.param({"high_availability": "ZoneRedundant"}, {}, ["way.zone-unknown"], id="which zone is not known"),
        pytest.param(
            {"family": servers.Family.SINGLE, "zone": "1"}, {}, ["way.no-zones"], id="Single Server has no zones"
        ),
    ],
)
def test_a_restore_within_the_region_is_for_a_zonal_outage_and_a_backup_that_surely_survives(
    changes: dict[str, Any], around: dict[str, Any], obstacle: list[str]
):
    assert against("point-in-time-restore", cases.server(**changes), zonal=True, **around) == obstacle
    assert "point-in-time-restore" not in survey(cases.server(**changes))


def test_a_replica_counts_when_it_is_elsewhere_and_well():
    assert survey(replicas=(replica(),))["promote-replica"].open
    for bad in (replica(impaired=True), replica(region=EASTUS2)):
        assert against("promote-replica", cases.server(), replicas=(bad,)) == ["way.replica-impaired"]
    assert survey(replicas=(replica(region=EASTUS2),), zonal=True)["promote-replica"].open


def test_of_several_replicas_the_one_that_is_least_behind_is_meant():
    far, near = replica(lag=HOUR), replica(id=servers.ServerId("/near"), lag=MINUTE)
    unknown = replica(id=servers.ServerId("/unknown"), lag=None)
    found = survey(replicas=(unknown, far, near))["promote-replica"]
    assert (found.target, found.loss) == ("/near", MINUTE)
    alone = survey(replicas=(unknown,))["promote-replica"]
    assert (alone.loss, [each.id for each in alone.remarks]) == (None, ["way.lag-unknown"])


@pytest.mark.parametrize(
    ("lag", "rpo", "way"),
    [
        pytest.param(MINUTE, 5 * MINUTE, "promote-replica", id="within the RPO"),
        pytest.param(10 * MINUTE, HOUR, "promote-replica", id="both within: the cheaper"),
        pytest.param(2 * HOUR, HOUR, "geo-restore", id="only the backup is within"),
        pytest.param(10 * MINUTE, 5 * MINUTE, "promote-replica", id="neither: what loses less"),
        pytest.param(None, HOUR, "geo-restore", id="a lag that nobody knows"),
        pytest.param(None, MINUTE, "promote-replica", id="nor that, and the backup is beyond: what can be measured"),
        pytest.param(MINUTE, None, "promote-replica", id="no RPO declared"),
    ],
)
def test_the_way_is_the_cheapest_whose_loss_the_owner_accepts(lag: timedelta | None, rpo: timedelta | None, way: str):
    found = ways.best(tuple(survey(replicas=(replica(lag=lag),)).values()), rpo)
    assert found is not None
    assert found.name.value == way


def test_with_every_way_closed_there_is_none():
    assert ways.best(tuple(survey(cases.server(tier="Basic")).values()), HOUR) is None


@pytest.mark.parametrize(
    ("sku", "vcores"), [("Standard_D4ds_v5", 4), ("Standard_B1ms", 1), ("GP_Gen5_8", 8), ("Basic", None), ("", None)]
)
def test_processors_are_read_off_the_name_of_the_size_where_it_has_them(sku: str, vcores: int | None):
    assert cases.server(sku=sku).vcores == vcores
