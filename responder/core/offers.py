"""What a region offers a subscription for copies, as Azure said when it was asked: access, sizes, quota.

Asked in peace, region by region and never server by server; `about` says what it means for one server. Asks nobody.
https://learn.microsoft.com/azure/postgresql/troubleshoot/how-to-resolve-capacity-errors
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from responder.core import regions, servers, ways

LASTS = timedelta(days=3)
"""What was asked longer than this before an outage says nothing about it."""

_SKU = re.compile(r"Standard_([A-Z]+)\d+([a-z]*)(?:_v(\d+))?", re.IGNORECASE)
_ALL = "cores"
"""The name of the quota that counts every family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a copy would be made: what Azure answers is the same for every server of it."""

    subscription_id: str
    """In lower case."""
    region: regions.RegionName
    family: servers.Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One place's answer."""

    place: Place
    asked_at: datetime
    restricted: bool = False
    """PostgreSQL is not offered there to this subscription."""
    why: str = ""
    """Azure's own words for that."""
    sizes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Tier, lower case, to the sizes that new servers can have. Empty: not said."""
    geo_backup: bool | None = None
    """A server there can have geo-redundant backup. None: not said."""
    zone_redundant: bool | None = None
    """A server there can have a standby in another zone. None: not said."""
    free: Mapping[str, int] = field(default_factory=dict)
    """vCores that each quota leaves, by Azure's name of it in lower case. Empty: not said."""


def place_of(server: servers.Server) -> Place | None:
    """Where its geo-restored copy would be made. None: there is no paired region."""
    pair = regions.pair_of(server.region)
    if pair is None:
        return None
    return Place(subscription_id=server.subscription_id.lower(), region=pair, family=server.family)


def wanted(listed: Iterable[servers.Server]) -> Mapping[Place, frozenset[regions.RegionName]]:
    """The places to ask about, for servers that could be geo-restored, with the regions these are in."""
    found: dict[Place, set[regions.RegionName]] = {}
    for server in listed:
        place = place_of(server) if server.geo_backup else None
        if place is not None:
            found.setdefault(place, set()).add(server.region)
    return {place: frozenset(sources) for place, sources in found.items()}


def needed(listed: Iterable[servers.Server]) -> Mapping[tuple[Place, str], int]:
    """vCores that geo-restored copies of all of these would take, by place and quota."""
    found: Counter[tuple[Place, str]] = Counter()
    for server in listed:
        place = place_of(server) if server.geo_backup else None
        if place is not None:
            found[place, quota_of(server.sku)] += server.vcores or 0
    return found


def about(
    offered: Offered | None, server: servers.Server, needed_by_all: int, outage_at: datetime
) -> ways.Offer | None:
    """What it means for the copy of one server. None: not asked, or too long ago.

    Args:
        needed_by_all: vCores that the copies of all servers which share this quota would take.
        outage_at: the impact start.
    """
    if offered is None or outage_at - offered.asked_at > LASTS:
        return None
    quotas = [offered.free[name] for name in (quota_of(server.sku), _ALL) if name in offered.free]
    sizes = offered.sizes.get(server.tier.lower(), ())
    known = {size.lower() for size in sizes}
    return ways.Offer(
        restricted=offered.restricted,
        why=offered.why,
        free_vcores=min(quotas, default=None),
        needed_by_all=needed_by_all,
        size_missing=bool(offered.sizes) and bool(server.sku) and server.sku.lower() not in known,
        no_geo_backup=offered.geo_backup is False,
        no_standby=offered.zone_redundant is False,
        asked_at=offered.asked_at,
    )


@functools.lru_cache(maxsize=1000)
def quota_of(sku: str) -> str:
    """The name (lower case) of the quota that a size counts against: `Standard_D4ds_v5` to `standardddsv5family`."""
    match = _SKU.fullmatch(sku)
    if match is None:
        return _ALL
    letters, features, version = match.groups()
    if letters.upper() == "B":
        return "standardbsfamily"
    return f"standard{letters}{features}{f'v{version}' if version else ''}family".lower()
