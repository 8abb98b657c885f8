"""Event Grid, in its own schema and in CloudEvents.

It has no Service Health, and Resource Health only of virtual machines, so this serves the handshake and robustness:
https://learn.microsoft.com/azure/event-grid/event-schema-health-resources
"""

from __future__ import annotations

from collections.abc import Mapping

from responder.core.events import Channel, HealthEvent, Kind, Status
from responder.core.payloads import fields, resource_health
from responder.core.payloads.fields import Fields

# Two spellings of each: the table of types and the samples differ.
_HEALTH = "microsoft.resourcenotifications.healthresources."


def is_cloud_event(row: Fields) -> bool:
    """https://github.com/cloudevents/spec: `specversion` and `type` are required."""
    return "specversion" in row and "type" in row


def is_grid_event(row: Fields) -> bool:
    """`eventType` alone is not enough: REST events have one, too."""
    return "eventType" in row and ("eventTime" in row or "dataVersion" in row) and ("subject" in row or "topic" in row)


def event(row: Mapping[str, object]) -> HealthEvent:
    """A notification about a resource; anything else, the validation event among it, is of kind `other`."""
    outer = Fields(row)
    channel = Channel.CLOUD_EVENT if is_cloud_event(outer) else Channel.EVENT_GRID
    type_ = outer.text("type" if channel is Channel.CLOUD_EVENT else "eventType", limit=300) or ""
    info = Fields(Fields(outer.mapping("data")).mapping("resourceInfo"))
    body = Fields(info.mapping("properties"))
    if type_.casefold().startswith(_HEALTH) and body:
        return resource_health.from_availability(channel, body, Fields({**row, "id": info.text("id")}))
    return HealthEvent(
        channel=channel,
        kind=Kind.OTHER,
        status=Status.UNKNOWN,
        subscription_id=fields.subscription(outer.text("source", "topic"), outer.text("subject")),
        updated_at=outer.time("time", "eventTime"),
        resource_id=fields.resource(outer.text("subject")),
        title=fields.prose(type_, 500),
    )
