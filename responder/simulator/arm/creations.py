"""May this server be created? The rules of the create modes, one function a rule.

Pure but for reading the world. Where the service's error code is not documented, the code is ours and the message is
the documented one; clients may rely on neither.
Rules: https://learn.microsoft.com/azure/postgresql/backup-restore/concepts-geo-disaster-recovery and, for Single
Server, https://learn.microsoft.com/previous-versions/azure/postgresql/single-server/concepts-backup
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from responder.core import regions
from responder.simulator import resources
from responder.simulator import world as worlds
from responder.simulator.arm import calls, shapes

DEFAULT_QUOTA = 1000
"""vCores in a region where the estate names no quota."""

MAX_REPLICAS = 5
CREATES = ("Default", "Create", "Update")


def check(call: calls.Call, wanted: shapes.Wanted) -> resources.Server | None:
    """The source that the new server is made from; None for an empty one. Raises `Refused`."""
    world = call.world
    region = wanted.region
    if region is None or regions.find(region) is None:
        raise calls.Refused(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{region or ''}' is not available for resource type "
            f"'{resources.PROVIDER}/{resources.TYPES[call.kind]}'.",
        )
    source: resources.Server | None = None
    if wanted.mode not in CREATES:
        rules = _MODES.get(wanted.mode)
        if rules is None:
            raise calls.Refused(
                400, "InvalidParameterValue", f"Invalid value given for parameter CreateMode: '{wanted.mode}'."
            )
        source = _source(call, wanted)
        for rule in rules:
            rule(world, wanted, source)
    _redundancy_needs_the_pair(world, wanted)
    _region_accepts(world, region)
    _quota_suffices(world, wanted, source)
    return source


def _source(call: calls.Call, wanted: shapes.Wanted) -> resources.Server:
    """Found by id alone: neither a GET of the source nor its region is needed."""
    source = call.world.servers.get((wanted.source_id or "").lower())
    if source is None or source.kind != call.kind:
        name = (wanted.source_id or "").rsplit("/", 1)[-1]
        raise calls.Refused(
            404,
            "ResourceNotFound",
            f"The requested resource of type '{resources.PROVIDER}/{resources.TYPES[call.kind]}' with name '{name}' "
            "was not found.",
        )
    if source.subscription != call.params["subscription"].lower():
        raise _refused("InvalidParameterValue", "Restoring into another subscription is not supported.")
    return source


def _source_has_geo_backup(world: worlds.World, wanted: shapes.Wanted, source: resources.Server) -> None:
    if source.kind == "single" and source.tier == "Basic":
        raise _refused("GeoRestoreNotSupported", "Geo-restore is not supported for servers of the Basic tier.")
    if not source.geo_backup:
        raise _refused("GeoRestoreNotSupported", f"Server '{source.name}' does not have geo-redundant backup enabled.")


def _target_is_the_pair(world: worlds.World, wanted: shapes.Wanted, source: resources.Server) -> None:
    """Flexible servers only; a Single Server may be restored anywhere."""
    if source.kind == "flexible" and wanted.region != regions.pair_of(source.region):
        raise _refused(
            "InvalidParameterValue",
            f"Geo-restore of server '{source.name}' is possible only to '{regions.pair_of(source.region)}', the paired "
            f"region of '{source.region}'.",
        )


def _network_stays_as_it_is(world: worlds.World, wanted: shapes.Wanted, source: resources.Server) -> None:
    """Public stays public, and private stays private, in another network than the source's."""
    own = subnet_of(source)
    if source.kind != "flexible" or (own is None and wanted.subnet is None):
        return
    if own is None or wanted.subnet is None:
        raise _refused("InvalidParameterValue", "Geo-restore cannot change between public and private access.")
    if wanted.dns_zone is None:
        raise _refused("InvalidParameterValue", "A server in a virtual network needs a private DNS zone.")
    if wanted.subnet.lower().partition("/subnets/")[0] == own.lower().partition("/subnets/")[0]:
        raise _refused("InvalidParameterValue", "A geo-restored server has to be in another virtual network.")


def subnet_of(server: resources.Server) -> str | None:
    """The delegated subnet that a server is in."""
    network = server.shape.get("network")
    found = network.get("delegatedSubnetResourceId") if isinstance(network, dict) else None
    return str(found) if found else None


def _backup_has_arrived(world: worlds.World, wanted: shapes.Wanted, source: resources.Server) -> None:
    if world.newest_backup(source) is None:
        raise _refused(
            "GeoBackupsNotAvailable",
            f"Unable to geo-restore server {source.name} as its geo-backups aren't available yet.",
        )


