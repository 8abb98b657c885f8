"""The one night these tests are about: East US 2 goes down at 04:00, and one server lives there. Values, no mocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from responder.core import (
    copies,
    correlations,
    cutovers,
    decisions,
    events,
    evidence,
    outages,
    regions,
    servers,
    services,
    tolerances,
)

BEGAN = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
"""Impact start."""
HEARD = BEGAN + timedelta(minutes=30)
EASTUS2 = regions.RegionName("eastus2")
SUBSCRIPTION = "51aa0f00-77b1-4f0e-9c3e-2d5d0c6f0a01"
OTHER_SUBSCRIPTION = "51aa0f00-77b1-4f0e-9c3e-2d5d0c6f0a02"
FLEXIBLE = "Azure Database for PostgreSQL flexible servers"
POLICY = decisions.Policy()


def at(hours: float) -> datetime:
    """So many hours after the impact start."""
    return BEGAN + timedelta(hours=hours)


def hours(value: datetime | None) -> float:
    """The inverse of `at`."""
    assert value is not None
    return (value - BEGAN) / timedelta(hours=1)


def server(**changes: Any) -> servers.Server:
    """A middle-sized server with geo-redundant backup."""
    values: dict[str, Any] = {
        "id": servers.server_id(
            f"/subscriptions/{SUBSCRIPTION}/resourceGroups/shop/providers/"
            "Microsoft.DBforPostgreSQL/flexibleServers/orders"
        ),
        "name": "orders",
        "family": servers.Family.FLEXIBLE,
        "subscription_id": SUBSCRIPTION,
        "resource_group": "shop",
        "region": EASTUS2,
        "tier": "GeneralPurpose",
        "storage_gb": 512,
        "geo_backup": True,
    }
    return servers.Server(**(values | changes))


def tolerance(rto_hours: float | None = 12, rpo_hours: float | None = 1, **changes: Any) -> tolerances.Tolerance:
    """Declared, and cut over without asking, unless changed."""
    values: dict[str, Any] = {
        "rto": None if rto_hours is None else timedelta(hours=rto_hours),
        "rpo": None if rpo_hours is None else timedelta(hours=rpo_hours),
        "cutover": tolerances.Cutover.AUTO,
    }
    return tolerances.Tolerance(**(values | changes))


def outage(**changes: Any) -> outages.Outage:
    """Active, and PostgreSQL named to our subscription."""
    values: dict[str, Any] = {
        "id": outages.outage_id("QX3L-7PG", EASTUS2),
        "tracking_id": "QX3L-7PG",
        "region": EASTUS2,
        "status": outages.Status.ACTIVE,
        "impact_start": BEGAN,
        "heard_at": HEARD,
        "updated_at": HEARD,
        "subscriptions": (SUBSCRIPTION,),
        "relation": services.Relation.POSTGRESQL,
        "services": (FLEXIBLE,),
    }
    return outages.Outage(**(values | changes))


def resolved(hour: float, **changes: Any) -> outages.Outage:
    """The same outage, called over at that hour."""
    return outage(status=outages.Status.RESOLVED, resolved_at=at(hour), updated_at=at(hour), **changes)


def down(now: datetime, *, since: datetime = BEGAN) -> evidence.Health:
    """Answered until a minute before `since`, and not once from then to `now`."""
    before = evidence.observe(evidence.Health(), evidence.Probe(at=since - timedelta(minutes=1), answered=True))
    failing = evidence.observe(before, evidence.Probe(at=since, answered=False))
    return evidence.observe(failing, evidence.Probe(at=now, answered=False))


def up(now: datetime, *, since: datetime = BEGAN) -> evidence.Health:
    """Answers, and has since `since`."""
    first = evidence.observe(evidence.Health(), evidence.Probe(at=since, answered=True))
    return evidence.observe(first, evidence.Probe(at=now, answered=True))


def never_reached(now: datetime) -> evidence.Health:
    """Silent, and always was: a firewall looks the same."""
    first = evidence.observe(evidence.Health(), evidence.Probe(at=BEGAN - timedelta(days=1), answered=False))
    return evidence.observe(first, evidence.Probe(at=now, answered=False))


def ready(*, started: float = 1, done: float = 4, lacks_minutes: float | None = 20) -> copies.Copy:
    """A verified copy whose newest row is so many minutes older than the impact; None: not measured."""
    point = None if lacks_minutes is None else BEGAN - timedelta(minutes=lacks_minutes)
    return copies.Copy(
        state=copies.State.READY,
        server_id="/copy",
        started_at=at(started),
        ready_at=at(done),
        recovery_point=point,
        verified=True,
    )


def restoring(*, started: float = 1) -> copies.Copy:
    """A copy under way."""
    return copies.Copy(state=copies.State.RESTORING, server_id="/copy", started_at=at(started))


def yes(loss_hours: float | None = None) -> cutovers.Consent:
    """A human's yes, signed for that loss."""
    accepted = None if loss_hours is None else timedelta(hours=loss_hours)
    return cutovers.Consent(granted=True, by="ada", at=HEARD, loss_accepted=accepted)


def no() -> cutovers.Consent:
    """A human's no."""
    return cutovers.Consent(granted=False, by="ada", at=HEARD)


def facts(now: datetime, **changes: Any) -> decisions.Facts:
    """Everything a decision may know at `now`: the region is down and so is the server."""
    values: dict[str, Any] = {
        "server": server(),
        "tolerance": tolerance(),
        "outage": outage(),
        "health": down(now),
    }
    return decisions.Facts(**(values | changes))


def decide(hour: float, **changes: Any) -> decisions.Decision:
    """The decision so many hours after the impact start."""
    return decisions.decide(facts(at(hour), **changes), POLICY, at(hour))


def ids(decision: decisions.Decision) -> list[str]:
    """Its reasons, by id."""
    return [reason.id for reason in decision.reasons]


def event(minute: float = 15, /, **changes: Any) -> events.HealthEvent:
    """Azure says, so many minutes after the impact start: PostgreSQL in East US 2 is down."""
    values: dict[str, Any] = {
        "channel": events.Channel.COMMON_ALERT,
        "kind": events.Kind.INCIDENT,
        "status": events.Status.ACTIVE,
        "stage": "Active",
        "tracking_id": "QX3L-7PG",
        "subscription_id": SUBSCRIPTION,
        "updated_at": BEGAN + timedelta(minutes=minute),
        "impact_start": BEGAN,
        "relation": services.Relation.POSTGRESQL,
        "regions": (EASTUS2,),
        "services": (FLEXIBLE,),
        "title": "PostgreSQL flexible servers - East US 2",
    }
    return events.HealthEvent(**(values | changes))


def resolution(minute: float = 60, /, **changes: Any) -> events.HealthEvent:
    """Azure says that it is over."""
    return event(minute, **({"status": events.Status.RESOLVED, "stage": "Resolved"} | changes))


def fold(*told: events.HealthEvent, heard: datetime | None = None) -> outages.Outage | None:
    """What is known after these events, in the order given, all of them heard after the last was said."""
    known: outages.Outage | None = None
    for each in told:
        known = correlations.correlate(known, each, EASTUS2, heard or at(24 * 60))
    return known
