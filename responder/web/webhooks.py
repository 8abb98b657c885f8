"""Azure Monitor's webhook. Stored as it came, acknowledged when stored, read by the assessment.

Action groups try again on 408, 429, 503 and 504 only, so a store that is down answers 503 and never 500; after some
failures they stop calling for a quarter of an hour.
https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups#webhook
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress

import structlog
from aiohttp import web

from responder import clock, settings
from responder.core import errors
from responder.flow import intake
from responder.store import intake as rows

_log = structlog.get_logger(__name__)


def mount(app: web.Application, config: settings.Web, door: intake.Intake) -> None:
    """Add `POST /webhooks/azure-monitor`."""
    secret = config.webhook_secret.reveal() if config.webhook_secret else None

    async def azure_monitor(request: web.Request) -> web.Response:
        _admit(request, secret)
        body = await request.read()
        if not body.strip():
            raise web.HTTPBadRequest(reason="The body is empty.")
        arrival = rows.Arrival(
            source="webhook", key=hashlib.sha256(body).hexdigest(), body=body, received_at=clock.now()
        )
        try:
            await door.accept([arrival])
        except errors.StoreError as error:
            _log.error("webhook.not-stored", error=str(error))
            raise web.HTTPServiceUnavailable(reason="Not stored, try again.") from error
        return web.json_response({"stored": True}, status=202)

    app.router.add_post("/webhooks/azure-monitor", azure_monitor)


def _admit(request: web.Request, secret: str | None) -> None:
    """A shared secret in the URL, compared in constant time; without one, only loopback may call."""
    if secret is not None:
        given = request.query.get("code", "")
        if not hmac.compare_digest(given.encode(), secret.encode()):
            raise web.HTTPUnauthorized(reason="The code in the URL is missing or wrong.")
        return
    try:
        local = ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        local = False
    if not local:
        raise web.HTTPUnauthorized(reason="Without web.webhook_secret only loopback may call.")
