"""Outages: what health events about one tracking id say about one region, and what that means for a server there.

Values only. Events become outages in `correlations`; outages that we suspect without a word of Azure's are made by
`suspicions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import NewType

from responder.core import regions, servers, services

OutageId = NewType("OutageId", str)
"""`TRACKING-ID@region`."""


class Status(StrEnum):
    """Whether Azure says that it is still going on. Only our own probes say whether a server is back."""

    ACTIVE = "active"
    RESOLVED = "resolved"
    DROPPED = "dropped"
    """Azure goes on about it and no longer names this region. No proof of recovery."""
    WITHDRAWN = "withdrawn"
    """Azure took it back: a false positive, no impact."""


class Concern(StrEnum):
    """How an outage concerns one server."""

    NAMED = "named"
    """Azure named PostgreSQL, this region, and this server's subscription."""
    SUSPECTED = "suspected"
    """Azure named a service PostgreSQL stands on, or spoke to another subscription: never enough to cut over alone."""
    NONE = "none"


TAKES_NO_SERVER = (services.Relation.UNRELATED, services.Relation.CONTROL_PLANE)
"""Relations to PostgreSQL with which an outage takes no server down."""
NOBODY = ""
"""Whom a message is counted for that is addressed to no subscription."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one subscription was told of the region: Azure's times of the newest update of each sort, or None.

    Only maxima, so that the order of arrival cannot matter.
    """

    named_at: datetime | None = None
    """It named the region with something that concerns us."""
    listed_at: datetime | None = None
    """The same, in a whole list of services and regions: what that list lacks is left out."""
    postgresql_at: datetime | None = None
    """It named PostgreSQL here."""
    trimmed_at: datetime | None = None
    """A whole list that named, here, only what PostgreSQL stands on."""
    left_at: datetime | None = None
    """A whole list that left the region out, or named nothing in it that concerns us."""

    @property
    def gone(self) -> bool:
        """Named once, and left out since. At one time of two channels, naming counts."""
        return self.named_at is not None and self.left_at is not None and self.left_at > self.named_at

    @property
    def names_postgresql(self) -> bool:
        """PostgreSQL was named, and not taken off the list while the region stayed on it."""
        if self.postgresql_at is None:
            return False
        return self.trimmed_at is None or self.trimmed_at <= self.postgresql_at

    def latest(self, other: Told) -> Told:
        """The newest of both, sort by sort."""
        pairs = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        return Told(**{name: max((at for at in pair if at), default=None) for name, pair in pairs.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One tracking id in one region, as last told. All times aware UTC."""

    id: OutageId
    tracking_id: str
    region: regions.RegionName
    status: Status
    impact_start: datetime
    """When it began, as Azure last said; revised now and then, and every deadline with it."""
    start_told_at: datetime | None = None
    """Azure's time of the update that `impact_start` is from. None: Azure has not said when it began, and the time of
    its first word about it stands in."""
    heard_at: datetime
    """When we first learned of it."""
    updated_at: datetime
    """Azure's time of the newest update that said active or resolved. News that says neither does not count."""
    subscriptions: tuple[str, ...] = ()
    """Subscriptions that were told, lower case, sorted."""
    relation: services.Relation = services.Relation.UNRELATED
    services: tuple[str, ...] = ()
    resolved_at: datetime | None = None
    expected_end: datetime | None = None
    """Azure's estimate while active. It may bring a cut-over forward, never push one back."""
    reopened: int = 0
    title: str = ""
    level: str | None = None
    unrated: bool = False
    """Told only by channels that write the level as a number. It may turn out to be informational: a suspicion."""
    told: Mapping[str, Told] = field(default_factory=dict)
    """By subscription in lower case. One that is not in here counts by `subscriptions` and `relation`."""
    ours: bool = False
    """Suspected by ourselves from silent servers; Azure has said nothing. Never enough to cut over alone."""
    merged_into: OutageId | None = None
    """The outage of Azure's that a suspected one turned out to be. Its runs belong to that one now."""

    @property
    def active(self) -> bool:
        """Whether Azure still calls it active."""
        return self.status is Status.ACTIVE

    @property
    def takes_servers(self) -> bool:
        """Whether it concerns PostgreSQL or what that stands on, and not only what restores are asked of."""
        return self.relation not in TAKES_NO_SERVER

    @property
    def gone(self) -> bool:
        """Whether everybody who was told of the region has been left out since."""
        heard = [told for told in self.told.values() if told.named_at is not None]
        return bool(heard) and all(told.gone for told in heard)

    @property
    def quiet_since(self) -> datetime:
        """Azure's time of its last word about the region: its end, or the newest update counted."""
        told = [at for each in self.told.values() for at in (each.named_at, each.left_at) if at]
        return self.resolved_at or max(self.updated_at, *told, self.updated_at)

    def goes_on_for(self, server: servers.Server) -> bool:
        """Whether Azure still calls it active where and to whom that server belongs."""
        told = self.told.get(server.subscription_id.lower())
        return self.active and not (told is not None and told.gone)

    def concern(self, server: servers.Server) -> Concern:
        """How this outage concerns that server, before any probe is asked."""
        if server.region != self.region or self.relation in TAKES_NO_SERVER:
            return Concern.NONE
        subscription = server.subscription_id.lower()
        told = self.told.get(subscription)
        named = self.relation is services.Relation.POSTGRESQL if told is None else told.names_postgresql
        named = named and not self.unrated
        return Concern.NAMED if named and subscription in self.subscriptions else Concern.SUSPECTED

    def log_context(self) -> dict[str, str]:
        """The fields that every log line about this outage carries."""
        return {"outage": self.id}


def outage_id(tracking_id: str, region: regions.RegionName) -> OutageId:
    """The key under which every event of that tracking id about that region meets."""
    return OutageId(f"{tracking_id.upper()}@{region}")
