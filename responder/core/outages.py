"""Outages: what health events about one tracking id say about one region. Folding events into an outage is pure.

The newest truth wins by Azure's update time, not by arrival: any order and number of deliveries of the same events end
in the same status, impact start, subscriptions and relation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from responder.core import events, regions, servers, services

OutageId = NewType("OutageId", str)
"""`TRACKING-ID@region`."""


class Status(StrEnum):
    """Whether Azure says that it is still going on. Only our own probes say whether a server is back."""

    ACTIVE = "active"
    RESOLVED = "resolved"


class Concern(StrEnum):
    """How an outage concerns one server."""

    NAMED = "named"
    """Azure named PostgreSQL, this region, and this server's subscription."""
    SUSPECTED = "suspected"
    """Azure named a service PostgreSQL stands on, or spoke to another subscription: never enough to cut over alone."""
    NONE = "none"


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

    @property
    def active(self) -> bool:
        """Whether Azure still calls it active."""
        return self.status is Status.ACTIVE

    def concern(self, server: servers.Server) -> Concern:
        """How this outage concerns that server, before any probe is asked."""
        if server.region != self.region or self.relation is services.Relation.UNRELATED:
            return Concern.NONE
        told = server.subscription_id.lower() in self.subscriptions
        named = self.relation is services.Relation.POSTGRESQL
        return Concern.NAMED if told and named else Concern.SUSPECTED

    def log_context(self) -> dict[str, str]:
        """The fields that every log line about this outage carries."""
        return {"outage": self.id}


def outage_id(tracking_id: str, region: regions.RegionName) -> OutageId:
    """The key under which every event of that tracking id about that region meets."""
    return OutageId(f"{tracking_id.upper()}@{region}")


def correlate(
    outage: Outage | None, event: events.HealthEvent, region: regions.RegionName, heard_at: datetime
) -> Outage | None:
    """Fold one event into what is known of its tracking id in one region.

    Returns:
        The outage after the event. None when there was none and this event does not make one: an event opens an outage
        only when it is actionable. A known outage is closed by a resolution or a withdrawal, reopened by a newer
        actionable update, and never reopened by a review (stage RCA) weeks later. A resolution that overtook its
        outage makes one that is over already: dropped, it would leave the older news to open it for good.
    """
    said = _said(event, region)
    if said is None:
        return outage
    told_at = min(event.updated_at or heard_at, heard_at)  # a clock ahead of ours must not outrank all later news
    known = _widened(outage or _unheard(event, region, told_at, heard_at), event, region, told_at)
    if outage is not None and told_at < outage.updated_at:
        return known
    if said is Status.RESOLVED:
        resolved_at = _past(event.impact_end, told_at) or known.resolved_at or told_at
        return replace(known, status=Status.RESOLVED, resolved_at=resolved_at, updated_at=told_at, expected_end=None)
    if outage is not None and told_at == outage.updated_at and not outage.active:
        return known
    return replace(
        known,
        status=Status.ACTIVE,
        resolved_at=None,
        reopened=known.reopened + (outage is not None and not outage.active),
        updated_at=told_at,
        expected_end=event.impact_end if event.impact_end and event.impact_end > told_at else known.expected_end,
        title=event.title or known.title,
        level=event.level or known.level,
    )


def _said(event: events.HealthEvent, region: regions.RegionName) -> Status | None:
    """What the event says of the impact there; None: nothing that changes it."""
    if event.kind is not events.Kind.INCIDENT or event.synthetic or event.tracking_id is None:
        return None
    if event.false_positive:
        return Status.RESOLVED
    relation, named = _named(event, region)
    if named and relation is services.Relation.UNRELATED:
        return None  # that App Service is back says nothing about PostgreSQL
    status = event.status_in(region) if event.impacts else event.status
    if status is events.Status.RESOLVED:
        return Status.RESOLVED
    review = (event.stage or "").casefold() == "rca"
    return Status.ACTIVE if event.actionable and status is events.Status.ACTIVE and not review else None


def _named(event: events.HealthEvent, region: regions.RegionName) -> tuple[services.Relation, tuple[str, ...]]:
    """The closest relation and the services named for that region, where the event tells its regions apart."""
    if not event.impacts:
        return event.relation, event.services
    here = tuple(impact.service for impact in event.impacts if impact.region == region)
    return event.relation_in(region), here or event.services


def _unheard(event: events.HealthEvent, region: regions.RegionName, told_at: datetime, heard_at: datetime) -> Outage:
    """The outage as it stands before the first event about it is folded in."""
    tracking_id = event.tracking_id or ""
    return Outage(
        id=outage_id(tracking_id, region),
        tracking_id=tracking_id.upper(),
        region=region,
        status=Status.ACTIVE,
        impact_start=told_at,
        heard_at=heard_at,
        updated_at=told_at,
        title=event.title,
        level=event.level,
    )


def _widened(outage: Outage, event: events.HealthEvent, region: regions.RegionName, told_at: datetime) -> Outage:
    """What even an old or repeated event adds: who else was told (once told stays told), and since when it lasts."""
    told = set(outage.subscriptions) | ({event.subscription_id.lower()} if event.subscription_id else set())
    relation, named = _named(event, region)
    start, start_told_at = outage.impact_start, outage.start_told_at
    if event.impact_start is None:
        start = min(start, told_at) if start_told_at is None else start
    elif start_told_at is None or told_at >= start_told_at:
        start, start_told_at = min(event.impact_start, told_at), told_at
    return replace(
        outage,
        impact_start=start,
        start_told_at=start_told_at,
        subscriptions=tuple(sorted(told)),
        services=tuple(sorted({*outage.services, *named})),
        relation=services.strongest((outage.relation, relation)),
    )


def _past(time: datetime | None, now: datetime) -> datetime | None:
    return time if time is not None and time <= now else None


def downtime(outage: Outage, now: datetime) -> timedelta:
    """How long the impact has lasted, or lasted in all once resolved. Never negative."""
    return max((outage.resolved_at or now) - outage.impact_start, timedelta())
