"""A bulletin as the events operation of Resource Health lists its event, 2025-05-01.

https://learn.microsoft.com/rest/api/resourcehealth/events/list-by-subscription-id
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from responder.simulator.bulletins import stamps, values, vocabulary
from responder.simulator.bulletins.values import Json

UNMITIGATED = "0001-01-01T00:00:00"
"""What stands, without a zone, for the end of an impact that has not ended."""

_HEADER = "Your service might have been impacted by an Azure service issue"

# The id of captured events has neither a leading slash nor a subscription.
_TYPE = "Microsoft.ResourceHealth/events"


def rest_event(bulletin: values.Bulletin, earlier: Mapping[str, Any] | None = None) -> Json:
    """One element of the answer: the event as it stands after this communication.

    `earlier` is the element before it, if any: its updates are kept behind the new one (newest first), and a service in
    a region that the new communication no longer names stays, resolved. No stage, no communication id; the severity is
    `eventLevel`, not `level`; the end of an unended impact is the year 1.
    """
    return {
        "id": f"{_TYPE}/{bulletin.tracking_id}",
        "name": bulletin.tracking_id,
        "type": _TYPE,
        "properties": _properties(bulletin, earlier),
    }


def _properties(bulletin: values.Bulletin, earlier: Mapping[str, Any] | None) -> Json:
    end = bulletin.impact_mitigation
    properties: Json = {
        "eventType": bulletin.words.event_type,
        "eventSource": "ServiceHealth",
        "status": bulletin.status,
        "title": bulletin.title,
        "summary": bulletin.markup,
        "description": bulletin.markup,
        "platformInitiated": True,
        "header": _HEADER,
        "level": "Warning",  # the level of insight; all captured events carry this one
        "eventLevel": bulletin.level,
        "externalIncidentId": values.digits(bulletin.tracking_id, 9),
        "eventTags": list(bulletin.tags),
        "impactStartTime": stamps.trimmed(bulletin.impact_start),
        "impactMitigationTime": UNMITIGATED if end is None else stamps.trimmed(end),
        "impact": _impact(bulletin, earlier),
        "recommendedActions": {},
        "isHIR": False,
        "isEventSensitive": False,
        "priority": _priority(bulletin),
        "lastUpdateTime": stamps.trimmed(bulletin.updated_at),
    }
    if bulletin.kind == "maintenance":
        properties["impactType"] = "Other"
    return properties


def _impact(bulletin: values.Bulletin, earlier: Mapping[str, Any] | None) -> list[Json]:
    """Status, subscriptions and updates per service and region."""
    known = {(service, region["impactedRegion"]): region for service, region in _pairs(earlier)}
    found: dict[str, list[Json]] = {}
    for service in bulletin.services:
        for region in bulletin.regions:
            past = known.pop((service, region), None)
            found.setdefault(service, []).append(_impacted_region(bulletin, region, past))
    for (service, _), past in known.items():
        found.setdefault(service, []).append({**past, "status": "Resolved"})
    return [_impact_of(service, impacted) for service, impacted in found.items()]


def _impacted_region(bulletin: values.Bulletin, region: str, past: Json | None) -> Json:
    update = {
        "summary": bulletin.markup,
        "updateDateTime": stamps.ticks(bulletin.updated_at),
        "eventTags": list(bulletin.tags),
    }
    return {
        "impactedRegion": region,
        "status": bulletin.status,
        "impactedSubscriptions": [bulletin.subscription_id],
        "impactedTenants": [],
        "lastUpdateTime": stamps.trimmed(bulletin.updated_at),
        "updates": [update, *(past["updates"] if past else ())],
    }


def _impact_of(service: str, impacted: Sequence[Json]) -> Json:
    guid = vocabulary.SERVICE_GUIDS.get(service)
    return {
        "impactedService": service,
        **({"impactedServiceGuid": guid} if guid else {}),
        "impactedRegions": list(impacted),
    }


def _pairs(event: Mapping[str, Any] | None) -> list[tuple[str, Json]]:
    impact = event["properties"]["impact"] if event else []
    return [(one["impactedService"], region) for one in impact for region in one["impactedRegions"]]


def _priority(bulletin: values.Bulletin) -> int:
    """0 (highest) to 23: incidents, then maintenance, then advisories; active before resolved; by level.

    Fitted to captured events: 14 and 15 active, 18 and 19 resolved, 20 and 21 maintenance, 22 advisory.
    """
    over = bulletin.status == "Resolved"
    if bulletin.kind == "incident":
        return (16 if over else 12) + vocabulary.LEVELS.index(bulletin.level)
    return (20 if bulletin.kind == "maintenance" else 22) + over
