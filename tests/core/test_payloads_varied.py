"""The same news as others spell it: by their queries, exports and relays. And nothing is too wide to survive."""

from __future__ import annotations

import copy
import gzip
import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from responder.core import events, payloads
from responder.core.events import Channel, Kind, Status
from responder.core.payloads import UNEXPECTED, budgets

FOLDER = Path(__file__).parent / "payloads"
FIXTURES = sorted(path.stem for path in FOLDER.glob("*.json"))
SUBSCRIPTION = "7d1f3b52-0c64-4c1e-9a57-6f2b8e4d9a10"
POSTGRESQL = "Azure Database for PostgreSQL"


def load(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def all_of(value: Any) -> tuple[events.HealthEvent, ...]:
    parsed = payloads.parse(value if isinstance(value, bytes) else json.dumps(value).encode())
    assert parsed.unreadable == ()
    return parsed.events


def one(value: Any) -> events.HealthEvent:
    (event,) = all_of(value)
    return event


def incident(**properties: Any) -> Any:
    alert = load("common-incident")
    alert["data"]["alertContext"]["properties"].update(properties)
    return alert


def listed(**service: Any) -> events.HealthEvent:
    return one(incident(impactedServices=[{"ImpactedRegions": [{"RegionName": "East US 2"}], **service}]))


@pytest.mark.parametrize(
    "service",
    [
        {"ServiceName": "HorizonDB", "ServiceId": "Azure Database for PostgreSQL flexible servers"},
        {"ServiceName": "HorizonDB", "ServiceId": "azuredatabaseforpostgresqlflexibleservers"},
        {"ServiceName": "HorizonDB", "ServiceGuid": "{D983AE36-3B4B-426A-B91B-A7D780CF9C3C}"},
        {"ServiceId": "Azure Database for PostgreSQL"},
        {"ServiceName": "Azure\u00a0Database for  PostgreSQL"},
    ],
)
def test_a_renamed_service_is_known_by_whatever_has_stayed(service: dict[str, str]) -> None:
    assert listed(**service).concerns_postgresql


def test_a_service_keeps_its_name_though_its_id_tells_what_it_is() -> None:
    assert listed(ServiceName="HorizonDB", ServiceId="azurepostgresql").services == ("HorizonDB",)


@pytest.mark.parametrize("name", ["Microsoft.DBforPostgreSQL/flexibleServers", "PostgreSQL - Flexible Server"])
def test_postgresql_is_known_by_its_resource_type_and_its_short_name(name: str) -> None:
    assert listed(ServiceName=name).concerns_postgresql


@pytest.mark.parametrize(
    "services", [[{"ServiceName": POSTGRESQL}], [{"ServiceName": POSTGRESQL, "ImpactedRegions": []}], [POSTGRESQL]]
)
def test_a_service_without_regions_is_down_in_the_region_of_the_event_and_leaves_out_no_other(services: Any) -> None:
    event = one(incident(impactedServices=services, region="East US 2; West US"))

    assert (event.regions, event.actionable) == (("eastus2", "westus"), True)
    assert not event.impacts_listed


def test_a_region_may_come_with_its_geography() -> None:
    event = one(incident(impactedServices=None, region="(US) East US 2", service=POSTGRESQL))

    assert event.regions == ("eastus2",)


@pytest.mark.parametrize(("type_", "kind"), [("ServiceIssue", Kind.INCIDENT), ("PlannedMaintenance", Kind.MAINTENANCE)])
def test_the_words_of_the_polled_channels_are_understood_in_pushed_ones(type_: str, kind: Kind) -> None:
    assert one(incident(incidentType=type_)).kind is kind


@pytest.mark.parametrize("level", ["Verbose", "Info"])
def test_what_is_below_informational_is_no_more_than_that(level: str) -> None:
    alert = load("activitylogs-incident")
    alert["data"]["context"]["activityLog"]["level"] = level

    assert not one(alert).actionable


@pytest.mark.parametrize("no", ["n", "F", "off"])
def test_a_short_no_is_a_no(no: str) -> None:
    assert not one(incident(IsSynthetic=no)).synthetic


@pytest.mark.parametrize(
    "start", ["/Date(1770775800000)/", 1770775800000000, "2026-02-11t02:10:00z", "2026-02-11 02:10:00.00000000Z"]
)
def test_a_moment_is_read_in_every_encoding_that_was_ever_seen(start: Any) -> None:
    assert one(incident(impactStartTime=start)).impact_start == datetime(2026, 2, 11, 2, 10, tzinfo=UTC)


def test_properties_may_be_a_list_of_one() -> None:
    record = load("records-incident")["records"][0]

    assert one({**record, "properties": [record["properties"]]}) == one(record)


@pytest.mark.parametrize(
    ("id_", "region"),
    [
        ("us-east-2", "eastus2"),
        ("us-north-central", "northcentralus"),
        ("uk-south", "uksouth"),
        ("asia-pacific-southeast", "southeastasia"),
        ("germany-west-central", "germanywestcentral"),
        ("india-central", "centralindia"),
    ],
)
def test_the_status_page_has_the_words_of_a_region_in_another_order(id_: str, region: str) -> None:
    page = load("emerging-issues")
    page["value"][0]["properties"]["statusActiveEvents"][0]["impacts"][0]["regions"] = [{"id": id_, "name": ""}]

    assert all_of(page)[0].regions == (region,)


@pytest.mark.parametrize("place", ["properties", "customProperties"])
@pytest.mark.parametrize("key", ["isSynthetic", "Is-Synthetic", "SYNTHETIC"])
def test_a_rule_that_calls_its_alerts_synthetic_is_believed(place: str, key: str) -> None:
    alert = load("activitylogs-incident" if place == "properties" else "common-incident")
    alert["data"][place] = {key: "yes"}

    event = one(alert)

    assert (event.synthetic, event.actionable) == (True, False)


@pytest.mark.parametrize("tag", ["False Positive", "FalsePositive", "false-positive", "NO IMPACT"])
@pytest.mark.parametrize("as_list", [True, False])
def test_a_tag_withdraws_in_any_spelling(tag: str, as_list: bool) -> None:
    row = load("rest-event")
    row["properties"]["eventTags"] = [tag] if as_list else tag

    assert one(row).false_positive


def test_a_list_that_was_put_into_a_string_without_escaping_is_read() -> None:
    alert = incident()
    text = alert["data"]["alertContext"]["properties"]["impactedServices"]
    body = json.dumps(alert).replace(json.dumps(text), f'"{text}"')

    assert one(body.encode()) == one(alert)


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(lambda b: zlib.compress(b), id="zlib"),
        pytest.param(lambda b: zlib.compress(b, 1), id="zlib, fast"),
        pytest.param(lambda b: gzip.compress(b[:100]) + gzip.compress(b[100:]), id="gzip in two members"),
        pytest.param(lambda b: gzip.compress(b) + b"\0" * 9, id="gzip, padded"),
    ],
)
def test_a_body_is_unpacked(pack: Callable[[bytes], bytes]) -> None:
    assert one(pack(json.dumps(incident()).encode())).actionable


