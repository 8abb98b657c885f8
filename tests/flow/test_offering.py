"""Offering: each place is asked now and then, more often while it is needed, and never in trouble of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from responder.core import errors, offers, regions, restores, servers
from responder.flow import offering
from responder.store import sqlite
from tests.contracts import samples

EVERY = timedelta(hours=6)
PAIR = regions.pair_of("eastus")
assert PAIR is not None


class Region:
    """What is asked, and what is answered."""

    def __init__(self, time: Any) -> None:
        self.time = time
        self.asked: list[offers.Place] = []
        self.trouble: errors.AzureError | None = None

    async def ask(self, place: offers.Place) -> offers.Offered:
        self.asked.append(place)
        if self.trouble:
            raise self.trouble
        return offers.Offered(place=place, asked_at=self.time.now, free={"cores": 7})


@pytest.fixture
def region(time: Any) -> Region:
    return Region(time)


@pytest.fixture
async def stage(store: sqlite.Store, region: Region) -> offering.Offering:
    listed = [samples.server(name, geo_backup=True) for name in "abc"]
    await store.estate.put_servers([*listed, samples.server("d", region="westeurope")])
    found = offering.Offering(store, region.ask, EVERY)
    found._chance = lambda: 0.0
    return found


async def test_a_place_is_asked_once_whatever_the_number_of_servers(
    store: sqlite.Store, stage: offering.Offering, region: Region, time: Any
):
    assert await stage.turn(time.now)
    assert not await stage.turn(time.now)
    (place,) = region.asked
    assert (place.region, place.subscription_id, place.family) == (PAIR, "sub-1", servers.Family.FLEXIBLE)
    assert (await store.peacetime.offers())[place].free == {"cores": 7}
    assert await store.peacetime.offers(["westus3"]) == {}
    time.pass_(hours=5)
    assert not await stage.turn(time.now)
    time.pass_(hours=1)
    assert await stage.turn(time.now)


async def test_while_the_region_has_an_outage_its_pair_is_asked_more_often(
    store: sqlite.Store, stage: offering.Offering, region: Region, time: Any
):
    await stage.turn(time.now)
    await store.outages.put([samples.outage(region="eastus")])
    time.pass_(minutes=10)
    assert await stage.turn(time.now)


async def test_a_pair_in_trouble_of_its_own_is_left_alone(
    store: sqlite.Store, stage: offering.Offering, region: Region, time: Any
):
    await store.outages.put([samples.outage(region=PAIR)])
    assert not await stage.turn(time.now)
    assert region.asked == []


async def test_a_refused_question_is_asked_again_later_and_forgets_nothing(
    store: sqlite.Store, stage: offering.Offering, region: Region, time: Any
):
    await stage.turn(time.now)
    known = await store.peacetime.offers()
    time.pass_(hours=7)
    region.trouble = errors.AzureError("HeldBack", "Later.", status=None, retryable=True)
    assert await stage.turn(time.now)
    assert not await stage.turn(time.now)
    assert await store.peacetime.offers() == known
    region.trouble = None
    time.pass_(minutes=15)
    assert await stage.turn(time.now)


async def test_a_copy_of_ours_is_no_reason_to_ask(store: sqlite.Store, region: Region, time: Any):
    tags = {restores.CREATED_BY_TAG: restores.CREATED_BY}
    await store.estate.put_servers([samples.server("x", geo_backup=True, tags=tags)])
    assert not await offering.Offering(store, region.ask, EVERY).turn(time.now)
