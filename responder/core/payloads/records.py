"""Entries of the activity log: records of a diagnostic setting, the REST shape of the same, and rows of Log Analytics.

https://learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema#schema-from-storage-account-and-event-hubs,
https://learn.microsoft.com/azure/azure-monitor/reference/tables/azureactivity
"""

from __future__ import annotations

from collections.abc import Mapping

from responder.core.events import Channel, HealthEvent, Kind, Status
from responder.core.payloads import fields, resource_health, service_health, wording
from responder.core.payloads.activity import Activity, MalformedError
from responder.core.payloads.fields import Fields

HEALTH = {"servicehealth", "resourcehealth"}
_STATUSES = ("status", "resultType", "activityStatusValue", "activityStatus")


def is_record(row: Fields) -> bool:
    """An entry says what was done, and of what category or when. PostgreSQL's own logs are records, too."""
    named = "operationName" in row or "operationNameValue" in row
    return named and any(
        name in row
        for name in (
            *("category", "categoryValue", "resultType", "eventTimestamp", "eventDataId", "properties", "time"),
            *("propertiesD", "timeGenerated"),  # Log Analytics
        )
    )


def category(operation: str, *said: str | None) -> str:
    """Folded category: whichever says it is news of ours, or else from the operation, which can be upper-cased.

    The documentation calls the category "always Administrative"; real records say ServiceHealth and ResourceHealth.
    """
    for each in said:
        if each in HEALTH:
            return each
    for provider in ("servicehealth", "resourcehealth"):
        if operation.casefold().startswith(f"microsoft.{provider}/"):
            return provider
    return next(filter(None, said), "")


def properties(row: Fields) -> Fields:
    """Two shapes, both seen in 2025: flat, or nested under `eventProperties`; either can be JSON in a string."""
    outer = row.mapping("properties", "propertiesD")
    return Fields(Fields(outer).mapping("eventProperties"), outer)


def record(row: Mapping[str, object]) -> HealthEvent:
    """The event of a bare entry, by the shape of the entry: exports of 2018 put the REST shape into `records`."""
    as_rest = isinstance(row.get("category"), dict) or isinstance(row.get("operationName"), dict)
    as_rest = as_rest or any(name in Fields(row) for name in ("eventTimestamp", "eventDataId"))
    return event(entry(row, Channel.ACTIVITY_LOG_REST if as_rest else Channel.DIAGNOSTIC_RECORD))


def entry(raw: Mapping[str, object], channel: Channel) -> Activity:
    """The entry, its field names those of REST or of the diagnostic stream."""
    row = Fields(raw)
    body = properties(row)
    operation = row.text("operationNameValue", "operationName", limit=300) or ""
    said = [row.word(name) for name in ("categoryValue", "category", "eventSource")]
    resource = row.text("resourceId")
    level = wording.level(row.word("level"))  # beside it there can be `Level`: 5
    return Activity(
        channel=channel,
        category=category(operation, *said, body.word("eventCategory")),
        operation=operation,
        status=row.word(*_STATUSES),
        said=row.text(*_STATUSES, limit=100),
        level=level,
        unrated=level is None and "level" in row,
        at=row.time("eventTimestamp", "time", "timeGenerated", "submissionTimestamp"),
        subscription_id=(row.text("subscriptionId", limit=100) or "").lower()
        or fields.subscription(resource, row.text("id")),
        resource_id=fields.resource(resource),
        properties=body,
        flags=Fields(body, row),
        description=row.text("description", "resultDescription", "operationName", limit=500),
    )


def event(found: Activity) -> HealthEvent:
    """What the entry says, by its category."""
    if found.category in HEALTH and not found.properties:
        raise MalformedError(f"a {found.category} entry without properties")
    if found.category == "servicehealth":
        return _service_health(found)
    if found.category == "resourcehealth":
        return resource_health.from_activity(found)
    return HealthEvent(
        channel=found.channel,
        kind=Kind.OTHER,
        status=Status.UNKNOWN,
        level=found.level,
        subscription_id=found.subscription_id,
        updated_at=found.at,
        resource_id=found.resource_id,
        title=fields.prose(found.description or found.operation, 500),
    )


def _service_health(found: Activity) -> HealthEvent:
    body = found.properties
    type_ = body.word("incidentType") or _by_operation(found.operation)
    kind = wording.INCIDENT_TYPES.get(type_) or wording.EVENT_TYPES.get(type_, Kind.OTHER)
    said = service_health.Said(
        channel=found.channel,
        kind=kind,
        said=(found.status, body.word("stage")),
        stage=body.text("stage", limit=100) or found.said,
        level=found.level,
        at=found.at,
        subscription_id=found.subscription_id,
        tracking_id=body.text("trackingId", limit=200),
        impacts=tuple(body.items("impactedServices")),
        flags=found.flags,
        unrated=found.unrated,
    )
    return service_health.event(said, body)


def _by_operation(operation: str) -> str:
    """`incident` of `Microsoft.ServiceHealth/incident/action`."""
    parts = operation.casefold().split("/")
    return parts[1] if len(parts) > 1 else ""
