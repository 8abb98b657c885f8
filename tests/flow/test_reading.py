"""Rules of reading what has arrived: no arrival stops it, and none spoils another."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from responder.core import correlations, errors, outages, payloads
from responder.flow import heard, reading
from responder.store import intake, retention, sqlite
from tests.flow.conftest import NOON


def listed(name: str, region: str = "East US 2", **properties: Any) -> dict[str, Any]:
    """An event as Resource Health lists it."""
    regions = [{"impactedRegion": region, "status": "Active", "impactedSubscriptions": ["sub-1"]}]
    return {
        "name": name,
        "type": "Microsoft.ResourceHealth/events",
        "properties": {
            "eventType": "ServiceIssue",
            "status": "Active",
            "eventLevel": "Error",
            "title": "Outage",
            "impactStartTime": "2026-03-04T11:00:00Z",
            "lastUpdateTime": "2026-03-04T11:30:00Z",
            "impact": [{"impactedService": "Azure Database for PostgreSQL", "impactedRegions": regions}],
            **properties,
        },
    }


async def arrive(store: sqlite.Store, *bodies: object) -> None:
    await store.intake.append(
        [
            intake.Arrival(
                source="hub:h",
                key=str(number),
                body=body if isinstance(body, bytes) else json.dumps(body).encode(),
                received_at=NOON,
            )
            for number, body in enumerate(bodies)
        ]
    )


async def opened(store: sqlite.Store) -> set[str]:
    return {outage.tracking_id for outage in await store.outages.open()}


async def test_a_piece_that_cannot_be_read_is_set_apart_and_its_neighbours_are_heard(store: sqlite.Store) -> None:
    poisoned = json.dumps([listed("A-1"), "POISON", listed("B-2")]).replace('"POISON"', "{oops}")
    await arrive(store, poisoned.encode(), b"rubbish", listed("C-3"))

    assert await reading.Reading(store).turn() == 3
    assert await opened(store) == {"A-1", "B-2", "C-3"}
    assert (await store.intake.counts()) == {"arrivals": 3, "pending": 0, "events": 3, "quarantined": 2}


async def test_an_event_that_our_own_rules_choke_on_is_set_apart_alone(
    store: sqlite.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect must not stop the stream, and not come back at each start; read again after the fix, it is heard."""
    correlate = correlations.correlate_all

    def choking(known: Any, event: Any, *rest: Any) -> Any:
        if event.tracking_id == "BAD-1":
            raise OverflowError
        return correlate(known, event, *rest)

    with monkeypatch.context() as defect:
        defect.setattr(correlations, "correlate_all", choking)
        await arrive(store, [listed("A-1"), listed("BAD-1"), listed("B-2")], listed("C-3"))
        await reading.Reading(store).turn()
    assert await opened(store) == {"A-1", "B-2", "C-3"}
    (piece,) = (await heard.quarantine(store, 10))["quarantine"]
    assert piece["reason"] == f"{payloads.UNEXPECTED} OverflowError"

    await reading.again(store, [piece["id"]])
    await reading.Reading(store).turn()
    assert await opened(store) == {"A-1", "B-2", "C-3", "BAD-1"}
    assert (await store.intake.counts())["quarantined"] == 0


