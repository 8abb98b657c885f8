"""Azure Resource Manager on loopback: both PostgreSQL providers, Resource Graph, health events, DNS zones, tokens.

Speaks what the SDKs and `az` speak. Follows the live service where the specification differs from it.
"""

from __future__ import annotations

from aiohttp import web

from responder.simulator import world as worlds
from responder.simulator.arm import (
    capabilities,
    children,
    dns,
    door,
    graph,
    health,
    operations,
    replicas,
    servers,
    subscriptions,
    tokens,
)

__all__ = ["IDENTITY_HEADER", "build_app"]

IDENTITY_HEADER = tokens.IDENTITY_HEADER

ROUTES = (
    *subscriptions.ROUTES,
    *operations.ROUTES,
    *graph.ROUTES,
    *health.ROUTES,
    *dns.ROUTES,
    *capabilities.ROUTES,
    *replicas.ROUTES,
    *children.ROUTES,
    *servers.ROUTES,
)


def build_app(world: worlds.World) -> web.Application:
    """The application; serve it over HTTP and TLS as one runner with two sites.

    It answers every path that has no route of its own, so routes may be added before it starts (`/sim/...`).
    Cleaning up ends the operations under way and lets hanging callers go; it does not close the world.
    """
    app = web.Application()
    doings = operations.Operations(world)
    entrance = door.Door(world, doings, ROUTES)

    async def let_go(_: web.Application) -> None:
        entrance.close()

    async def end(_: web.Application) -> None:
        await doings.close()

    app.on_shutdown.append(let_go)
    app.on_cleanup.append(end)
    app.router.add_routes(tokens.Tokens(world).routes())
    app.router.add_route("*", "/{path:.*}", entrance.answer)
    return app
