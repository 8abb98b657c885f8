"""A bulletin as an action group posts it: the common alert schema, and the older one of activity-log alerts.

https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-payload-samples
https://learn.microsoft.com/azure/azure-monitor/alerts/activity-log-alerts-webhook
"""

from __future__ import annotations

import hashlib

from responder.simulator.bulletins import properties, stamps, values
from responder.simulator.bulletins.values import Json

RULE = "responder-service-health"
"""The name of the alert rule that every alert says it comes from."""

_RULE_DESCRIPTION = "Tells the responder about Service Health communications."

# 3 is published beside "Informational" and beside "Warning", and what it counts is not documented: a constant that
# tells the reader nothing, as in life.
_LEVEL = 3


def common_alert(bulletin: values.Bulletin) -> Json:
    """The body with the common alert schema on (webhook, or an Event Hubs action).

    `monitorCondition` is Fired even for a resolution; `channels`, `eventSource` and `level` are integers; null is sent.
    """
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {"essentials": _essentials(bulletin), "alertContext": _alert_context(bulletin)},
    }


def activity_log_alert(bulletin: values.Bulletin) -> Json:
    """The body with the common alert schema off.

    `data.status` is always Activated; the event's own status is further down. Strings throughout, and `isSynthetic`
    has a small i here.
    """
    found = properties.common(bulletin, stamps.ticks)
    found |= {"isHIR": "false", "isSynthetic": properties.synthetic(bulletin)}
    found |= {"impactType": "SubscriptionList", "version": "0.1.1"}
    activity_log = {
        "channels": "Admin",
        "correlationId": bulletin.guid("correlation"),
        "description": _RULE_DESCRIPTION,
        "eventSource": "ServiceHealth",
        "eventTimestamp": stamps.ticks_with_offset(bulletin.updated_at),
        "eventDataId": bulletin.guid("event"),
        "level": bulletin.level,
        "operationName": bulletin.operation,
        "operationId": bulletin.guid("correlation"),
        "properties": found,
        "status": bulletin.status,
        "subscriptionId": bulletin.subscription_id,
        "submissionTimestamp": stamps.ticks_with_offset(bulletin.updated_at),
    }
    return {
        "schemaId": "Microsoft.Insights/activityLogs",
        "data": {"status": "Activated", "context": {"activityLog": activity_log}, "properties": {}},
    }


def _essentials(bulletin: values.Bulletin) -> Json:
    origin = bulletin.guid("event")
    alert = hashlib.sha256(origin.encode()).hexdigest()
    subscription = f"/subscriptions/{bulletin.subscription_id}"
    return {
        "alertId": f"{subscription}/providers/Microsoft.AlertsManagement/alerts/{alert}",
        "alertRule": RULE,
        "severity": "Sev4",
        "signalType": "ActivityLog",
        "monitorCondition": "Fired",
        "monitoringService": "ServiceHealth",
        "alertTargetIDs": [subscription],
        "originAlertId": origin,
        "firedDateTime": stamps.milliseconds(bulletin.updated_at),
        "description": _RULE_DESCRIPTION,
        "essentialsVersion": "1.0",
        "alertContextVersion": "1.0",
    }


def _alert_context(bulletin: values.Bulletin) -> Json:
    found = properties.common(bulletin, stamps.milliseconds)
    found |= {"isHIR": "false", "IsSynthetic": properties.synthetic(bulletin)}
    found |= {"impactType": "SubscriptionList", "version": "0.1.1"}
    if bulletin.portal_test:
        found["impactedServices"] = properties.impacted_services(bulletin, ids=False)
        found["impactedServicesTableRows"] = "<tr><td>Thisisatestfromservicehealthalert</<td>/<tr>"
    return {
        "authorization": None,
        "channels": 1,
        "claims": None,
        "caller": None,
        "correlationId": bulletin.guid("correlation"),
        "eventSource": 2,
        "eventTimestamp": stamps.ticks_with_offset(bulletin.updated_at),
        "httpRequest": None,
        "eventDataId": bulletin.guid("event"),
        "level": _LEVEL,
        "operationName": bulletin.operation,
        "operationId": bulletin.guid("correlation"),
        "properties": found,
        "status": bulletin.status,
        "subStatus": None,
        "submissionTimestamp": stamps.ticks_with_offset(bulletin.updated_at),
        "ResourceType": None,
    }
