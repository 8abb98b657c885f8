"""The webhooks: action groups and Event Grid. Stored as it came, acknowledged when stored, read by the assessment.

Action groups try again on 408, 429, 503 and 504 only, so a store that is down answers 503 and never 500; after some
failures they stop calling for a quarter of an hour. Event Grid takes 200 to 204 as delivered and gives up on 400 and
413 at once. Hence: 4xx only for what will never belong here, and whatever may be cured by waiting says so.
https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups#webhook
https://learn.microsoft.com/azure/event-grid/delivery-and-retry
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from responder import clock, settings
from responder.core import errors
from responder.flow import intake
from responder.store import intake as rows
from responder.web import bodies, callers, event_grid, rates

if TYPE_CHECKING:
    from responder.web import signing_keys

_log = structlog.get_logger(__name__)

_COMMIT = timedelta(seconds=8)
"""The longest a caller waits for the commit. Azure does not publish its patience; ours ends before a likely ten."""
_LATER = timedelta(seconds=5)


def mount(app: web.Application, config: settings.Web, door: intake.Intake) -> None:
    """Add the routes, and the task that keeps the signing keys fresh.

    Raises:
        InputError: a secret is missing.
    """
    keys: list[signing_keys.SigningKeys] = []
    hooks = _Webhooks(config, door, keys)
    app.router.add_post("/webhooks/azure-monitor", hooks.azure_monitor)
    app.router.add_post("/webhooks/event-grid", hooks.event_grid)
    app.router.add_options("/webhooks/event-grid", hooks.event_grid_asks)
    app.cleanup_ctx.append(lambda _: _kept_fresh(keys))


class _Webhooks:
    """The handlers: let in, read, store. In this order, so that nobody is listened to before it is known."""

    def __init__(self, config: settings.Web, door: intake.Intake, keys: list[signing_keys.SigningKeys]) -> None:
        limits = rates.Limits(config.webhook_rate, config.webhook_rate_per_remote)
        self._rate = config.webhook_rate_per_remote
        self._grid = config.event_grid
        self._at_monitor = _gate("web.azure_monitor", config, config.azure_monitor, limits, keys)
        self._at_grid = _gate("web.event_grid", config, config.event_grid, limits, keys)
        self._bodies = bodies.Bodies(config)
        self._door = door

    async def azure_monitor(self, request: web.Request) -> web.Response:
        """An action group calls."""
        await self._at_monitor.admit(request)
        with self._bodies.share() as share:
            return await _stored(self._door, "webhook", await share.read(request))

    async def event_grid(self, request: web.Request) -> web.Response:
        """Event Grid delivers, or asks with a code to echo."""
        await self._at_grid.admit(request)
        if not event_grid.subscription_allowed(request.headers, self._grid.subscriptions):
            raise web.HTTPUnauthorized(reason="This event subscription is not listed in web.event_grid.subscriptions.")
        name = request.headers.get("aeg-subscription-name")
        with self._bodies.share() as share:
            body = await share.read(request)
            code = event_grid.validation_code(request.headers, body)
            if code is not None:
                _log.info("event-grid.validated", subscription=name)
                return web.json_response({"validationResponse": code})
            if event_grid.is_deletion(request.headers):
                _log.warning("event-grid.unsubscribed", subscription=name)
            return await _stored(self._door, "event-grid", body)

    async def event_grid_asks(self, request: web.Request) -> web.Response:
        """Event Grid asks, by the rules of CloudEvents, whether it may deliver."""
        # Whether its token comes along with OPTIONS is not documented, and the answer gives nothing away but that
        # origins which are configured may call; so a missing token is no obstacle where tokens are the way.
        if self._grid.entra is not None and "Authorization" not in request.headers:
            self._at_grid.count_unproven(request)
        else:
            await self._at_grid.admit(request)
        try:
            return web.Response(headers=event_grid.permission(request.headers, self._grid.origins, self._rate))
        except errors.RefusedError as error:
            raise web.HTTPUnauthorized(reason=str(error)) from error


def _gate(
    place: str,
    config: settings.Web,
    endpoint: settings.AzureMonitor | settings.EventGrid,
    limits: rates.Limits,
    keys: list[signing_keys.SigningKeys],
) -> callers.Gate:
    """The ways of one endpoint: its own; else the secret of both; else this machine alone."""
    ways: list[callers.Way] = []
    if endpoint.secret is not None:
        ways.append(callers.Secret(endpoint.secret.reveal(), f"{place}.secret"))
    if endpoint.entra is not None:
        from responder.web import entra, signing_keys

        keys.append(signing_keys.SigningKeys(endpoint.entra))
        ways.append(entra.Token(endpoint.entra, keys[-1]))
    if not ways and config.webhook_secret is not None:
        ways.append(callers.Secret(config.webhook_secret.reveal(), "web.webhook_secret"))
    if not ways:
        origins = endpoint.origins if isinstance(endpoint, settings.EventGrid) else ()
        ways.append(callers.Loopback(origins))
    return callers.Gate(ways, limits)


async def _kept_fresh(keys: Sequence[signing_keys.SigningKeys]) -> AsyncIterator[None]:
    """From the start of the server to its end; aiohttp's `cleanup_ctx`."""
    tasks = [asyncio.create_task(one.look_after(), name="signing-keys-fresh") for one in keys]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _stored(door: intake.Intake, source: str, body: bytes) -> web.Response:
    """202 once it is durable, also when it is known already; 503 whenever it is not, for whatever reason."""
    key = hashlib.sha256(body).hexdigest()
    arrival = rows.Arrival(source=source, key=key, body=body, received_at=clock.now())
    try:
        async with asyncio.timeout(_COMMIT.total_seconds()):
            await door.accept([arrival])
    except Exception as error:
        why = str(error) if isinstance(error, errors.ResponderError) else type(error).__name__
        _log.error("webhook.not-stored", error=why)
        raise web.HTTPServiceUnavailable(reason="Not stored, try again.", headers=callers.come_back(_LATER)) from error
    return web.Response(status=202, body=b'{"stored": true}', content_type="application/json")
