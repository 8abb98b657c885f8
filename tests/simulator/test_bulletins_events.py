"""The element of the events operation, and how updates of one event fold into it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from responder.simulator import bulletins

SUBSCRIPTION = "51aa0f00-77b1-4f0e-9c3e-2d5d0c6f0a01"
FLEXIBLE = "Azure Database for PostgreSQL flexible servers"
BEGAN = datetime(2026, 3, 4, 4, 50, tzinfo=UTC)


def event(earlier: dict[str, Any] | None = None, /, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "tracking_id": "QX3L-7PG",
        "subscription_id": SUBSCRIPTION,
        "title": "PostgreSQL flexible servers - East US 2 - unreachable",
        "text": "We are looking into it.",
        "updated_at": BEGAN + timedelta(minutes=16, microseconds=120),
        "impact_start": BEGAN,
        "services": (FLEXIBLE,),
        "regions": ("eastus2",),
    }
    return bulletins.rest_event(bulletins.Bulletin(**(values | changes)), earlier)


def regions_of(element: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (impact["impactedService"], region["impactedRegion"]): region
        for impact in element["properties"]["impact"]
        for region in impact["impactedRegions"]
    }


def test_an_event_has_the_fields_of_the_events_operation_and_an_id_without_a_subscription():
    found = event()
    assert set(found) == {"id", "name", "type", "properties"}
    assert (found["id"], found["name"]) == ("Microsoft.ResourceHealth/events/QX3L-7PG", "QX3L-7PG")
    assert found["type"] == "Microsoft.ResourceHealth/events"
    assert set(found["properties"]) == {
        "eventType", "eventSource", "status", "title", "summary", "description", "platformInitiated", "header", "level",
        "eventLevel", "externalIncidentId", "eventTags", "impactStartTime", "impactMitigationTime", "impact",
        "recommendedActions", "isHIR", "isEventSensitive", "priority", "lastUpdateTime",
    }  # fmt: skip
    assert found["properties"]["eventSource"] == "ServiceHealth"
    assert found["properties"]["platformInitiated"] is True


def test_an_impact_that_goes_on_ends_in_the_year_1_without_a_zone():
    assert event()["properties"]["impactMitigationTime"] == "0001-01-01T00:00:00"
    ended = event(status="Resolved", impact_mitigation=BEGAN + timedelta(hours=3))
    assert ended["properties"]["impactMitigationTime"] == "2026-03-04T07:50:00Z"


def test_times_drop_their_trailing_zeros_except_in_updates():
    found = event()
    assert found["properties"]["impactStartTime"] == "2026-03-04T04:50:00Z"
    assert found["properties"]["lastUpdateTime"] == "2026-03-04T05:06:00.00012Z"
    (region,) = regions_of(found).values()
    assert region["updates"][0]["updateDateTime"] == "2026-03-04T05:06:00.0001200Z"


def test_how_bad_it_is_stands_in_event_level_and_level_is_always_a_warning():
    for level in ("Critical", "Error", "Warning", "Informational"):
        found = event(level=level)["properties"]
        assert (found["level"], found["eventLevel"]) == ("Warning", level)


def test_status_subscriptions_and_updates_are_per_service_and_region():
    found = event(services=(FLEXIBLE, "Contoso Cache"), regions=("eastus2", "West Europe"))
    first, second = found["properties"]["impact"]
    assert set(first) == {"impactedService", "impactedServiceGuid", "impactedRegions"}
    assert set(second) == {"impactedService", "impactedRegions"}, "a service without a published guid has none"
    assert [region["impactedRegion"] for region in first["impactedRegions"]] == ["East US 2", "West Europe"]
    for region in regions_of(found).values():
        assert set(region) == {
            "impactedRegion", "status", "impactedSubscriptions", "impactedTenants", "lastUpdateTime", "updates",
        }  # fmt: skip
        assert region["impactedSubscriptions"] == [SUBSCRIPTION]
        assert set(region["updates"][0]) == {"summary", "updateDateTime", "eventTags"}


def test_an_update_goes_before_the_earlier_ones():
    first = event()
    second = event(first, text="Power is back.", updated_at=BEGAN + timedelta(hours=2), status="Resolved")
    (region,) = regions_of(second).values()
    assert [update["summary"] for update in region["updates"]] == [
        "<p>Power is back.</p>",
        "<p>We are looking into it.</p>",
    ]
    assert second["properties"]["status"] == region["status"] == "Resolved"
    assert len(regions_of(first)[FLEXIBLE, "East US 2"]["updates"]) == 1, "the earlier element is left alone"


def test_a_region_that_an_update_no_longer_names_stays_as_resolved():
    wide = event(regions=("eastus2", "Central US"))
    narrow = event(wide, regions=("eastus2",), updated_at=BEGAN + timedelta(hours=1))
    assert {place: region["status"] for place, region in regions_of(narrow).items()} == {
        (FLEXIBLE, "East US 2"): "Active",
        (FLEXIBLE, "Central US"): "Resolved",
    }


def test_a_review_weeks_later_is_still_a_service_issue_with_a_tag():
    found = event(stage="RCA", title="Post Incident Review (PIR) - East US 2", tags=("Final PIR",))["properties"]
    assert (found["eventType"], found["status"], found["eventTags"]) == ("ServiceIssue", "Resolved", ["Final PIR"])


@pytest.mark.parametrize(
    ("given", "event_type", "priority"),
    [
        pytest.param({}, "ServiceIssue", 14, id="active warning"),
        pytest.param({"level": "Informational"}, "ServiceIssue", 15, id="active informational"),
        pytest.param({"status": "Resolved"}, "ServiceIssue", 18, id="resolved warning"),
        pytest.param({"kind": "maintenance", "stage": "InProgress"}, "PlannedMaintenance", 20, id="maintenance"),
        pytest.param({"kind": "maintenance", "stage": "Complete"}, "PlannedMaintenance", 21, id="maintenance over"),
        pytest.param({"kind": "advisory"}, "HealthAdvisory", 22, id="advisory"),
    ],
)
def test_kinds_have_the_types_and_priorities_seen_in_life(given: dict[str, Any], event_type: str, priority: int):
    found = event(**given)["properties"]
    assert (found["eventType"], found["priority"]) == (event_type, priority)
    assert ("impactType" in found) == (event_type == "PlannedMaintenance")
