"""The state that every part shares: what exists, which regions are down, what was asked, what goes wrong.

Knows no protocol. Resource Manager (`arm`), the broker, the data plane and the control endpoint read and change it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from responder.core import regions
from responder.simulator import estates, faults, ledger, resources
from responder.simulator.resources import Server

__all__ = ["DataPlane", "NoBackup", "Server", "World"]

DEFAULT_SKUS = {
    ("flexible", "Burstable"): "Standard_B1ms",
    ("flexible", "GeneralPurpose"): "Standard_D2ds_v5",
    ("flexible", "MemoryOptimized"): "Standard_E2ds_v5",
    ("single", "Basic"): "B_Gen5_1",
    ("single", "GeneralPurpose"): "GP_Gen5_2",
    ("single", "MemoryOptimized"): "MO_Gen5_2",
}
"""The smallest size of each tier."""

_ESTATE_AGE = timedelta(days=30)


class NoBackup(LookupError):
    """There is no geo-replicated backup of this server: it has none, or the first is not replicated yet."""


class DataPlane(Protocol):
    """What runs behind the servers. Keyed by server name, as names are unique in the world."""

    async def create(
        self, name: str, region: str, *, real: bool, rows_per_second: float = 0, geo_backup: bool = True
    ) -> str:
        """A new, empty server. Returns `127.0.0.1:port` once it answers."""
        ...

    async def restore(self, name: str, region: str, *, source: str, to: datetime | None = None) -> str:
        """A new server from the newest geo-replicated backup of `source`, or as it was at a moment, from the backups
        in its own region. Raises `NoBackup`."""
        ...

    async def replicate(self, name: str, region: str, *, source: str) -> str:
        """A new read replica that follows `source`."""
        ...

    async def promote(self, name: str) -> None:
        """A replica stops following, and takes writes."""
        ...

    async def remove(self, name: str) -> None: ...

    async def region_down(self, region: str) -> None:
        """Its servers stop answering: connections freeze; writes and backups stop."""
        ...

    async def region_up(self, region: str) -> None:
        """They answer again with every row they had."""
        ...

    def newest_backup(self, source: str) -> datetime | None:
        """When the newest backup that has reached the pair was complete."""
        ...

    async def close(self) -> None: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


class World:
    """A cloud. Build it, `start()` it once, `close()` it."""

    def __init__(
        self,
        estate: estates.Estate,
        *,
        data: DataPlane | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.estate = estate
        self.data = data
        self.ledger = ledger.Ledger()
        self.faults = faults.Faults()
        self.events: list[dict[str, object]] = []
        """Resource Health events (2025-05-01), newest last."""
        self.groups: dict[str, resources.Group] = {}
        """By lower-cased id."""
        self.servers: dict[str, Server] = {}
        """By lower-cased id."""
        self.zones: dict[str, resources.Zone] = {}
        """By lower-cased id."""
        self.listeners: list[Callable[[], None]] = []
        """Called after the address book or a region has changed."""
        self._clock = clock
        self._down: dict[str, asyncio.Event] = {}
        """Regions that are down; the event is set when they come back."""
        self._populate()

    def now(self) -> datetime:
        """The time, aware, UTC."""
        return self._clock()

    async def start(self) -> None:
        """Bring up the data plane of the estate's servers."""
        if self.data is None:
            return
        described = {s.name: s for s in self.estate.servers}

        async def bring_up(server: Server) -> None:
            assert self.data is not None
            as_described = described[server.name]
            if as_described.replica_of is not None:
                server.address = await self.data.replicate(server.name, server.region, source=as_described.replica_of)
                return
            server.address = await self.data.create(
                server.name,
                server.region,
                real=server.real,
                rows_per_second=as_described.rows_per_second,
                geo_backup=as_described.geo_backup,
            )

        for replicas in (False, True):  # a replica needs its primary
            async with asyncio.TaskGroup() as group:
                for server in tuple(self.servers.values()):
                    if server.is_replica is replicas:
                        group.create_task(bring_up(server), name=f"create {server.name}")
        self.changed()

    async def close(self) -> None:
        """End the data plane. Idempotent."""
        if self.data is not None:
            await self.data.close()

    def region_down(self, region: str) -> bool:
        """Whether a region, in any spelling, is down."""
        return regions.normalise(region) in self._down

    @property
    def regions_down(self) -> tuple[str, ...]:
        return tuple(sorted(self._down))

    async def take_region_down(self, region: str) -> None:
        """The region stops answering: its control plane at once, then its servers. Idempotent."""
        name = regions.normalise(region)
        if name in self._down:
            return
        self._down[name] = asyncio.Event()
        if self.data is not None:
            await self.data.region_down(name)
        self.changed()

    async def bring_region_up(self, region: str) -> None:
        """Everything in the region answers again. Idempotent."""
        name = regions.normalise(region)
        if name not in self._down:
            return
        if self.data is not None:
            await self.data.region_up(name)
        self._down.pop(name).set()
        self.changed()

    async def region_answers(self, region: str) -> None:
        """Return when the region is up; at once if it is."""
        while (back := self._down.get(regions.normalise(region))) is not None:
            await back.wait()

    def server_named(self, name: str) -> Server | None:
        """The server of that name, whatever subscription, group and kind it is of."""
        wanted = name.lower()
        return next((s for s in self.servers.values() if s.name.lower() == wanted), None)

    def newest_backup(self, server: Server) -> datetime | None:
        """When the newest geo-replicated backup was made. Without a data plane every geo-backup is of now."""
        if not server.geo_backup:
            return None
        return self.now() if self.data is None else self.data.newest_backup(server.name)

    def capacity_refusal(self, region: str) -> faults.Refusal | None:
        """Why servers cannot be created in a region: a fault, or the estate's subscriptions are restricted there."""
        if region in self.estate.offer_restricted:
            return faults.OFFER_RESTRICTED
        return self.faults.capacity_refusal(region)

    def address_book(self) -> dict[str, str]:
        """`127.0.0.1:port` by fully qualified domain name, for every server that has a data plane."""
        return {s.fqdn: s.address for s in self.servers.values() if s.address is not None}

    def resolve(self, host: str) -> str | None:
        """The server name that a host name leads to through the CNAMEs of the zones, or None when it leads nowhere."""
        known = {s.fqdn for s in self.servers.values()}
        name = host.rstrip(".").lower()
        for _ in range(8):
            if name in known:
                return name
            alias = self._alias(name)
            if alias is None:
                return None
            name = alias.lower()
        return None

    def changed(self) -> None:
        """Tell the listeners that the address book or a region has changed."""
        for listener in tuple(self.listeners):
            listener()

    def _alias(self, name: str) -> str | None:
        for zone in self.zones.values():
            suffix = f".{zone.name.lower()}"
            if name.endswith(suffix):
                record_set = zone.record_sets.get(("CNAME", name.removesuffix(suffix)))
                return record_set.target if record_set else None
        return None

    def _populate(self) -> None:
        estate = self.estate
        homes: dict[str, str] = {}
        for part in estate.resource_groups:
            group = resources.Group(subscription=estate.subscription_of(part), name=part.name, region=part.region)
            self.groups[group.id.lower()] = group
            homes[group.name.lower()] = group.name
        for described in estate.servers:
            server = self._server(described, homes[described.resource_group.lower()])
            self.servers[server.key] = server
        for described in estate.servers:
            self._follow(described)
        for planned in estate.dns_zones:
            zone = resources.Zone(
                subscription=estate.subscription_of(planned),
                resource_group=homes[planned.resource_group.lower()],
                name=planned.name,
            )
            for name, target in planned.records.items():
                zone.record_sets["CNAME", name.lower()] = resources.RecordSet(
                    name=name, type="CNAME", ttl=30, records={"CNAMERecord": {"cname": target}}
                )
            self.zones[zone.id.lower()] = zone

    def _follow(self, described: estates.Server) -> None:
        """Make a described replica one."""
        primary = self.server_named(described.replica_of) if described.replica_of else None
        replica = self.server_named(described.name)
        if primary is not None and replica is not None:
            replica.role = "AsyncReplica" if primary.region == replica.region else "GeoAsyncReplica"
            replica.source_id, replica.real = primary.id, primary.real
            replica.earliest_restore = None

    def _server(self, described: estates.Server, resource_group: str) -> Server:
        now = self.now()
        return Server(
            subscription=self.estate.subscription_of(described),
            resource_group=resource_group,
            name=described.name,
            kind=described.kind,
            region=described.region,
            tier=described.tier,
            sku=described.sku or DEFAULT_SKUS.get((described.kind, described.tier), "Standard_D2ds_v5"),
            version=described.version,
            storage_gb=described.storage_gb,
            geo_backup=described.geo_backup,
            administrator=self.estate.administrator.login,
            created_at=now - _ESTATE_AGE,
            state="Ready",
            tags=dict(described.tags),
            earliest_restore=now - resources.RETENTION,
            zone="1" if described.kind == "flexible" else "",
            real=described.data == "real",
            shape=dict(described.shape),
            children={
                "firewallrules": {
                    r.name: {"startIpAddress": r.start, "endIpAddress": r.end} for r in described.firewall
                },
                "configurations": {k: {"value": v} for k, v in described.configurations.items()},
                "databases": {n: {"charset": "UTF8", "collation": "en_US.utf8"} for n in described.databases},
            },
        )
