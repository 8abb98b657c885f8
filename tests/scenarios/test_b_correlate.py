"""Azure changes its mind, channels repeat each other, and Resource Health has a word: mostly, nothing is started."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from responder.core import decisions, outages
from tests.scenarios import night as nights
from tests.scenarios.conftest import Fall

WITHDRAWN = {"title": "No Impact - Azure Database for PostgreSQL - East US 2"}
DEPENDENCY = {"services": ["Virtual Machines"]}
EUROPE = {"regions": ["North Europe"]}
BOTH = {"regions": ["East US 2", "North Europe"]}


async def nothing_was_started(night: nights.Night) -> None:
    assert await night.runs() == []
    assert night.writes() == []
    assert night.requests_to_the_failed_region() == []


async def reported(night: nights.Night, name: str = "orders", **said: Any) -> None:
    """Resource Health says something about one server, by a diagnostic setting; ids come upper-cased there."""
    values = {"currentHealthStatus": "Unavailable", "cause": "PlatformInitiated", "title": "Unavailable", **said}
    record = {
        "time": night.clock.now().isoformat(),
        "resourceId": night.id_of(name).upper(),
        "operationName": "Microsoft.Resourcehealth/healthevent/Activated/action",
        "category": "ResourceHealth",
        "resultType": "Active",
        "level": "Critical",
        "properties": {"eventCategory": "ResourceHealth", "eventProperties": values},
    }
    assert await nights.post(night, json.dumps({"records": [record]}).encode()) == 202


async def status(night: nights.Night) -> outages.Status:
    found = await night.store.outages.get(nights.OUTAGE_ID)
    assert found is not None
    status: outages.Status = found.status
    return status


# --- Azure changes its mind


async def test_a_withdrawn_outage_starts_nothing_though_the_server_is_silent(fall: Fall) -> None:
    night = await fall()
    await night.tell(impact_start="-PT2M")
    await night.passes("1m")
    await night.tell(impact_start="-PT2M", **WITHDRAWN)
    await night.region_down()
    await night.passes("8h")
    assert await status(night) is outages.Status.WITHDRAWN
    await nothing_was_started(night)


async def test_a_region_left_out_before_its_servers_fall_silent_starts_nothing_by_a_suspicion(fall: Fall) -> None:
    night = await fall()
    await night.tell(impact_start="-PT2M", **DEPENDENCY, **BOTH)
    await night.passes("1m")
    await night.tell(impact_start="-PT2M", **DEPENDENCY, **EUROPE)
    await night.region_down()
    await night.passes("8h")
    assert await status(night) is outages.Status.DROPPED
    assert next(reason.id for reason in (await night.decision()).reasons) == "dropped"
    await nothing_was_started(night)


async def test_a_copy_of_a_region_that_is_left_out_is_held_and_not_used(fall: Fall) -> None:
    night = await fall()
    await night.the_region_fails(**BOTH)
    await night.passes_until(lambda: night.at_step("hold"))
    await night.tell(impact_start="-PT1H", **EUROPE)
    await night.passes("5h")
    assert await night.at_step("hold")
    assert (await night.decision()).action is decisions.Action.ASK
    assert [reason.id for reason in (await night.decision()).reasons] == ["cutover.dropped"]
    assert len(night.writes(done=True)) == 1, "the copy, and nothing else"


async def test_a_region_left_out_whose_servers_answer_is_closed_in_time(fall: Fall) -> None:
    night = await fall()
    await night.tell(impact_start="-PT2M", **BOTH)
    await night.passes("10m")
    await night.tell(impact_start="-PT12M", **EUROPE)
    await night.passes("1h50m")
    assert await night.store.outages.closed_at(nights.OUTAGE_ID) is None
    await night.passes("20m")
    assert await night.store.outages.closed_at(nights.OUTAGE_ID) is not None
    await nothing_was_started(night)


async def test_the_owner_is_told_when_the_outage_is_not_the_reason_any_more(fall: Fall) -> None:
    night = await fall(nights.declared(rto="24h"))
    await night.the_region_fails()
    assert [run.playbook.name for run in await night.runs()] == ["wait-it-out"]
    await night.tell(**WITHDRAWN)
    await night.passes("10m")
    assert await night.idle()
    kinds = [announcement.kind for announcement in await night.told()]
    assert "server.silent" in kinds
    assert "server.back" not in kinds


# --- channels repeat each other


async def test_a_poll_that_repeats_what_was_pushed_changes_nothing(fall: Fall) -> None:
    night = await fall()
    said = {"impact_start": "-PT1H", "updated_at": "-PT1M"}
    await night.tell(nights.WEBHOOK, "rest", **said)
    await night.turn()
    before = await night.store.outages.get(nights.OUTAGE_ID)
    for event in night.sim.world.events:
        assert await nights.post(night, json.dumps(event).encode()) == 202
    await night.turn()
    assert (await night.store.intake.counts())["events"] == 2, "REST has no communication id, so it was heard as news"
    assert await night.store.outages.get(nights.OUTAGE_ID) == before


async def test_a_poll_that_repeats_what_was_pushed_before_the_end_reopens_nothing(fall: Fall) -> None:
    night = await fall()
    await night.region_down()
    await night.tell("webhook", "rest", impact_start="-PT3H", updated_at="-PT2H")
    await night.tell("webhook", status="Resolved", impact_start="-PT3H", impact_mitigation="-PT1H", updated_at="-PT1H")
    await night.turn()
    for event in night.sim.world.events:
        assert await nights.post(night, json.dumps(event).encode()) == 202
    await night.turn()
    assert await status(night) is outages.Status.RESOLVED


# --- Resource Health of one server


async def test_resource_health_alone_starts_nothing(fall: Fall) -> None:
    night = await fall()
    await night.region_down()
    await reported(night)
    await night.passes("8h")
    await nothing_was_started(night)
    assert await night.store.outages.list() == []
    assert list(await night.store.estate.statements()) == [night.id_of("orders")]


async def test_resource_health_says_nothing_against_a_server_that_answers(fall: Fall) -> None:
    night = await fall()
    await night.tell(impact_start="-PT2M")
    for _ in range(3):
        await reported(night)
        await night.passes("2m")
    assert [reason.id for reason in (await night.decision()).reasons] == ["up"]
    await nothing_was_started(night)


async def test_a_server_that_its_owner_stopped_in_the_outage_is_left_alone(fall: Fall) -> None:
    night = await fall(nights.declared("orders"), nights.declared("reports"))
    await night.tell(impact_start="-PT2M")
    await night.turn()
    await night.region_down()
    await reported(night, "orders", cause="UserInitiated")
    await night.passes("20m")
    assert await night.runs("orders") == []
    assert next(reason.id for reason in (await night.decision("orders")).reasons) == "by-its-owner"
    assert len(await night.runs("reports")) == 1, "its neighbour is looked after"


async def test_with_resource_health_the_copy_is_started_three_minutes_sooner(fall: Fall) -> None:
    night = await fall(nights.declared("orders"), nights.declared("reports"))
    await night.tell(impact_start="-PT2M")
    await night.turn()
    await night.region_down()
    await night.turn()
    await reported(night, "orders")
    night.clock.forward(timedelta(minutes=2))
    await night.turn()
    assert len(await night.runs("orders")) == 1
    assert await night.runs("reports") == []


@pytest.mark.parametrize("state", ["Available", "Unknown"])
async def test_available_is_no_health(fall: Fall, state: str) -> None:
    night = await fall()
    await night.the_region_fails()
    await reported(night, currentHealthStatus=state)
    await night.passes("1m")
    assert len(await night.runs()) == 1
    assert len(night.creates()) == 1
