"""What a region's answer means for the copy of one server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from responder.core import offers, regions, servers, ways
from tests.core import cases
from tests.core.cases import BEGAN

SIZE = "Standard_D4ds_v5"
SERVER = cases.server(sku=SIZE)
PLACE = offers.Place(
    subscription_id=cases.SUBSCRIPTION, region=regions.RegionName("centralus"), family=servers.Family.FLEXIBLE
)


def offered(**changes: Any) -> offers.Offered:
    values: dict[str, Any] = {"place": PLACE, "asked_at": BEGAN, "sizes": {"generalpurpose": (SIZE,)}}
    return offers.Offered(**(values | changes))


def about(by_all: int = 0, server: servers.Server = SERVER, **changes: Any) -> ways.Offer:
    found = offers.about(offered(**changes), server, by_all, BEGAN)
    assert found is not None
    return found


def test_a_place_is_the_pair_of_the_region_in_the_same_subscription():
    assert offers.place_of(cases.server(subscription_id=cases.SUBSCRIPTION.upper())) == PLACE
    assert offers.place_of(cases.server(region=regions.RegionName("italynorth"))) is None


def test_each_place_is_asked_about_once_with_the_regions_it_is_for():
    listed = [cases.server(id=servers.ServerId(f"/{i}"), geo_backup=i > 0) for i in range(5)]
    assert offers.wanted(listed) == {PLACE: frozenset({cases.EASTUS2})}
    assert offers.wanted(listed[:1]) == {}


def test_the_copies_of_all_servers_of_a_quota_are_counted():
    other = cases.server(sku="Standard_E8ds_v5")
    assert offers.needed([SERVER, SERVER, other, cases.server(sku=SIZE, geo_backup=False)]) == {
        (PLACE, "standardddsv5family"): 8,
        (PLACE, "standardedsv5family"): 8,
    }


@pytest.mark.parametrize(
    ("sku", "quota"),
    [
        ("Standard_D4ds_v5", "standardddsv5family"),
        ("Standard_D2s_v3", "standarddsv3family"),
        ("Standard_E16ads_v5", "standardeadsv5family"),
        ("Standard_B2ms", "standardbsfamily"),
        ("GP_Gen5_4", "cores"),
        ("", "cores"),
    ],
)
def test_a_size_counts_against_the_quota_of_its_family(sku: str, quota: str):
    assert offers.quota_of(sku) == quota


def test_the_tighter_of_both_quotas_counts():
    free = {"cores": 6, "standardddsv5family": 2}
    assert about(free=free).free_vcores == 2
    assert about(free={"cores": 6}).free_vcores == 6
    assert about(free={"standardbsfamily": 1}).free_vcores is None
    assert about().free_vcores is None


def test_a_size_is_missing_only_where_sizes_were_told():
    assert not about().size_missing
    assert not about(server=cases.server(sku=SIZE.lower())).size_missing
    assert about(server=cases.server(sku="Standard_D96ds_v5")).size_missing
    assert about(sizes={"burstable": ("Standard_B2s",)}).size_missing
    assert not about(sizes={}).size_missing
    assert not about(server=cases.server(sku="")).size_missing


def test_what_is_not_said_is_no_obstacle():
    found = about()
    assert (found.restricted, found.no_geo_backup, found.no_standby) == (False, False, False)
    found = about(geo_backup=False, zone_redundant=False)
    assert (found.no_geo_backup, found.no_standby) == (True, True)


def test_an_old_answer_says_nothing():
    late = BEGAN + offers.LASTS + timedelta(seconds=1)
    assert offers.about(offered(), SERVER, 0, late) is None
    assert offers.about(None, SERVER, 0, BEGAN) is None
