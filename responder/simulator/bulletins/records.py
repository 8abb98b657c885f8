"""A bulletin as a diagnostic setting of the Activity log sends it to Event Hubs.

https://learn.microsoft.com/azure/azure-monitor/fundamentals/activity-log-schema (at its end), and a record published
with opentelemetry-collector-contrib in `pkg/translator/azurelogs/testdata/servicehealth`.
"""

from __future__ import annotations

import hashlib

from responder.simulator.bulletins import properties, stamps, values
from responder.simulator.bulletins.values import Json

# The only value ever published, beside "Informational"; what it counts is not documented.
_LEVEL = 5
_EMAIL = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"


def diagnostic_record(bulletin: values.Bulletin) -> Json:
    """The whole message: `{"records": [one record]}`.

    Both `Level` and `level` are keys of it, `isHIR` is a boolean, and it has no event data id and no subscription id
    but the one in `resourceId`.
    """
    record = {
        "Level": _LEVEL,
        "category": "ServiceHealth",
        "location": "global",  # where it was processed, not where the outage is
        "resourceId": f"/subscriptions/{bulletin.subscription_id}",
        "resultType": bulletin.status,
        "time": stamps.ticks(bulletin.updated_at),
        "level": bulletin.level,
        "correlationId": bulletin.guid("correlation"),
        "operationName": bulletin.operation,
        "resultDescription": f"{bulletin.status}: {bulletin.title}",
        "properties": _properties(bulletin),
        "identity": {"claims": {_EMAIL: "AcmClient@microsoft.com"}},
    }
    return {"records": [record]}


def _properties(bulletin: values.Bulletin) -> Json:
    found = properties.common(bulletin, stamps.ticks)
    if bulletin.kind == "maintenance":
        found["maintenanceType"] = ""
    return found | {
        "isHIR": False,
        "IsSynthetic": properties.synthetic(bulletin),
        "impactType": "SubscriptionList",
        "emailTemplateId": "tem_" + _letters(bulletin.kind),
        "emailTemplateFullVersion": "ver_" + _letters(f"{bulletin.kind}/{bulletin.stage}"),
        "emailTemplateLocale": "en-US",
        "smsText": f"{bulletin.status}:{bulletin.title}",
        "impactCategory": "Other",
        "communicationRouteType": "Normal",
        "version": "0.1.1",
        "argQuery": "",
        "oldRate": 0.0,
        "newRate": 0.0,
    }


def _letters(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:24]
