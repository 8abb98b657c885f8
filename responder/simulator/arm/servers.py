"""Servers of both families: get, list, create in its modes, update, delete, restart.

Every write answers 202 and goes on as an operation; a server takes one at a time. What may be created is decided in
`creations`, how things look in `shapes`, promotion in `replicas`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from responder.core import regions
from responder.simulator import resources
from responder.simulator import world as worlds
from responder.simulator.arm import calls, creations, found, operations, replicas, shapes

_CREATE = "UpsertServerManagementOperationV2"
_RESTORE = "RestoreSnapshotManagementOperation"
_REPLICATE = "CreateReadReplicaManagementOperation"
_DROP = "DropServerManagementOperation"

REAL_TAG = "simulator-data"
"""A new, empty server gets a PostgreSQL behind it when this tag is `real`."""


async def _get(call: calls.Call) -> calls.Reply:
    return calls.Reply(body=shapes.show(found.server_of(call)))


async def _list_group(call: calls.Call) -> calls.Reply:
    group = found.group_of(call)
    return calls.page(call, [shapes.show(s) for s in _listed(call) if s.resource_group == group.name])


async def _list_subscription(call: calls.Call) -> calls.Reply:
    found.subscription_of(call)
    return calls.page(call, [shapes.show(s) for s in _listed(call)])


def _listed(call: calls.Call) -> list[resources.Server]:
    """A list gathers from the regions: what is in one that is down is not in it. Resource Graph still has it."""
    subscription = call.params["subscription"].lower()
    servers = (s for s in call.world.servers.values() if s.kind == call.kind and s.subscription == subscription)
    return sorted((s for s in servers if not call.world.region_down(s.region)), key=lambda s: s.key)


async def _put(call: calls.Call) -> calls.Reply:
    group = found.group_of(call)
    wanted = shapes.read(call.kind, call.body)
    existing = found.server_or_none(call)
    if existing is not None:
        found.idle(existing)
        if wanted.mode in creations.CREATES:
            return _update(call, existing, wanted)
    name = call.params["server"].lower()
    if call.world.server_named(name) is not None:
        raise calls.Refused(
            409, "ServerNameAlreadyExists", f"Specified server name '{name}' is already used. Choose another one."
        )
    source = creations.check(call, wanted)
    server = _record(call, group, wanted, source)
    world = call.world
    world.servers[server.key] = server

    def abandon() -> None:
        world.servers.pop(server.key, None)

    timing = world.estate.timing
    work = operations.Work(
        name=_CREATE if source is None else _REPLICATE if server.is_replica else _RESTORE,
        server=server,
        location=server.region,
        lasts=timing.create if source is None else timing.restore,
        finish=_provision(world, server, source, to=wanted.to if wanted.mode == "PointInTimeRestore" else None),
        abandon=abandon,
    )
    return call.operations.start(call, work)


def _record(
    call: calls.Call, group: resources.Group, wanted: shapes.Wanted, source: resources.Server | None
) -> resources.Server:
    """The new server: what the PUT says, else what the source has. Rules, parameters and tags do not come along."""
    assert wanted.region is not None
    tier = wanted.tier or (source.tier if source else "GeneralPurpose")
    tags = dict(wanted.tags or {})
    role = "Primary"
    if source is not None and wanted.mode == "Replica":
        role = "AsyncReplica" if source.region == wanted.region else "GeoAsyncReplica"
    databases = dict(source.collection("databases")) if source else {}
    return resources.Server(
        subscription=group.subscription,
        resource_group=group.name,
        name=call.params["server"].lower(),
        kind=call.kind,
        region=wanted.region,
        tier=tier,
        sku=wanted.sku or (source.sku if source else worlds.DEFAULT_SKUS.get((call.kind, tier), "Standard_D2ds_v5")),
        version=wanted.version or (source.version if source else "16"),
        storage_gb=wanted.storage_gb or (source.storage_gb if source else 128),
        geo_backup=_redundant(wanted, source),
        administrator=(source.administrator if source else wanted.administrator)
        or call.world.estate.administrator.login,
        created_at=call.world.now(),
        tags=tags,
        create_mode="Create" if source is None else wanted.mode,
        source_id=source.id if source else None,
        role=role,
        zone=wanted.zone or ("1" if source is None and call.kind == "flexible" else ""),
        shape={"network": _network(wanted)} if wanted.subnet else {},
        real=source.real if source else tags.get(REAL_TAG, call.world.estate.new_servers) == "real",
        children={"databases": databases or {"postgres": {"charset": "UTF8", "collation": "en_US.utf8"}}},
    )


def _network(wanted: shapes.Wanted) -> dict[str, object]:
    return {
        "publicNetworkAccess": "Disabled",
        "delegatedSubnetResourceId": wanted.subnet,
        "privateDnsZoneArmResourceId": wanted.dns_zone,
    }


def _redundant(wanted: shapes.Wanted, source: resources.Server | None) -> bool:
    """A server restored to a point in time is as redundant as its source, unless the PUT says otherwise."""
    if wanted.geo_backup is None and wanted.mode == "PointInTimeRestore" and source is not None:
        return source.geo_backup
    return bool(wanted.geo_backup)


def _provision(
    world: worlds.World, server: resources.Server, source: resources.Server | None, *, to: datetime | None
) -> Callable[[], Awaitable[None]]:
    async def finish() -> None:
        data = world.data
        if data is not None and source is None:
            server.address = await data.create(server.name, server.region, real=server.real)
        elif data is not None and source is not None and server.is_replica:
            server.address = await data.replicate(server.name, server.region, source=source.name)
        elif data is not None and source is not None:
            server.address = await data.restore(server.name, server.region, source=source.name, to=to)
        if source is None:
            server.earliest_restore = world.now()
        server.state = "Ready"
        world.changed()

    return finish


async def _patch(call: calls.Call) -> calls.Reply:
    server = found.idle(found.server_of(call))
    if replicas.asks_for_promotion(call):
        return replicas.promote(call, server)
    return _update(call, server, shapes.read(call.kind, call.body))


def _update(call: calls.Call, server: resources.Server, wanted: shapes.Wanted) -> calls.Reply:
    if wanted.geo_backup is not None and wanted.geo_backup != server.geo_backup:
        raise calls.Refused(
            400, "InvalidParameterValue", "Geo-redundant backup can be chosen only when a server is created."
        )
    if wanted.storage_gb is not None and wanted.storage_gb < server.storage_gb:
        raise calls.Refused(400, "InvalidParameterValue", "Storage cannot be made smaller.")

    async def finish() -> None:
        server.tags = dict(server.tags if wanted.tags is None else wanted.tags)
        server.sku, server.tier = wanted.sku or server.sku, wanted.tier or server.tier
        server.storage_gb = wanted.storage_gb or server.storage_gb

    return call.operations.start(call, operations.changing(call, server, "UpdateServerManagementOperation", finish))


async def _delete(call: calls.Call) -> calls.Reply:
    found.group_of(call)
    server = found.server_or_none(call)
    if server is None:
        return calls.Reply(status=204)
    found.idle(server)
    world = call.world

    async def finish() -> None:
        if world.data is not None:
            await world.data.remove(server.name)
        world.servers.pop(server.key, None)
        world.changed()

    def abandon() -> None:
        server.state = "Ready"

    server.state = "Dropping"
    work = operations.Work(
        name=_DROP,
        server=server,
        location=regions.display(server.region),  # here the URL has `Canada%20East`
        lasts=world.estate.timing.delete,
        finish=finish,
        abandon=abandon,
    )
    return call.operations.start(call, work)


async def _restart(call: calls.Call) -> calls.Reply:
    server = found.idle(found.server_of(call))
    if server.state != "Ready":
        raise calls.Refused(
            409,
            "ServerIsNotReady",
            "Restart or Stop Server can only be performed on Started servers. "
            f"Sever Name = {server.name}, Current Server State = {server.state}",  # the service's spelling
        )

    async def finish() -> None:
        for parameter in server.collection("configurations").values():
            parameter.pop("pending", None)

    work = operations.changing(call, server, "RestartServerManagementOperation", finish, state="Restarting")
    return call.operations.start(call, work)


def _routes(kind: str) -> tuple[calls.Route, ...]:
    place = f"/providers/{resources.PROVIDER}/{resources.TYPES[kind]}"
    one = f"{calls.GROUP}{place}/{{server}}"
    return (
        calls.route("GET", f"{calls.SUBSCRIPTION}{place}", _list_subscription, kind=kind),
        calls.route("GET", f"{calls.GROUP}{place}", _list_group, kind=kind),
        calls.route("GET", one, _get, kind=kind),
        calls.route("PUT", one, _put, kind=kind),
        calls.route("PATCH", one, _patch, kind=kind),
        calls.route("DELETE", one, _delete, kind=kind),
        calls.route("POST", f"{one}/restart", _restart, kind=kind),
    )


ROUTES = (*_routes("flexible"), *_routes("single"))
