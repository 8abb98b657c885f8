"""What belongs to a server: firewall rules, parameters, databases, Entra administrators, virtual endpoints, backups.

Writes answer 202 and keep the server busy like every other operation on it. None of it reaches the data plane.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from responder.simulator import resources
from responder.simulator.arm import calls, found, operations

_Properties = dict[str, object]

# name: default, data type, allowed values
_PARAMETERS: Mapping[str, tuple[str, str, str]] = {
    "array_nulls": ("on", "Boolean", "on,off"),
    "azure.extensions": ("", "Set", ""),
    "default_transaction_read_only": ("off", "Boolean", "on,off"),
    "idle_in_transaction_session_timeout": ("0", "Integer", "0-2147483647"),
    "log_min_duration_statement": ("-1", "Integer", "-1-2147483647"),
    "maintenance_work_mem": ("216064", "Integer", "1024-2097151"),
    "max_connections": ("859", "Integer", "25-5000"),
    "max_prepared_transactions": ("0", "Integer", "0-262143"),
    "max_wal_senders": ("10", "Integer", "5-100"),
    "max_worker_processes": ("8", "Integer", "0-262143"),
    "require_secure_transport": ("on", "Boolean", "on,off"),
    "shared_preload_libraries": ("pg_cron,pg_stat_statements", "Set", ""),
    "statement_timeout": ("0", "Integer", "0-2147483647"),
    "timezone": ("UTC", "String", "[A-Za-z0-9/+_-]+"),
    "wal_level": ("replica", "Enumeration", "replica,logical"),
    "work_mem": ("4096", "Integer", "4096-2097151"),
}
"""A selection: enough to carry over and to compare."""
_STATIC = frozenset(
    {"max_connections", "max_prepared_transactions", "max_wal_senders", "max_worker_processes", "wal_level"}
    | {"shared_preload_libraries"}
)
"""They count only after a restart."""
_READ_ONLY: Mapping[str, tuple[str, str, str]] = {
    "block_size": ("8192", "Integer", "8192"),
    "server_encoding": ("UTF8", "String", ""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A sort of children: its segment in paths and what it is called in the service's operations."""

    segment: str
    operation: str
    show: Callable[[resources.Server, str, _Properties], _Properties] = lambda server, name, properties: properties
    """The properties as a GET shows them."""


def _show_parameter(server: resources.Server, name: str, properties: _Properties) -> _Properties:
    default, data_type, allowed = {**_READ_ONLY, **_PARAMETERS}.get(name, ("", "String", ""))
    value = properties.get("value", default)
    return {
        "value": value,
        "description": f"The PostgreSQL parameter {name}.",
        "defaultValue": default,
        "dataType": data_type,
        "allowedValues": allowed,
        "source": "user-override" if "value" in properties else "system-default",
        "isDynamicConfig": name not in _STATIC and name not in _READ_ONLY,
        "isReadOnly": name in _READ_ONLY,
        "isConfigPendingRestart": bool(properties.get("pending")),
    }


def _show_administrator(server: resources.Server, name: str, properties: _Properties) -> _Properties:
    return {**properties, "objectId": name}


def _show_endpoint(server: resources.Server, name: str, properties: _Properties) -> _Properties:
    hosts = [f"{name}.{side}.postgres.database.azure.com" for side in ("reader", "writer")]
    return {**properties, "virtualEndpoints": hosts}


_RULES = Collection(segment="firewallRules", operation="UpsertFirewallRulesManagementOperation")
_DATABASES = Collection(segment="databases", operation="UpsertDatabaseManagementOperation")
_PARAMETER_SET = Collection(
    segment="configurations", operation="UpdateServerParametersManagementOperation", show=_show_parameter
)
_ADMINISTRATORS = Collection(
    segment="administrators", operation="UpsertAdministratorManagementOperation", show=_show_administrator
)
_ENDPOINTS = Collection(
    segment="virtualEndpoints", operation="ReplicaGroupCreateManagementOperation", show=_show_endpoint
)

COLLECTIONS: Mapping[str, tuple[Collection, ...]] = {
    "flexible": (_RULES, _DATABASES, _PARAMETER_SET, _ADMINISTRATORS, _ENDPOINTS),
    "single": (_RULES, _DATABASES, _PARAMETER_SET),
}


def _of(call: calls.Call) -> Collection:
    segment = call.path.rstrip("/").split("/")[9].lower()
    return next(c for c in COLLECTIONS[call.kind] if c.segment.lower() == segment)


def _held(server: resources.Server, collection: Collection) -> dict[str, _Properties]:
    """The children by name; parameters that nobody changed included."""
    kept = server.collection(collection.segment)
    known = (*_READ_ONLY, *_PARAMETERS)
    return {**{name: {} for name in known}, **kept} if collection is _PARAMETER_SET else kept


