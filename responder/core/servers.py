"""The servers of the estate, as the inventory last saw them. Decisions read these, never the failing region."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from responder.core import regions

ServerId = NewType("ServerId", str)
"""ARM resource id in lower case: Azure compares ids without case, and so do we, by storing one form."""

_ID = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"/providers/microsoft\.dbforpostgresql/(?P<type>flexibleservers|servers)/(?P<name>[^/]+)"
)

_SIZE = re.compile(r"(?:B|GP|MO)_Gen\d_(\d+)$|Standard_[A-Z]+(\d+)", re.IGNORECASE)

NOT_MEANT_TO_ANSWER = frozenset({"stopped", "stopping", "disabled", "dropping"})
"""States (lower case) in which Azure itself says that a server is not meant to answer, as the inventory last saw it."""


class Family(StrEnum):
    """Which of the two products, hence which control plane."""

    FLEXIBLE = "flexible"
    SINGLE = "single"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One PostgreSQL server with its captured configuration."""

    id: ServerId
    name: str
    family: Family
    subscription_id: str
    resource_group: str
    region: regions.RegionName
    tier: str
    """`Basic` (Single Server only), `Burstable`, `GeneralPurpose` or `MemoryOptimized`."""
    sku: str = ""
    version: str = ""
    storage_gb: int | None = None
    """Provisioned storage; stands for the used data until a drill tells better. None: not known."""
    geo_backup: bool = False
    """Geo-redundant backup, fixed when the server was created."""
    fqdn: str = ""
    state: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    public_access: bool = True
    zone: str = ""
    """Availability zone by its number in this subscription. Empty: none, or not known."""
    high_availability: str = ""
    """`ZoneRedundant`, `SameZone` or `Disabled`. Empty: not known."""
    backups_since: datetime | None = None
    """The earliest moment it can be restored to. Soon after its creation this tells its age."""
    backup_retention_days: int | None = None
    """How many days of backups are kept. None: not known."""
    elastic: bool = False
    """A cluster of several nodes, which Azure restores neither to a point in time nor elsewhere."""
    own_key: bool = False
    """Encrypted with a key of the customer's."""
    geo_key: bool = False
    """And its geo-redundant backup with a key in the paired region."""
    geo_key_status: str = ""
    """`Valid` or `Invalid` for that key, as Azure last said. Empty: not known."""
    subnet: str = ""
    """ARM id of the subnet it lives in. Empty: not in a virtual network."""
    replica_of: ServerId | None = None
    """The server it replicates. None: it is no read replica."""
    target_group_region: regions.RegionName | None = None
    """Where the resource group lies that its tag `outage-target-group` names. None: no tag, or not known."""
    zone_region: regions.RegionName | None = None
    """Where the resource group of its DNS zone lies. None: no such zone, or not known."""
    seen_at: datetime | None = None
    """When the inventory last saw it."""

    @property
    def zone_redundant(self) -> bool:
        """Whether a standby in another zone takes over by itself."""
        return self.high_availability.lower() == "zoneredundant"

    @property
    def vcores(self) -> int | None:
        """Processors of its size, read off the name of the size (`Standard_D4ds_v5`, `GP_Gen5_8`). None: not in it."""
        return _vcores(self.sku)

    def log_context(self) -> dict[str, str]:
        """The fields that every log line about this server carries."""
        return {"server": self.name, "region": self.region}


@functools.lru_cache(maxsize=1000)
def _vcores(sku: str) -> int | None:
    match = _SIZE.match(sku)
    return int(match[1] or match[2]) if match else None


def server_id(text: str) -> ServerId:
    """The one spelling of an ARM id."""
    return ServerId(text.strip().rstrip("/").lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The parts of a server's ARM id, in lower case like the id itself."""

    subscription_id: str
    resource_group: str
    family: Family
    name: str


def address_of(id_: str) -> Address | None:
    """Take an ARM id apart; None when it does not name a PostgreSQL server."""
    match = _ID.fullmatch(id_.strip().rstrip("/").lower())
    if match is None:
        return None
    family = Family.FLEXIBLE if match["type"] == "flexibleservers" else Family.SINGLE
    return Address(
        subscription_id=match["subscription"], resource_group=match["group"], family=family, name=match["name"]
    )


def id_of(address: Address) -> ServerId:
    """The ARM id of a server that may not exist yet."""
    kind = "flexibleservers" if address.family is Family.FLEXIBLE else "servers"
    return server_id(
        f"/subscriptions/{address.subscription_id}/resourcegroups/{address.resource_group}"
        f"/providers/microsoft.dbforpostgresql/{kind}/{address.name}"
    )


def copy_name(server: Server, cause: str, attempt: int, kind: str = "geo") -> str:
    """Deterministic name of what we create for `server` because of `cause`: found again after a crash, and adopted.

    Args:
        cause: the id of the run that makes it.
        attempt: 1 for the first; a failed attempt is never written over.
        kind: `geo` from a geo-replicated backup, `pit` from a point in time, `new` created empty.

    At most 63 characters, lower-case letters, digits and hyphens, as
    https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules demands.
    """
    digest = hashlib.sha256(f"{server.id}|{cause}|{attempt}".encode()).hexdigest()[:8]
    return f"{_copy_prefix(server)}{kind}-{digest}"


def is_copy_name(fqdn: str, server: Server) -> bool:
    """Whether a host name is that of a copy that we made of this server, whatever run made it."""
    label = fqdn.lower().partition(".")[0]
    return re.fullmatch(re.escape(_copy_prefix(server)) + "(?:geo|pit|new)-[0-9a-f]{8}", label) is not None


def _copy_prefix(server: Server) -> str:
    return f"{server.name.lower()[:50]}-"
