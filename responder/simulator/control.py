"""The control endpoint: what is going on in the simulated cloud, and the levers that change it, as JSON under /sim.

Not part of Azure: no token, no ledger. Errors are `{"error": text}` with 400, 404 or 409.

GET  /sim/state                       regions, servers, hubs, faults, deliveries, scenario
GET  /sim/ledger                      requests of Resource Manager; ?method= ?region= ?since=2026-01-01T00:00:00Z
POST /sim/regions/{region}/down       and /up; returns when the change is complete
POST /sim/bulletins                   {"bulletin": {...}, "channels": [...], "times": 1}, as in a scenario file
POST /sim/faults/{kind}               the arguments as a JSON object; kinds are those of `switches`
GET  /sim/inbox                       what was posted to the same address
GET  /sim/scenario                    where the performance is; POST /sim/scenario/start begins it
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import pydantic
from aiohttp import web

from responder.core import regions
from responder.simulator import cloud, descriptions, inbox, player, publisher, scenarios, switches
from responder.simulator import world as worlds

_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]


class _Publication(pydantic.BaseModel):
    """The body of a published bulletin."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    bulletin: scenarios.Bulletin
    channels: Annotated[tuple[scenarios.Channel, ...], pydantic.Field(min_length=1)]
    times: int = pydantic.Field(default=1, ge=1, le=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The handlers, over the parts of one simulated cloud."""

    world: worlds.World
    cloud: cloud.Cloud
    publisher: publisher.Publisher
    player: player.Player
    inbox: inbox.Inbox

    def routes(self) -> list[web.RouteDef]:
        """To be added to the application before it starts."""
        return [
            web.get("/sim/state", _plainly(self.state)),
            web.get("/sim/ledger", _plainly(self.ledger)),
            web.post("/sim/regions/{region}/down", _plainly(self.region_down)),
            web.post("/sim/regions/{region}/up", _plainly(self.region_up)),
            web.post("/sim/bulletins", _plainly(self.publish)),
            web.post("/sim/faults/{kind}", _plainly(self.arm)),
            web.get("/sim/inbox", _plainly(self.read_inbox)),
            web.post("/sim/inbox", _plainly(self.post_to_inbox)),
            web.get("/sim/scenario", _plainly(self.scenario)),
            web.post("/sim/scenario/start", _plainly(self.start_scenario)),
        ]

    async def state(self, _: web.Request) -> web.Response:
        world = self.world
        return web.json_response(
            {
                "now": world.now().isoformat(),
                "regions_down": list(world.regions_down),
                "servers": [
                    {
                        "id": server.id,
                        "fqdn": server.fqdn,
                        "region": server.region,
                        "state": server.state,
                        "address": server.address,
                    }
                    for server in world.servers.values()
                ],
                "hubs": [hub.name for hub in world.estate.hubs],
                "webhooks": self.publisher.webhooks,
                "faults": world.faults.jsonable(),
                "deliveries": [delivery.jsonable() for delivery in self.publisher.deliveries],
                "scenario": self.player.jsonable(),
            }
        )

    async def ledger(self, request: web.Request) -> web.Response:
        since = request.query.get("since")
        found = self.world.ledger.entries(
            method=request.query.get("method", ""),
            region=regions.normalise(request.query.get("region", "")),
            since=_aware(since) if since else None,
        )
        return web.json_response({"entries": [entry.jsonable() for entry in found]})

    async def region_down(self, request: web.Request) -> web.Response:
        await self.cloud.take_region_down(_region(request))
        return web.json_response({"regions_down": list(self.world.regions_down)})

    async def region_up(self, request: web.Request) -> web.Response:
        await self.cloud.bring_region_up(_region(request))
        return web.json_response({"regions_down": list(self.world.regions_down)})

    async def publish(self, request: web.Request) -> web.Response:
        """202: webhooks are tried in the background; their outcome is in /sim/state."""
        wanted = _Publication.model_validate(await _object(request))
        made = self.cloud.publish(wanted.bulletin, wanted.channels, times=wanted.times)
        return web.json_response({"deliveries": [delivery.jsonable() for delivery in made]}, status=202)

    async def arm(self, request: web.Request) -> web.Response:
        await self.cloud.arm(request.match_info["kind"], await _object(request))
        return web.json_response({"faults": self.world.faults.jsonable()})

    async def read_inbox(self, _: web.Request) -> web.Response:
        return web.json_response({"letters": [letter.jsonable() for letter in self.inbox.letters]})

    async def post_to_inbox(self, request: web.Request) -> web.Response:
        text = await request.text()
        try:
            body: object = json.loads(text)
        except ValueError:
            body = text
        self.inbox.append(inbox.Letter(at=self.world.now(), content_type=request.content_type, body=body))
        return web.json_response({"letters": len(self.inbox.letters)}, status=202)

    async def scenario(self, _: web.Request) -> web.Response:
        return web.json_response(self.player.jsonable())

    async def start_scenario(self, _: web.Request) -> web.Response:
        self.player.start()
        return web.json_response(self.player.jsonable(), status=202)


def _plainly(handler: _Handler) -> _Handler:
    """The handler with our errors as JSON that says what to do."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except pydantic.ValidationError as error:
            return web.json_response({"error": "\n".join(descriptions.complaints("body", error))}, status=400)
        except player.NotPlayable as error:
            return web.json_response({"error": str(error)}, status=409)
        except (switches.UnknownFault, _UnknownRegion) as error:
            return web.json_response({"error": str(error)}, status=404)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)

    return answer


class _UnknownRegion(LookupError):
    """No region has that name."""


def _region(request: web.Request) -> str:
    name = request.match_info["region"]
    region = regions.find(name)
    if region is None:
        raise _UnknownRegion(f"'{name}' is not an Azure region; write a programmatic name such as 'eastus2'")
    return region.name


def _aware(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"since: '{text}' has no zone; write it as {text}Z")
    return moment


async def _object(request: web.Request) -> dict[str, Any]:
    text = await request.text()
    value = json.loads(text) if text.strip() else {}
    if not isinstance(value, dict):
        raise ValueError("the body has to be a JSON object")
    return value
