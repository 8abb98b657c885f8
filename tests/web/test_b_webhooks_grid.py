"""Event Grid's two handshakes and its deliveries: echoed for whom we want, and nothing that came in is ever fetched."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.web import b_webhooks as b

CODE = "0b7a4f6e-4a3d-4a0e-9d0c-1f5e6a7b8c9d"


def validation(code: Any = CODE, url: str = "https://rp-eastus2.eventgrid.example:553/validate", **changes: Any) -> Any:
    event = {
        "id": "2d1781af",
        "topic": f"/subscriptions/{b.STRANGER}",
        "subject": "",
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": "2026-03-01T12:00:00Z",
        "dataVersion": "2",
        "data": {"validationCode": code, "validationUrl": url},
    }
    return event | changes


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[b.Daemon]:
    async with b.daemon(tmp_path) as made:
        yield made


async def test_the_code_is_echoed_alone_and_nothing_is_stored(daemon: b.Daemon) -> None:
    for headers in ({"aeg-event-type": "SubscriptionValidation"}, {}):
        status, body, _ = await daemon.post(b.GRID, json.dumps([validation()]), headers=headers)
        assert (status, body) == (200, {"validationResponse": CODE})
    assert await daemon.stored() == []


async def test_an_address_that_comes_in_a_handshake_is_never_fetched(daemon: b.Daemon) -> None:
    heard: list[str] = []

    async def trap(request: web.BaseRequest) -> web.Response:
        heard.append(request.path)
        return web.Response()

    listener = web.ServerRunner(web.Server(trap))
    await listener.setup()
    await web.TCPSite(listener, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{listener.addresses[0][1]}/trap"
    try:
        await daemon.post(
            b.GRID, json.dumps([validation(url=url)]), headers={"aeg-event-type": "SubscriptionValidation"}
        )
        asked = {"WebHook-Request-Origin": "eventgrid.azure.net", "WebHook-Request-Callback": url}
        await daemon.call("OPTIONS", b.GRID, headers=asked)
        await daemon.post(b.GRID, json.dumps({"specversion": "1.0", "type": "x", "dataschema": url, "data": url}))
    finally:
        await listener.cleanup()
    assert heard == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"[" * 50_000, id="nested without end"),
        pytest.param(json.dumps(validation()).encode(), id="not in an array"),
        pytest.param(json.dumps([validation(), validation()]).encode(), id="twice"),
        pytest.param(json.dumps([validation(eventType="Other")]).encode(), id="of another type"),
        pytest.param(json.dumps([validation(code=["a"])]).encode(), id="whose code is a list"),
        pytest.param(json.dumps([validation(code="<script>")]).encode(), id="whose code is a script"),
        pytest.param(json.dumps([validation(code="a" * 300)]).encode(), id="whose code is long"),
        pytest.param(json.dumps([validation(data="x")]).encode(), id="without data"),
        pytest.param(json.dumps([validation(code="x" * 70_000)]).encode(), id="huge"),
    ],
)
async def test_a_handshake_that_is_none_is_refused(daemon: b.Daemon, body: bytes) -> None:
    status, answer, _ = await daemon.post(b.GRID, body, headers={"aeg-event-type": "SubscriptionValidation"})
    assert status == 400
    assert answer["error"] == "event-grid.handshake"


async def test_a_validation_event_among_others_is_a_delivery(daemon: b.Daemon) -> None:
    body = json.dumps([validation(), validation()]).encode()
    assert await daemon.status(b.GRID, data=body) == 202
    assert await daemon.stored() == [body]


async def test_deliveries_of_both_schemas_are_stored(daemon: b.Daemon) -> None:
    own = json.dumps([{"eventType": "x", "eventTime": "2026-03-01T12:00:00Z", "subject": "s", "data": {}}]).encode()
    cloud = json.dumps({"specversion": "1.0", "type": "x", "source": "s", "id": "1"}).encode()
    kind = {"Content-Type": "application/cloudevents+json; charset=utf-8", "Origin": "eventgrid.azure.net"}
    assert await daemon.status(b.GRID, data=own, headers={"aeg-event-type": "Notification"}) == 202
    assert await daemon.status(b.GRID, data=cloud, headers=kind) == 202
    assert await daemon.status(b.GRID, data=cloud, headers=kind) == 202
    assert await daemon.stored() == [own, cloud]


async def test_the_end_of_an_event_subscription_is_taken_and_kept(daemon: b.Daemon) -> None:
    body = json.dumps([validation(eventType="Microsoft.EventGrid.SubscriptionDeletedEvent", data={})]).encode()
    assert await daemon.status(b.GRID, data=body, headers={"aeg-event-type": "SubscriptionDeletion"}) == 202
    assert await daemon.stored() == [body]


async def test_cloud_events_ask_first_and_are_told_who_may_and_how_often(daemon: b.Daemon) -> None:
    asked = {"WebHook-Request-Origin": "EventGrid.azure.net", "WebHook-Request-Rate": "120"}
    status, _, headers = await daemon.call("OPTIONS", b.GRID, headers=asked)
    assert status == 200
    assert headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
    assert int(headers["WebHook-Allowed-Rate"]) >= 120


@pytest.mark.parametrize(("origin", "status"), [("evil.example", 401), ("*", 401), ("", 400), (None, 400)])
async def test_other_origins_get_no_permission(daemon: b.Daemon, origin: str | None, status: int) -> None:
    asked = {} if origin is None else {"WebHook-Request-Origin": origin}
    answered, _, headers = await daemon.call("OPTIONS", b.GRID, headers=asked)
    assert answered == status
    assert not [name for name in headers if name.lower().startswith("webhook-")]


async def test_only_listed_event_subscriptions_may_shake_hands_or_deliver(tmp_path: Path) -> None:
    async with b.daemon(tmp_path, event_grid={"subscriptions": ["health-to-responder"]}) as daemon:
        shake = {"aeg-event-type": "SubscriptionValidation"}
        body = json.dumps([validation()])
        for name, status in (("HEALTH-TO-RESPONDER", 200), ("other", 401), ("", 401)):
            headers = shake | ({"aeg-subscription-name": name} if name else {})
            assert await daemon.status(b.GRID, data=body, headers=headers) == status
        assert await daemon.status(b.GRID, headers={"aeg-subscription-name": "other"}) == 401
        assert await daemon.stored() == []


async def test_a_handshake_needs_the_secret_like_a_delivery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", b.SECRET)
    async with b.daemon(tmp_path, event_grid={"secret": {"env": "HOOK"}}) as daemon:
        asked = {"WebHook-Request-Origin": "eventgrid.azure.net"}
        for query, options, post in (("", 401, 401), ("?code=wrong", 401, 401), (f"?code={b.SECRET}", 200, 200)):
            assert (await daemon.call("OPTIONS", b.GRID + query, headers=asked))[0] == options
            assert await daemon.status(b.GRID + query, data=json.dumps([validation()])) == post


async def test_behind_entra_the_question_may_come_without_a_token_and_a_code_may_not(tmp_path: Path) -> None:
    async with b.tenant() as tenant, b.daemon(tmp_path, event_grid={"entra": b.entra(tenant)}) as daemon:
        asked = {"WebHook-Request-Origin": "eventgrid.azure.net"}
        good = b.token(b.claims(azp=b.EVENT_GRID, roles=["AzureEventGridSecureWebhookSubscriber"]))
        assert (await daemon.call("OPTIONS", b.GRID, headers=asked))[0] == 200
        assert (await daemon.call("OPTIONS", b.GRID, headers=asked | {"Authorization": "Bearer x"}))[0] == 401
        assert await daemon.status(b.GRID, data=json.dumps([validation()])) == 401
        assert await daemon.status(b.GRID, data=json.dumps([validation()]), bearer=good) == 200
