"""What the simulated cloud starts with, read from a YAML file: subscriptions, groups, servers, zones, hubs, timings.

A description only: it may not hold anything that changes. The running state is in `world`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import pydantic

from responder.simulator import descriptions


class EstateError(ValueError):
    """An estate file cannot be used. The message names the file, the field and the remedy."""


ServerName = Annotated[str, pydantic.Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{1,61}[a-z0-9])$")]


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Administrator(_Part):
    login: str = "responder_admin"
    password: str = "local-only"


class Subscription(_Part):
    id: UUID
    name: str


class _Owned(_Part):
    name: str
    subscription: UUID | None = None
    """May be left out when the estate has one subscription."""


class _Grouped(_Owned):
    resource_group: str


class ResourceGroup(_Owned):
    region: descriptions.Region
    """Where the group's own record lives. While that region is down nothing in the group can be written."""


class Zone(_Grouped):
    records: Mapping[str, str] = {}
    """CNAME records: relative name to target. Time to live: 30 s."""


class Hub(_Part):
    name: str
    partitions: int = pydantic.Field(default=2, ge=1, le=32)


class FirewallRule(_Part):
    name: str
    start: str
    end: str


class Server(_Grouped):
    name: ServerName
    """Unique in the world, as the name is its DNS name."""
    kind: Literal["flexible", "single"] = "flexible"
    region: descriptions.Region
    tier: Literal["Basic", "Burstable", "GeneralPurpose", "MemoryOptimized"] = "GeneralPurpose"
    sku: str = ""
    """Left out: a small size of the tier."""
    version: str = "16"
    storage_gb: int = pydantic.Field(default=128, ge=5)
    geo_backup: bool = False
    data: Literal["real", "handshake"] = "handshake"
    """`real`: a PostgreSQL process with rows in it. `handshake`: something that answers the first bytes only."""
    replica_of: ServerName | None = None
    """The name of the server it follows as a read replica. It has that one's data, and `data` is not looked at."""
    rows_per_second: float = pydantic.Field(default=0, ge=0)
    tags: Mapping[str, str] = {}
    firewall: tuple[FirewallRule, ...] = ()
    configurations: Mapping[str, str] = {}
    """Server parameters that somebody has changed from their default."""
    databases: tuple[str, ...] = ("app",)
    shape: Mapping[str, Any] = {}
    """More properties as Azure shows them: `highAvailability: {mode: ZoneRedundant}`, `cluster`, `dataEncryption`,
    `network`, `availabilityZone`. They are shown, and have no other effect."""


class Timing(_Part):
    """How long the cloud takes. Minutes and hours in life; seconds here."""

    create: timedelta = timedelta(seconds=3)
    restore: timedelta = timedelta(seconds=5)
    delete: timedelta = timedelta(seconds=1)
    update: timedelta = timedelta(0)
    """Firewall rules, parameters, tags, promotion."""
    retry_after: timedelta = timedelta(seconds=1)
    """Sent with operations in whole seconds; zero leaves the header out."""
    backup_interval: timedelta = timedelta(seconds=4)
    backup_replication: timedelta = timedelta(seconds=1)


class Bucket(_Part):
    """A token bucket: how many requests fit, and how fast it fills up again."""

    size: int = pydantic.Field(ge=1)
    per_second: float = pydantic.Field(gt=0)


class Limits(_Part):
    """Rate limits of each caller in a subscription. Sizes as seen on the wire in 2026-04, rates as documented.

    https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
    """

    reads: Bucket = Bucket(size=1100, per_second=25)
    writes: Bucket = Bucket(size=800, per_second=10)
    deletes: Bucket = Bucket(size=800, per_second=10)
    graph_queries: int = pydantic.Field(default=15, ge=1)
    """Resource Graph queries of one caller in `graph_window`."""
    graph_window: timedelta = timedelta(seconds=5)
    page_size: int = pydantic.Field(default=100, ge=1)
    """Elements on one page of a list."""


class Estate(_Part):
    tenant: UUID
    administrator: Administrator = Administrator()
    subscriptions: tuple[Subscription, ...] = pydantic.Field(min_length=1)
    resource_groups: tuple[ResourceGroup, ...] = ()
    dns_zones: tuple[Zone, ...] = ()
    hubs: tuple[Hub, ...] = ()
    servers: tuple[Server, ...] = ()
    offer_restricted: tuple[descriptions.Region, ...] = ()
    """Regions in which these subscriptions may not create servers until Microsoft lets them."""
    new_servers: Literal["real", "handshake"] = "handshake"
    """What stands behind servers that are created empty; copies are as what they are copied from."""
    encrypted: bool = False
    """The servers demand encryption, as Azure's do, by a certificate of the simulator's own authority."""
    gateways_outlive: bool = False
    """In a region that is down, gateways go on greeting clients; only the servers behind them are silent."""
    core_quotas: Mapping[descriptions.Region, int] = {}
    """vCores allowed in a region; elsewhere 1000."""
    timing: Timing = Timing()
    limits: Limits = Limits()

    @pydantic.model_validator(mode="after")
    def _references_exist(self) -> Self:
        known = {str(s.id) for s in self.subscriptions}
        groups = {g.name.lower() for g in self.resource_groups}
        grouped: tuple[_Grouped, ...] = (*self.dns_zones, *self.servers)
        for part in (*self.resource_groups, *grouped):
            if part.subscription is None and len(known) > 1:
                raise ValueError(f"'{part.name}' has to name its subscription, as there are several")
            if part.subscription is not None and str(part.subscription) not in known:
                raise ValueError(f"'{part.name}': subscription {part.subscription} is not in subscriptions; add it")
        for child in grouped:
            if child.resource_group.lower() not in groups:
                raise ValueError(f"'{child.name}': '{child.resource_group}' is not in resource_groups; add it")
        names = [s.name for s in self.servers]
        leading = {s.name for s in self.servers if s.replica_of is None}
        for server in self.servers:
            if server.replica_of is not None and server.replica_of not in leading:
                raise ValueError(f"'{server.name}': replica_of '{server.replica_of}' is no server that can be followed")
        if len(set(names)) != len(names):
            raise ValueError("servers: two have the same name; server names are unique in the world")
        return self

    def subscription_of(self, part: _Owned) -> str:
        """The id of the subscription that a part of the estate is in."""
        return str(part.subscription or self.subscriptions[0].id)


_KIND = descriptions.Kind(name="estate", folder="estates", model=Estate, error=EstateError)


def load(path: Path) -> Estate:
    """The estate in a YAML file. Raises `EstateError`."""
    return _KIND.load(path)


def load_shipped(name: str) -> Estate:
    """An estate that comes with the package: `small`. Raises `EstateError` that lists them."""
    return _KIND.load_shipped(name)


def parse(text: str, *, source: str = "estate") -> Estate:
    """The estate in a YAML text; `source` is what errors call it. Raises `EstateError`."""
    return _KIND.parse(text, source=source)
