"""Switches: throttling, failing operations, regions that are down, answers that get lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import (
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.mgmt.postgresqlflexibleservers import models

from responder.simulator.estates import Bucket, Limits

from .conftest import Arm, Serve
from .test_arm_rules import SLOW, body


async def test_a_failed_operation_ends_with_its_error_and_leaves_no_server(arm: Arm) -> None:
    arm.world.faults.fail_operation("copy*", "ServerIsNotReady", "Not today.")
    client = await arm.flexible()
    poller = await client.servers.begin_create_or_update("rg-recovery", "copy", body(arm, "orders"))
    with pytest.raises(HttpResponseError, match="Not today") as raised:
        await poller.result()
    assert raised.value.error is not None
    assert raised.value.error.code == "ServerIsNotReady"
    assert arm.world.server_named("copy") is None
    again = await client.servers.begin_create_or_update("rg-recovery", "copy", body(arm, "orders"))
    assert (await again.result()).properties.state == "Ready"


async def test_a_slow_operation_takes_longer_than_one_started_after_it(arm: Arm) -> None:
    arm.world.faults.slow_operation("copy", by=timedelta(minutes=5))
    client = await arm.flexible()
    await client.servers.begin_create_or_update("rg-recovery", "copy", body(arm, "orders"))
    later = await client.servers.begin_create_or_update("rg-recovery", "other", body(arm, "orders"))
    assert (await later.result()).properties.state == "Ready"
    assert (await client.servers.get("rg-recovery", "copy")).properties.state == "Provisioning"


async def test_throttling_answers_429_as_on_the_wire_and_passes(arm: Arm) -> None:
    arm.world.faults.throttle("read", count=1, retry_after=timedelta(seconds=7))
    client = await arm.flexible()
    with pytest.raises(HttpResponseError) as raised:
        await client.servers.get("rg-orders", "orders")
    assert raised.value.status_code == 429
    assert raised.value.error is not None
    assert raised.value.error.code == "SubscriptionRequestsThrottled"
    assert "Please try again after '7' seconds" in str(raised.value)
    assert raised.value.response is not None
    assert raised.value.response.headers["Retry-After"] == "7"
    await client.servers.get("rg-orders", "orders")
    assert [(e.status, e.fault) for e in arm.world.ledger] == [(429, "throttle"), (200, "")]


async def test_the_bucket_of_each_caller_runs_dry_and_is_told_in_headers(serve: Serve) -> None:
    arm = await serve(limits=Limits(reads=Bucket(size=2, per_second=0.001)))
    client = await arm.flexible()
    left: list[str] = []

    def look(response: Any) -> None:
        left.append(response.http_response.headers["x-ms-ratelimit-remaining-subscription-reads"])

    for _ in range(2):
        await client.servers.get("rg-orders", "orders", raw_response_hook=look)
    assert left == ["1", "0"]
    with pytest.raises(HttpResponseError) as raised:
        await client.servers.get("rg-orders", "orders")
    assert raised.value.status_code == 429
    other = await arm.session(token="somebody else")
    async with other.get(f"{arm.id_of('orders')}?api-version=2026-10-01") as answer:
        assert answer.status == 200


async def test_a_region_that_is_down_answers_503_until_it_is_back(arm: Arm) -> None:
    client = await arm.flexible()
    await arm.world.take_region_down("East US 2")
    with pytest.raises(HttpResponseError) as raised:
        await client.servers.get("rg-orders", "orders")
    assert raised.value.status_code == 503
    assert (await client.servers.get("rg-billing", "billing")).name == "billing"
    assert [s.name async for s in client.servers.list_by_subscription()] == ["billing"]
    await arm.world.bring_region_up("eastus2")
    assert (await client.servers.get("rg-orders", "orders")).name == "orders"
    assert [(e.status, e.fault) for e in arm.world.ledger.entries(region="eastus2")] == [
        (503, "region_down"),
        (200, ""),
    ]


async def test_a_region_that_hangs_never_answers_but_is_in_the_ledger(arm: Arm) -> None:
    arm.world.faults.down_hangs = True
    await arm.world.take_region_down("eastus2")
    client = await arm.flexible(read_timeout=0.2)
    with pytest.raises((ServiceResponseTimeoutError, ServiceResponseError)):
        await client.servers.get("rg-orders", "orders")
    (entry,) = arm.world.ledger
    assert (entry.status, entry.fault, entry.region) == (0, "region_down", "eastus2")


async def test_a_restore_into_a_region_that_goes_down_waits_for_it(arm: Arm) -> None:
    client = await arm.flexible()
    poller = await client.servers.begin_create_or_update("rg-recovery", "copy", body(arm, "orders"))
    await arm.world.take_region_down("centralus")
    with pytest.raises(HttpResponseError) as raised:
        await client.servers.get("rg-recovery", "copy")
    assert raised.value.status_code == 503
    token = poller.continuation_token()
    await arm.world.bring_region_up("centralus")
    resumed = await client.servers.begin_create_or_update("x", "x", {}, continuation_token=token)
    assert (await resumed.result()).properties.state == "Ready"


async def test_a_lost_answer_is_a_write_that_was_carried_out(serve: Serve) -> None:
    """aiohttp sends a PUT again by itself, once, when the connection breaks; so two answers have to get lost."""
    arm = await serve(timing=SLOW)
    arm.world.faults.drop_answer("PUT", "*/flexibleServers/copy", count=2)
    client = await arm.flexible()
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        await client.servers.begin_create_or_update("rg-recovery", "copy", body(arm, "orders"))
    assert (await client.servers.get("rg-recovery", "copy")).properties.state == "Provisioning"
    first, second = arm.world.ledger.writes()
    assert (first.status, first.fault, first.detail) == (202, "drop_answer", "GeoRestore")
    assert (second.status, second.fault) == (409, "drop_answer")
    assert first.client_request_id == second.client_request_id


async def test_a_canned_answer_replaces_the_real_one_once(arm: Arm) -> None:
    error = {"error": {"code": "InternalServerError", "message": "Boom."}}
    arm.world.faults.answer("PUT", "*/copy", 500, error)
    client = await arm.flexible()
    with pytest.raises(HttpResponseError, match="Boom"):
        await client.servers.begin_create_or_update("rg-recovery", "copy", body(arm, "orders"))
    assert arm.world.server_named("copy") is None
    await (await client.servers.begin_create_or_update("rg-recovery", "copy", body(arm, "orders"))).result()
    assert [e.fault for e in arm.world.ledger.writes()] == ["answer", ""]


async def test_waiting_for_the_ledger_sees_what_comes_later(arm: Arm) -> None:
    client = await arm.flexible()
    waiting = asyncio.create_task(arm.world.ledger.wait_for(lambda e: e.method == "DELETE"))
    await client.servers.begin_delete("rg-orders", "reports")
    assert (await waiting).status == 202
    with pytest.raises(TimeoutError):
        await arm.world.ledger.wait_for(lambda e: e.method == "PATCH", timeout=0.01)


async def test_an_operation_under_way_ends_with_the_application(serve: Serve) -> None:
    arm = await serve(timing=SLOW)
    client = await arm.flexible()
    await client.servers.begin_update("rg-orders", "orders", models.ServerForPatch(tags={}))
    name = "UpdateServerManagementOperation orders"
    assert any(t.get_name() == name for t in asyncio.all_tasks())
    await arm.stack.aclose()
    assert not any(t.get_name() == name for t in asyncio.all_tasks())
