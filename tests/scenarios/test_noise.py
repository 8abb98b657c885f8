"""What must start nothing, whatever else is going on: no run, and no write to Azure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from responder.core import decisions, outages
from tests.scenarios import night as nights
from tests.scenarios.conftest import Fall

NOISE: dict[str, dict[str, Any]] = {
    "a synthetic event": {"synthetic": True},
    "the test button of an action group": {"portal_test": True},
    "planned maintenance": {"kind": "maintenance", "stage": "InProgress"},
    "a health advisory": {"kind": "advisory"},
    "a security advisory": {"kind": "security"},
    "the review of an earlier outage": {"stage": "RCA", "impact_start": "-P21D", "impact_mitigation": "-P20D"},
    "an outage of another region": {"regions": ["North Europe"]},
    "an outage of no region": {"regions": ["Global"]},
    "an outage of a service that databases do not stand on": {
        "services": ["Azure Virtual Desktop"],
        "title": "Azure Virtual Desktop - East US 2 - Investigating",
    },
}


async def nothing_was_started(night: nights.Night) -> None:
    assert await night.runs() == []
    assert night.writes() == []
    assert night.requests_to_the_failed_region() == []


@pytest.mark.parametrize("said", NOISE.values(), ids=NOISE)
async def test_noise_starts_nothing_even_while_every_server_is_silent(fall: Fall, said: dict[str, Any]) -> None:
    night = await fall(nights.declared("orders"), nights.declared("shop", "northeurope"))
    await night.region_down()
    for channel in ("webhook", "webhook-activity-log"):
        await night.tell(channel, **{**said})
        await night.passes("10m")
    await night.passes("4h")
    await nothing_was_started(night)
    counts = await night.store.intake.counts()
    assert counts["events"] > 0, "it was heard"
    assert counts["pending"] == counts["quarantined"] == 0


async def test_an_informational_event_starts_nothing_while_every_server_is_silent(fall: Fall) -> None:
    night = await fall()
    await night.region_down()
    await night.tell("webhook-activity-log", level="Informational")
    await night.passes("10m")
    await night.passes("4h")
    await nothing_was_started(night)


async def test_an_informational_event_whose_level_was_a_number_is_taken_back_by_the_poll(fall: Fall) -> None:
    """Of the webhook alone it is a suspicion, which may start a copy of a server long silent."""
    night = await fall()
    await night.region_down()
    await night.tell("webhook", level="Informational")
    await night.turn()
    (suspicion,) = await night.store.outages.list()
    await night.tell("rest", level="Informational")
    for event in night.sim.world.events:
        assert await nights.post(night, json.dumps(event).encode()) == 202
    await night.passes("4h")

    assert (suspicion.status, suspicion.unrated) == (outages.Status.ACTIVE, True)
    assert [outage.status for outage in await night.store.outages.list()] == [outages.Status.WITHDRAWN]
    await nothing_was_started(night)


@pytest.mark.parametrize("first", ["webhook", "rest"])
async def test_an_informational_event_is_known_as_such_whichever_channel_is_first(fall: Fall, first: str) -> None:
    night = await fall()
    await night.region_down()
    for channel in ("webhook", "rest") if first == "webhook" else ("rest", "webhook"):
        await night.tell(channel, level="Informational")
        if channel == "rest":
            for event in night.sim.world.events:
                assert await nights.post(night, json.dumps(event).encode()) == 202
        await night.turn()
    await night.passes("4h")

    await nothing_was_started(night)


async def test_an_outage_whose_level_is_a_number_is_not_missed_and_not_cut_over_without_a_yes(fall: Fall) -> None:
    night = await fall(nights.declared("orders"))
    await night.region_down()
    await night.passes("10m")
    await night.tell("webhook")
    await night.passes("6h")

    decision = await night.decision("orders")
    assert len(night.creates("orders")) == 1, "a copy is started"
    assert decision.action is decisions.Action.ASK
    assert [reason.id for reason in decision.reasons] == ["cutover.suspected"]
    assert night.record("orders") == "orders.postgres.database.azure.com"


async def test_an_ordinary_day_on_the_hub_starts_nothing(fall: Fall) -> None:
    """By the hub a level is told, so an informational event is among them."""
    night = await fall()
    await night.region_down()
    async with night.hearing_the_hub():
        for number, said in enumerate([*NOISE.values(), {"level": "Informational"}]):
            if not said.get("portal_test"):  # Azure sends that to action groups only
                await night.tell(f"hub:{nights.HUB}", **{**said, "tracking_id": f"ABC{number}-XYZ"})
                await night.passes("6m")
    await nothing_was_started(night)


async def test_rubbish_is_kept_and_starts_nothing(fall: Fall) -> None:
    night = await fall()
    await night.region_down()
    for body in (b"rubbish", b"[]", b"{}", b'{"records": [null, 1, {"category": "ServiceHealth"}]}', b"\xff\xfe\x00"):
        assert await nights.post(night, body) == 202
    await night.passes("10m")
    await nothing_was_started(night)
    assert (await night.store.intake.counts())["quarantined"] > 0


async def test_an_event_does_nothing_to_a_server_that_answers(fall: Fall) -> None:
    night = await fall()
    await night.tell(impact_start="-PT2M")
    await night.passes("6m")
    assert (await night.decision()).action is decisions.Action.OBSERVE
    await night.passes("4h")
    await nothing_was_started(night)


async def test_silence_without_an_event_starts_nothing(fall: Fall) -> None:
    night = await fall()
    await night.region_down()
    await night.passes("4h")
    await nothing_was_started(night)
    assert await night.told() == []


async def test_a_minute_of_silence_during_an_outage_is_no_proof(fall: Fall) -> None:
    night = await fall()
    await night.tell(impact_start="-PT2M")
    await night.turn()
    await night.region_down()
    await night.passes("1m")
    await night.passes("1m")
    assert [reason.id for reason in (await night.decision()).reasons] == ["failing"]
    await night.region_up()
    await night.passes("10m")
    await nothing_was_started(night)


async def test_a_server_of_another_region_is_left_alone(fall: Fall) -> None:
    night = await fall(nights.declared("orders"), nights.declared("shop", "northeurope"))
    await night.the_region_fails()
    await night.region_down("northeurope")
    await night.passes("10m")
    assert await night.runs("shop") == []
    assert [run.server_id for run in await night.runs()] == [night.id_of("orders")]


async def test_the_same_event_many_times_on_two_channels_is_one_outage_and_one_run_a_server(fall: Fall) -> None:
    night = await fall(nights.declared("orders"), nights.declared("reports"))
    await night.region_down()
    await night.passes("10m")
    async with night.hearing_the_hub():
        await night.tell(f"hub:{nights.HUB}", "webhook", "webhook-activity-log", times=5)
        await night.passes("6m")
        await night.tell(f"hub:{nights.HUB}", "webhook", times=5, updated_at="-PT5M")
        await night.turn()
    assert [outage.id for outage in await night.store.outages.list()] == [nights.OUTAGE_ID]
    assert len(await night.runs("orders")) == len(await night.runs("reports")) == 1
    assert len(night.creates("orders")) == len(night.creates("reports")) == 1


async def test_an_older_update_after_a_newer_one_changes_nothing(fall: Fall) -> None:
    night = await fall()
    await night.region_down()
    night.clock.forward(nights.durations.parse("10m"))
    await night.tell(title="Newer", updated_at="-PT1M")
    await night.turn()
    before = await night.store.outages.get(nights.OUTAGE_ID)
    await night.tell(title="Older", updated_at="-PT5M")
    await night.turn()
    assert await night.store.outages.get(nights.OUTAGE_ID) == before


async def test_a_resolution_that_overtakes_its_outage_keeps_it_closed(fall: Fall) -> None:
    night = await fall()
    await night.tell(status="Resolved", impact_start="-PT1H", impact_mitigation="-PT5M", updated_at="-PT2M")
    await night.turn()
    await night.tell(impact_start="-PT1H", updated_at="-PT30M")
    await night.turn()
    outage = await night.store.outages.get(nights.OUTAGE_ID)
    assert outage is not None
    assert outage.status is outages.Status.RESOLVED
    await night.passes("3h")
    assert await night.store.outages.closed_at(nights.OUTAGE_ID) is not None
    await nothing_was_started(night)
