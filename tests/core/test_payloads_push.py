"""What is pushed: alerts of both schemas, records of diagnostic settings, Event Grid."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from responder.core import events, payloads, services
from responder.core.events import Kind, Status

FOLDER = Path(__file__).parent / "payloads"
SUBSCRIPTION = "7d1f3b52-0c64-4c1e-9a57-6f2b8e4d9a10"
SERVER = (
    f"/subscriptions/{SUBSCRIPTION}/resourcegroups/shop-rg/providers/microsoft.dbforpostgresql/flexibleservers/shop-db"
)
INCIDENTS = (
    "common-incident",
    "activitylogs-incident",
    "records-incident",
    "record-event-properties",
    "activity-log-rest-incident",
)


def load(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def one(value: Any) -> events.HealthEvent:
    parsed = payloads.parse(value if isinstance(value, bytes) else json.dumps(value).encode())
    assert parsed.unreadable == ()
    (event,) = parsed.events
    return event


def incident(**properties: Any) -> events.HealthEvent:
    """The common-schema incident with other properties; None takes one away; `status` is that of the context."""
    alert = load("common-incident")
    context = alert["data"]["alertContext"]
    context["status"] = properties.pop("status", "Active")
    context["properties"] = {k: v for k, v in {**context["properties"], **properties}.items() if v is not None}
    return one(alert)


@pytest.mark.parametrize("name", INCIDENTS)
def test_an_incident_says_the_same_by_whatever_channel_it_was_pushed(name: str) -> None:
    event = one(load(name))

    assert (event.kind, event.status, event.stage) == (Kind.INCIDENT, Status.ACTIVE, "Active")
    assert (event.tracking_id, event.communication_id) == ("QX7T-2B8", "11000099887766")
    assert event.subscription_id == SUBSCRIPTION
    assert event.regions == ("norwayeast", "norwaywest")
    assert event.services == ("Azure Database for PostgreSQL flexible servers", "Storage Accounts")
    assert event.concerns_postgresql
    assert event.impact_start == datetime(2026, 2, 11, 2, 10, tzinfo=UTC)
    assert event.impact_end is None
    assert event.updated_at == datetime(2026, 2, 11, 2, 30, 51, 447182, tzinfo=UTC)
    assert event.actionable


def test_the_same_update_over_all_push_channels_has_one_identity() -> None:
    assert len({one(load(name)).identity for name in INCIDENTS}) == 1


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("common-incident", "common-alert"),
        ("activitylogs-incident", "activity-log-alert"),
        ("records-incident", "diagnostic-record"),
        ("record-event-properties", "diagnostic-record"),
        ("activity-log-rest-incident", "activity-log-rest"),
        ("event-grid", "event-grid"),
        ("cloud-event", "cloud-event"),
        ("record-administrative", "diagnostic-record"),
    ],
)
def test_the_channel_is_the_shape_it_came_in(name: str, channel: str) -> None:
    assert one(load(name)).channel == channel


def test_a_resolution_is_resolved_although_its_alert_says_fired() -> None:
    event = incident(status="Resolved", stage="Resolved", impactMitigationTime="2026-02-11T06:00:00Z")

    assert event.status is Status.RESOLVED
    assert event.impact_end == datetime(2026, 2, 11, 6, tzinfo=UTC)
    assert not event.actionable


def test_a_resolution_is_resolved_although_its_envelope_says_activated() -> None:
    alert = load("activitylogs-incident")
    alert["data"]["context"]["activityLog"]["status"] = "Resolved"

    assert one(alert).status is Status.RESOLVED


def test_an_integer_level_is_no_level() -> None:
    event = one(load("common-incident"))

    assert event.level is None
    assert event.actionable


def test_the_level_is_the_word_when_a_record_has_an_integer_in_another_casing_beside_it() -> None:
    assert one(load("records-incident")).level == "error"


@pytest.mark.parametrize("word", ["Informational", "Information", "INFORMATIONAL"])
def test_an_informational_incident_is_not_actionable(word: str) -> None:
    alert = load("activitylogs-incident")
    alert["data"]["context"]["activityLog"]["level"] = word

    event = one(alert)

    assert event.level == "informational"
    assert not event.actionable


def test_impacted_services_may_be_an_array() -> None:
    listed = json.loads(load("common-incident")["data"]["alertContext"]["properties"]["impactedServices"])

    assert incident(impactedServices=listed).impacts == incident().impacts


@pytest.mark.parametrize("listed", [None, "[]", [], '[{"ImpactedRegions":', "see the table", 7])
def test_service_and_region_stand_in_where_impacted_services_are_missing_or_unreadable(listed: Any) -> None:
    event = incident(impactedServices=listed)

    assert (event.services, event.regions) == (("Storage Accounts",), ("norwayeast",))
    assert event.relation is services.Relation.DEPENDENCY


def test_old_impacted_services_have_names_only() -> None:
    event = incident(
        impactedServices='[{"ImpactedRegions":[{"RegionName":"UAE North"}],"ServiceName":"Service Fabric"}]'
    )

    assert event.regions == ("uaenorth",)
    assert event.relation is services.Relation.DEPENDENCY


def test_a_region_that_is_not_in_our_table_yet_is_kept() -> None:
    event = incident(
        impactedServices=[{"ServiceName": "Storage", "ImpactedRegions": [{"RegionName": "Atlantis North"}]}]
    )

    assert event.regions == ("atlantisnorth",)


@pytest.mark.parametrize("name", ["Global", "Region Unknown", "GLOBAL "])
def test_a_name_that_is_no_region_raises_attention_and_starts_nothing(name: str) -> None:
    listed = [{"ServiceName": "Azure Database for PostgreSQL", "ImpactedRegions": [{"RegionName": name}]}]

    event = incident(impactedServices=listed)

    assert event.global_scope
    assert event.concerns_postgresql
    assert event.regions == ()
    assert not event.actionable


def test_another_service_in_another_region_does_not_spread_postgresql_there() -> None:
    listed = [
        {"ServiceName": "Azure Database for PostgreSQL", "ImpactedRegions": [{"RegionName": "West US"}]},
        {"ServiceName": "App Service", "ImpactedRegions": [{"RegionName": "East US"}]},
    ]

    event = incident(impactedServices=listed)

    assert event.regions == ("westus",)
    assert event.named_regions == ("westus", "eastus")
    assert event.services == ("Azure Database for PostgreSQL", "App Service")
    assert event.in_region(event.regions[0]).actionable
    assert not event.in_region(event.named_regions[1]).actionable


@pytest.mark.parametrize(
    ("name", "relation"),
    [
        ("Azure Database for PostgreSQL", "postgresql"),
        ("Azure Database for PostgreSQL flexible servers", "postgresql"),
        ("AZURE DATABASE FOR POSTGRESQL – Flexible Server", "postgresql"),
        ("Azure Database for PostgreSQL - flexibleServers", "postgresql"),
        ("Azure Cosmos DB for PostgreSQL", "unrelated"),
        ("Azure Database for MySQL flexible servers", "unrelated"),
        ("Storage", "dependency"),
        ("Azure Active Directory", "dependency"),
        ("Microsoft Entra ID (formerly Azure AD)", "dependency"),
    ],
)
def test_services_are_known_by_all_the_names_they_have_had(name: str, relation: str) -> None:
    listed = [{"ServiceName": name, "ImpactedRegions": [{"RegionName": "East US"}]}]

    assert incident(impactedServices=listed).relation == relation


def test_postgresql_that_only_the_text_names_makes_suspect_and_proves_nothing() -> None:
    listed = [{"ServiceName": "App Service", "ImpactedRegions": [{"RegionName": "East US"}]}]
    text = "<p>Customers of App Service and <b>Azure Database for PostgreSQL</b> may be hit.</p>"

    event = incident(impactedServices=listed, communication=text, title="App Service - East US")

    assert event.relation == "dependency"
    assert not event.concerns_postgresql
    assert event.actionable


def test_another_product_with_postgresql_in_its_name_makes_nothing_suspect() -> None:
    listed = [{"ServiceName": "Azure Cosmos DB for PostgreSQL", "ImpactedRegions": [{"RegionName": "East US"}]}]
    title = "Azure Cosmos DB for PostgreSQL - East US"

    event = incident(impactedServices=listed, communication="<p>We investigate.</p>", title=title)

    assert event.relation == "unrelated"
    assert not event.actionable


def test_a_renamed_service_is_known_by_its_guid() -> None:
    listed = [
        {
            "ServiceName": "HorizonDB",
            "ServiceGuid": "3095259C-51A6-44DD-A4AC-848E34B3F75A",
            "ImpactedRegions": [{"RegionName": "East US"}],
        }
    ]

    assert incident(impactedServices=listed).concerns_postgresql


@pytest.mark.parametrize("key", ["isSynthetic", "IsSynthetic", "ISSYNTHETIC", "is_synthetic"])
@pytest.mark.parametrize("value", [True, "True", "true", 1, "1", "yes", "TRUE "])
def test_a_synthetic_event_never_starts_anything(key: str, value: Any) -> None:
    event = incident(**{"IsSynthetic": None, key: value})

    assert event.synthetic
    assert not event.actionable


def test_of_two_synthetic_flags_the_cautious_one_counts() -> None:
    assert incident(IsSynthetic="False", isSynthetic="True").synthetic


@pytest.mark.parametrize("value", [False, "False", "false", 0, "", None])
def test_a_clear_no_is_not_synthetic(value: Any) -> None:
    assert not incident(IsSynthetic=value).synthetic


@pytest.mark.parametrize(
    "title", ["A test from synthetics service", "Test Action Group - Test Service Health Alert", "TestActionGroup-x"]
)
def test_a_title_of_a_test_is_enough_to_be_synthetic(title: str) -> None:
    assert incident(IsSynthetic=None, title=title).synthetic


def test_an_incident_that_speaks_of_tests_is_not_one() -> None:
    assert not incident(communication="Our synthetics service noticed. Test your failover.").synthetic


@pytest.mark.parametrize("status", ["Active", "Resolved"])
def test_the_root_cause_of_weeks_later_is_not_active(status: str) -> None:
    event = incident(status=status, stage="RCA")

    assert event.stage == "RCA"
    assert event.status is (Status.UPDATED if status == "Active" else Status.RESOLVED)
    assert not event.actionable


@pytest.mark.parametrize(
    "title", ["Post Incident Review (PIR) – Storage", "Preliminary PIR - Storage", "RCA - Storage"]
)
def test_a_review_is_known_by_its_title(title: str) -> None:
    assert incident(title=title, defaultLanguageTitle=title).status is Status.UPDATED


def test_no_impact_in_the_title_withdraws_an_incident() -> None:
    event = incident(title="No Impact - Storage - Norway East")

    assert event.false_positive
    assert not event.actionable


def test_a_stage_can_be_ahead_of_its_status() -> None:
    assert incident(status="Active", stage="Resolved").status is Status.RESOLVED


@pytest.mark.parametrize(
    ("incident_type", "kind"),
    [
        ("Incident", "incident"),
        ("Maintenance", "maintenance"),
        ("Security", "security"),
        ("ActionRequired", "advisory"),
        ("Action Required", "advisory"),
        ("Information", "advisory"),
        ("INFORMATIONAL", "advisory"),
        ("Something new", "other"),
    ],
)
def test_the_incident_type_is_the_kind(incident_type: str, kind: str) -> None:
    event = incident(incidentType=incident_type)

    assert event.kind == kind
    assert event.actionable is (kind == "incident")


def test_without_an_incident_type_the_operation_tells() -> None:
    assert incident(incidentType=None).kind is Kind.INCIDENT


@pytest.mark.parametrize("stage", ["Complete", "Canceled", "Resolved"])
def test_maintenance_that_is_over_is_resolved_though_its_end_lies_ahead(stage: str) -> None:
    event = incident(incidentType="Maintenance", stage=stage, impactMitigationTime="2026-03-11T00:00:00Z")

    assert event.status is Status.RESOLVED


@pytest.mark.parametrize("stage", ["Planned", "InProgress", "Rescheduled"])
def test_maintenance_to_come_is_as_active_as_azure_says(stage: str) -> None:
    event = incident(incidentType="Maintenance", stage=stage)

    assert (event.status, event.stage, event.actionable) == (Status.ACTIVE, stage, False)


@pytest.mark.parametrize("missing", ["trackingId", "impactedServices"])
def test_an_incident_that_lacks_what_a_decision_needs_is_not_actionable(missing: str) -> None:
    event = incident(**{missing: None, "service": None, "region": None} if missing != "trackingId" else {missing: None})

    assert not event.actionable


def test_keys_are_found_in_any_casing() -> None:
    def shout(value: Any) -> Any:
        if isinstance(value, dict):
            return {key.upper(): shout(each) for key, each in value.items()}
        return [shout(each) for each in value] if isinstance(value, list) else value

    assert one(shout(load("common-incident"))) == one(load("common-incident"))


def test_a_fragment_with_only_the_context_is_read() -> None:
    context = load("common-incident")["data"]["alertContext"]

    event = one({"alertContext": context})

    assert (event.channel, event.tracking_id, event.subscription_id) == ("common-alert", "QX7T-2B8", None)


def test_properties_may_be_json_in_a_string_twice() -> None:
    record = load("records-incident")["records"][0]
    record["properties"] = json.dumps(json.dumps(record["properties"]))

    assert one({"records": [record]}).actionable


def test_a_rest_shape_among_records_is_read_as_what_it_is() -> None:
    event = one({"records": [load("activity-log-rest-incident")]})

    assert (event.channel, event.status) == ("activity-log-rest", Status.ACTIVE)


@pytest.mark.parametrize("name", ["common-resource-health", "activitylogs-resource-health", "records-resource-health"])
def test_resource_health_speaks_of_one_server_by_its_lower_cased_id(name: str) -> None:
    event = one(load(name))

    assert (event.kind, event.status, event.health) == (Kind.RESOURCE_HEALTH, Status.ACTIVE, "unavailable")
    assert event.resource_id == SERVER
    assert event.subscription_id == SUBSCRIPTION
    assert event.concerns_postgresql
    assert not event.actionable


def test_resource_health_of_2018_has_other_field_names() -> None:
    event = one(load("activity-log-rest-resource-health-legacy"))

    assert (event.health, event.cause, event.resource_id) == ("unavailable", "platforminitiated", SERVER)


def test_resource_health_may_not_know_the_health() -> None:
    alert = load("common-resource-health")
    alert["data"]["alertContext"]["properties"].update(currentHealthStatus=None, previousHealthStatus=None)
    alert["data"]["alertContext"]["status"] = "Updated"

    event = one(alert)

    assert (event.status, event.health) == (Status.UPDATED, None)


def test_resource_health_of_another_resource_does_not_concern_postgresql() -> None:
    record = load("records-resource-health")["records"][0]
    record["resourceId"] = record["resourceId"].replace("FLEXIBLESERVERS", "SERVERGROUPSV2")

    assert not one(record).concerns_postgresql


@pytest.mark.parametrize("name", ["common-administrative", "record-administrative", "event-grid-validation"])
def test_events_of_other_kinds_are_readable_and_start_nothing(name: str) -> None:
    event = one(load(name))

    assert (event.kind, event.status, event.actionable) == (Kind.OTHER, Status.UNKNOWN, False)


def test_a_metric_alert_is_of_another_kind() -> None:
    alert = load("common-incident")
    alert["data"]["essentials"]["monitoringService"] = "Platform"
    alert["data"]["alertContext"] = {"conditionType": "SingleResourceMultipleMetricCriteria", "condition": {}}

    assert one(alert).kind is Kind.OTHER


@pytest.mark.parametrize("name", ["event-grid", "cloud-event"])
def test_event_grid_speaks_of_virtual_machines_only(name: str) -> None:
    event = one(load(name))

    assert (event.kind, event.status, event.health) == (Kind.RESOURCE_HEALTH, Status.ACTIVE, "unavailable")
    assert event.resource_id is not None
    assert event.resource_id.endswith("/virtualmachines/shop-vm")
    assert not event.concerns_postgresql


def test_an_annotation_of_event_grid_is_news() -> None:
    message = load("cloud-event")
    message["type"] = "Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated"
    properties = message["data"]["resourceInfo"]["properties"]
    del properties["availabilityState"], properties["previousAvailabilityState"]
    properties.update(annotationName="DeallocationInitiated", context="Customer Initiated", summary="As asked.")

    event = one(message)

    assert (event.status, event.cause, event.title) == (Status.UPDATED, "userinitiated", "DeallocationInitiated")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda a: a["data"].pop("alertContext"), "an alert without its context"),
        (lambda a: a["data"]["alertContext"].update(properties=[1]), "a servicehealth entry without properties"),
    ],
)
def test_a_known_shape_without_its_content_is_unreadable_and_not_silently_other(spoil: Any, reason: str) -> None:
    alert = copy.deepcopy(load("common-incident"))
    spoil(alert)

    parsed = payloads.parse(json.dumps(alert).encode())

    assert parsed.events == ()
    assert [each.reason for each in parsed.unreadable] == [reason]


def test_the_text_is_without_html_and_can_be_stored() -> None:
    event = incident(
        communication=None, defaultLanguageContent="<p>A&nbsp;&quot;b&quot;\u0000 \ud800</p>", title="x\u0000y"
    )

    assert event.summary == 'A "b" ?'
    assert event.title == "xy"


def test_the_json_has_the_promised_shape() -> None:
    shown = payloads.to_json(one(load("common-incident")))

    promised = {
        "channel": "common-alert",
        "tracking_id": "QX7T-2B8",
        "subscription_id": SUBSCRIPTION,
        "kind": "incident",
        "status": "active",
        "stage": "Active",
        "impact_start": "2026-02-11T02:10:00Z",
        "impact_end": None,
        "regions": ["norwayeast", "norwaywest"],
        "services": ["Azure Database for PostgreSQL flexible servers", "Storage Accounts"],
        "concerns_postgresql": True,
        "synthetic": False,
        "resource_id": None,
        "title": "Connectivity failures - Norway East",
        "actionable": True,
    }

    assert {key: shown[key] for key in promised} == promised
    assert json.loads(json.dumps(shown)) == shown
