"""Rules of fetching health events from Resource Health."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from responder.azure import clients, health
from responder.core import errors

SINCE = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def heard(to: clients.Clients, subscription: str = "s") -> tuple[list[bytes], errors.AzureError | None]:
    """Every event up to the end or up to an error."""
    found: list[bytes] = []
    try:
        async for page in health.event_pages(to, subscription, SINCE):
            found += page
    except errors.AzureError as error:
        return found, error
    return found, None


def names(events: list[bytes]) -> list[str]:
    return [json.loads(event)["name"] for event in events]


async def test_an_event_comes_as_azure_sent_it_with_the_subscription_that_was_asked(cloud: Any) -> None:
    event = {"name": "BC_1", "properties": {"lastUpdateTime": "2026-03-02T00:00:00Z", "title": "Ü"}}
    cloud.world.events.append(event)

    found, error = await heard(await cloud.clients(), cloud.subscription)

    assert error is None
    assert [json.loads(e) for e in found] == [{**event, "subscriptionId": cloud.subscription}]


async def test_the_events_of_another_subscription_are_not_told(cloud: Any) -> None:
    for name, subscription in (("OWN", cloud.subscription.upper()), ("OTHER", "7d0c9d0e-0000-0000-0000-000000000000")):
        regions = [{"impactedRegion": "East US 2", "impactedSubscriptions": [subscription]}]
        impact = [{"impactedService": "Storage", "impactedRegions": regions}]
        cloud.world.events.append({"name": name, "properties": {"impact": impact}})

    found, _ = await heard(await cloud.clients(), cloud.subscription)

    assert names(found) == ["OWN"]


async def test_pages_of_events_are_followed(stub: Any) -> None:
    """`nextLink` is followed to the end, and the first page asks by day."""
    queries = []

    async def answer(request: web.Request) -> web.Response:
        queries.append(dict(request.query))
        if "page" in request.query:
            return web.json_response({"value": [{"name": "b"}]})
        return web.json_response({"value": [{"name": "a"}], "nextLink": f"{request.url.origin()}/next?page=2"})

    served = await stub(answer)
    async with clients.open_clients(served.endpoints) as to:
        found, error = await heard(to)

    assert (names(found), error) == (["a", "b"], None)
    assert queries[0] == {"api-version": "2025-05-01", "queryStartTime": "03/01/2026"}


@pytest.mark.parametrize("link", ["https://example.org/next", "http://[", "/relative", "ITSELF", 7])
async def test_a_link_that_leads_elsewhere_or_round_is_not_followed(stub: Any, link: object) -> None:
    """Our token stays with Resource Manager, and what the page held is heard all the same."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"value": [{"name": "a"}], "nextLink": str(request.url) if link == "ITSELF" else link})

    served = await stub(answer)
    async with clients.open_clients(served.endpoints) as to:
        found, error = await heard(to)

    assert error is not None
    assert (names(found), error.code) == (["a"], "UnexpectedPage")
    assert len(served.asked) == 1


async def test_a_refusal_is_an_error(stub: Any) -> None:
    """A part of the answer is never taken for the whole."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"error": {"code": "AuthorizationFailed", "message": "no"}}, status=403)

    served = await stub(answer)
    async with clients.open_clients(served.endpoints) as to:
        _, error = await heard(to)

    assert error is not None
    assert (error.code, error.status, error.retryable) == ("AuthorizationFailed", 403, False)


async def test_a_failing_page_does_not_cost_those_before_it(stub: Any) -> None:
    async def answer(request: web.Request) -> web.Response:
        if "page" in request.query:
            raise web.HTTPTooManyRequests(headers={"Retry-After": "37"})
        return web.json_response({"value": [{"name": "a"}], "nextLink": f"{request.url.origin()}/next?page=2"})

    served = await stub(answer)
    async with clients.open_clients(served.endpoints) as to:
        found, error = await heard(to)

    assert names(found) == ["a"]
    assert error is not None
    assert error.retry_after is not None
    assert (error.status, error.retry_after.total_seconds()) == (429, 37)
    assert len(served.asked) == 2, "so long a wait is not slept through, and not ignored"


@pytest.mark.parametrize(
    "body", [b'{"value": [{"name": "a"}, {"name": \xff oops}]}', b"<html>", b"[]", b'{"value": 7}', b"[" * 100_000]
)
async def test_a_page_that_is_none_comes_as_it_came_and_is_an_error(stub: Any, body: bytes) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    served = await stub(answer)
    async with clients.open_clients(served.endpoints) as to:
        found, error = await heard(to)

    assert found == [body]
    assert error is not None
    assert error.code == "UnexpectedPage"


async def test_an_answer_that_breaks_off_is_an_error_of_ours(stub: Any) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        part = web.StreamResponse(headers={"Content-Length": "1000"})
        await part.prepare(request)
        await part.write(b'{"value": [')
        assert request.transport is not None
        request.transport.close()
        return part

    served = await stub(answer)
    async with clients.open_clients(served.endpoints) as to:
        found, error = await heard(to)

    assert found == []
    assert error is not None
    assert error.retryable
