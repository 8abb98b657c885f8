"""Resource Graph: one query over all subscriptions, which goes on answering while regions are down.

It knows what the regions last said. Locations are in the short form and types in lower case here.
https://learn.microsoft.com/rest/api/azureresourcegraph/resourcegraph/resources/resources (2021-03-01)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

from responder.core import regions
from responder.simulator import resources
from responder.simulator import world as worlds
from responder.simulator.arm import calls, kql, shapes, subscriptions

COLUMNS = frozenset(
    {"id", "name", "type", "tenantId", "kind", "location", "resourceGroup", "subscriptionId", "managedBy", "sku"}
    | {"plan", "properties", "tags", "identity", "zones", "extendedLocation", "systemData"}
)
_MOST = 1000


async def _resources(call: calls.Call) -> calls.Reply:
    quota = _quota(call)
    query = calls.text(call.body, "query")
    chosen = call.body.get("subscriptions")
    wanted = {str(s).lower() for s in chosen} if isinstance(chosen, list) else None
    try:
        rows = kql.run(query, _tables(call.world, wanted), columns=COLUMNS)
    except kql.BadQuery as error:
        raise _invalid(call, query, error, quota) from error
    options = calls.child(call.body, "options")
    most = _number(options.get("$top"), _MOST)
    start = calls.offset_of(calls.text(options, "$skipToken")) or _number(options.get("$skip"), 0)
    page = rows[start : start + min(most, _MOST)]
    more = start + len(page) < len(rows)
    body: dict[str, object] = {
        "totalRecords": len(rows),
        "count": len(page),
        "data": _table(page) if calls.text(options, "resultFormat").lower() == "table" else page,
        "facets": [],
        "resultTruncated": "true" if more else "false",
    }
    if more:
        body["$skipToken"] = calls.token_of(start + len(page))
    return calls.Reply(body=body, headers=quota)


def _tables(world: worlds.World, subscription_ids: set[str] | None) -> Mapping[str, list[kql.Row]]:
    def seen(subscription: str) -> bool:
        return subscription_ids is None or subscription in subscription_ids

    servers = [_server(world, s) for s in world.servers.values() if seen(s.subscription)]
    zones = [_zone(world, z) for z in world.zones.values() if seen(z.subscription)]
    groups = [_group(world, g) for g in world.groups.values() if seen(g.subscription)]
    return {"resources": [*servers, *zones], "resourcecontainers": groups}


def _row(world: worlds.World, subscription: str, resource_group: str, row: Mapping[str, object]) -> kql.Row:
    empty = dict.fromkeys(COLUMNS)
    own = {
        "tenantId": str(world.estate.tenant),
        "subscriptionId": subscription,
        "resourceGroup": resource_group.lower(),
    }
    return {**empty, "kind": "", "managedBy": "", "tags": {}, **own, **row}


def _server(world: worlds.World, server: resources.Server) -> kql.Row:
    shown = {**shapes.show(server), "location": regions.normalise(server.region), "type": server.type.lower()}
    return _row(world, server.subscription, server.resource_group, shown)


def _zone(world: worlds.World, zone: resources.Zone) -> kql.Row:
    shown = {"id": zone.id, "name": zone.name, "type": "microsoft.network/dnszones", "location": "global"}
    return _row(world, zone.subscription, zone.resource_group, {**shown, "properties": {"zoneType": "Public"}})


def _group(world: worlds.World, group: resources.Group) -> kql.Row:
    shown = subscriptions.describe_group(group)
    type_ = "microsoft.resources/subscriptions/resourcegroups"
    return _row(world, group.subscription, group.name, {**shown, "type": type_})


def _table(rows: list[kql.Row]) -> Mapping[str, object]:
    names = list(rows[0]) if rows else []
    return {
        "columns": [{"name": n, "type": "object" if n in ("properties", "tags", "sku") else "string"} for n in names],
        "rows": [[r[n] for n in names] for r in rows],
    }


def _quota(call: calls.Call) -> dict[str, str]:
    """Count this query against the caller's quota. Raises `Refused` (429)."""
    limits = call.world.estate.limits
    left, resets = call.limits.take_query(call.principal)
    headers = {"x-ms-user-quota-remaining": str(max(0, left)), "x-ms-user-quota-resets-after": _clock(resets)}
    if left >= 0:
        return {**headers, "x-ms-ratelimit-remaining-tenant-resource-requests": str(left)}
    raise calls.Refused(
        429,
        "RateLimiting",
        _support(call),
        headers={**headers, "Retry-After": str(max(1, math.ceil(resets.total_seconds())))},
        details=[
            {
                "code": "RateLimiting",
                "message": "Client application has been throttled and should not continue to make requests until the "
                f"amount of time specified in the header 'x-ms-user-quota-resets-after' has passed; "
                f"{limits.graph_queries} queries are allowed in {limits.graph_window.total_seconds():g} seconds.",
            }
        ],
        fault="throttle",
    )


def _invalid(call: calls.Call, query: str, error: kql.BadQuery, headers: Mapping[str, str]) -> calls.Refused:
    before = query[: error.position]
    return calls.Refused(
        400,
        "BadRequest",
        _support(call),
        headers=headers,
        details=[
            {
                "code": "InvalidQuery",
                "message": "Query is invalid. Please refer to the documentation for the Azure Resource Graph service "
                "and fix the error before retrying.",
            },
            {
                "code": "ParserFailure",
                "message": "ParserFailure",
                "line": before.count("\n") + 1,
                "characterPositionInLine": error.position - (before.rfind("\n") + 1),
                "token": error.token,
                "expectedToken": "Ϗ",  # as it comes on the wire
            },
        ],
    )


def _support(call: calls.Call) -> str:
    moment = calls.ticks(call.world.now())
    return f"Please provide below info when asking for support: timestamp = {moment}, correlationId = {uuid4()}."


def _clock(span: timedelta) -> str:
    seconds = max(1, math.ceil(span.total_seconds()))
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) and value >= 0 else default


ROUTES = (calls.route("POST", "/providers/Microsoft.ResourceGraph/resources", _resources),)
