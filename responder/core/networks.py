"""The network that the copy of a private server gets, where somebody prepared one. Asks nobody.

A copy of a server in a virtual network must be in one, too, and cannot be in the same: it needs a delegated subnet of
the region and subscription that it is made in, and a private DNS zone linked to that network.
https://learn.microsoft.com/azure/postgresql/backup-restore/concepts-geo-disaster-recovery and
https://learn.microsoft.com/azure/postgresql/network/concepts-networking-private
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from responder.core import regions, servers, tolerances

_SUBSCRIPTION = re.compile(r"/subscriptions/([^/]+)/", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A place in a virtual network, prepared beforehand."""

    region: regions.RegionName
    """Where its virtual network is."""
    subnet: str
    """ARM id of a subnet delegated to Microsoft.DBforPostgreSQL/flexibleServers."""
    dns_zone: str
    """ARM id of the private DNS zone that gets the copy's name."""

    @property
    def subscription_id(self) -> str:
        """Of the subnet, in lower case."""
        found = _SUBSCRIPTION.match(self.subnet)
        return found[1].lower() if found else ""


def chosen(known: Mapping[str, Network], server: servers.Server, region: regions.RegionName) -> Network | str:
    """The network for a copy of the server in that region, or the id of what stands against it.

    The tag `outage-network` names one. Without it there must be exactly one of the region and subscription.
    """
    fit = {
        name: network
        for name, network in known.items()
        if network.region == region and network.subscription_id == server.subscription_id.lower()
    }
    if server.family is servers.Family.SINGLE or not fit:
        return "private-network"
    name = tolerances.network(server.tags)
    if name is not None:
        return fit.get(name, "no-such-network")
    return next(iter(fit.values())) if len(fit) == 1 else "several-networks"
