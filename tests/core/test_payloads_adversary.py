"""What somebody tried who had the reference in hand: each of these was read wrongly once."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any

import pytest

from responder.core import events, payloads, services
from tests.core.test_payloads_varied import incident, load, one

POSTGRESQL, DEPENDENCY, UNRELATED = (
    services.Relation.POSTGRESQL,
    services.Relation.DEPENDENCY,
    services.Relation.UNRELATED,
)


@pytest.mark.parametrize(
    "name",
    [
        "Azure Database for PostgreSQL (Flexible Server)",
        "Azure Database for PostgreSQL: Flexible Server",
        "Azure Database for PostgreSQL/Flexible Server",
        "Azure Database for PostgreSQL Flexible Servers (Preview)",
        "Azure Database für PostgreSQL - Flexibler Server",
        "Azure Database pour PostgreSQL - Serveur flexible",
        "Azure Database para PostgreSQL: servidor flexible",
        "Azure Database para PostgreSQL - Servidor Flexível",
        "Database di Azure per PostgreSQL - Server flessibile",
        "Azure Database voor PostgreSQL",
        "База данных Azure для PostgreSQL",
        "PostgreSQL 用 Azure Database - フレキシブル サーバー",
        "适用于 PostgreSQL 的 Azure 数据库",
        "適用於 PostgreSQL 的 Azure 資料庫",
        "Azure Database for PostgreSQL 유연한 서버",
        "microsoft.dbforpostgresql/flexibleservers",
    ],
)
def test_postgresql_is_known_in_every_language_and_punctuation(name: str):
    assert services.relation(name) is POSTGRESQL


@pytest.mark.parametrize(
    ("name", "relation"),
    [
        ("Azure Cosmos DB for PostgreSQL", UNRELATED),
        ("Azure Database for PostgreSQL - Hyperscale (Citus)", UNRELATED),
        ("Microsoft.DBforPostgreSQL/serverGroupsv2", UNRELATED),
        ("Azure Database for MySQL - Flexible Server", UNRELATED),
        ("Microsoft Defender for PostgreSQL", DEPENDENCY),
        ("Azure Arc-enabled PostgreSQL server", DEPENDENCY),
    ],
)
def test_another_product_with_postgresql_in_its_name_is_a_reason_to_look_at_most(
    name: str, relation: services.Relation
):
    assert services.relation(name) is relation


def test_a_guid_is_known_without_its_hyphens():
    assert services.relation("Renamed", "3095259C51A644DDA4AC848E34B3F75A") is POSTGRESQL


@pytest.mark.parametrize("region", ["East-US-2", "east-us-2"])
def test_a_region_is_known_with_hyphens(region: str):
    listed = [{"ServiceName": "Azure Database for PostgreSQL", "ImpactedRegions": [{"RegionName": region}]}]
    assert one(incident(impactedServices=listed)).regions == ("eastus2",)


@pytest.mark.parametrize(
    "title", ["[No Impact] X", "(False positive) X", "Resolved - No Impact - X", '"No impact" - X']
)
def test_a_withdrawal_is_known_behind_brackets_and_prefixes(title: str):
    found = one(incident(title=title, defaultLanguageTitle=title))
    assert (found.false_positive, found.actionable) == (True, False)


def test_no_impact_on_something_else_withdraws_nothing():
    title = "No impact to Storage, but PostgreSQL is down"
    assert not one(incident(title=title, defaultLanguageTitle=title)).false_positive


@pytest.mark.parametrize("title", ["[PIR] X", "Update: Post Incident Review (PIR) - X"])
def test_a_review_is_known_behind_brackets_and_prefixes(title: str):
    assert one(incident(title=title, defaultLanguageTitle=title)).status is events.Status.UPDATED


def polled(**properties: Any) -> Any:
    event = load("rest-event")
    event["properties"].update(properties)
    return event


@pytest.mark.parametrize("tags", [["false_positive"], [{"name": "False Positive"}]])
def test_a_tag_is_known_however_it_is_written(tags: Any):
    assert one(polled(eventTags=tags)).false_positive


def test_what_the_newest_update_of_a_region_takes_back_is_over_there():
    region = {"impactedRegion": "East US 2", "status": "Active", "impactUpdates": [{"eventTags": ["False Positive"]}]}
    impact = [{"impactedService": "Azure Database for PostgreSQL", "impactedRegions": [region]}]
    assert one(polled(impact=impact, status="Active")).status is events.Status.RESOLVED


def test_the_date_of_http_is_a_time():
    found = one(polled(impactStartTime="Wed, 11 Feb 2026 03:04:05 GMT")).impact_start
    assert found is not None
    assert found.isoformat() == "2026-02-11T03:04:05+00:00"


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize("pack", [lambda body: gzip.compress(gzip.compress(body)), _raw_deflate])
def test_what_is_packed_twice_or_without_a_mark_is_read(pack: Any):
    body = json.dumps(incident()).encode()
    assert payloads.parse(pack(body)) == payloads.parse(body)


def test_what_is_packed_without_a_mark_and_is_no_json_or_too_long_stays_unreadable():
    for content in (b"A" * 100, b"[" + b"0," * (5 << 20) + b"0]"):
        found = payloads.parse(_raw_deflate(content))
        assert (found.events, len(found.unreadable)) == ((), 1)


def test_an_alert_that_a_cloud_event_carries_as_bytes_is_read():
    packed = base64.b64encode(json.dumps(incident()).encode()).decode()
    carried = {"specversion": "1.0", "id": "1", "source": "/x", "type": "x.y", "data_base64": packed}
    assert one(carried) == one(incident())


def test_a_row_of_log_analytics_may_have_its_properties_in_a_dynamic_column():
    properties = incident()["data"]["alertContext"]["properties"]
    row = {
        "TimeGenerated": "2026-02-11T03:10:00Z",
        "OperationNameValue": "MICROSOFT.SERVICEHEALTH/INCIDENT/ACTION",
        "CategoryValue": "ServiceHealth",
        "ActivityStatusValue": "Active",
        "Level": "Error",
        "SubscriptionId": "AB",
        "Properties_d": properties,
    }
    found = one(row)
    assert (found.kind, found.subscription_id, found.actionable) == (events.Kind.INCIDENT, "ab", True)
