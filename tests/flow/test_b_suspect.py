"""Suspecting over a real store: told once, written once, and what Resource Health says arrives with its event."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from responder.core import evidence, outages, regions, suspicions, witness
from responder.flow import reading, suspect
from responder.store import intake, sqlite
from tests.contracts import samples
from tests.flow.conftest import NOON

POLICY = suspicions.Policy(evidence=evidence.Policy(fresh=timedelta(hours=9)))


def looked_at(answered: bool) -> evidence.Health:
    """Answered at noon; ten minutes later it still does, or has been silent for nine."""
    health = evidence.observe(evidence.Health(), evidence.Probe(at=NOON, answered=True))
    for minute in (1, 10):
        probe = evidence.Probe(at=NOON + timedelta(minutes=minute), answered=answered)
        health = evidence.observe(health, probe)
    return health


async def populate(store: sqlite.Store, *, east_answers: bool, west_answers: bool = True) -> None:
    east = [samples.server(f"east{i}", region="eastus2") for i in range(4)]
    west = samples.server("west", region="westus")
    await store.estate.put_servers([*east, west])
    await store.estate.put_health({server.id: looked_at(east_answers) for server in east})
    await store.estate.put_health({west.id: looked_at(west_answers)})


async def told(store: sqlite.Store) -> list[str]:
    return [row["announcement"].kind for row in reversed(await store.outbox.list())]


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


async def test_a_suspicion_is_written_and_told_once_however_often_we_look(store: sqlite.Store) -> None:
    await populate(store, east_answers=False)
    for minute in (10, 11, 12):
        await suspect.Suspect(store, POLICY).turn(at(minute))
    (outage,) = await store.outages.open()
    assert (outage.ours, outage.heard_at, outage.impact_start) == (True, at(10), at(1))
    assert await told(store) == ["outage.suspected"]


async def test_a_suspicion_that_comes_back_on_the_same_day_is_told_again(store: sqlite.Store) -> None:
    stage = suspect.Suspect(store, POLICY)
    for minute, answers in ((10, False), (11, True), (12, False), (13, False)):
        await populate(store, east_answers=answers)
        await stage.turn(at(minute))
    (outage,) = await store.outages.open()
    assert (outage.active, outage.reopened) == (True, 1)
    assert await told(store) == ["outage.suspected", "outage.suspicion-ended", "outage.suspected"]


async def test_blindness_is_told_once_and_suspects_nothing(store: sqlite.Store) -> None:
    await populate(store, east_answers=False, west_answers=False)
    for minute in (10, 11, 12):
        await suspect.Suspect(store, POLICY).turn(at(minute))
    assert await store.outages.list() == []
    assert await told(store) == ["vantage.blind"]


async def test_what_azure_reports_takes_the_runs_of_the_suspicion_over(store: sqlite.Store) -> None:
    await populate(store, east_answers=False)
    stage = suspect.Suspect(store, POLICY)
    await stage.turn(at(10))
    (ours,) = await store.outages.open()
    await store.runs.submit(samples.run("a", server="east0", outage_id=ours.id))
    azures = samples.outage("REAL", region="eastus2")
    await store.outages.put([azures])
    for minute in (20, 21):
        await stage.turn(at(minute))
    assert [outage.id for outage in await store.outages.open()] == [azures.id]
    assert [run.outage_id for run in await store.runs.list()] == [azures.id]
    assert await told(store) == ["outage.suspected", "outage.confirmed"]


@pytest.mark.usefixtures("time")
async def test_a_word_of_resource_health_is_stored_with_its_event_and_opens_no_outage(store: sqlite.Store) -> None:
    properties = {"currentHealthStatus": "Unavailable", "cause": "PlatformInitiated", "title": "Down"}
    subscription = "3f0c0c52-9a57-4c2f-8a7c-3d1c64c70a10"
    id_ = (
        f"/subscriptions/{subscription}/resourcegroups/group/providers/microsoft.dbforpostgresql/flexibleservers/orders"
    )
    record = {
        "time": NOON.isoformat(),
        "resourceId": id_.upper(),
        "operationName": "Microsoft.Resourcehealth/healthevent/Activated/action",
        "category": "ResourceHealth",
        "resultType": "Active",
        "properties": {"eventProperties": properties},
    }
    body = json.dumps({"records": [record]}).encode()
    arrivals = [intake.Arrival(source="hub", key=key, body=body, received_at=at(1)) for key in ("1", "2")]
    await store.intake.append(arrivals)
    await reading.Reading(store).turn()
    said = witness.Statement(state=witness.State.UNAVAILABLE, cause=witness.Cause.PLATFORM, at=NOON, title="Down")
    assert await store.estate.statements() == {id_: said}
    assert (await store.intake.counts())["events"] == 1
    assert await store.outages.list() == []


@pytest.mark.parametrize("turned", [False, True], ids=["as told", "the later one first"])
async def test_an_update_that_leaves_a_region_out_is_read_by_the_outage_it_does_not_name(
    store: sqlite.Store, turned: bool
) -> None:
    def event(minute: float, *places: str) -> bytes:
        properties = {
            "eventType": "ServiceIssue",
            "status": "Active",
            "eventLevel": "Error",
            "title": "PostgreSQL",
            "impactStartTime": NOON.isoformat(),
            "lastUpdateTime": at(minute).isoformat(),
            "impact": [
                {
                    "impactedService": "Azure Database for PostgreSQL flexible servers",
                    "impactedRegions": [{"impactedRegion": place, "status": "Active"} for place in places],
                }
            ],
        }
        id_ = "/subscriptions/sub-1/providers/Microsoft.ResourceHealth/events/8TGK-9Q0"
        return json.dumps({"id": id_, "name": "8TGK-9Q0", "properties": properties}).encode()

    bodies = [event(5, "East US 2", "West US"), event(30, "West US")]
    arrivals = [
        intake.Arrival(source="rest", key=str(i), body=body, received_at=at(60))
        for i, body in enumerate(reversed(bodies) if turned else bodies)
    ]
    await store.intake.append(arrivals)
    await reading.Reading(store).turn()
    found = {outage.region: outage.status for outage in await store.outages.list()}
    assert found == {
        regions.RegionName("eastus2"): outages.Status.DROPPED,
        regions.RegionName("westus"): outages.Status.ACTIVE,
    }
