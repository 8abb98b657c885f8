"""What stands against each way out. For now one: geo-restore of the newest replicated backup into the pair.

Rules: https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-backup-restore (geo-redundant backup) and,
for Single Server, https://learn.microsoft.com/azure/postgresql/single-server/concepts-business-continuity.
"""

from __future__ import annotations

from dataclasses import dataclass

from responder.core import regions, servers


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why a way is closed, in a sentence for the owner, with what to do before the next time."""

    id: str
    text: str


def against_geo_restore(server: servers.Server, *, pair_impaired: bool) -> tuple[Obstacle, ...]:
    """Everything that rules a geo-restore out, weightiest first; empty when it is possible as far as we know."""
    found = []
    if server.tier.lower() == "basic":
        text = (
            "The Basic tier has no geo-redundant backup and cannot be geo-restored; dump and restore to another tier."
        )
        found.append(Obstacle(id="way.basic-tier", text=text))
    elif not server.geo_backup:
        text = (
            "It was created without geo-redundant backup, which cannot be added later;"
            " dump and restore into a new server that has it."
        )
        found.append(Obstacle(id="way.no-geo-backup", text=text))
    pair = regions.pair_of(server.region)
    if pair is None:
        text = f"{regions.display(server.region)} has no paired region, so there is nowhere to geo-restore to."
        found.append(Obstacle(id="way.no-pair", text=text))
    elif pair_impaired:
        text = (
            f"The paired region {regions.display(pair)} has an outage of its own; a restore there waits until it ends."
        )
        found.append(Obstacle(id="way.pair-impaired", text=text))
    return tuple(found)
