"""Read replicas: list them, and promote one, standalone or as a switchover behind a virtual endpoint.

https://learn.microsoft.com/azure/postgresql/read-replica/concepts-read-replicas-promote
A replica with data streams from its primary for as long as that one's region is up; what has not come by then is lost.
"""

from __future__ import annotations

from responder.simulator import resources
from responder.simulator.arm import calls, found, operations, shapes


async def _list(call: calls.Call) -> calls.Reply:
    server = found.server_of(call)
    return calls.page(call, [shapes.show(s) for s in call.world.servers.values() if is_replica_of(s, server)])


def is_replica_of(server: resources.Server, primary: resources.Server) -> bool:
    return server.is_replica and (server.source_id or "").lower() == primary.key


def asks_for_promotion(call: calls.Call) -> bool:
    """Whether a PATCH promotes: a `replica` object, or the older `replicationRole` None."""
    properties = call.properties()
    return bool(calls.child(properties, "replica")) or calls.text(properties, "replicationRole").lower() == "none"


def promote(call: calls.Call, server: resources.Server) -> calls.Reply:
    """Start the promotion. Planned needs the primary, forced does not; a switchover needs a virtual endpoint."""
    replica = calls.child(call.properties(), "replica")
    switchover = calls.text(replica, "promoteMode", "standalone").lower() == "switchover"
    forced = (
        calls.text(replica, "promoteOption", "forced" if server.kind == "single" else "planned").lower() == "forced"
    )
    if not server.is_replica:
        raise calls.Refused(400, "InvalidParameterValue", f"Server '{server.name}' is not a read replica.")
    primary = call.world.servers.get((server.source_id or "").lower())
    out_of_reach = primary is None or primary.state != "Ready" or call.world.region_down(primary.region)
    if out_of_reach and not forced:
        raise calls.Refused(
            409,
            "ServerIsNotReady",
            "A planned promotion needs the primary to be ready; when it is out of reach use the option 'forced'.",
        )
    if switchover and (primary is None or not _behind_an_endpoint(primary, server)):
        raise calls.Refused(
            400,
            "InvalidParameterValue",
            f"A switchover needs a virtual endpoint with the primary as writer and '{server.name}' as reader.",
        )

    async def finish() -> None:
        if switchover and primary is not None:
            server.children["virtualendpoints"] = primary.children.pop("virtualendpoints", {})
            primary.role, primary.source_id = server.role, server.id
        elif primary is not None:
            _leave_endpoints(primary, server)
        if call.world.data is not None:
            await call.world.data.promote(server.name)
        server.role, server.source_id = "Primary", None
        server.earliest_restore = call.world.now()

    work = operations.changing(call, server, "PromoteReplicaManagementOperation", finish)
    return call.operations.start(call, work)


def _behind_an_endpoint(primary: resources.Server, replica: resources.Server) -> bool:
    return any(replica.name in _members(e) for e in primary.collection("virtualendpoints").values())


def _leave_endpoints(primary: resources.Server, replica: resources.Server) -> None:
    for endpoint in primary.collection("virtualendpoints").values():
        endpoint["members"] = [m for m in _members(endpoint) if m != replica.name]


def _members(endpoint: dict[str, object]) -> list[str]:
    members = endpoint.get("members")
    return [str(m) for m in members] if isinstance(members, list) else []


ROUTES = tuple(
    calls.route("GET", f"{calls.GROUP}/providers/{resources.PROVIDER}/{type_}/{{server}}/replicas", _list, kind=kind)
    for kind, type_ in resources.TYPES.items()
)
