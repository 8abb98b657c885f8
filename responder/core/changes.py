"""Changes to servers that are asked of Azure one at a time, each a long-running operation. Values only.

Each names the one server that is changed: a copy of ours, or a replica that becomes a server of its own. A source that
applications were sent to is never among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from responder.core import regions, restores, servers


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """Make a read replica a server of its own, without waiting for its primary: what it lacks is lost.

    Flexible Server calls this standalone and forced, the only way while the primary's region is down.
    https://learn.microsoft.com/azure/postgresql/read-replica/concepts-read-replicas-promote
    """

    server_id: servers.ServerId
    """Of the replica."""
    source_id: servers.ServerId
    """Of its primary; named in the request, never asked anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """Make a new, empty server in the source's region and of its size, with geo-redundant backup."""

    server_id: servers.ServerId
    source: servers.Server
    region: regions.RegionName
    tags: Mapping[str, str] = field(default_factory=dict)
    """Besides those that say who made it and from what, which are always set."""

    def all_tags(self) -> dict[str, str]:
        """The tags the new server gets."""
        return restores.tags_of(self.source, self.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallRule:
    """Let a range of IPv4 addresses in."""

    server_id: servers.ServerId
    name: str
    start: str
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """Set a server parameter."""

    server_id: servers.ServerId
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Restart a copy, so that parameters that are read at the start count."""

    server_id: servers.ServerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """Give a server these tags and no others: Azure replaces all of them."""

    server_id: servers.ServerId
    tags: Mapping[str, str]


Change = Promotion | Creation | FirewallRule | Parameter | Restart | Tags
