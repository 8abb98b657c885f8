"""The API under `/api/v1`: what the command line needs of a running daemon. A bearer token, or nothing is answered."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from responder import clock
from responder.core import durations, errors, outages, runs
from responder.flow import requests, views
from responder.web import desk

Handler = Callable[[web.Request], Awaitable[views.Json]]


class Api:
    """The handlers; each reads rows or leaves a word, none acts."""

    def __init__(self, behind: desk.Desk) -> None:
        self._desk = behind
        self._store = behind.store
        token = behind.config.web.token
        self._token = token.reveal() if token else None

    def mount(self, app: web.Application) -> None:
        """Add every route."""
        app.router.add_get("/api/v1/incidents", self._guarded(self.incidents))
        app.router.add_get("/api/v1/incidents/{id:.+}", self._guarded(self.incident))
        app.router.add_get("/api/v1/inventory", self._guarded(self.inventory))
        app.router.add_get("/api/v1/runs", self._guarded(self.runs))
        app.router.add_post("/api/v1/runs", self._guarded(self.submit))
        app.router.add_post("/api/v1/runs/{id:.+}/signals", self._guarded(self.signal))
        app.router.add_get("/api/v1/runs/{id:.+}", self._guarded(self.run))

    def _guarded(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def guarded(request: web.Request) -> web.Response:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if self._token is None or not hmac.compare_digest(given.encode(), self._token.encode()):
                raise web.HTTPUnauthorized(reason="The bearer token is missing or wrong (settings: web.token).")
            return web.json_response(await handler(request))

        return guarded

    async def incidents(self, _: web.Request) -> views.Json:
        """Every outage known."""
        return await views.incidents(self._store)

    async def incident(self, request: web.Request) -> views.Json:
        """One outage with its servers."""
        outage = await self._store.outages.get(outages.OutageId(request.match_info["id"]))
        if outage is None:
            raise web.HTTPNotFound(reason="There is no such incident.")
        return await views.incident(self._store, outage)

    async def inventory(self, _: web.Request) -> views.Json:
        """The estate."""
        return await views.inventory(self._store, self._desk.config.tolerance())

    async def runs(self, _: web.Request) -> views.Json:
        """The newest runs."""
        return {"runs": [views.of_run(run) for run in await self._store.runs.list(limit=200)]}

    async def run(self, request: web.Request) -> views.Json:
        """One run with its steps."""
        run = await self._store.runs.get(runs.RunId(request.match_info["id"]))
        if run is None:
            raise web.HTTPNotFound(reason="There is no such run.")
        return views.of_run(run, await self._store.runs.steps(run.id))

    async def submit(self, request: web.Request) -> views.Json:
        """Start a playbook by hand: `{"playbook", "server", "by", "params"}`."""
        body = await _object(request)
        asked = requests.RunRequest(
            playbook=str(body.get("playbook", "")),
            server=str(body.get("server", "")),
            by=str(body.get("by") or "api"),
            params=body.get("params") or {},
        )
        run = await requests.planned(self._store, self._desk.playbooks, asked, clock.now())
        await requests.submit(self._store, run)
        self._desk.act.ring()
        return views.of_run(run)

    async def signal(self, request: web.Request) -> views.Json:
        """Leave a word: `{"topic": approve|decline|cancel, "by", "reason", "accept_loss"}`."""
        body = await _object(request)
        try:
            topic = runs.Topic(str(body.get("topic", "")))
        except ValueError as error:
            raise errors.InputError(
                "signal.unknown", "There is no such topic.", remedy="Use approve, decline or cancel."
            ) from error
        loss = body.get("accept_loss")
        run = await requests.say(
            self._store,
            request.match_info["id"],
            topic,
            by=str(body.get("by") or "api"),
            now=clock.now(),
            reason=str(body.get("reason") or ""),
            accept_loss=durations.parse(str(loss), place="accept_loss") if loss else None,
        )
        self._desk.act.ring()
        self._desk.assess.ring()
        return views.of_run(run)


def mount(app: web.Application, behind: desk.Desk) -> None:
    """Add the API to the application."""
    Api(behind).mount(app)


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError as error:
        raise errors.InputError("api.not-json", "The body is not JSON.", remedy="Send one JSON object.") from error
    if not isinstance(body, dict):
        raise errors.InputError("api.not-an-object", "The body is no object.", remedy="Send one JSON object.")
    return body