def test_the_category_may_stand_in_the_properties_alone() -> None:
    record = load("record-event-properties")
    record.update(category="Administrative", operationName="incident")
    record["properties"]["eventCategory"] = "ServiceHealth"

    assert one(record).kind is Kind.INCIDENT


def test_a_list_in_a_record_does_not_make_the_record_an_envelope() -> None:
    record = load("records-incident")["records"][0]

    assert one({**record, "value": [1, 2], "data": []}) == one(record)


@pytest.mark.parametrize("envelope", [{"specversion": "1.0", "type": "relay.alert"}, {"eventType": "relay.alert"}])
def test_an_alert_that_is_forwarded_as_an_event_is_read(envelope: dict[str, str]) -> None:
    assert one({**envelope, "id": "1", "source": "/relay", "data": incident()}) == one(incident())


def test_a_projected_row_of_resource_graph_is_an_event() -> None:
    row = load("resource-graph")["data"][0]
    projected = {f"properties_{key}": value for key, value in row["properties"].items()}

    event = one({"data": [{"subscriptionId": row["subscriptionId"], **projected}]})

    assert (event.channel, event.regions, event.actionable) == (Channel.RESOURCE_GRAPH, ("norwayeast",), True)


def log_analytics() -> dict[str, Any]:
    """A row of the table AzureActivity."""
    record = load("records-incident")["records"][0]
    return {
        "TimeGenerated": record["time"],
        "OperationName": "",
        "OperationNameValue": record["operationName"].upper(),
        "CategoryValue": "ServiceHealth",
        "ActivityStatusValue": "Active",
        "Level": "Error",
        "SubscriptionId": SUBSCRIPTION,
        "EventDataId": "5e0b7c3d",
        "Properties": json.dumps(record["properties"]),
        "Properties_d": record["properties"],
        "_ResourceId": f"/subscriptions/{SUBSCRIPTION}",
        "Type": "AzureActivity",
    }


