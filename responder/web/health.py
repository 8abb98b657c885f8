"""Is the daemon alive, and does it hear? `/healthz` and `/readyz`. No token needed, nothing secret told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from responder.flow import views
from responder.store import sqlite
from responder.web import desk


def mount(app: web.Application, store: sqlite.Store, sources: Sequence[desk.Source]) -> None:
    """Add both."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(_: web.Request) -> web.Response:
        """503 until the inventory is known and every hub was reached once."""
        servers = len(await store.estate.servers())
        hubs = [_source(source) for source in sources]
        ready = servers > 0 and all(hub["reached_at"] for hub in hubs)
        body = {"ready": ready, "servers": servers, "hubs": hubs, "intake": await store.intake.counts()}
        return web.json_response(body, status=200 if ready else 503)

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)


def _source(source: desk.Source) -> dict[str, Any]:
    return {
        "hub": source.name,
        "reached_at": views.time(source.last_ok_at),
        "last_event_at": views.time(source.last_event_at),
        "error": source.last_error,
    }