def _show(server: resources.Server, collection: Collection, name: str, properties: _Properties) -> _Properties:
    return {
        "properties": collection.show(server, name, properties),
        "id": f"{server.id}/{collection.segment}/{name}",
        "name": name,
        "type": f"{server.type}/{collection.segment}",
    }


async def _list(call: calls.Call) -> calls.Reply:
    server, collection = found.server_of(call), _of(call)
    held = _held(server, collection)
    return calls.page(call, [_show(server, collection, name, held[name]) for name in sorted(held)])


async def _get(call: calls.Call) -> calls.Reply:
    server, collection, name = found.server_of(call), _of(call), call.params["child"]
    held = _held(server, collection)
    if name not in held:
        raise calls.Refused(
            404,
            "ResourceNotFound",
            f"The requested resource of type '{server.type}/{collection.segment}' with name '{name}' was not found.",
        )
    return calls.Reply(body=_show(server, collection, name, held[name]))


async def _put(call: calls.Call) -> calls.Reply:
    """PUT replaces, PATCH merges."""
    server, collection, name = found.idle(found.server_of(call)), _of(call), call.params["child"]
    if collection is _PARAMETER_SET and name not in _held(server, collection):
        raise calls.Refused(404, "ConfigurationNotExists", f"The configuration '{name}' does not exist for the server.")
    if collection is _PARAMETER_SET and name in _READ_ONLY:
        raise calls.Refused(400, "InvalidParameterValue", f"The configuration '{name}' is read-only.")
    sent = _writable(collection, name, dict(call.properties()))

    async def finish() -> None:
        kept = server.collection(collection.segment)
        kept[name] = {**kept.get(name, {}), **sent} if call.method == "PATCH" else sent

    return call.operations.start(call, operations.changing(call, server, collection.operation, finish))


def _writable(collection: Collection, name: str, sent: _Properties) -> _Properties:
    return _parameter(name, str(sent.get("value", ""))) if collection is _PARAMETER_SET else sent


def _parameter(name: str, value: str) -> _Properties:
    return {"value": value, "pending": True} if name in _STATIC else {"value": value}


async def _delete(call: calls.Call) -> calls.Reply:
    server, collection, name = found.idle(found.server_of(call)), _of(call), call.params["child"]
    if name not in server.collection(collection.segment):
        return calls.Reply(status=204)

    async def finish() -> None:
        server.collection(collection.segment).pop(name, None)

    name_of_it = collection.operation.replace("Upsert", "Drop").replace("Create", "Drop")
    return call.operations.start(call, operations.changing(call, server, name_of_it, finish))


async def _update_parameters(call: calls.Call) -> calls.Reply:
    """Single Server sets many parameters in one operation."""
    server = found.idle(found.server_of(call))
    entries = call.body.get("value")
    changes = {
        calls.text(e, "name"): calls.text(calls.child(e, "properties"), "value")
        for e in (entries if isinstance(entries, list) else [])
        if isinstance(e, dict)
    }
    if not changes or "" in changes:
        raise calls.Refused(400, "InvalidParameterValue", "Every configuration in 'value' needs a name.")

    async def finish() -> None:
        server.collection("configurations").update({name: _parameter(name, text) for name, text in changes.items()})

    return call.operations.start(call, operations.changing(call, server, _PARAMETER_SET.operation, finish))


async def _backups(call: calls.Call) -> calls.Reply:
    """Automatic backups. The newest that has reached the pair stands for all of them."""
    server = found.server_of(call)
    newest = call.world.newest_backup(server) or server.earliest_restore
    if newest is None:
        return calls.Reply(body={"value": []})
    name = f"daily_{newest:%Y%m%dT%H%M%S}"
    properties: _Properties = {
        "backupType": "Full",
        "source": "Automatic",
        "completedTime": calls.ticks(newest, "+00:00"),
    }
    shown = _show(server, Collection(segment="backups", operation=""), name, properties)
    return calls.Reply(body={"value": [shown]})


def _routes(kind: str) -> list[calls.Route]:
    server = f"{calls.GROUP}/providers/{resources.PROVIDER}/{resources.TYPES[kind]}/{{server}}"
    routes = []
    for collection in COLLECTIONS[kind]:
        many, one = f"{server}/{collection.segment}", f"{server}/{collection.segment}/{{child}}"
        routes += [
            calls.route("GET", many, _list, kind=kind),
            calls.route("GET", one, _get, kind=kind),
            calls.route("PUT", one, _put, kind=kind),
            calls.route("PATCH", one, _put, kind=kind),
            calls.route("DELETE", one, _delete, kind=kind),
        ]
    if kind == "single":
        routes.append(calls.route("POST", f"{server}/updateConfigurations", _update_parameters, kind=kind))
    else:
        routes.append(calls.route("GET", f"{server}/backups", _backups, kind=kind))
    return routes


ROUTES = tuple(route for kind in COLLECTIONS for route in _routes(kind))
