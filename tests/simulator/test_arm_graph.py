"""Resource Graph: the inventory that answers while regions are down."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.resourcegraph import models

from responder.simulator.arm import kql
from responder.simulator.estates import Limits

from .conftest import Arm, Serve

INVENTORY = (
    "resources | where type in~ ('Microsoft.DBforPostgreSQL/flexibleServers', 'microsoft.dbforpostgresql/servers') "
    "| project id, name, type, location, resourceGroup, subscriptionId, tags, sku, properties | order by id asc"
)


async def ask(arm: Arm, query: str, *, hook: Any = None, **options: Any) -> models.QueryResponse:
    client = await arm.graph()
    request = models.QueryRequest(
        subscriptions=[arm.subscription],
        query=query,
        options=models.QueryRequestOptions(result_format="objectArray", **options),
    )
    return await client.resources(request, raw_response_hook=hook) if hook else await client.resources(request)


async def test_the_inventory_has_both_families_in_the_short_forms(arm: Arm) -> None:
    result = await ask(arm, INVENTORY)
    assert [r["name"] for r in result.data] == ["billing", "orders", "reports", "ledger"]
    orders = result.data[1]
    assert orders["type"] == "microsoft.dbforpostgresql/flexibleservers"
    assert orders["location"] == "eastus2"
    assert orders["tags"]["outage-rto"] == "4h"
    assert orders["properties"]["backup"]["geoRedundantBackup"] == "Enabled"
    assert set(orders) == {
        "id",
        "name",
        "type",
        "location",
        "resourceGroup",
        "subscriptionId",
        "tags",
        "sku",
        "properties",
    }


async def test_pages_follow_each_other_by_skip_token(arm: Arm) -> None:
    first = await ask(arm, INVENTORY, top=3)
    assert (first.total_records, first.count, first.result_truncated) == (4, 3, "true")
    second = await ask(arm, INVENTORY, top=3, skip_token=first.skip_token)
    assert (second.count, second.result_truncated, second.skip_token) == (1, "false", None)
    assert len({r["id"] for r in first.data + second.data}) == 4


async def test_what_is_in_a_region_that_is_down_is_still_known(arm: Arm) -> None:
    await arm.world.take_region_down("eastus2")
    assert (await ask(arm, INVENTORY)).count == 4


async def test_another_subscription_sees_nothing(arm: Arm) -> None:
    client = await arm.graph()
    request = models.QueryRequest(subscriptions=["00000000-0000-0000-0000-000000000000"], query=INVENTORY)
    assert (await client.resources(request)).total_records == 0


async def test_a_query_that_cannot_be_read_answers_as_on_the_wire(arm: Arm) -> None:
    with pytest.raises(HttpResponseError) as raised:
        await ask(arm, "project id, location | where where")
    assert raised.value.status_code == 400
    assert raised.value.error is not None
    assert raised.value.error.code == "BadRequest"
    assert [d.code for d in raised.value.error.details] == ["InvalidQuery", "ParserFailure"]


async def test_the_quota_is_told_and_kept(serve: Serve) -> None:
    arm = await serve(limits=Limits(graph_queries=1, graph_window=timedelta(hours=1)))
    headers: list[Any] = []
    await ask(arm, INVENTORY, hook=lambda r: headers.append(r.http_response.headers))
    assert headers[0]["x-ms-user-quota-remaining"] == "0"
    assert headers[0]["x-ms-user-quota-resets-after"] == "01:00:00"
    with pytest.raises(HttpResponseError) as raised:
        await ask(arm, INVENTORY)
    assert raised.value.status_code == 429
    assert raised.value.error is not None
    assert raised.value.error.code == "RateLimiting"


async def test_groups_are_in_the_table_of_containers(arm: Arm) -> None:
    query = (
        "resourcecontainers | where type =~ 'microsoft.resources/subscriptions/resourcegroups' "
        "and location == 'centralus' | project name, location"
    )
    assert (await ask(arm, query)).data == [{"name": "rg-recovery", "location": "centralus"}]


ROWS: list[dict[str, object]] = [
    {"id": "b", "name": "two", "tags": {"k-v": "x"}, "size": 2},
    {"id": "a", "name": "one", "tags": {}, "size": 10},
]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        pytest.param("resources | order by id asc | project id", [{"id": "a"}, {"id": "b"}], id="sorted upwards"),
        pytest.param("resources | sort by id | project id", [{"id": "b"}, {"id": "a"}], id="downwards by default"),
        pytest.param("Resources | where id == 'a' | project n=name", [{"n": "one"}], id="a column renamed"),
        pytest.param("resources | where tags['k-v'] =~ 'X' | project id", [{"id": "b"}], id="a tag by index"),
        pytest.param("resources | where isempty(tags.none) and size > 3 | project id", [{"id": "a"}], id="and, number"),
        pytest.param("resources | where (id=='a' or id=='b') | take 1 | project id", [{"id": "b"}], id="or, take"),
        pytest.param(
            "resources | where id !in~ ('A') | extend up = toupper(id) | project up", [{"up": "B"}], id="extend"
        ),
        pytest.param("resources | where name startswith 'T' | count", [{"Count": 1}], id="count"),
        pytest.param(
            "resources // all\n| project id, tags.none",
            [{"id": "b", "tags_none": None}, {"id": "a", "tags_none": None}],
            id="comment",
        ),
    ],
)
def test_the_language(query: str, rows: list[dict[str, object]]) -> None:
    assert kql.run(query, {"resources": ROWS}, columns=frozenset(ROWS[0])) == rows


@pytest.mark.parametrize(
    "query",
    [
        "",
        "resources | where",
        "resources | project nothing",
        "nowhere",
        "resources | summarize count()",
        "resources where",
        "resources | where id = 'a'",
    ],
)
def test_what_the_language_does_not_know_is_refused(query: str) -> None:
    with pytest.raises(kql.BadQuery):
        kql.run(query, {"resources": ROWS}, columns=frozenset(ROWS[0]))
