"""What a location offers, whether a name is free, how much quota is used, from when a Single Server can be restored."""

from __future__ import annotations

import re
from collections import Counter

from responder.core import regions
from responder.simulator import resources
from responder.simulator import world as worlds
from responder.simulator.arm import calls, creations, found, shapes

_VALID_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61}[a-z0-9])")
_TIERS = {
    "Burstable": ("Standard_B1ms", "Standard_B2s"),
    "GeneralPurpose": ("Standard_D2ds_v5", "Standard_D4ds_v5", "Standard_D8ds_v5", "Standard_D16ds_v5"),
    "MemoryOptimized": ("Standard_E2ds_v5", "Standard_E4ds_v5", "Standard_E8ds_v5"),
}
_SINGLE_TIERS = {
    "Basic": ("B", (1, 2)),
    "GeneralPurpose": ("GP", (2, 4, 8, 16, 32, 64)),
    "MemoryOptimized": ("MO", (2, 4, 8, 16, 32)),
}
_VERSIONS = ("11", "12", "13", "14", "15", "16", "17", "18")


async def _by_location(call: calls.Call) -> calls.Reply:
    found.subscription_of(call)
    return calls.Reply(body={"value": [_describe(call.world, call.params["location"])]})


async def _by_server(call: calls.Call) -> calls.Reply:
    return calls.Reply(body={"value": [_describe(call.world, found.server_of(call).region)]})


def _describe(world: worlds.World, location: str) -> calls.Body:
    region = regions.find(location)
    if region is None:
        raise calls.Refused(400, "InvalidLocation", f"The location '{location}' is not known.")
    geo = _word(region.pair is not None)
    restricted = world.capacity_refusal(region.name) is not None
    features = {
        "FastProvisioning": "Disabled",
        "ZoneRedundantHa": "Enabled",
        "GeoBackup": geo,
        "ZoneRedundantHaAndGeoBackup": geo,
        "StorageAutoGrowth": "Enabled",
        "OnlineResize": "Enabled",
        "OfferRestricted": _word(restricted),
        "IndexTuning": "Enabled",
        "Clusters": "Enabled",
    }
    return {
        "name": "FlexibleServerCapabilities",
        "supportedServerEditions": [] if restricted else [_edition(tier) for tier in _TIERS],
        "supportedServerVersions": [] if restricted else [_version(v) for v in _VERSIONS],
        "supportedFastProvisioningEditions": [],
        "supportedFeatures": [{"name": n, "status": s} for n, s in features.items()],
        "fastProvisioningSupported": "Disabled",
        "geoBackupSupported": geo,
        "zoneRedundantHaSupported": "Enabled",
        "zoneRedundantHaAndGeoBackupSupported": geo,
        "storageAutoGrowthSupported": "Enabled",
        "onlineResizeSupported": "Enabled",
        "restricted": _word(restricted),
    }


def _version(name: str) -> calls.Body:
    newer = _VERSIONS[_VERSIONS.index(name) + 1 :]
    return {"supportedFeatures": [], "name": name, "supportedVersionsToUpgrade": list(newer)}


def _edition(tier: str) -> calls.Body:
    storage = {
        "name": "ManagedDisk",
        "defaultStorageSizeMb": 65536,
        "supportedStorageMb": [
            {
                "supportedIops": iops,
                "storageSizeMb": gb * 1024,
                "defaultIopsTier": disk,
                "supportedIopsTiers": [{"name": disk, "iops": iops}],
            }
            for gb, (disk, iops) in shapes.DISKS.items()
        ],
    }
    sizes = [
        {
            "supportedFeatures": [],
            "name": sku,
            "vCores": shapes.vcores(sku),
            "supportedIops": 3200,
            "supportedMemoryPerVcoreMb": 4096,
            "supportedZones": ["1", "2", "3"],
            "supportedHaMode": [] if tier == "Burstable" else ["SameZone", "ZoneRedundant"],
        }
        for sku in _TIERS[tier]
    ]
    return {
        "name": tier,
        "defaultSkuName": _TIERS[tier][0],
        "supportedServerSkus": sizes,
        "supportedStorageEditions": [storage],
    }


def _word(enabled: bool) -> str:
    return "Enabled" if enabled else "Disabled"


