"""The `properties` that the push channels share, in Azure's order. Each channel adds its own at the end."""

from __future__ import annotations

import json
from datetime import UTC

from responder.core import regions
from responder.simulator.bulletins import stamps, values, vocabulary
from responder.simulator.bulletins.values import Json


def common(bulletin: values.Bulletin, stamp: stamps.Stamp) -> Json:
    """What all three have; `stamp` writes the times of the impact."""
    found: Json = {
        "title": bulletin.title,
        "service": bulletin.services[0],
        "region": bulletin.regions[0],
        "communication": bulletin.markup,
        "incidentType": bulletin.words.incident_type,
        "trackingId": bulletin.tracking_id,
        "impactStartTime": stamp(bulletin.impact_start),
    }
    if bulletin.impact_mitigation is not None:
        found["impactMitigationTime"] = stamp(bulletin.impact_mitigation)
    impacted = impacted_services(bulletin, ids=not bulletin.portal_test)
    found |= {
        # A string that holds JSON, on every channel and in every capture.
        "impactedServices": json.dumps(impacted, separators=(",", ":"), ensure_ascii=False),
        "impactedServicesTableRows": _table_rows(bulletin),
        "defaultLanguageTitle": bulletin.title,
        "defaultLanguageContent": bulletin.markup,
        "stage": bulletin.stage,
        "communicationId": bulletin.communication_id,
    }
    if bulletin.kind == "maintenance":
        found["maintenanceId"] = f"{bulletin.impact_start.astimezone(UTC):%Y%m%d%H%M}/sim"
    return found


def impacted_services(bulletin: values.Bulletin, *, ids: bool) -> list[Json]:
    """`impactedServices`; the ids came in 2025, and a service whose guid nobody has published has none."""
    found: list[Json] = []
    for service in bulletin.services:
        one: Json = {"ImpactedRegions": [_impacted_region(name, ids=ids) for name in bulletin.regions]}
        one["ServiceName"] = service
        if ids:
            one["ServiceId"] = "".join(filter(str.isalnum, service)).lower()
        if ids and service in vocabulary.SERVICE_GUIDS:
            one["ServiceGuid"] = vocabulary.SERVICE_GUIDS[service]
        found.append(one)
    return found


def synthetic(bulletin: values.Bulletin) -> str:
    """`True` or `False`, as text."""
    return str(bulletin.synthetic or bulletin.portal_test)


def _impacted_region(name: str, *, ids: bool) -> Json:
    return {"RegionName": name, "RegionId": regions.normalise(name)} if ids else {"RegionName": name}


def _table_rows(bulletin: values.Bulletin) -> str:
    cell = "padding: 5px 10px; {}border-bottom:1px solid black"
    names = "".join(f"{name}<br>" for name in bulletin.regions)
    return "".join(
        f"<tr>\r\n<td align='center' style='{cell.format('border-right:1px solid black; ')}'>{service}</td>\r\n"
        f"<td align='center' style='{cell.format('')}'>{names}</td>\r\n</tr>\r\n"
        for service in bulletin.services
    )
