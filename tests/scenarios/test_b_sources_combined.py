"""Whichever sources are dead at once, and in whatever order they come back: what is told is heard, once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from responder import service
from responder.flow import reconcile
from responder.simulator import scenarios
from tests.scenarios import night as nights
from tests.scenarios.conftest import Fall

HUB = f"hub:{nights.HUB}"
NOBODY = "http://127.0.0.1:1/nobody"
SOURCES = ("hub", "webhook", "poll")
DEAD = [dead for count in range(4) for dead in itertools.combinations(SOURCES, count)]
MAINTENANCE = {"kind": "maintenance", "stage": "InProgress", "tracking_id": "MNT1-234"}


async def asks(night: nights.Night, source: reconcile.Poll) -> None:
    """The daemon asks Resource Health, not before it may, and does what is due."""
    night.clock.forward(await source.turn(night.clock.now()))
    await night.turn()


async def says(night: nights.Night, dead: tuple[str, ...], **changes: Any) -> None:
    """Azure says it everywhere, and what is alive has it when this returns."""
    described = scenarios.Bulletin.model_validate({**nights.BULLETIN, "impact_start": "region_down", **changes})
    before = len(night.sim.publisher.deliveries)
    night.sim.cloud.publish(described, (HUB, "webhook", "rest"))
    if "webhook" not in dead:
        await night.sim.publisher.settle()
        told = night.sim.publisher.deliveries[before:]
        assert [one.outcome for one in told if one.channel == "webhook"] == ["delivered"]
    if "hub" not in dead:
        await nights.until(lambda: heard_from_the_hub(night, told_to_the_hub(night)))


def told_to_the_hub(night: nights.Night) -> int:
    return sum(one.channel == HUB for one in night.sim.publisher.deliveries)


async def heard_from_the_hub(night: nights.Night, count: int) -> bool:
    return await night._heard_from_hubs(count)


def dies(night: nights.Night, dead: tuple[str, ...]) -> None:
    if "webhook" in dead:
        night.sim.publisher.webhooks[:] = [NOBODY]
    if "hub" in dead:
        night.sim.broker.faults.refuse_connections()
    if "poll" in dead:
        night.sim.world.faults.throttle("read", count=1, retry_after=nights.timedelta(minutes=3))


@pytest.mark.parametrize("dead", DEAD, ids=lambda dead: "+".join(dead) or "none")
async def test_one_source_that_lives_is_enough_and_with_those_that_come_back_it_is_one_outage(
    fall: Fall, dead: tuple[str, ...]
) -> None:
    night = await fall()
    (source,) = service.reconciliation(night.daemon.parts, night.daemon.door).sources
    await night.region_down()
    await night.passes("10m")
    dies(night, dead)
    async with night.hearing_the_hub():
        await says(night, dead, **MAINTENANCE)
        await says(night, dead)
        await source.turn(night.clock.now())
        await night.turn()
        await night.passes("5m")

        outages = [outage.id for outage in await night.store.outages.list()]
        assert outages == ([nights.OUTAGE_ID] if len(dead) < 3 else [])
        assert len(night.creates()) == len(outages), "no word, no copy"

        await night.sim.broker.faults.accept_connections()
        await nights.until(lambda: heard_from_the_hub(night, told_to_the_hub(night)))
        await asks(night, source)
        await night.passes("10m")

    assert [outage.id for outage in await night.store.outages.list()] == [nights.OUTAGE_ID]
    assert len(await night.runs()) == len(night.creates()) == 1
    assert (await night.decision()).playbook == "geo-restore"
