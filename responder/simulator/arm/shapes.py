"""How servers look on the wire, both ways: what a PUT or PATCH asks for, and what a GET shows.

Two families: Flexible Server as recorded in 2026-04, Single Server as of API 2017-12-01. Pure: values in, values out.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from responder.core import regions
from responder.simulator import resources
from responder.simulator.arm import calls

DISKS = {32: ("P4", 120), 64: ("P6", 240), 128: ("P10", 500), 256: ("P15", 1100), 512: ("P20", 2300)}
_LARGE_DISK = ("P30", 5000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the body of a PUT or PATCH asks for. None: not said."""

    mode: str
    region: regions.RegionName | None
    source_id: str | None
    tier: str | None
    sku: str | None
    version: str | None
    storage_gb: int | None
    geo_backup: bool | None
    administrator: str | None
    to: datetime | None
    """The moment that a point-in-time restore goes back to."""
    zone: str | None
    subnet: str | None
    """The delegated subnet, in a virtual network."""
    dns_zone: str | None
    """The private DNS zone that belongs to it."""
    tags: Mapping[str, str] | None
    """None in a GeoRestore: a restored server has no tags but those of its own PUT."""


def read(kind: str, body: calls.Body) -> Wanted:
    """What a PUT or PATCH of a server asks for. Raises `Refused` (400) for a size that is no number."""
    properties, sku = calls.child(body, "properties"), calls.child(body, "sku")
    flexible = kind == "flexible"
    storage = calls.child(properties, "storage" if flexible else "storageProfile")
    backup = calls.child(properties, "backup") if flexible else storage
    size = _integer(storage.get("storageSizeGB" if flexible else "storageMB"), "storage size")
    tags, redundancy = body.get("tags"), backup.get("geoRedundantBackup")
    return Wanted(
        mode=calls.text(properties, "createMode", "Create" if flexible else "Default"),
        region=regions.normalise(calls.text(body, "location")) or None,
        source_id=calls.text(properties, "sourceServerResourceId" if flexible else "sourceServerId") or None,
        tier=calls.text(sku, "tier") or None,
        sku=calls.text(sku, "name") or None,
        version=calls.text(properties, "version") or None,
        storage_gb=size if flexible or size is None else size // 1024,
        geo_backup=None if redundancy is None else str(redundancy).lower() == "enabled",
        administrator=calls.text(properties, "administratorLogin") or None,
        to=_moment(calls.text(properties, "pointInTimeUTC" if flexible else "restorePointInTime")),
        zone=calls.text(properties, "availabilityZone") or None,
        subnet=calls.text(calls.child(properties, "network"), "delegatedSubnetResourceId") or None,
        dns_zone=calls.text(calls.child(properties, "network"), "privateDnsZoneArmResourceId") or None,
        tags={str(k): str(v) for k, v in tags.items()} if isinstance(tags, dict) else None,
    )


@functools.cache  # asked for every server of a region whenever one is created
def vcores(sku: str) -> int:
    """vCores of a compute size: `Standard_D2ds_v5` 2, `Standard_B1ms` 1, `GP_Gen5_4` 4."""
    match = re.fullmatch(r"(?:B|GP|MO)_Gen\d_(\d+)", sku) or re.match(r"Standard_[A-Z]+(\d+)", sku, re.IGNORECASE)
    return int(match[1]) if match else 1


def family(sku: str) -> str:
    """The quota family of a compute size: `standardDDSv5Family`."""
    match = re.fullmatch(r"Standard_([A-Z]+)\d+(\w*?)(?:_v(\d+))?", sku, re.IGNORECASE)
    if match is None:
        return "standardBSFamily"
    letters, suffix, version = match.groups()
    if letters.upper() == "B":
        return "standardBSFamily"
    return f"standard{letters.upper()}{suffix.upper()}v{version or 3}Family"


