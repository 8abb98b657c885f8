"""The estate by Resource Graph: a few queries over all subscriptions, never a call a server.

Resource Graph lives apart from the regions and goes on answering while one is down; what it says may be minutes old.
Rows are read as plain dicts: the SDK's server models cost the loop a second for a thousand servers, these 40 ms.
https://learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from responder import clock
from responder.azure import errors as meanings
from responder.core import errors, regions, servers, tolerances

if TYPE_CHECKING:
    from azure.mgmt.resourcegraph.aio import ResourceGraphClient

_log = structlog.get_logger(__name__)

QUERY = (
    "resources"
    " | where type in~ ('microsoft.dbforpostgresql/flexibleservers', 'microsoft.dbforpostgresql/servers')"
    " | project id, name, type, location, resourceGroup, subscriptionId, tags, sku, properties"
    " | order by id asc"  # pages are stable only in an order
)
PLACES = (
    "resourcecontainers"
    " | where type =~ 'microsoft.resources/subscriptions/resourcegroups'"
    " | project id, name, type, location, subscriptionId"
    " | order by id asc"
)
"""A group lies in a region: while that is down, it takes no writes, and neither does a DNS zone in it."""
ZONES = (
    "resources"
    " | where type =~ 'microsoft.network/dnszones'"
    " | project id, name, type, resourceGroup, subscriptionId"
    " | order by id asc"
)
_PAGE = 1000
_SUBSCRIPTIONS = 1000
"""How many one query may name."""
_TRIES = 5
_PAUSE = timedelta(seconds=2)
_LONGEST_PAUSE = timedelta(seconds=60)
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)((?:\.\d+)?)(?:Z|\+00:00)")
_FAMILIES = {
    "microsoft.dbforpostgresql/flexibleservers": servers.Family.FLEXIBLE,
    "microsoft.dbforpostgresql/servers": servers.Family.SINGLE,
}


class _Quota:
    """What the last answer said about how often we may ask (15 queries in 5 s for all of a user's clients)."""

    def __init__(self) -> None:
        self.pause: timedelta | None = None
        """How long to wait before asking again; None: no need to."""

    def keep(self, answer: Any) -> None:
        headers = answer.http_response.headers
        used_up = headers.get("x-ms-user-quota-remaining") == "0"
        self.pause = _span(headers.get("x-ms-user-quota-resets-after", "")) if used_up else None


async def list_servers(subscriptions: Sequence[str], graph: ResourceGraphClient) -> list[servers.Server]:
    """Every PostgreSQL server of the subscriptions, ordered by id within a thousand of them.

    Raises `AzureError` when Resource Graph keeps refusing; never returns a part of the answer. A row that cannot be
    read is logged and left out.
    """
    seen_at = clock.now()
    found: list[servers.Server] = []
    quota = _Quota()
    for start in range(0, len(subscriptions), _SUBSCRIPTIONS):
        these = list(subscriptions[start : start + _SUBSCRIPTIONS])
        listed = []
        for row in await _rows(QUERY, these, graph, quota):
            server = server_of(row, seen_at)
            if server is None:
                _log.warning("azure.inventory-row-unreadable", resource=str(row.get("id")))
            else:
                listed.append(server)
        if any(_names_a_place(server) for server in listed):
            groups, zones = await _rows(PLACES, these, graph, quota), await _rows(ZONES, these, graph, quota)
            listed = placed(listed, groups, zones)
        found += listed
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where resource groups and DNS zones lie. Ids and names in lower case."""

    groups: Mapping[tuple[str, str], regions.RegionName]
    """(subscription, name) -> region."""
    zones: Mapping[tuple[str, str, str], regions.RegionName | None]
    """(subscription, group, name) -> region of its group."""


async def list_places(subscriptions: Sequence[str], graph: ResourceGraphClient) -> Places:
    """Every resource group and public DNS zone that we may see. Raises `AzureError`, as `list_servers` does."""
    quota, these = _Quota(), list(subscriptions)[:_SUBSCRIPTIONS]
    groups, zones = await _rows(PLACES, these, graph, quota), await _rows(ZONES, these, graph, quota)
    lies = {_group_key(row, "name"): regions.normalise(str(row.get("location", ""))) for row in groups}
    keys = ((_group_key(row, "resourceGroup"), str(row.get("name", "")).lower()) for row in zones)
    return Places(groups=lies, zones={(*group, name): lies.get(group) for group, name in keys})


def placed(
    listed: Sequence[servers.Server], groups: Sequence[Mapping[str, Any]], zones: Sequence[Mapping[str, Any]]
) -> list[servers.Server]:
    """The servers, with the regions in which the group for their copy and the zone of their record lie. Pure."""
    lies = {_group_key(row, "name"): regions.normalise(str(row.get("location", ""))) for row in groups}
    zone_lies = {str(row.get("name", "")).lower(): lies.get(_group_key(row, "resourceGroup")) for row in zones}
    found = []
    for server in listed:
        if _names_a_place(server):
            told = tolerances.read(server.tags)
            group = lies.get((server.subscription_id, (told.target_group or "").lower()))
            zone = zone_lies.get(told.dns.zone) if told.dns else None
            server = replace(server, target_group_region=group, zone_region=zone)
        found.append(server)
    return found


def _names_a_place(server: servers.Server) -> bool:
    return any(tag.strip().lower() in ("outage-target-group", "outage-dns") for tag in server.tags)


def _group_key(row: Mapping[str, Any], name: str) -> tuple[str, str]:
    return str(row.get("subscriptionId", "")).lower(), str(row.get(name, "")).lower()


async def _rows(
    query: str, subscriptions: list[str], graph: ResourceGraphClient, quota: _Quota
) -> list[Mapping[str, Any]]:
    if quota.pause:
        await asyncio.sleep(quota.pause.total_seconds())
    rows: list[Mapping[str, Any]] = []
    token = None
    while True:
        page = await _ask(query, subscriptions, token, graph, quota)
        rows.extend(page.data)
        token = page.skip_token
        if not token:
            return rows
        if quota.pause:
            await asyncio.sleep(quota.pause.total_seconds())


async def _ask(
    query: str, subscriptions: list[str], token: str | None, graph: ResourceGraphClient, quota: _Quota
) -> Any:
    """One page. Waits as long as the quota says when it is used up, and a little when there is no answer."""
    from azure.mgmt.resourcegraph import models

    request = models.QueryRequest(
        subscriptions=subscriptions,
        query=query,
        options=models.QueryRequestOptions(
            top=_PAGE, skip_token=token, result_format="objectArray", allow_partial_scopes=False
        ),
    )
    for tries in range(1, _TRIES + 1):
        try:
            with meanings.translated("Resource Graph"):
                return await graph.resources(request, raw_response_hook=quota.keep)
        except errors.AzureError as error:
            if not error.retryable or tries == _TRIES:
                raise
            pause = min(max(quota.pause or error.retry_after or _PAUSE, timedelta()), _LONGEST_PAUSE)
            _log.info("azure.inventory-throttled", code=error.code, pause_s=pause.total_seconds(), tries=tries)
        await asyncio.sleep(pause.total_seconds())
    raise AssertionError("unreachable")


def server_of(row: Mapping[str, Any], seen_at: datetime) -> servers.Server | None:
    """Our value of one row; None when it is not a server's. Pure."""
    family = _FAMILIES.get(str(row.get("type", "")).lower())
    properties, sku = _child(row, "properties"), _child(row, "sku")
    if family is None or not row.get("id") or not row.get("location"):
        return None
    single = family is servers.Family.SINGLE
    storage = _child(properties, "storageProfile" if single else "storage")
    backup = storage if single else _child(properties, "backup")
    network = properties if single else _child(properties, "network")
    return servers.Server(
        id=servers.server_id(row["id"]),
        name=str(row.get("name", "")),
        family=family,
        subscription_id=str(row.get("subscriptionId", "")).lower(),
        resource_group=str(row.get("resourceGroup", "")),
        region=regions.normalise(row["location"]),
        tier=str(sku.get("tier", "")),
        sku=str(sku.get("name", "")),
        version=str(properties.get("version", "")),
        storage_gb=_storage_gb(storage),
        geo_backup=str(backup.get("geoRedundantBackup", "")).lower() == "enabled",
        fqdn=str(properties.get("fullyQualifiedDomainName") or ""),
        state=str(properties.get("userVisibleState" if single else "state") or ""),
        tags={str(k): str(v) for k, v in _child(row, "tags").items()},
        public_access=str(network.get("publicNetworkAccess", "Enabled")).lower() != "disabled",
        **_shape(properties),
        seen_at=seen_at,
        backups_since=_moment(properties.get("earliestRestoreDate") or backup.get("earliestRestoreDate")),
        replica_of=_primary(properties),
        backup_retention_days=_whole(backup.get("backupRetentionDays")),
    )


def _shape(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What decides which ways out there are. Single Server shows none of it but keys, which it keeps apart."""
    standby, key = _child(properties, "highAvailability"), _child(properties, "dataEncryption")
    network, nodes = _child(properties, "network"), _child(properties, "cluster").get("clusterSize")
    return {
        "zone": str(properties.get("availabilityZone") or ""),
        "high_availability": str(standby.get("mode") or ""),
        "elastic": isinstance(nodes, int) and nodes > 0,
        "own_key": str(key.get("type") or "").lower() == "azurekeyvault",
        "geo_key": bool(key.get("geoBackupKeyURI")),
        "geo_key_status": str(key.get("geoBackupEncryptionKeyStatus") or ""),
        "subnet": str(network.get("delegatedSubnetResourceId") or ""),
    }


def _storage_gb(storage: Mapping[str, Any]) -> int | None:
    """Flexible Server says GB, Single Server MB."""
    if isinstance(storage.get("storageSizeGB"), int):
        return int(storage["storageSizeGB"])
    return int(storage["storageMB"]) // 1024 if isinstance(storage.get("storageMB"), int) else None


def _primary(properties: Mapping[str, Any]) -> servers.ServerId | None:
    """Whom a replica follows. A restored server does not say where it came from."""
    role = str(properties.get("replicationRole") or _child(properties, "replica").get("role") or "").lower()
    followed = properties.get("sourceServerResourceId") or properties.get("masterServerId")
    return servers.server_id(str(followed)) if "replica" in role and followed else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _moment(text: Any) -> datetime | None:
    """Azure writes seven digits of a second here and there, and `+00:00` or `Z`."""
    if not isinstance(text, str):
        return None
    match = _STAMP.fullmatch(text)
    return datetime.fromisoformat(f"{match[1]}{match[2][:7]}+00:00") if match else None


def _child(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    child = parent.get(name)
    return child if isinstance(child, Mapping) else {}


def _span(text: str) -> timedelta | None:
    """`00:00:05` as a duration."""
    parts = text.split(":")
    if len(parts) != 3 or not all(p.isdigit() for p in parts):
        return None
    hours, minutes, seconds = (int(p) for p in parts)
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)
