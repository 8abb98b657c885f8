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


async def test_events_come_as_azure_sent_them(cloud: Any) -> None:
    """Each event is its own JSON, unread."""
    event = {"name": "BC_1", "properties": {"lastUpdateTime": "2026-03-02T00:00:00Z", "title": "Ü"}}
    cloud.world.events.append(event)

    found = await health.list_events(await cloud.clients(), cloud.subscription, SINCE)

    assert [json.loads(e) for e in found] == [event]


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
        found = await health.list_events(to, "s", SINCE)

    assert [json.loads(e)["name"] for e in found] == ["a", "b"]
    assert queries[0] == {"api-version": "2025-05-01", "queryStartTime": "03/01/2026"}


async def test_a_page_elsewhere_is_not_fetched(stub: Any) -> None:
    """Our token stays with Resource Manager."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"value": [], "nextLink": "https://example.org/next"})

    served = await stub(answer)
    async with clients.open_clients(served.endpoints) as to:
        with pytest.raises(errors.AzureError) as caught:
            await health.list_events(to, "s", SINCE)

    assert caught.value.code == "UnexpectedPage"
    assert len(served.asked) == 1


async def test_a_refusal_is_an_error(stub: Any) -> None:
    """A part of the answer is never taken for the whole."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"error": {"code": "AuthorizationFailed", "message": "no"}}, status=403)

    served = await stub(answer)
    async with clients.open_clients(served.endpoints) as to:
        with pytest.raises(errors.AzureError) as caught:
            await health.list_events(to, "s", SINCE)

    assert (caught.value.code, caught.value.status, caught.value.retryable) == ("AuthorizationFailed", 403, False)