def show(server: resources.Server) -> dict[str, object]:
    """The body of a GET."""
    renderers: Mapping[str, Callable[[resources.Server], dict[str, object]]] = {
        "flexible": _show_flexible,
        "single": _show_single,
    }
    body = renderers[server.kind](server)
    if server.tags:
        body["tags"] = dict(server.tags)
    return {**body, "id": server.id, "name": server.name, "type": server.type}


def _show_flexible(server: resources.Server) -> dict[str, object]:
    replica: dict[str, object] = {"role": server.role, "capacity": 0 if server.is_replica else 5}
    if server.is_replica:
        replica["replicationState"] = "Active" if server.state == "Ready" else "Provisioning"
    properties: dict[str, object] = {
        "dataEncryption": {"type": "SystemManaged"},
        "replica": replica,
        "storage": _storage(server),
        "network": {"publicNetworkAccess": "Enabled"},
        "privateEndpointConnections": [],
        "authConfig": {"activeDirectoryAuth": "Disabled", "passwordAuth": "Enabled"},
        "fullyQualifiedDomainName": server.fqdn,
        "version": server.version,
        "minorVersion": "3",
        "administratorLogin": server.administrator,
        "state": server.state,
        "backup": _backup(server),
        "highAvailability": {"mode": "Disabled", "state": "NotEnabled"},
        "maintenanceWindow": {"customWindow": "Disabled", "dayOfWeek": 0, "startHour": 0, "startMinute": 0},
        "replicationRole": server.role,
        "replicaCapacity": replica["capacity"],
    }
    if server.zone:
        properties["availabilityZone"] = server.zone
    if server.is_replica:
        properties["sourceServerResourceId"] = server.source_id
    properties |= server.shape
    return {
        "sku": {"name": server.sku, "tier": server.tier},
        "systemData": {"createdAt": calls.ticks(server.created_at)},
        "properties": properties,
        "location": regions.display(server.region),
    }


def _storage(server: resources.Server) -> dict[str, object]:
    disk, iops = DISKS.get(server.storage_gb, _LARGE_DISK)
    return {
        "type": "",  # as the service has it, outside its own enumeration
        "iops": iops,
        "tier": disk,
        "storageSizeGB": server.storage_gb,
        "autoGrow": "Disabled",
    }


def _backup(server: resources.Server) -> dict[str, object]:
    shown: dict[str, object] = {
        "backupRetentionDays": resources.RETENTION.days,
        "geoRedundantBackup": "Enabled" if server.geo_backup else "Disabled",
    }
    if server.earliest_restore is not None:
        shown["earliestRestoreDate"] = calls.ticks(server.earliest_restore, "+00:00")
    return shown


def _show_single(server: resources.Server) -> dict[str, object]:
    properties: dict[str, object] = {
        "administratorLogin": server.administrator,
        "storageProfile": {
            "storageMB": server.storage_gb * 1024,
            "backupRetentionDays": resources.RETENTION.days,
            "geoRedundantBackup": "Enabled" if server.geo_backup else "Disabled",
            "storageAutogrow": "Disabled",
        },
        "version": server.version,
        "sslEnforcement": "Enabled",
        "minimalTlsVersion": "TLS1_2",
        "userVisibleState": server.state,
        "fullyQualifiedDomainName": server.fqdn,
        "replicationRole": "Replica" if server.is_replica else "",
        "masterServerId": server.source_id if server.is_replica else "",
        "replicaCapacity": 0 if server.is_replica else 5,
        "publicNetworkAccess": "Enabled",
        "privateEndpointConnections": [],
    }
    if server.earliest_restore is not None:
        properties["earliestRestoreDate"] = calls.ticks(server.earliest_restore, "+00:00")
    sku = {"name": server.sku, "tier": server.tier, "family": "Gen5", "capacity": vcores(server.sku)}
    return {"sku": sku, "properties": properties, "location": server.region}


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise calls.Refused(400, "InvalidParameterValue", f"'{text}' is not a time.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _integer(value: object, what: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise calls.Refused(400, "InvalidParameterValue", f"The {what} has to be a whole number.")
    return value
