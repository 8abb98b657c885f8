"""Whether an outage takes one availability zone or the whole region: told by who is silent beside whom.

Azure rarely says it, and numbers zones differently for each subscription; so servers are only compared within one.
https://learn.microsoft.com/azure/reliability/availability-zones-overview#physical-and-logical-availability-zones
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta

from responder.core import evidence, servers

_PROVEN = timedelta(minutes=5)
"""In an outage every server is looked at several times within this: a zone that nobody has found silent is well."""
_SHARE = 0.5


Told = tuple[frozenset[str], tuple[str, ...]]
"""The zones that are down and those that are well, by their numbers in one subscription."""

REGION: Told = frozenset(), ()
"""No zone apart from the others: it is the region, or nothing."""


def by_subscription(
    listed: Iterable[servers.Server], silent: Mapping[servers.ServerId, Mapping[str, evidence.Health]]
) -> Mapping[str, Told]:
    """What the servers of one region tell about its zones, each subscription (lower case) apart.

    Zone 1 of one subscription may be zone 2 of another, so what one sees says nothing about the other. One that has
    servers in a single zone is not told of a zonal outage, and is treated as if the region were down.
    """
    apart: dict[str, list[servers.Server]] = defaultdict(list)
    for server in listed:
        apart[server.subscription_id.lower()].append(server)
    return {subscription: told_apart(own, silent) for subscription, own in apart.items()}


def told_apart(
    listed: Iterable[servers.Server], silent: Mapping[servers.ServerId, Mapping[str, evidence.Health]]
) -> Told:
    """The zones that are down and those that are well, among the servers of one region and one subscription.

    Args:
        silent: the looks at servers that are silent to somebody.

    Returns:
        Both empty unless there are some of each: when all are silent it is the region, when none is it is no zone.
    """
    all_, down, ill = Counter[str](), Counter[str](), Counter[str]()
    for server in listed:
        if server.zone:
            all_[server.zone] += 1
            looks = silent.get(server.id)
            if looks:
                ill[server.zone] += 1
                down[server.zone] += all(map(_proven, looks.values()))
    dark = frozenset(zone for zone, count in all_.items() if down[zone] >= _SHARE * count)
    well = tuple(sorted(zone for zone in all_ if not ill[zone]))
    return (dark, well) if dark and well else REGION


def _proven(health: evidence.Health) -> bool:
    """Silent for long enough, and reached before."""
    last, since = health.last, health.failing_since
    if last is None or since is None or health.last_answer_at is None:
        return False
    return last.at - since >= _PROVEN
