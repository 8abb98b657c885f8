"""What a region offers, asked of the local Azure through the real SDKs: access, sizes, quota; and wrong answers."""

from __future__ import annotations

import pytest

from responder.azure import offers as asking
from responder.core import errors, offers, regions, servers
from tests.azure.conftest import Cloud, Serve

PAIR = regions.RegionName("centralus")


async def asked(cloud: Cloud, family: servers.Family = servers.Family.FLEXIBLE) -> offers.Offered:
    place = offers.Place(subscription_id=cloud.subscription, region=PAIR, family=family)
    return await asking.ask(await cloud.clients(), place)


async def test_sizes_features_and_quota_are_read(serve: Serve) -> None:
    cloud = await serve(core_quotas={"centralus": 40})
    found = await asked(cloud)
    assert not found.restricted
    assert "Standard_D2ds_v5" in found.sizes["generalpurpose"]
    assert (found.geo_backup, found.zone_redundant) == (True, True)
    assert (found.free["cores"], found.free[offers.quota_of("Standard_D2ds_v5")]) == (40, 40)
    assert {entry.method for entry in cloud.world.ledger} <= {"GET", "POST"}


async def test_a_region_that_is_not_open_to_us_is_told(serve: Serve) -> None:
    cloud = await serve(offer_restricted=("centralus",))
    for family in servers.Family:
        assert (await asked(cloud, family)).restricted


async def test_an_answer_that_refuses_the_subscription_is_an_answer(cloud: Cloud) -> None:
    body = {"error": {"code": "SubscriptionNotInAllowList", "message": "The subscription is not allowed here."}}
    cloud.world.faults.answer("GET", "*/capabilities", 403, body)
    found = await asked(cloud)
    assert (found.restricted, found.why) == (True, "SubscriptionNotInAllowList")


async def test_a_quota_that_may_not_be_read_is_not_known(cloud: Cloud) -> None:
    body = {"error": {"code": "AuthorizationFailed", "message": "The client does not have authorization."}}
    cloud.world.faults.answer("GET", "*/usages", 403, body)
    found = await asked(cloud)
    assert (found.restricted, found.free) == (False, {})
    assert found.sizes


async def test_no_answer_is_no_offer(cloud: Cloud) -> None:
    cloud.world.faults.answer("GET", "*/capabilities", 503, count=9)
    with pytest.raises(errors.AzureError) as raised:
        await asked(cloud)
    assert raised.value.retryable


async def test_single_server_tells_its_tiers(cloud: Cloud) -> None:
    found = await asked(cloud, servers.Family.SINGLE)
    assert "GP_Gen5_2" in found.sizes["generalpurpose"]
    assert (found.free, found.geo_backup) == ({}, None)
