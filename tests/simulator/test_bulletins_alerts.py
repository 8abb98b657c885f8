"""The two webhook schemas and the diagnostic record, field by field."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from responder.simulator import bulletins

SUBSCRIPTION = "51aa0f00-77b1-4f0e-9c3e-2d5d0c6f0a01"
FLEXIBLE = "Azure Database for PostgreSQL flexible servers"
PUBLISHED = datetime(2026, 3, 4, 5, 6, 7, 891234, tzinfo=UTC)

COMMON_PROPERTIES = {
    "title", "service", "region", "communication", "incidentType", "trackingId", "impactStartTime", "impactedServices",
    "impactedServicesTableRows", "defaultLanguageTitle", "defaultLanguageContent", "stage", "communicationId", "isHIR",
    "impactType", "version",
}  # fmt: skip
RECORD_EXTRAS = {
    "emailTemplateId", "emailTemplateFullVersion", "emailTemplateLocale", "smsText", "impactCategory",
    "communicationRouteType", "argQuery", "oldRate", "newRate",
}  # fmt: skip


def bulletin(**changes: Any) -> bulletins.Bulletin:
    values: dict[str, Any] = {
        "tracking_id": "QX3L-7PG",
        "subscription_id": SUBSCRIPTION,
        "title": "PostgreSQL flexible servers - East US 2 - unreachable",
        "text": 'Connections to "some" servers fail & time out.',
        "updated_at": PUBLISHED,
        "impact_start": datetime(2026, 3, 4, 4, 50, tzinfo=UTC),
        "services": (FLEXIBLE,),
        "regions": ("eastus2",),
    }
    return bulletins.Bulletin(**(values | changes))


def context(b: bulletins.Bulletin) -> dict[str, Any]:
    found: dict[str, Any] = bulletins.common_alert(b)["data"]["alertContext"]
    return found


def activity_log(b: bulletins.Bulletin) -> dict[str, Any]:
    found: dict[str, Any] = bulletins.activity_log_alert(b)["data"]["context"]["activityLog"]
    return found


def record(b: bulletins.Bulletin) -> dict[str, Any]:
    (found,) = bulletins.diagnostic_record(b)["records"]
    assert isinstance(found, dict)
    return found


def properties_everywhere(b: bulletins.Bulletin) -> list[dict[str, Any]]:
    return [context(b)["properties"], activity_log(b)["properties"], record(b)["properties"]]


def test_a_common_alert_has_the_envelope_and_essentials_of_a_service_health_alert_and_no_others():
    alert = bulletins.common_alert(bulletin())
    assert list(alert) == ["schemaId", "data"]
    assert alert["schemaId"] == "azureMonitorCommonAlertSchema"
    assert list(alert["data"]) == ["essentials", "alertContext"]
    essentials = alert["data"]["essentials"]
    assert set(essentials) == {
        "alertId", "alertRule", "severity", "signalType", "monitorCondition", "monitoringService", "alertTargetIDs",
        "originAlertId", "firedDateTime", "description", "essentialsVersion", "alertContextVersion",
    }  # fmt: skip
    assert essentials["severity"] == "Sev4"
    assert essentials["signalType"] == "ActivityLog"
    assert essentials["monitoringService"] == "ServiceHealth"
    assert essentials["alertTargetIDs"] == [f"/subscriptions/{SUBSCRIPTION}"]
    assert essentials["alertId"].startswith(
        f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.AlertsManagement/alerts/"
    )
    assert essentials["firedDateTime"] == "2026-03-04T05:06:07.891Z"


def test_the_context_of_a_common_alert_speaks_integers_and_nulls():
    found = context(bulletin())
    assert set(found) == {
        "authorization", "channels", "claims", "caller", "correlationId", "eventSource", "eventTimestamp",
        "httpRequest", "eventDataId", "level", "operationName", "operationId", "properties", "status", "subStatus",
        "submissionTimestamp", "ResourceType",
    }  # fmt: skip
    assert [type(found[name]) for name in ("channels", "eventSource", "level")] == [int, int, int]
    nulls = {name for name, value in found.items() if value is None}
    assert nulls == {"authorization", "claims", "caller", "httpRequest", "subStatus", "ResourceType"}
    assert found["eventTimestamp"] == "2026-03-04T05:06:07.8912340+00:00"
    assert found["operationName"] == "Microsoft.ServiceHealth/incident/action"


def test_the_origin_of_a_common_alert_is_its_event():
    alert = bulletins.common_alert(bulletin())["data"]
    assert alert["essentials"]["originAlertId"] == alert["alertContext"]["eventDataId"]


def test_the_integer_level_does_not_tell_how_bad_it_is():
    levels = {context(bulletin(level=level))["level"] for level in ("Critical", "Error", "Warning", "Informational")}
    assert len(levels) == 1


def test_a_resolution_is_fired_activated_and_resolved_all_at_once():
    over = bulletin(status="Resolved", impact_mitigation=PUBLISHED)
    assert bulletins.common_alert(over)["data"]["essentials"]["monitorCondition"] == "Fired"
    assert context(over)["status"] == "Resolved"
    assert bulletins.activity_log_alert(over)["data"]["status"] == "Activated"
    assert activity_log(over)["status"] == "Resolved"
    assert record(over)["resultType"] == "Resolved"
    assert [p["stage"] for p in properties_everywhere(over)] == ["Resolved"] * 3


def test_an_activity_log_alert_has_the_fields_of_the_older_schema_and_speaks_strings():
    alert = bulletins.activity_log_alert(bulletin(level="Error"))
    assert list(alert) == ["schemaId", "data"]
    assert alert["schemaId"] == "Microsoft.Insights/activityLogs"
    assert set(alert["data"]) == {"status", "context", "properties"}
    assert alert["data"]["properties"] == {}
    assert set(alert["data"]["context"]) == {"activityLog"}
    found = alert["data"]["context"]["activityLog"]
    assert set(found) == {
        "channels", "correlationId", "description", "eventSource", "eventTimestamp", "eventDataId", "level",
        "operationName", "operationId", "properties", "status", "subscriptionId", "submissionTimestamp",
    }  # fmt: skip
    assert (found["channels"], found["eventSource"], found["level"]) == ("Admin", "ServiceHealth", "Error")
    assert found["subscriptionId"] == SUBSCRIPTION


def test_a_diagnostic_record_has_two_levels_and_knows_its_subscription_only_by_resource_id():
    assert list(bulletins.diagnostic_record(bulletin())) == ["records"]
    found = record(bulletin(level="Informational"))
    assert set(found) == {
        "Level", "category", "location", "resourceId", "resultType", "time", "level", "correlationId", "operationName",
        "resultDescription", "properties", "identity",
    }  # fmt: skip
    assert (found["Level"], found["level"]) == (5, "Informational")
    assert found["category"] == "ServiceHealth"
    assert found["location"] == "global"
    assert found["resourceId"] == f"/subscriptions/{SUBSCRIPTION}"
    assert found["time"] == "2026-03-04T05:06:07.8912340Z"
    assert found["resultDescription"] == "Active: PostgreSQL flexible servers - East US 2 - unreachable"


def test_each_channel_has_its_own_spelling_of_synthetic_and_of_a_high_incident_rate():
    common, older, diagnostic = properties_everywhere(bulletin(synthetic=True))
    assert set(common) == COMMON_PROPERTIES | {"IsSynthetic"}
    assert set(older) == COMMON_PROPERTIES | {"isSynthetic"}
    assert set(diagnostic) == COMMON_PROPERTIES | RECORD_EXTRAS | {"IsSynthetic"}
    assert (common["IsSynthetic"], older["isSynthetic"], diagnostic["IsSynthetic"]) == ("True", "True", "True")
    assert (common["isHIR"], older["isHIR"], diagnostic["isHIR"]) == ("false", "false", False)
    assert properties_everywhere(bulletin())[0]["IsSynthetic"] == "False"


def test_the_end_of_the_impact_is_absent_until_it_is_known():
    assert all("impactMitigationTime" not in p for p in properties_everywhere(bulletin()))
    ended = bulletin(status="Resolved", impact_mitigation=datetime(2026, 3, 4, 9, 0, 0, 500000, tzinfo=UTC))
    assert [p["impactMitigationTime"] for p in properties_everywhere(ended)] == [
        "2026-03-04T09:00:00.500Z",
        "2026-03-04T09:00:00.5000000Z",
        "2026-03-04T09:00:00.5000000Z",
    ]


def test_impacted_services_are_json_inside_a_string_with_the_ids_of_both():
    for found in properties_everywhere(bulletin(services=(FLEXIBLE, "Contoso Cache"), regions=("eastus2", "Global"))):
        assert isinstance(found["impactedServices"], str)
        impacted = json.loads(found["impactedServices"])
        places = [
            {"RegionName": "East US 2", "RegionId": "eastus2"},
            {"RegionName": "Global", "RegionId": "global"},
        ]
        assert impacted == [
            {
                "ImpactedRegions": places,
                "ServiceName": FLEXIBLE,
                "ServiceId": "azuredatabaseforpostgresqlflexibleservers",
                "ServiceGuid": "3095259c-51a6-44dd-a4ac-848e34b3f75a",
            },
            {"ImpactedRegions": places, "ServiceName": "Contoso Cache", "ServiceId": "contosocache"},
        ]


def test_service_and_region_name_only_the_first_of_several():
    for found in properties_everywhere(bulletin(services=("Storage", FLEXIBLE), regions=("West Europe", "eastus2"))):
        assert (found["service"], found["region"]) == ("Storage", "West Europe")


def test_the_portals_test_button_sends_an_array_without_ids_in_the_common_schema_only():
    common, older, diagnostic = properties_everywhere(bulletin(portal_test=True))
    old_shape = [{"ImpactedRegions": [{"RegionName": "East US 2"}], "ServiceName": FLEXIBLE}]
    assert common["impactedServices"] == old_shape
    assert json.loads(older["impactedServices"]) == old_shape
    assert isinstance(diagnostic["impactedServices"], str)
    assert common["IsSynthetic"] == "True"


@pytest.mark.parametrize(
    ("kind", "incident_type", "operation", "stage"),
    [
        pytest.param("incident", "Incident", "incident", "Active", id="incident"),
        pytest.param("maintenance", "Maintenance", "maintenance", "Planned", id="maintenance"),
        pytest.param("advisory", "Informational", "informational", "Active", id="advisory"),
        pytest.param("security", "Security", "security", "Active", id="security"),
    ],
)
def test_each_kind_has_its_words(kind: Any, incident_type: str, operation: str, stage: str):
    told = bulletin(kind=kind)
    assert all((p["incidentType"], p["stage"]) == (incident_type, stage) for p in properties_everywhere(told))
    name = f"Microsoft.ServiceHealth/{operation}/action"
    assert (
        context(told)["operationName"] == activity_log(told)["operationName"] == record(told)["operationName"] == name
    )


def test_only_maintenance_has_a_maintenance_id_and_only_a_record_its_type():
    common, older, diagnostic = properties_everywhere(bulletin(kind="maintenance"))
    assert set(common) == COMMON_PROPERTIES | {"IsSynthetic", "maintenanceId"}
    assert set(older) == COMMON_PROPERTIES | {"isSynthetic", "maintenanceId"}
    assert set(diagnostic) == COMMON_PROPERTIES | RECORD_EXTRAS | {"IsSynthetic", "maintenanceId", "maintenanceType"}
    assert diagnostic["maintenanceType"] == ""


@pytest.mark.parametrize(
    ("given", "stage", "status"),
    [
        pytest.param({}, "Active", "Active", id="nothing said"),
        pytest.param({"status": "Resolved"}, "Resolved", "Resolved", id="status said"),
        pytest.param({"stage": "RCA"}, "RCA", "Resolved", id="a review comes after the end"),
        pytest.param({"stage": "RCA", "status": "Active"}, "RCA", "Active", id="both said"),
        pytest.param({"kind": "maintenance", "status": "Resolved"}, "Complete", "Resolved", id="maintenance over"),
        pytest.param({"kind": "maintenance", "stage": "InProgress"}, "InProgress", "Active", id="maintenance goes on"),
        pytest.param({"kind": "maintenance", "stage": "Canceled"}, "Canceled", "Resolved", id="maintenance called off"),
    ],
)
def test_stage_and_status_follow_from_one_another(given: dict[str, Any], stage: str, status: str):
    told = bulletin(**given)
    assert (told.stage, told.status) == (stage, status)


def test_a_stage_that_the_kind_does_not_have_is_refused_with_the_ones_it_has():
    with pytest.raises(ValueError, match="incident has no stage 'Planned'; use one of Active, Resolved, RCA"):
        bulletin(stage="Planned")


def test_a_bulletin_that_hits_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one service and one region"):
        bulletin(regions=())


def test_the_text_becomes_markup_unless_it_is_markup():
    plain, ready = bulletin(), bulletin(text="<p>Known already.</p>")
    for found in properties_everywhere(plain):
        assert found["communication"] == "<p>Connections to &quot;some&quot; servers fail &amp; time out.</p>"
        assert found["defaultLanguageContent"] == found["communication"]
    assert properties_everywhere(ready)[0]["communication"] == "<p>Known already.</p>"


def test_the_same_bulletin_is_the_same_bytes_and_another_update_has_another_communication_id():
    first, again = bulletin(), bulletin()
    for shape in (bulletins.common_alert, bulletins.activity_log_alert, bulletins.diagnostic_record):
        assert json.dumps(shape(first)) == json.dumps(shape(again))
    later = bulletin(updated_at=datetime(2026, 3, 4, 6, tzinfo=UTC))
    assert later.communication_id != first.communication_id
    assert first.communication_id.isdigit()


def test_two_subscriptions_share_the_tracking_and_communication_id_but_not_the_event_id():
    here, there = bulletin(), bulletin(subscription_id="51aa0f00-77b1-4f0e-9c3e-2d5d0c6f0a02")
    assert here.communication_id == there.communication_id
    assert context(here)["eventDataId"] != context(there)["eventDataId"]
