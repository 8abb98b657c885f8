"""Public DNS zones and their record sets, as azure-mgmt-dns speaks of them (API 2018-05-01).

Zones are global; a zone whose group is located in a region that is down takes no writes, which the door sees to.
https://learn.microsoft.com/rest/api/dns/record-sets
"""

from __future__ import annotations

from uuid import uuid4

from responder.simulator import resources
from responder.simulator.arm import calls, found

TYPES = ("A", "AAAA", "CNAME", "TXT")
_DEFAULT_TTL = 3600


async def _zone(call: calls.Call) -> calls.Reply:
    return calls.Reply(body=_show_zone(_zone_of(call)))


async def _zones(call: calls.Call) -> calls.Reply:
    subscription = found.subscription_of(call)
    group = call.params.get("group", "").lower()
    zones = (z for z in call.world.zones.values() if z.subscription == subscription)
    return calls.page(call, [_show_zone(z) for z in zones if not group or z.resource_group.lower() == group])


async def _list(call: calls.Call) -> calls.Reply:
    zone = _zone_of(call)
    wanted = call.params.get("type", "").upper()
    chosen = (r for (type_, _), r in sorted(zone.record_sets.items()) if not wanted or type_ == wanted)
    return calls.page(call, [_show(zone, r) for r in chosen])


async def _get(call: calls.Call) -> calls.Reply:
    zone = _zone_of(call)
    record_set = zone.record_sets.get(_key(call))
    if record_set is None:
        raise calls.Refused(
            404,
            "NotFound",
            f"The resource record '{call.params['record']}' does not exist in resource group "
            f"'{zone.resource_group}' of subscription '{zone.subscription}'.",
        )
    return calls.Reply(body=_show(zone, record_set))


async def _put(call: calls.Call) -> calls.Reply:
    """PUT replaces (201 when new), PATCH merges. If-Match and If-None-Match guard against others."""
    zone, key = _zone_of(call), _key(call)
    existing = zone.record_sets.get(key)
    _check_precondition(call, existing)
    if existing is None and call.method == "PATCH":
        return await _get(call)
    if key[0] == "CNAME" and any(name == key[1] and type_ != "CNAME" for type_, name in zone.record_sets):
        raise calls.Refused(
            400,
            "BadRequest",
            f"The record could not be created because a CNAME and other records of the same name "
            f"'{call.params['record']}' cannot be together.",
        )
    sent = {k: v for k, v in call.properties().items() if k.lower().endswith(("record", "records")) and v}
    ttl = call.properties().get("TTL", call.properties().get("ttl"))
    if existing is None:
        existing = resources.RecordSet(name=call.params["record"], type=key[0], ttl=_DEFAULT_TTL, records={})
        zone.record_sets[key] = existing
        status = 201
    else:
        status = 200
    existing.records = {**existing.records, **sent} if call.method == "PATCH" else sent
    existing.ttl = ttl if isinstance(ttl, int) else existing.ttl
    existing.etag = str(uuid4())
    call.world.changed()
    return calls.Reply(status=status, body=_show(zone, existing))


async def _delete(call: calls.Call) -> calls.Reply:
    zone, key = _zone_of(call), _key(call)
    existing = zone.record_sets.get(key)
    _check_precondition(call, existing)
    if existing is None:
        return calls.Reply(status=204)
    del zone.record_sets[key]
    call.world.changed()
    return calls.Reply()


def _zone_of(call: calls.Call) -> resources.Zone:
    group = found.group_of(call)
    name = call.params["zone"]
    zone = call.world.zones.get(f"{group.id}/providers/Microsoft.Network/dnsZones/{name}".lower())
    if zone is None:
        raise calls.Refused(
            404,
            "ResourceNotFound",
            f"The Resource 'Microsoft.Network/dnszones/{name}' under resource group '{group.name}' was not found. For "
            "more details please go to https://aka.ms/ARMResourceNotFoundFix",
        )
    return zone


def _key(call: calls.Call) -> tuple[str, str]:
    type_ = call.params["type"].upper()
    if type_ not in TYPES:
        raise calls.Refused(400, "BadRequest", f"The record type '{type_}' is none of {', '.join(TYPES)}.")
    return type_, call.params["record"].lower()


def _check_precondition(call: calls.Call, existing: resources.RecordSet | None) -> None:
    if_match, if_none_match = call.headers.get("If-Match"), call.headers.get("If-None-Match")
    etag = existing.etag if existing else None
    if (if_match and if_match != "*" and if_match.strip('"') != etag) or (if_match == "*" and etag is None):
        raise calls.Refused(
            412, "PreconditionFailed", f"The condition '{if_match}' in the If-Match header was not met."
        )
    if if_none_match == "*" and etag is not None:
        raise calls.Refused(412, "PreconditionFailed", "The condition '*' in the If-None-Match header was not met.")


def _show(zone: resources.Zone, record_set: resources.RecordSet) -> calls.Body:
    host = zone.name if record_set.name == "@" else f"{record_set.name}.{zone.name}"
    return {
        "id": f"{zone.id}/{record_set.type}/{record_set.name}",
        "name": record_set.name,
        "type": f"Microsoft.Network/dnszones/{record_set.type}",
        "etag": record_set.etag,
        "properties": {
            "fqdn": f"{host}.",
            "TTL": record_set.ttl,
            **record_set.records,
            "targetResource": {},
            "provisioningState": "Succeeded",
        },
    }


def _show_zone(zone: resources.Zone) -> calls.Body:
    return {
        "id": zone.id,
        "name": zone.name,
        "type": "Microsoft.Network/dnszones",
        "etag": zone.etag,
        "location": "global",
        "tags": {},
        "properties": {
            "maxNumberOfRecordSets": 10000,
            "numberOfRecordSets": len(zone.record_sets) + 2,  # SOA and NS are not shown
            "nameServers": ["ns1-01.azure-dns.com.", "ns2-01.azure-dns.net."],
            "zoneType": "Public",
        },
    }


_ZONES = "/providers/Microsoft.Network/dnsZones"
_ZONE = f"{calls.GROUP}{_ZONES}/{{zone}}"
_RECORD = f"{_ZONE}/{{type}}/{{record}}"

ROUTES = (
    calls.route("GET", f"{calls.SUBSCRIPTION}{_ZONES}", _zones),
    calls.route("GET", f"{calls.GROUP}{_ZONES}", _zones),
    calls.route("GET", _ZONE, _zone),
    calls.route("GET", f"{_ZONE}/all", _list),
    calls.route("GET", f"{_ZONE}/recordsets", _list),
    calls.route("GET", f"{_ZONE}/{{type}}", _list),
    calls.route("GET", _RECORD, _get),
    calls.route("PUT", _RECORD, _put),
    calls.route("PATCH", _RECORD, _put),
    calls.route("DELETE", _RECORD, _delete),
)
