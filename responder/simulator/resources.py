"""The records of what exists in the simulated cloud: groups, servers, DNS zones.

Plain records; the rules for changing them are in `arm`, and `world` holds them.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

PROVIDER = "Microsoft.DBforPostgreSQL"
TYPES = {"flexible": "flexibleServers", "single": "servers"}
RETENTION = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A resource group. Its record lives in `region`."""

    subscription: str
    name: str
    region: str

    @property
    def id(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.name}"


@dataclass(slots=True, kw_only=True)
class Server:
    """One PostgreSQL server as Resource Manager knows it."""

    subscription: str
    resource_group: str
    name: str
    kind: str
    """`flexible` or `single`."""
    region: str
    tier: str
    sku: str
    version: str
    storage_gb: int
    geo_backup: bool
    administrator: str
    created_at: datetime
    state: str = "Provisioning"
    """As in the answers: Provisioning, Ready, Updating, Dropping, Restarting, Stopped."""
    tags: dict[str, str] = field(default_factory=dict)
    earliest_restore: datetime | None = None
    """None for a restored copy: the service leaves the field out."""
    create_mode: str = "Create"
    source_id: str | None = None
    """What it was restored or replicated from."""
    zone: str = ""
    """Availability zone; empty: the service leaves the field out, as it does for a copy unless one was asked for."""
    role: str = "Primary"
    """Primary, AsyncReplica, GeoAsyncReplica."""
    shape: dict[str, object] = field(default_factory=dict)
    """More properties, as on the wire: `highAvailability`, `dataEncryption`, `network`, `cluster`. They replace what is
    shown otherwise; a copy has none of them."""
    real: bool = False
    """Whether a PostgreSQL process with data stands behind it."""
    address: str | None = None
    """`127.0.0.1:port` in the data plane."""
    operation: str | None = None
    """The operation under way. A server takes one at a time."""
    children: dict[str, dict[str, dict[str, object]]] = field(default_factory=dict)
    """By collection in lower case (`firewallrules`, `configurations`, ...), then by name: its properties."""

    @property
    def id(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/{PROVIDER}/{TYPES[self.kind]}/{self.name}"
        )

    @property
    def key(self) -> str:
        """The id in lower case: ids are compared without regard to case."""
        return self.id.lower()

    @property
    def type(self) -> str:
        return f"{PROVIDER}/{TYPES[self.kind]}"

    @property
    def fqdn(self) -> str:
        return f"{self.name}.postgres.database.azure.com"

    @property
    def is_replica(self) -> bool:
        return self.role != "Primary"

    def collection(self, name: str) -> dict[str, dict[str, object]]:
        """The children of one collection; made when there are none yet."""
        return self.children.setdefault(name.lower(), {})


@dataclass(slots=True, kw_only=True)
class RecordSet:
    """DNS records of one name and type. `properties` as on the wire, `TTL` aside."""

    name: str
    type: str
    """CNAME, A, TXT, NS or SOA."""
    ttl: int
    records: dict[str, object]
    """`CNAMERecord`, `ARecords`, ... as on the wire."""
    etag: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def target(self) -> str | None:
        """Where a CNAME points, without a trailing dot."""
        alias = self.records.get("CNAMERecord")
        return str(alias.get("cname", "")).rstrip(".") if isinstance(alias, dict) else None


@dataclass(slots=True, kw_only=True)
class Zone:
    """A public DNS zone. Zones are global, but their group's record is not."""

    subscription: str
    resource_group: str
    name: str
    record_sets: dict[tuple[str, str], RecordSet] = field(default_factory=dict)
    """By (type in upper case, relative name in lower case)."""
    etag: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def id(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Network/dnsZones/{self.name}"
        )