async def _single_tiers(call: calls.Call) -> calls.Reply:
    """What Single Server offers in a location. https://learn.microsoft.com/rest/api/postgresql/singleserver"""
    found.subscription_of(call)
    region = regions.find(call.params["location"])
    if region is None:
        raise calls.Refused(400, "InvalidLocation", f"The location '{call.params['location']}' is not known.")
    restricted = call.world.capacity_refusal(region.name) is not None
    tiers = {} if restricted else _SINGLE_TIERS
    return calls.Reply(body={"value": [_single_tier(tier, prefix, sizes) for tier, (prefix, sizes) in tiers.items()]})


def _single_tier(tier: str, prefix: str, sizes: tuple[int, ...]) -> calls.Body:
    bounds = {"minStorageMB": 5120, "maxStorageMB": 2097152, "minBackupRetentionDays": 7, "maxBackupRetentionDays": 35}
    return {
        "id": tier,
        **bounds,
        "serviceLevelObjectives": [
            {"id": f"{prefix}_Gen5_{size}", "edition": tier, "vCore": size, "hardwareGeneration": "Gen5", **bounds}
            for size in sizes
        ],
    }


async def _check_name(call: calls.Call) -> calls.Reply:
    found.subscription_of(call)
    name, type_ = calls.text(call.body, "name"), calls.text(call.body, "type")
    reason = message = ""
    if not _VALID_NAME.fullmatch(name):
        reason = "Invalid"
        message = f"Specified server name '{name}' does not match: 3 to 63 lower-case letters, digits and hyphens."
    elif call.world.server_named(name) is not None:
        reason, message = "AlreadyExists", "Specified server name is already used."
    body: dict[str, object] = {"name": name, "type": type_, "nameAvailable": not reason, "message": message}
    if reason:
        body["reason"] = reason
    return calls.Reply(body=body)


async def _usages(call: calls.Call) -> calls.Reply:
    found.subscription_of(call)
    region = regions.normalise(call.params["location"])
    limit = call.world.estate.core_quotas.get(region, creations.DEFAULT_QUOTA)
    used = Counter({shapes.family(sku): 0 for sizes in _TIERS.values() for sku in sizes})
    for server in call.world.servers.values():
        if server.region == region and server.kind == "flexible":
            used[shapes.family(server.sku)] += shapes.vcores(server.sku)
    used["cores"] = creations.used_vcores(call.world, region)
    return calls.page(
        call,
        [
            {"name": {"value": n, "localizedValue": n}, "limit": limit, "unit": "Count", "currentValue": u, "id": ""}
            for n, u in sorted(used.items())
        ],
    )


async def _suffix(call: calls.Call) -> calls.Reply:
    return calls.Reply(body='"postgres.database.azure.com"')


async def _recoverable(call: calls.Call) -> calls.Reply:
    """When the newest geo-backup of a Single Server was made: what a geo-restore would lose."""
    server = found.server_of(call)
    newest = call.world.newest_backup(server)
    if newest is None:
        raise calls.Refused(
            404, "ResourceNotFound", f"There is no recoverable server for '{server.name}': it has no geo-backup."
        )
    return calls.Reply(
        body={
            "id": f"{server.id}/recoverableServers",
            "name": "recoverableServers",
            "type": f"{server.type}/recoverableServers",
            "properties": {
                "lastAvailableBackupDateTime": calls.milliseconds(newest),
                "serviceLevelObjective": server.sku,
                "edition": server.tier,
                "hardwareGeneration": "Gen5",
                "vCore": shapes.vcores(server.sku),
                "version": server.version,
            },
        }
    )


_PLACE = f"{calls.SUBSCRIPTION}/providers/{resources.PROVIDER}"
_SERVER = f"{calls.GROUP}/providers/{resources.PROVIDER}"

ROUTES = (
    calls.route("GET", f"{_PLACE}/locations/{{location}}/capabilities", _by_location),
    calls.route("GET", f"{_PLACE}/locations/{{location}}/performanceTiers", _single_tiers, kind="single"),
    calls.route("POST", f"{_PLACE}/locations/{{location}}/checkNameAvailability", _check_name),
    calls.route("POST", f"{_PLACE}/checkNameAvailability", _check_name),
    calls.route("GET", f"{_PLACE}/locations/{{location}}/resourceType/flexibleServers/usages", _usages),
    calls.route("POST", f"/providers/{resources.PROVIDER}/getPrivateDnsZoneSuffix", _suffix),
    calls.route("GET", f"{_SERVER}/flexibleServers/{{server}}/capabilities", _by_server, kind="flexible"),
    calls.route("GET", f"{_SERVER}/servers/{{server}}/recoverableServers", _recoverable, kind="single"),
)
