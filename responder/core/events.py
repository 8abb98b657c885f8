"""Health events in our words, whatever channel they came by. Reading them from Azure's shapes is `payloads`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from responder.core import regions, services

_Region = regions.RegionName  # inside HealthEvent, `regions` and `services` are its fields
_Relation = services.Relation


class Kind(StrEnum):
    """What sort of communication it is."""

    INCIDENT = "incident"
    MAINTENANCE = "maintenance"
    ADVISORY = "advisory"
    SECURITY = "security"
    RESOURCE_HEALTH = "resource-health"
    OTHER = "other"


class Status(StrEnum):
    """What it says about the impact. `updated` is news about something whose state it does not change."""

    ACTIVE = "active"
    RESOLVED = "resolved"
    UPDATED = "updated"
    UNKNOWN = "unknown"


class Channel(StrEnum):
    """The shape a message came in. It says how much was told, not how it was carried: a hub can bring any of them."""

    COMMON_ALERT = "common-alert"
    """Action group, common alert schema. Service Health levels are integers here, so `level` is None."""
    ACTIVITY_LOG_ALERT = "activity-log-alert"
    """Action group, the older schema `Microsoft.Insights/activityLogs`."""
    DIAGNOSTIC_RECORD = "diagnostic-record"
    """Activity log exported by a diagnostic setting: `records`, or one of them alone."""
    ACTIVITY_LOG_REST = "activity-log-rest"
    """Activity log as its REST operation and the portal show it (`category.value`), and as Log Analytics keeps it."""
    REST_EVENT = "rest-event"
    """Resource Health REST: `events`, their impacted resources, `availabilityStatuses`; also flattened by an SDK."""
    RESOURCE_GRAPH = "resource-graph"
    """A row of `ServiceHealthResources` or `HealthResources`."""
    EVENT_GRID = "event-grid"
    """Event Grid's own schema; its validation event, too."""
    CLOUD_EVENT = "cloud-event"
    """Event Grid in CloudEvents 1.0."""
    EMERGING_ISSUE = "emerging-issue"
    """Azure's public status page. Addressed to no subscription: it supports a suspicion and starts nothing."""
    UNKNOWN = "unknown"
    """A JSON object of no shape we know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """One service in one region, as far as Azure tells them apart."""

    service: str
    relation: services.Relation
    region: regions.RegionName | None
    """None: `Global`, `Region Unknown`, or not named."""
    status: Status
    """Only REST and Resource Graph give one for each service and region; elsewhere it is the event's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthEvent:
    """One message from Azure, normalised. All times aware UTC; None where Azure did not say."""

    channel: str
    """The shape it came in; one of `Channel`."""
    kind: Kind
    status: Status
    stage: str | None = None
    """Azure's own word: Active, Planned, InProgress, Resolved, RCA, ..."""
    level: str | None = None
    """Azure's event level in lower case (critical, error, warning, informational); None for its integer codes,
    whose meaning is not established."""
    unrated: bool = False
    """A number stands where the level should be, always so in the common alert schema: it may be informational."""
    tracking_id: str | None = None
    subscription_id: str | None = None
    communication_id: str | None = None
    updated_at: datetime | None = None
    """When Azure said this; the newest truth wins by this time, not by arrival."""
    impact_start: datetime | None = None
    impact_end: datetime | None = None
    """Mitigation time, planned end or estimate, as Azure gives it. Never proof of resolution."""
    relation: services.Relation = services.Relation.UNRELATED
    """The closest relation to PostgreSQL among the services impacted in `regions` (or globally)."""
    impacts: tuple[Impact, ...] = ()
    """Everything named, service by region. Look at one region through `in_region`: PostgreSQL in West US and App
    Service in East US is no PostgreSQL outage in East US, and one region can be resolved before another."""
    impacts_listed: bool = False
    """`impacts` is Azure's own list, so what it lacks is left out. False: read from single names, one of several."""
    impacted_subscriptions: tuple[str, ...] = ()
    """Lower-cased; empty where Azure names none. One tenant-wide REST event can name many."""
    regions: tuple[regions.RegionName, ...] = ()
    """Where it concerns us, programmatic names in the order given: regions in which PostgreSQL or a dependency is named
    (and, for an active event, not resolved); all regions named when no such service is. Names that are no region
    (`Global`) are left out. What Azure said of every service and region is in `impacts`."""
    global_scope: bool = False
    """Azure named `Global` or `Region Unknown`: attention, never a region-wide restore."""
    services: tuple[str, ...] = ()
    """Every service named, in Azure's spelling."""
    synthetic: bool = False
    """A test, by any of Azure's flags. Never acted on."""
    false_positive: bool = False
    """Azure withdrew it (`No Impact`, tag `False Positive`)."""
    resource_id: str | None = None
    """Lower-cased ARM id, for Resource Health of one resource."""
    health: str | None = None
    """Resource Health's current status in lower case: available, unavailable, degraded, unknown."""
    cause: str | None = None
    """Resource Health's cause in lower case: platforminitiated, userinitiated, unknown. A restart by the server's owner
    is no outage."""
    title: str = ""
    summary: str = ""

    @property
    def concerns_postgresql(self) -> bool:
        """Whether Azure names PostgreSQL itself: among the impacted services, or as the resource."""
        return self.relation is services.Relation.POSTGRESQL

    @property
    def actionable(self) -> bool:
        """Whether this may, with evidence of its own for each server, start something.

        One that is `unrated` may: a number must not hide an outage. What it opens is a suspicion, see `outages`.
        """
        return self.followed and self.relation is not services.Relation.CONTROL_PLANE

    @property
    def followed(self) -> bool:
        """Whether it is worth an outage of ours: it may start something, or stand in the way of what is started."""
        return (
            self.kind is Kind.INCIDENT
            and self.status is Status.ACTIVE
            and not self.synthetic
            and not self.false_positive
            and self.level != "informational"
            and self.relation is not services.Relation.UNRELATED
            and bool(self.regions)
            and self.tracking_id is not None
            and self.channel != Channel.EMERGING_ISSUE
        )

    @property
    def named_regions(self) -> tuple[_Region, ...]:
        """Every region Azure named, also those that `regions` leaves out as resolved or none of our concern."""
        return tuple(dict.fromkeys(impact.region for impact in self.impacts if impact.region)) or self.regions

    def relation_in(self, region: _Region) -> _Relation:
        """The closest relation to PostgreSQL among the services impacted in that one region."""
        return services.strongest(impact.relation for impact in self.impacts if impact.region == region)

    def status_in(self, region: _Region) -> Status:
        """What it says about us in that one region; UNKNOWN where it does not name it.

        The closest service decides: PostgreSQL resolved there is resolved, whatever Virtual Machines still are.
        """
        here = [impact for impact in self.impacts if impact.region == region]
        closest = services.strongest(impact.relation for impact in here)
        found = {impact.status for impact in here if impact.relation is closest}
        if not found:
            return Status.UNKNOWN
        if self.status is Status.ACTIVE and found == {Status.RESOLVED}:
            return Status.RESOLVED
        return self.status

    def in_region(self, region: _Region) -> HealthEvent:
        """The same event as it concerns that one region: its status, services and relation there and nowhere else."""
        if not self.impacts:
            return self
        here = tuple(impact for impact in self.impacts if impact.region == region)
        return replace(
            self,
            status=self.status_in(region),
            regions=(region,) if here else (),
            services=tuple(dict.fromkeys(impact.service for impact in here if impact.service)),
            relation=self.relation_in(region),
            impacts=here,
        )

    @property
    def identity(self) -> str:
        """Key of this one update of this one communication.

        The same update pushed over several channels has the same key. REST and Resource Graph give no communication
        id: there the update time stands in, so a poll repeats what a push has said under another key.
        """
        update = self.communication_id or (self.updated_at.isoformat() if self.updated_at else "")
        return "|".join((self.subscription_id or "", self.tracking_id or self.resource_id or "", update, self.status))

    @property
    def key(self) -> str:
        """Under which it is kept, once: its identity, and whether the level was a number.

        The copy that says the level in a word must be heard though the one with a number came before it.
        """
        return f"{self.identity}|unrated" if self.unrated else self.identity
