"""Resource Health REST `events`, the same flattened by an SDK, rows of Resource Graph, and emerging issues.

https://learn.microsoft.com/rest/api/resourcehealth/events; the vocabulary is not that of the push channels:
`name` is the tracking id, `eventType` the kind, `eventLevel` the level (`level` is an "insight" and was Warning on 21
of 21 real events, 20 of them Informational), `impact[]` carries a status for each service and region, and there is no
communication id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from responder.core.events import Channel, HealthEvent, Kind, Status
from responder.core.payloads import fields, service_health, wording
from responder.core.payloads.fields import Fields

_EVENT_ID = re.compile(r"microsoft\.resourcehealth/events/([^/\s]+)", re.IGNORECASE)
_PASCAL = {"EventType", "TrackingId", "EventLevel"}
_EMERGING = "microsoft.resourcehealth/emergingissues"


def body_of(row: Mapping[str, object]) -> Fields:
    """The properties over the row they stand in; an SDK puts both on one level, and a query's `project
    properties.TrackingId` makes a column `properties_TrackingId`."""
    projected = {key[11:]: value for key, value in row.items() if str(key).startswith("properties_")}
    return Fields(Fields(row).mapping("properties"), projected, row)


def is_event(row: Fields, body: Fields) -> bool:
    """By its type, its id, or the vocabulary of `eventType`. Covers `impactedResources`, which hang below an event."""
    return (
        "microsoft.resourcehealth/events" in (row.text("type") or "").casefold()
        or bool(_EVENT_ID.search(row.text("id") or ""))
        or (body.word("eventType") in wording.EVENT_TYPES)
    )


def event(row: Mapping[str, object]) -> HealthEvent:
    """One event. Only `status` tells whether it is over: `impactMitigationTime` can be a sentinel, a plan, or past."""
    outer, body = Fields(row), body_of(row)
    own_id = outer.text("id") or ""
    # Resource Graph repeats the tracking id in the properties, in PascalCase; `project` can flatten and rename.
    properties = outer.mapping("properties") or row
    graph = "trackingId" in body or not _PASCAL.isdisjoint(properties)
    channel = Channel.RESOURCE_GRAPH if graph else Channel.REST_EVENT
    id_match = _EVENT_ID.search(own_id)
    tracking_id = body.text("trackingId", limit=200) or (id_match and fields.clean(id_match[1], 200))
    if "/impactedresources" in (outer.text("type") or own_id).casefold():
        return _impacted_resource(channel, body, own_id, tracking_id)
    word = body.word("eventType") or ""
    impacted = body.items("impact")
    subscriptions = _subscriptions(impacted)
    level = wording.level(body.word("eventLevel"))
    said = service_health.Said(
        channel=channel,
        kind=wording.EVENT_TYPES.get(word, Kind.OTHER),
        # eventType RCA is a review, whatever its status.
        said=(body.word("status"), "rca" if word == "rca" else None),
        stage=body.text("status", limit=100),
        level=level,
        unrated=level is None and "eventLevel" in body,
        at=_newest(body, impacted),
        subscription_id=_subscription(outer, own_id, subscriptions),
        tracking_id=tracking_id or outer.text("name", limit=200),
        impacts=tuple(impacted),
        impacted_subscriptions=subscriptions,
        flags=Fields(outer.mapping("properties"), row),
    )
    return service_health.event(said, body)


def _impacted_resource(channel: Channel, body: Fields, own_id: str, tracking_id: str | None) -> HealthEvent:
    """A resource below an event: no communication of its own. Target and region can be missing, the casing is odd."""
    resource_id = fields.resource(body.text("targetResourceId"))
    return HealthEvent(
        channel=channel,
        kind=Kind.OTHER,
        status=Status.UNKNOWN,
        tracking_id=tracking_id,
        subscription_id=fields.subscription(resource_id, own_id),
        resource_id=resource_id,
        title=fields.prose(body.text("resourceName", "targetResourceType"), 500),
    )


def _subscription(outer: Fields, own_id: str, impacted: tuple[str, ...]) -> str | None:
    """Of the row, of the id (which can lack it), or the only one impacted. Of several, none is *the* subscription."""
    said = (outer.text("subscriptionId", limit=100) or "").lower() or fields.subscription(own_id)
    return said or (impacted[0] if len(impacted) == 1 else None)


def _regions(impacted: list[object]) -> list[Fields]:
    return [Fields(region) for service in impacted for region in Fields(service).items("impactedRegions")]


def _subscriptions(impacted: list[object]) -> tuple[str, ...]:
    every = (each for region in _regions(impacted) for each in region.items("impactedSubscriptions"))
    return tuple(dict.fromkeys(fields.clean(each, 100).lower() for each in every if isinstance(each, str)))


def _newest(body: Fields, impacted: list[object]) -> datetime | None:
    """The newest of the event's own time and its regions': one region can be updated while the event's stands still."""
    times = (each.time("lastUpdateTime") for each in (body, *_regions(impacted)))
    return max((at for at in times if at), default=None)


def is_emerging(row: Fields, body: Fields) -> bool:
    """The status page: https://learn.microsoft.com/rest/api/resourcehealth/emerging-issues"""
    return _EMERGING in (row.text("type") or "").casefold() or "statusActiveEvents" in body


def emerging(row: Mapping[str, object]) -> list[HealthEvent]:
    """Its active events. Banners are left out: they name no incident, service or region."""
    return [_emerging(Fields(each)) for each in body_of(row).items("statusActiveEvents") if isinstance(each, dict)]


def _emerging(body: Fields) -> HealthEvent:
    """Own vocabulary: `severity` Information, Warning, Error; `stage` Active, Resolve, Archived."""
    said = service_health.Said(
        channel=Channel.EMERGING_ISSUE,
        kind=Kind.INCIDENT,
        said=(body.word("stage"),),
        stage=body.text("stage", limit=100),
        level=wording.level(body.word("severity")),
        at=body.time("lastModifiedTime"),
        subscription_id=None,
        tracking_id=body.text("trackingId", limit=200),
        impacts=tuple(body.items("impacts")),
        flags=body,
    )
    return service_health.event(said, body)