def _shape_is_the_sources(world: worlds.World, wanted: shapes.Wanted, source: resources.Server) -> None:
    """Compute of a flexible server, version and storage cannot be changed while restoring; the tier never."""
    asked: list[tuple[str, object, object]] = [
        ("tier", wanted.tier, source.tier),
        ("version", wanted.version, source.version),
        ("storage size", wanted.storage_gb, source.storage_gb),
    ]
    if source.kind == "flexible":
        asked.append(("compute size", wanted.sku, source.sku))
    for what, value, has in asked:
        if value is not None and value != has:
            raise _refused("InvalidParameterValue", f"The {what} cannot be changed while restoring; it is '{has}'.")


def _same_region(world: worlds.World, wanted: shapes.Wanted, source: resources.Server) -> None:
    if wanted.region != source.region:
        raise _refused(
            "InvalidParameterValue", "Point-in-time restore is possible only within the region of the source."
        )


def _moment_is_kept(world: worlds.World, wanted: shapes.Wanted, source: resources.Server) -> None:
    """Any moment from the earliest restore date until now; a server that was restored a moment ago has none yet."""
    if wanted.to is None:
        raise _refused("InvalidParameterValue", "A point-in-time restore needs the time to restore to.")
    if source.earliest_restore is None:
        raise _refused("InvalidParameterValue", f"Server '{source.name}' has no backups to restore from yet.")
    if not source.earliest_restore <= wanted.to <= world.now():
        raise _refused(
            "InvalidParameterValue",
            f"The restore point '{wanted.to:%Y-%m-%dT%H:%M:%SZ}' is not between the earliest restore date "
            f"'{source.earliest_restore:%Y-%m-%dT%H:%M:%SZ}' and now.",
        )


def _can_have_a_replica(world: worlds.World, wanted: shapes.Wanted, source: resources.Server) -> None:
    if source.tier in ("Basic", "Burstable"):
        raise _refused("ReadReplicaNotSupported", f"Read replicas are not supported in the {source.tier} tier.")
    if source.is_replica or wanted.geo_backup:
        raise _refused("ReadReplicaNotSupported", "A read replica has neither replicas nor geo-redundant backup.")
    if world.region_down(source.region) or source.state != "Ready":
        raise _refused("ServerNotReady", f"Server '{source.name}' is not ready to be replicated.")
    if sum(s.source_id == source.id and s.is_replica for s in world.servers.values()) >= MAX_REPLICAS:
        raise _refused("ReadReplicaLimitReached", f"Server '{source.name}' has {MAX_REPLICAS} replicas already.")


def _redundancy_needs_the_pair(world: worlds.World, wanted: shapes.Wanted) -> None:
    """While the pair is down no geo-redundant server can be created: a geo-restored copy has to go without."""
    if not wanted.geo_backup:
        return
    pair = regions.pair_of(wanted.region or "")
    if pair is None:
        raise _refused("GeoBackupNotSupported", f"Geo-redundant backup is not supported in region '{wanted.region}'.")
    if world.region_down(pair):
        raise _refused(
            "GeoBackupNotAvailable",
            f"Geo-redundant backup cannot be enabled while the paired region '{pair}' is unavailable.",
        )


def _region_accepts(world: worlds.World, region: str) -> None:
    refusal = world.capacity_refusal(region)
    if refusal is not None:
        raise calls.Refused(400, refusal.code, refusal.message, fault="capacity")


def _quota_suffices(world: worlds.World, wanted: shapes.Wanted, source: resources.Server | None) -> None:
    region = wanted.region or ""
    needed = shapes.vcores(wanted.sku or (source.sku if source else ""))
    limit, used = world.estate.core_quotas.get(region, DEFAULT_QUOTA), used_vcores(world, region)
    if used + needed > limit:
        raise _refused(
            "QuotaExceeded",
            f"Operation could not be completed as it results in exceeding approved {region} Cores quota. Additional "
            f"details - Current Limit: {limit}, Current Usage: {used}, Additional Required: {needed}, (Minimum) New "
            f"Limit Required: {used + needed}.Submit a request for Quota increase by specifying parameters listed in "
            "the 'Details' section for deployment to succeed.",
        )


def used_vcores(world: worlds.World, region: str) -> int:
    """vCores of all servers in a region."""
    return sum(shapes.vcores(s.sku) for s in world.servers.values() if s.region == region)


def _refused(code: str, message: str) -> calls.Refused:
    return calls.Refused(400, code, message)


_Rule = Callable[[worlds.World, shapes.Wanted, resources.Server], None]

_MODES: Mapping[str, tuple[_Rule, ...]] = {
    "GeoRestore": (
        *(_source_has_geo_backup, _target_is_the_pair, _shape_is_the_sources),
        *(_network_stays_as_it_is, _backup_has_arrived),
    ),
    "PointInTimeRestore": (_same_region, _shape_is_the_sources, _moment_is_kept),
    "Replica": (_can_have_a_replica,),
}
