"""What the responder writes to and reaches: its journal, Azure, servers, groups, zones, channels. Reaches nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

import pydantic

from responder.settings import fields


class Store(fields.Part):
    """The journal. It must not live in a region it is for."""

    path: Path = Path("/var/lib/responder/responder.sqlite3")
    """SQLite file of the single instance, on a local disk. Its directory must exist and be writable. The default is the
    state directory of the systemd unit. Not used with `url`."""
    url: fields.Secret | None = None
    """Of a PostgreSQL database that several instances share: postgresql://user@host:5432/database. None: the file. The
    connection is encrypted (sslmode=require) unless the URL says otherwise; take verify-full with sslrootcert."""
    password: fields.Secret | None = None
    """Of the user in `url`. None: the URL has it, or none is needed. The command line reads it, too."""
    schema_name: str = pydantic.Field(default="responder", pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    """Schema in that database whose tables are all ours; made when it is missing. Small letters, digits and _."""

    @pydantic.model_validator(mode="after")
    def _complete(self) -> Store:
        if self.url is None and self.password is not None:
            raise ValueError("`password` belongs to `url`")
        return self


class Azure(fields.Part):
    """The cloud we ask and act in."""

    subscriptions: tuple[str, ...] = ()
    """Subscription ids whose servers are ours to look after. None listed: the inventory stays empty."""
    resource_manager: str = "https://management.azure.com"
    """Where Resource Manager answers; the public cloud's by default. Other for sovereign clouds and for the local
    simulator."""
    audience: str = "https://management.azure.com/.default"
    """The scope that tokens for `resource_manager` are asked for; the two belong together. The public cloud's by
    default."""
    ca_file: Path | None = None
    """Certificate authority of `resource_manager`, when it is not a public one. None: the system's."""
    credential: Literal["default", "managed-identity", "workload-identity", "environment"] = "default"
    """Which azure-identity credential. `default` tries them in turn, for a developer's machine; `managed-identity` is
    the one for production."""
    connect_timeout: fields.Duration = timedelta(seconds=10)
    """For a connection to Azure. 10 s: one lost packet is forgiven, a region that is gone is noticed."""
    read_timeout: fields.Duration = timedelta(seconds=30)
    """For the next bytes of an answer. 30 s, not the SDK's 300: a call into a dead region must not hold anything up."""
    configuration_refresh: fields.Duration = timedelta(hours=6)
    """How often the firewall rules and parameters of each declared server are read, while it is healthy, for a copy
    comes without them. 6 hours: two requests a server, and people change them seldom."""
    offer_refresh: fields.Duration = pydantic.Field(default=timedelta(hours=6), ge=timedelta(minutes=1))
    """How often the paired regions are asked what they offer: access, sizes, quota. 6 hours: two requests for each
    region and subscription, whatever the number of servers. During an outage its pair is asked every 10 minutes."""
    inventory_refresh: fields.Duration = timedelta(minutes=5)
    """How often Resource Graph is asked. 5 minutes: the graph itself lags by minutes. A failed refresh keeps what is
    known."""


class Postgres(fields.Part):
    """How a restored copy is verified by SQL, and how servers are reached."""

    user: str | None = None
    """Login that exists in every server and comes along with its backup. None: copies are verified by handshake."""
    password: fields.Secret | None = None
    """Of that login. None: copies are verified by handshake. `responder run` reads it, too, so it must lie where the
    command line can read it."""
    database: str = "postgres"
    """Which database is looked into. Every server has the default; take the one with your heartbeat."""
    tls: Literal["disable", "prefer", "require", "verify-full"] = "require"
    """As in libpq. `require`: Azure's servers demand TLS, and `verify-full` needs a file of authorities first."""
    newest_row: str = "select max(at) from heartbeat"
    """A query with one timestamptz: the newest row that surely was written in time. It measures the data loss. The
    default asks a table that a job of yours writes to once a minute."""
    address_book: Path | None = None
    """JSON object host -> "address:port" for names that DNS does not know here (split horizon, the simulator). None:
    DNS knows them all."""


class Network(fields.Part):
    """Where the copy of a server in a virtual network goes. Prepared beforehand; the responder makes neither."""

    region: fields.Region
    """Of the virtual network: the paired region of the servers it is for. No default."""
    subnet: str = pydantic.Field(
        pattern=r"(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network/.+$"
    )
    """ARM id of a subnet delegated to Microsoft.DBforPostgreSQL/flexibleServers, in the subscription of the servers it
    is for, in another network than theirs. No default."""
    dns_zone: str = pydantic.Field(
        pattern=r"(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network/.+$"
    )
    """ARM id of the private DNS zone that gets the copy's name, linked to that network. No default."""


class Restore(fields.Part):
    """Where copies go."""

    resource_groups: dict[fields.Region, str] = pydantic.Field(default_factory=dict)
    """Target region -> resource group that lies in that region. The group of a dead region takes no writes. Empty: only
    servers with the tag `outage-target-group` can be restored."""
    networks: dict[str, Network] = pydantic.Field(default_factory=dict)
    """Networks for the copies of servers in virtual networks, by a name of yours. A server takes the one of its paired
    region and its subscription; where there are several, the one that its tag `outage-network` names. Empty: such
    servers are not geo-restored."""
    poll: fields.Duration = timedelta(seconds=30)
    """Between looks at an operation when Azure names no time. 30 s: a restore takes half an hour at least."""
    retry: fields.Duration = timedelta(minutes=5)
    """Between attempts when a restore is refused for capacity or fails. 5 minutes: capacity comes back slowly, and
    everybody else asks, too."""


class DnsZone(fields.Part):
    """Where the zone that applications use lives. Its group must not lie in a region it is for."""

    subscription: str
    """Id of the zone's subscription. No default."""
    resource_group: str
    """The zone's resource group; writes to the zone go through its region. No default."""
    ttl: int = pydantic.Field(default=30, ge=1, le=86_400)
    """Seconds; what applications may cache after the cut-over. 30: short beside the 15 minutes a cut-over may take."""


class Channel(fields.Part):
    """Where announcements go."""

    kind: Literal["log", "webhook"]
    """`log`: our own log. `webhook`: an HTTP address of yours. No default."""
    url: fields.Secret | None = None
    """For `webhook`: the address announcements are posted to as JSON; a secret, because it often carries a token. None:
    for `log`."""

    @pydantic.model_validator(mode="after")
    def _complete(self) -> Channel:
        if (self.kind == "webhook") != (self.url is not None):
            raise ValueError("`url` belongs to kind webhook, and webhook needs it")
        return self
