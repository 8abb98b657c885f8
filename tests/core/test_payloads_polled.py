"""What is polled: Resource Health REST, Resource Graph, the status page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from responder.core import events, payloads
from responder.core.events import Kind, Status
from responder.core.payloads import fields

FOLDER = Path(__file__).parent / "payloads"
SUBSCRIPTION = "7d1f3b52-0c64-4c1e-9a57-6f2b8e4d9a10"


def load(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def one(value: Any) -> events.HealthEvent:
    parsed = payloads.parse(json.dumps(value).encode())
    assert parsed.unreadable == ()
    (event,) = parsed.events
    return event


def polled(**properties: Any) -> events.HealthEvent:
    """The REST event with other properties; None takes one away."""
    row = load("rest-event")
    row["properties"] = {k: v for k, v in {**row["properties"], **properties}.items() if v is not None}
    return one(row)


def impact(service: str, **regions: str) -> dict[str, Any]:
    listed = [
        {"impactedRegion": name, "status": status, "impactedSubscriptions": []} for name, status in regions.items()
    ]
    return {"impactedService": service, "impactedRegions": listed}


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("rest-events", "rest-event"),
        ("rest-event", "rest-event"),
        ("sdk-event", "rest-event"),
        ("resource-graph", "resource-graph"),
    ],
)
def test_an_event_says_the_same_nested_flattened_listed_and_in_pascal_case(name: str, channel: str) -> None:
    event = one(load(name))

    assert (event.channel, event.kind, event.status) == (channel, Kind.INCIDENT, Status.ACTIVE)
    assert (event.tracking_id, event.subscription_id) == ("QX7T-2B8", SUBSCRIPTION)
    assert event.communication_id is None
    assert event.impact_start == datetime(2026, 2, 11, 2, 10, tzinfo=UTC)
    assert event.updated_at == datetime(2026, 2, 11, 3, tzinfo=UTC)
    assert event.regions == ("norwayeast",)
    assert event.concerns_postgresql
    assert event.actionable


def test_not_mitigated_yet_is_no_time_in_the_year_one() -> None:
    assert polled(impactMitigationTime="0001-01-01T00:00:00").impact_end is None


def test_a_mitigation_time_in_the_past_does_not_resolve() -> None:
    assert polled(impactMitigationTime="2026-02-11T02:20:00Z").status is Status.ACTIVE


def test_a_mitigation_time_ahead_does_not_keep_it_active() -> None:
    assert polled(status="Resolved", impactMitigationTime="2036-02-11T02:20:00Z").status is Status.RESOLVED


def test_dates_may_be_missing() -> None:
    event = polled(impactStartTime=None, impactMitigationTime=None, lastUpdateTime=None, impact=None)

    assert (event.impact_start, event.impact_end, event.updated_at) == (None, None, None)


def test_the_newest_region_tells_the_update_time_where_the_event_does_not() -> None:
    assert polled(lastUpdateTime=None).updated_at == datetime(2026, 2, 11, 3, tzinfo=UTC)


def test_the_level_is_the_event_level_and_never_the_level_of_insight() -> None:
    assert polled(level="Warning", eventLevel="Informational").level == "informational"
    assert polled(level="Warning", eventLevel=None).level is None


def test_resolved_for_postgresql_is_resolved_for_us_while_other_services_are_down() -> None:
    listed = [
        impact("Azure Database for PostgreSQL", **{"East US": "Resolved"}),
        impact("App Service", **{"East US": "Active"}),
    ]

    event = polled(impact=listed)

    assert (event.status, event.stage, event.regions) == (Status.RESOLVED, "Active", ("eastus",))
    assert not event.actionable


def test_resolved_for_postgresql_is_resolved_though_a_dependency_is_still_down_there() -> None:
    listed = [
        impact("Azure Database for PostgreSQL", **{"East US": "Resolved"}),
        impact("Virtual Machines", **{"East US": "Active"}),
    ]

    assert polled(impact=listed).status is Status.RESOLVED


def test_a_region_that_is_resolved_leaves_the_regions_of_an_active_event() -> None:
    event = polled()
    east, west, sweden = event.named_regions

    assert event.regions == (east,)
    assert [event.status_in(region) for region in (east, west)] == [Status.ACTIVE, Status.RESOLVED]
    assert event.in_region(west).status is Status.RESOLVED
    assert not event.in_region(west).actionable
    assert not event.in_region(sweden).actionable
    assert event.in_region(east).actionable


def test_one_of_both_postgresql_names_still_down_is_down() -> None:
    listed = [
        impact("Azure Database for PostgreSQL", **{"East US": "Resolved"}),
        impact("Azure Database for PostgreSQL flexible servers", **{"East US": "Active"}),
    ]

    assert polled(impact=listed).actionable


def test_an_event_that_is_over_is_over_in_all_regions() -> None:
    event = polled(status="Resolved")

    assert {event.status_in(region) for region in event.named_regions} == {Status.RESOLVED}


@pytest.mark.parametrize("tags", [["False Positive"], "False Positive", ["Action Recommended", "false positive"]])
def test_a_tag_withdraws_an_event(tags: Any) -> None:
    event = polled(eventTags=tags)

    assert event.false_positive
    assert not event.actionable


def test_the_newest_update_of_a_region_can_withdraw_that_region() -> None:
    listed = [impact("Azure Database for PostgreSQL", **{"East US": "Active"})]
    listed[0]["impactedRegions"][0]["updates"] = [{"eventTags": ["False Positive"]}, {"eventTags": []}]

    assert not polled(impact=listed).actionable


@pytest.mark.parametrize("tags", [["Final PIR"], ["Preliminary PIR"]])
def test_a_review_is_news_and_not_active(tags: list[str]) -> None:
    assert polled(eventTags=tags).status is Status.UPDATED


def test_the_event_type_rca_is_never_active() -> None:
    assert polled(eventType="RCA").status is Status.UPDATED


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("ServiceIssue", "incident"),
        ("PlannedMaintenance", "maintenance"),
        ("HealthAdvisory", "advisory"),
        ("SecurityAdvisory", "security"),
        ("Billing", "other"),
        ("SomethingNew", "other"),
    ],
)
def test_the_event_type_is_the_kind(event_type: str, kind: str) -> None:
    assert polled(eventType=event_type).kind == kind


def test_a_test_from_azure_is_known_by_its_title_where_rest_has_no_flag() -> None:
    assert polled(title="A test from synthetics service").synthetic


def test_the_tracking_id_is_the_end_of_the_id_where_there_is_no_name() -> None:
    row = load("rest-event")
    del row["name"]

    assert one(row).tracking_id == "QX7T-2B8"


def test_the_subscription_of_the_id_comes_before_those_impacted() -> None:
    row = load("rest-event")
    row["id"] = "/subscriptions/AAAA1111/providers/Microsoft.ResourceHealth/events/QX7T-2B8"

    event = one(row)

    assert event.subscription_id == "aaaa1111"
    assert event.impacted_subscriptions == (SUBSCRIPTION,)


def test_of_several_impacted_subscriptions_none_is_the_subscription() -> None:
    row = load("rest-event")
    row["properties"]["impact"][0]["impactedRegions"][0]["impactedSubscriptions"] = ["S-1", "S-2"]

    event = one(row)

    assert event.subscription_id is None
    assert event.impacted_subscriptions[:2] == ("s-1", "s-2")


def test_one_outage_in_two_subscriptions_is_two_events() -> None:
    rows = [load("rest-event"), load("rest-event")]
    for row, subscription in zip(rows, ("s1", "s2"), strict=True):
        row["id"] = f"/subscriptions/{subscription}/providers/Microsoft.ResourceHealth/events/QX7T-2B8"

    parsed = payloads.parse(json.dumps({"value": rows, "nextLink": "https://example.com"}).encode())

    assert len({event.identity for event in parsed.events}) == 2


def test_impacted_resources_are_readable_though_target_and_region_are_missing() -> None:
    parsed = payloads.parse(json.dumps(load("rest-impacted-resources")).encode())

    assert [(event.kind, event.tracking_id) for event in parsed.events] == [(Kind.OTHER, "QX7T-2B8")] * 2
    assert [event.resource_id is None for event in parsed.events] == [False, True]


def test_an_availability_status_belongs_to_the_resource_above_it() -> None:
    event = one(load("rest-availability-status"))

    assert (event.kind, event.health, event.cause) == (Kind.RESOURCE_HEALTH, "unavailable", "platforminitiated")
    assert event.resource_id is not None
    assert event.resource_id.endswith("/flexibleservers/shop-db")
    assert event.concerns_postgresql


def test_resource_graph_may_answer_in_columns_and_rows() -> None:
    row = load("resource-graph")["data"][0]
    table = {"columns": [{"name": name, "type": "string"} for name in row], "rows": [list(row.values())]}

    assert one({"data": table}) == one(load("resource-graph"))


def test_a_projected_row_of_resource_graph_is_read() -> None:
    event = one({"eventType": "ServiceIssue", "trackingId": "QX7T-2B8", "status": "Active", "subscriptionId": "S1"})

    assert (event.channel, event.kind, event.subscription_id) == ("resource-graph", Kind.INCIDENT, "s1")


def test_the_status_page_has_words_and_region_ids_of_its_own() -> None:
    active, over = payloads.parse(json.dumps(load("emerging-issues")).encode()).events

    assert (active.channel, active.status, active.level) == ("emerging-issue", Status.ACTIVE, "error")
    assert active.regions == ("norwayeast", "westeurope")
    assert active.concerns_postgresql
    assert (over.status, over.level) == (Status.RESOLVED, "informational")


def test_the_status_page_is_addressed_to_nobody_and_starts_nothing() -> None:
    active, _ = payloads.parse(json.dumps(load("emerging-issues")).encode()).events

    assert not active.actionable


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-11T02:10:00",
        "2026-02-11T02:10:00Z",
        "2026-02-11T02:10:00.000Z",
        "2026-02-11T02:10:00.0000000Z",
        "2026-02-11T02:10:00.0000000+00:00",
        "2026-02-11T03:10:00+01:00",
        "1770775800",
        1770775800,
        1770775800000,
        639063726000000000,
        "2/11/2026 2:10:00 AM",
        "02/11/2026 02:10",
        "2/11/2026 2:10:00 AM +00:00",
        "2/10/2026 9:10:00 pm -05:00",
    ],
)
def test_times_come_in_many_forms(value: Any) -> None:
    assert fields.time(value) == datetime(2026, 2, 11, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [None, "", "soon", "0001-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.9999999Z", True, 0, -1,
     float("inf"), float("nan"), "1" * 20, "2026-02-30T00:00:00Z", "13/13/2026 1:00:00 AM",
     "1/1/2026 25:00", {}, []],
)  # fmt: skip
def test_what_is_no_time_is_none(value: Any) -> None:
    assert fields.time(value) is None
