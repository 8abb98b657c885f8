"""The one way in: every request of Resource Manager passes here, whatever becomes of it, and is in the ledger after.

In order: route, caller, canned faults, rate limits, regions that are down, the handler, lost answers. Adds the headers
that every answer of Resource Manager carries. Knows no resource type.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

import structlog
from aiohttp import web

from responder.core import regions
from responder.simulator import faults, ledger
from responder.simulator import world as worlds
from responder.simulator.arm import calls, found, limits, operations, tokens

_log = structlog.get_logger(__name__)

_LOOK_FOR_HANGUP = 0.2
"""Seconds between looks whether a caller that is kept waiting has gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    """A request before anything was decided about it."""

    call: calls.Call
    handler: calls.Handler
    resource_id: str
    region: str


@dataclass(slots=True, kw_only=True)
class _Visit:
    """What becomes of a request, filled in as it is decided."""

    at: datetime
    principal: str = ""
    arrival: _Arrival | None = None
    reply: calls.Reply = field(default_factory=lambda: calls.Reply(status=500))
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""
    carried_out: bool = False
    """Whether the handler was reached."""
    hangs: bool = False


class Door:
    """Answers requests of one world from a table of routes."""

    def __init__(self, world: worlds.World, doings: operations.Operations, routes: Sequence[calls.Route]) -> None:
        self._world = world
        self._operations = doings
        self._routes = routes
        self._limits = limits.Limits(world)
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Let go of callers that are kept waiting."""
        self._closing.set()

    async def answer(self, request: web.Request) -> web.Response:
        """The aiohttp handler of every path that is nobody else's."""
        visit = _Visit(at=self._world.now())
        try:
            await self._visit(request, visit)
        except calls.Refused as refused:
            visit.reply, visit.fault = refused.reply, refused.fault
        except Exception:
            _log.exception("arm.broke", method=request.method, path=request.path)
            visit.reply = calls.Refused(500, "InternalServerError", "The simulator broke; see its log.").reply
        lost = visit.carried_out and self._world.faults.take_drop(request.method, request.path)
        if lost:
            visit.fault = "drop_answer"
        self._world.ledger.append(_entry(request, visit))
        if visit.hangs and visit.arrival is not None:
            await self._keep_waiting(request, visit.arrival.region)
        if lost and request.transport is not None:
            request.transport.abort()
        return _response(visit.reply, visit.headers, request)

    async def _visit(self, request: web.Request, visit: _Visit) -> None:
        """Fill in what becomes of a request. Raises `Refused`."""
        visit.principal = self._caller(request)
        visit.arrival = arrival = await self._arrive(request, visit.principal)
        canned = self._world.faults.take_answer(request.method, request.path)
        if canned is not None:
            visit.reply = calls.Reply(status=canned.status, body=canned.body, headers=canned.headers)
            visit.fault = "answer"
            return
        visit.headers = self._ration(arrival.call)
        if arrival.region and self._world.region_down(arrival.region) and self._world.faults.down_hangs:
            visit.reply, visit.fault, visit.hangs = _unavailable("it hung").reply, "region_down", True
            return
        await self._mind_regions(arrival)
        visit.carried_out = True
        visit.reply = await arrival.handler(arrival.call)

    def _caller(self, request: web.Request) -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise self._unauthorised(
                request, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
            )
        try:
            return tokens.principal_of(token.strip())
        except tokens.NotAToken as error:
            raise self._unauthorised(request, error.code, str(error)) from error

    def _unauthorised(self, request: web.Request, code: str, message: str) -> calls.Refused:
        authority = f"{request.scheme}://{request.host}/{self._world.estate.tenant}"
        challenge = f'Bearer authorization_uri="{authority}", error="invalid_token", error_description="{message}"'
        return calls.Refused(401, code, message, headers={"WWW-Authenticate": challenge})

    async def _arrive(self, request: web.Request, principal: str) -> _Arrival:
        route, params = self._route(request)
        if "api-version" not in request.query:
            raise calls.Refused(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        call = calls.Call(
            world=self._world,
            operations=self._operations,
            limits=self._limits,
            method=request.method,
            path=request.path,
            base=f"{request.scheme}://{request.host}",
            params=params,
            query=dict(request.query),
            headers=request.headers,
            body=await _json(request),
            principal=principal,
            kind=route.kind,
        )
        named = "server" in call.params or "zone" in call.params
        resource_id = request.path if named else ""
        return _Arrival(call=call, handler=route.handler, resource_id=resource_id, region=_region(call))

    def _route(self, request: web.Request) -> tuple[calls.Route, dict[str, str]]:
        """The operation that is asked for, and what its path names."""
        for route in self._routes:
            match = route.pattern.fullmatch(request.path)
            if match is not None and route.method == request.method:
                return route, match.groupdict()
        raise calls.Refused(
            404, "NotFound", f"The simulator has no operation {request.method} {request.path}; see its ARM routes."
        )

    def _ration(self, call: calls.Call) -> dict[str, str]:
        sort = limits.sort_of(call.method)
        subscription = call.params.get("subscription", "")
        pause = self._world.faults.take_throttle("read" if sort == "read" else "write")
        if pause is not None:
            raise limits.throttled(sort, subscription, call.principal, int(pause.total_seconds()))
        return self._limits.take(sort, subscription, call.principal) if subscription else {}

    async def _mind_regions(self, arrival: _Arrival) -> None:
        """A region that is down answers nothing; a group whose record is there takes no writes.

        https://learn.microsoft.com/azure/azure-resource-manager/management/overview#resource-group-location-alignment
        """
        world, call = self._world, arrival.call
        if arrival.region and world.region_down(arrival.region):
            await asyncio.sleep(world.faults.down_wait.total_seconds())
            raise _unavailable(f"region '{regions.display(arrival.region)}' does not answer")
        if limits.sort_of(call.method) == "read" or "group" not in call.params:
            return
        group = found.group_or_none(call)
        if group is not None and world.region_down(group.region):
            raise _unavailable(
                f"resource group '{group.name}' is located in '{regions.display(group.region)}', which does not "
                "answer; nothing in it can be written"
            )

    async def _keep_waiting(self, request: web.Request, region: str) -> None:
        back = asyncio.ensure_future(self._world.region_answers(region))
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            while request.transport is not None and not request.transport.is_closing():
                done, _ = await asyncio.wait(
                    (back, closing), timeout=_LOOK_FOR_HANGUP, return_when=asyncio.FIRST_COMPLETED
                )
                if done:
                    return
        finally:
            back.cancel()
            closing.cancel()


def _region(call: calls.Call) -> str:
    """The region that must answer: the server's, the one a new server is to lie in, or the one the path names."""
    server = found.server_or_none(call)
    if server is not None:
        return server.region
    if "server" in call.params:
        return regions.normalise(calls.text(call.body, "location"))
    return regions.normalise(call.params.get("location", ""))


def _entry(request: web.Request, visit: _Visit) -> ledger.Entry:
    return ledger.Entry(
        at=visit.at,
        method=request.method,
        path=request.path,
        resource_id=visit.arrival.resource_id if visit.arrival else "",
        region=visit.arrival.region if visit.arrival else "",
        status=0 if visit.hangs else visit.reply.status,
        client_request_id=request.headers.get("x-ms-client-request-id", ""),
        principal=visit.principal,
        detail=_detail(visit.arrival),
        fault=visit.fault,
    )


def _unavailable(why: str) -> calls.Refused:
    return calls.Refused(
        503, "ServiceUnavailable", f"The service is temporarily unavailable: {why}.", fault="region_down"
    )


async def _json(request: web.Request) -> calls.Body:
    raw = await request.read()
    if not raw:
        return {}
    try:
        value = json.loads(raw)
    except ValueError as error:
        raise calls.Refused(400, "InvalidRequestContent", f"The request content was not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise calls.Refused(400, "InvalidRequestContent", "The request content has to be a JSON object.")
    return value


def _detail(arrival: _Arrival | None) -> str:
    if arrival is None:
        return ""
    properties = arrival.call.properties()
    return calls.text(properties, "createMode") or calls.text(calls.child(properties, "replica"), "promoteOption")


def _response(reply: calls.Reply, extra: Mapping[str, str], request: web.Request) -> web.Response:
    correlation = str(uuid4())
    headers = {
        "Cache-Control": "no-cache",
        "Pragma": "no-cache",
        "Expires": "-1",
        "X-Content-Type-Options": "nosniff",
        "x-ms-request-id": str(uuid4()),
        "x-ms-correlation-request-id": correlation,
        "x-ms-routing-request-id": f"SIMULATOR:{correlation}",
        **extra,
    }
    if request.headers.get("x-ms-return-client-request-id", "").lower() == "true":
        headers["x-ms-client-request-id"] = request.headers.get("x-ms-client-request-id", "")
    body = faults.body_bytes(reply.body)
    if body:
        headers["Content-Type"] = "application/json; charset=utf-8"
    return web.Response(status=reply.status, body=body, headers={**headers, **reply.headers})