async def test_an_arrival_that_the_parser_itself_chokes_on_is_set_apart_whole(
    store: sqlite.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse = payloads.parse

    def choking(body: bytes) -> payloads.Parsed:
        if b"BAD-1" in body:
            raise MemoryError
        return parse(body)

    monkeypatch.setattr(payloads, "parse", choking)
    await arrive(store, listed("BAD-1"), listed("A-1"))
    await reading.Reading(store).turn()

    assert await opened(store) == {"A-1"}
    assert (await store.intake.counts())["quarantined"] == 1


async def test_a_store_that_is_down_is_no_reason_to_set_anything_apart(store: sqlite.Store) -> None:
    await arrive(store, listed("A-1"))
    working = store.database.execute_transaction

    async def broken(work: Any) -> Any:
        raise errors.StoreError("store.unavailable", "full")

    store.database.execute_transaction = broken  # type: ignore[method-assign]
    with pytest.raises(errors.StoreError):
        await reading.Reading(store).turn()
    store.database.execute_transaction = working  # type: ignore[method-assign]
    await reading.Reading(store).turn()

    assert await opened(store) == {"A-1"}


async def test_reading_again_counts_what_was_heard_before_once(store: sqlite.Store) -> None:
    await arrive(store, [listed("A-1"), 7])
    reader = reading.Reading(store)
    await reader.turn()
    before = await store.outages.list()
    for _ in range(3):
        assert await reading.again(store, []) == {"arrivals": 1, "quarantined_before": 1}
        await reader.turn()

    assert await store.intake.counts() == {"arrivals": 1, "pending": 0, "events": 1, "quarantined": 1}
    assert await store.outages.list() == before


@pytest.mark.parametrize("id_", ["q99", "99", "e1", "", "q", "what", "q1; drop", "q" + "9" * 40])
async def test_what_is_not_there_cannot_be_read_again(store: sqlite.Store, id_: str) -> None:
    await arrive(store, [listed("A-1"), 7])
    await reading.Reading(store).turn()
    with pytest.raises(errors.InputError, match=r"events\.unknown"):
        await reading.again(store, ["q1", id_])

    assert (await store.intake.counts())["pending"] == 0


async def test_an_event_and_a_piece_are_shown_with_the_arrival_they_came_in(store: sqlite.Store) -> None:
    await arrive(store, b"\xff" + json.dumps(listed("A-1")).encode())
    await reading.Reading(store).turn()
    (event,) = (await heard.events(store, 10))["events"]
    shown, body = await heard.one(store, event["id"])

    assert (event["id"], event["tracking_id"], event["source"]) == ("e1", "A-1", "hub:h")
    assert body.startswith(b'\xff{"name"')
    assert shown["body"].startswith('\\xff{"name"')


async def test_a_large_arrival_is_read_aside_so_that_nothing_else_waits(
    store: sqlite.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside: list[object] = []
    to_thread = asyncio.to_thread

    async def noted(function: Any, *args: Any) -> Any:
        aside.append(function)
        return await to_thread(function, *args)

    monkeypatch.setattr(asyncio, "to_thread", noted)
    await arrive(store, listed("A-1"), listed("B-2", summary="x" * 20_000))
    await reading.Reading(store).turn()
    assert aside == [payloads.parse]
    assert await opened(store) == {"A-1", "B-2"}


async def test_an_outage_that_cannot_be_read_keeps_no_other_event_from_being_heard(store: sqlite.Store) -> None:
    await arrive(store, listed("A-1"))
    await reading.Reading(store).turn()
    await store.database.execute_transaction(lambda c: c.execute("UPDATE outages SET body = '{}'"))
    await arrive(store, None, [listed("A-1", title="Changed", lastUpdateTime="2026-03-04T11:40:00Z"), listed("B-2")])
    await reading.Reading(store).turn()
    assert await opened(store) == {"B-2"}
    assert (await store.intake.counts())["pending"] == 0


@pytest.mark.parametrize(("word", "status"), [("Informational", None), ("Error", outages.Status.ACTIVE)])
async def test_a_level_that_is_a_number_is_known_from_what_another_channel_said_before(
    store: sqlite.Store, word: str, status: outages.Status | None
) -> None:
    polled = listed("A_1", eventLevel=word, lastUpdateTime="2026-03-04T11:50:00Z")
    alert: dict[str, Any] = {"level": 3, "operationName": "Microsoft.ServiceHealth/incident/action", "status": "Active"}
    alert["eventTimestamp"] = "2026-03-04T11:55:00Z"
    alert["properties"] = {
        "trackingId": "A_1",
        "incidentType": "Incident",
        "communicationId": "1",
        "impactedServices": '[{"ServiceName": "Azure Database for PostgreSQL", '
        '"ImpactedRegions": [{"RegionName": "East US 2"}]}]',
    }
    await arrive(store, polled, {"schemaId": "azureMonitorCommonAlertSchema", "data": {"alertContext": alert}})
    await reading.Reading(store).turn()

    found = [(outage.status, outage.unrated) for outage in await store.outages.list()]
    assert found == ([] if status is None else [(status, False)])


async def test_what_arrives_late_ends_as_if_it_had_come_in_time(store: sqlite.Store) -> None:
    """Over the store, one arrival at a time, and by another process in between: the table alone forgets the end."""
    told = [
        listed("A_1", lastUpdateTime="2026-03-04T11:10:00Z", title="First"),
        listed(
            "A_1", lastUpdateTime="2026-03-04T11:20:00Z", status="Resolved", impactMitigationTime="2026-03-04T11:15:00Z"
        ),
        listed("a_1", lastUpdateTime="2026-03-04T11:30:00Z", title="Again"),
    ]
    ends = []
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        name = f"T_{len(ends)}"
        for number in order:
            body = json.dumps(told[number]).replace("A_1", name).replace("a_1", name.lower()).encode()
            await store.intake.append(
                [intake.Arrival(source="hub:h", key=f"{name}/{number}", body=body, received_at=NOON)]
            )
            await reading.Reading(store).turn()
        (found,) = await store.outages.of_tracking(name)
        ends.append((found.status, found.reopened, found.title, found.impact_start))

    assert ends[0][:3] == (outages.Status.ACTIVE, 1, "Again")
    assert ends == [ends[0]] * 3


async def test_a_report_about_an_outage_that_was_deleted_by_age_is_kept_and_opens_nothing(store: sqlite.Store) -> None:
    await arrive(store, listed("A-1"))
    await reading.Reading(store).turn()
    (outage,) = await store.outages.open()
    await store.outages.close(outage.id, NOON)
    assert await store.retention.delete(retention.Kind.OUTAGES, NOON + timedelta(days=1)) == 1
    report = listed("A-1", eventType="RCA", status="Resolved", lastUpdateTime="2026-04-20T00:00:00Z")
    await store.intake.append(
        [intake.Arrival(source="hub:h", key="late", body=json.dumps(report).encode(), received_at=NOON)]
    )
    assert await reading.Reading(store).turn() == 1
    assert await store.outages.list() == []
    assert (await store.intake.counts())["events"] == 2