def table(row: dict[str, Any]) -> dict[str, Any]:
    texts = [value if isinstance(value, str) else json.dumps(value) for value in row.values()]
    return {"name": "PrimaryResult", "columns": [{"name": key, "type": "string"} for key in row], "rows": [texts]}


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda row: row, id="a row"),
        pytest.param(lambda row: {"records": [row]}, id="exported to a hub"),
        pytest.param(lambda row: {"tables": [table(row)]}, id="an answer"),
        pytest.param(lambda row: {k: v for k, v in row.items() if k != "Properties_d"}, id="one spelling of two"),
        pytest.param(lambda row: {k: v for k, v in row.items() if k != "Properties"}, id="the other spelling"),
    ],
)
def test_log_analytics_says_the_same_as_the_record_it_was_made_from(wrap: Callable[[Any], Any]) -> None:
    event, record = one(wrap(log_analytics())), one(load("records-incident"))

    assert event.key == record.key
    assert (event.level, event.regions, event.actionable) == (record.level, record.regions, True)


def test_what_log_analytics_calls_resolved_is_resolved() -> None:
    assert one({**log_analytics(), "ActivityStatusValue": "Resolved"}).status is Status.RESOLVED


WIDE = {f"k{number}": 1 for number in range(budgets.MOST_FIELDS + 1)}


def _places(value: Any) -> list[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, each in list(pairs) for place in [(value, key), *_places(each)]]


def survives(body: bytes) -> None:
    parsed = payloads.parse(body)
    assert parsed.events or parsed.unreadable
    assert not [each for each in parsed.unreadable if each.reason.startswith(UNEXPECTED)]


@pytest.mark.parametrize("name", FIXTURES)
def test_an_object_too_wide_is_survived_wherever_it_stands(name: str) -> None:
    count = len(_places(load(name)))
    for number in range(0, count, 1 + count // 40):
        value = load(name)
        container, key = _places(value)[number]
        container[key] = WIDE
        survives(json.dumps(value).encode())


@pytest.mark.parametrize("name", ["value", "data", "tables", "records", "schemaId", "eventType", "essentials", "x"])
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda v: json.dumps(v), id="whole"),
        pytest.param(lambda v: json.dumps(v)[:-1], id="cut"),
        pytest.param(lambda v: json.dumps(json.dumps([v])), id="in a string"),
        pytest.param(lambda v: json.dumps(json.dumps([v]) + "]"), id="in a spoiled string"),
        pytest.param(lambda v: json.dumps({"data": v, "columns": [v], "rows": [[v]]}), id="in a table"),
    ],
)
def test_an_envelope_too_wide_is_set_apart(name: str, spoil: Callable[[Any], str]) -> None:
    survives(spoil({name: copy.copy(WIDE), "alertContext": {}}).encode())


@pytest.mark.parametrize("odd", ["QX7T\n2B8", " QX7T\r\n2B8 ", "QX7T\t \n2B8\0"])
def test_an_id_is_one_line_whatever_was_sent(odd: str):
    """It becomes part of the names of runs, of headers and of tags."""
    assert one(incident(trackingId=odd)).tracking_id == "QX7T 2B8"
