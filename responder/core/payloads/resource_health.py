"""Resource Health: news about one resource. Evidence for one server, never a reason by itself.

https://learn.microsoft.com/azure/service-health/resource-health-alert-monitor-guide; transitions to Unknown and some
others are never sent, so silence is not health.
"""

from __future__ import annotations

import re

from responder.core import services
from responder.core.events import HealthEvent, Kind, Status
from responder.core.payloads import fields, wording
from responder.core.payloads.activity import Activity
from responder.core.payloads.fields import Fields

_POSTGRESQL = re.compile(r"/providers/microsoft\.dbforpostgresql/(?:flexible)?servers/")
_OPERATION = re.compile(r"/healthevent/(activated|updated|resolved|inprogress)/", re.IGNORECASE)
_BY_AVAILABILITY = {
    "available": Status.RESOLVED,
    "unavailable": Status.ACTIVE,
    "degraded": Status.ACTIVE,
    "unknown": Status.UNKNOWN,
}

_TIMES = ("reportedTime", "occurredTime", "occuredTime", "occurredOn")  # REST really spells one of them so
_CAUSES = {"": None, "customerinitiated": "userinitiated", "unplanned": "platforminitiated"}


def relation(resource_id: str | None) -> services.Relation:
    """PostgreSQL when the resource is one of its servers. `serverGroupsv2` (Cosmos DB for PostgreSQL) is none."""
    found = resource_id and _POSTGRESQL.search(resource_id + "/")
    return services.Relation.POSTGRESQL if found else services.Relation.UNRELATED


def from_activity(entry: Activity) -> HealthEvent:
    """From an alert or a record of the activity log; the older names of 2018 are `healthStatus`, `healthEventCause`."""
    body = entry.properties
    operation = _OPERATION.search(entry.operation)
    word = entry.status or (operation[1].casefold() if operation else None)
    return HealthEvent(
        channel=entry.channel,
        kind=Kind.RESOURCE_HEALTH,
        status=wording.status((word,), Kind.RESOURCE_HEALTH),
        stage=entry.said,
        level=entry.level,
        subscription_id=entry.subscription_id,
        updated_at=entry.at,
        resource_id=entry.resource_id,
        relation=relation(entry.resource_id),
        health=body.word("currentHealthStatus", "healthStatus"),  # both can be null
        cause=body.word("cause", "healthEventCause"),
        synthetic=entry.flags.flag("isSynthetic", "synthetic"),
        title=fields.prose(body.text("title", limit=1_000), 500),
        summary=fields.prose(body.text("details", limit=20_000)),
    )


def from_availability(channel: str, body: Fields, row: Fields) -> HealthEvent:
    """From a current availability status (REST, Resource Graph) or an Event Grid notification of one.

    A status of REST is a child of its resource: `<resource>/providers/Microsoft.ResourceHealth/...`.
    """
    own_id = row.text("id") or ""
    parent = re.split(r"/providers/microsoft\.resourcehealth/", own_id, maxsplit=1, flags=re.IGNORECASE)[0]
    resource_id = fields.resource(body.text("targetResourceId"), row.text("subject"), parent)
    health = body.word("availabilityState")
    cause = body.word("reasonType", "context") or ""
    return HealthEvent(
        channel=channel,
        kind=Kind.RESOURCE_HEALTH,
        status=_BY_AVAILABILITY.get(health or "", Status.UNKNOWN) if health else Status.UPDATED,
        stage=body.text("availabilityState", "annotationName", limit=100),
        subscription_id=fields.subscription(resource_id, row.text("source", "topic"), own_id),
        updated_at=body.time(*_TIMES) or row.time("time", "eventTime"),
        resource_id=resource_id,
        relation=relation(resource_id),
        health=health,
        cause=_CAUSES.get(cause, cause),
        title=fields.prose(body.text("title", "annotationName", "reason", limit=1_000), 500),
        summary=fields.prose(body.text("summary", limit=20_000)),
    )
