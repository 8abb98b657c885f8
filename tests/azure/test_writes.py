"""A write is sent once, and its error tells a refusal from a fate that nobody knows."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from responder.azure import clients, control_plane
from responder.core import errors, regions, restores, servers

REQUEST = restores.RestoreRequest(
    source=servers.Server(
        id=servers.ServerId("/subscriptions/s/resourcegroups/g/providers/microsoft.dbforpostgresql/flexibleservers/a"),
        name="a",
        family=servers.Family.FLEXIBLE,
        subscription_id="s",
        resource_group="g",
        region=regions.RegionName("eastus2"),
        tier="GeneralPurpose",
    ),
    target_id=servers.ServerId(
        "/subscriptions/s/resourcegroups/t/providers/microsoft.dbforpostgresql/flexibleservers/a-geo"
    ),
    target_region=regions.RegionName("centralus"),
)
SINGLE = restores.RestoreRequest(
    source=REQUEST.source,
    target_id=servers.ServerId("/subscriptions/s/resourcegroups/t/providers/microsoft.dbforpostgresql/servers/a-geo"),
    target_region=regions.RegionName("centralus"),
)
REQUESTS = [pytest.param(REQUEST, id="flexible"), pytest.param(SINGLE, id="single")]


async def refusal(where: Any, request: restores.RestoreRequest) -> errors.AzureError:
    async with clients.open_clients(where) as to:
        with pytest.raises(errors.AzureError) as caught:
            await control_plane.ControlPlane(to).restore(request)
    return caught.value


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize(
    ("status", "azure_code", "after", "code", "retryable"),
    [
        (500, "InternalServerError", None, "Ambiguous", False),
        (503, "ServiceUnavailable", "1", "Ambiguous", False),
        (504, "GatewayTimeout", None, "Ambiguous", False),
        (409, "ServerIsBusy", "1", "ServerIsBusy", True),
        (409, "ServerNameAlreadyExists", "1", "ServerNameAlreadyExists", False),
        (409, "MissingSubscriptionRegistration", None, "MissingSubscriptionRegistration", False),
        (400, "InvalidParameterValue", "1", "InvalidParameterValue", False),
        (403, "AuthorizationFailed", None, "AuthorizationFailed", False),
        (429, "SubscriptionRequestsThrottled", "1", "SubscriptionRequestsThrottled", True),
        (307, "Elsewhere", None, "Elsewhere", False),
    ],
)
async def test_a_write_is_sent_once_whatever_the_answer(
    stub: Any,
    request_: restores.RestoreRequest,
    status: int,
    azure_code: str,
    after: str | None,
    code: str,
    retryable: bool,
) -> None:
    """The SDK would send most of these again; Azure may have carried the first one out."""

    async def answer(_: web.Request) -> web.Response:
        headers = {"Retry-After": after} if after else {}
        headers |= {"Location": "https://127.0.0.1/x"} if status == 307 else {}
        body = {"error": {"code": azure_code, "message": "as it is"}}
        return web.json_response(body, status=status, headers=headers)

    served = await stub(answer)

    error = await refusal(served.endpoints, request_)

    assert len(served.asked) == 1
    assert (error.code, error.status, error.retryable) == (code, status, retryable)
    assert error.retry_after == (timedelta(seconds=int(after)) if after else None)
    assert azure_code in f"{error.code} {error.message}"


@pytest.mark.parametrize("request_", REQUESTS)
async def test_a_write_that_is_not_answered_in_time_is_ambiguous(stub: Any, request_: restores.RestoreRequest) -> None:
    """A time-out is no refusal."""
    never = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    served = await stub(answer)

    error = await refusal(served.endpoints, request_)

    assert len(served.asked) == 1
    assert (error.code, error.status, error.retryable) == ("Ambiguous", None, False)


@pytest.mark.parametrize("request_", REQUESTS)
async def test_a_write_whose_connection_breaks_is_ambiguous_and_not_sent_again(
    stub: Any, request_: restores.RestoreRequest
) -> None:
    """Not even by aiohttp, which sends a PUT again by itself, below everything the SDK knows of."""

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    served = await stub(answer)

    error = await refusal(served.endpoints, request_)

    assert len(served.asked) == 1
    assert (error.code, error.status, error.retryable) == ("Ambiguous", None, False)


async def test_a_write_on_a_connection_used_before_is_not_sent_again(cloud: Any) -> None:
    """A kept connection that breaks under a write is the usual case of it."""
    plane, request = await cloud.control_plane(), cloud.request()
    assert await plane.find(request.target_id) is None
    cloud.world.faults.drop_answer("PUT", "*", count=2)

    with pytest.raises(errors.AzureError) as caught:
        await plane.restore(request)

    assert caught.value.code == "Ambiguous"
    assert len(cloud.world.ledger.writes()) == 1
    assert await plane.find(request.target_id) is not None


async def test_a_write_without_a_connection_was_not_sent(stub: Any) -> None:
    """Nobody listens: trying again is safe, and the error says so."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    served = await stub(answer)
    import dataclasses

    async with clients.open_clients(dataclasses.replace(served.endpoints, resource_manager="http://127.0.0.1:1")) as to:
        with pytest.raises(errors.AzureError) as caught:
            await control_plane.ControlPlane(to).restore(REQUEST)

    assert (caught.value.code, caught.value.status, caught.value.retryable) == ("Unreachable", None, True)


async def test_a_write_without_a_token_was_not_sent(stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When no token can be had, Resource Manager is not asked at all."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"error": "no"}, status=400)

    served = await stub(answer)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{served.endpoints.resource_manager}/elsewhere")

    error = await refusal(served.endpoints, REQUEST)

    assert (error.code, error.retryable) == ("NoToken", True)
    assert not [asked for asked in served.asked if asked.startswith("PUT")]


async def test_our_token_goes_to_no_other_host(stub: Any) -> None:
    """An operation that leads elsewhere is lost, and elsewhere hears nothing from us."""
    heard = []

    async def elsewhere(request: web.Request) -> web.Response:
        heard.append(request.headers.get("Authorization"))
        return web.Response()

    other = await stub(elsewhere)
    port = other.endpoints.resource_manager.rsplit(":", 1)[1]

    async def answer(_: web.Request) -> web.Response:
        headers = {"Azure-AsyncOperation": f"http://localhost:{port}/operation"}
        return web.json_response({}, status=202, headers=headers)

    served = await stub(answer)
    async with clients.open_clients(served.endpoints) as to:
        plane = control_plane.ControlPlane(to)
        progress = await plane.poll_restore(REQUEST, await plane.restore(REQUEST))

    assert isinstance(progress, restores.Lost)
    assert heard == []
