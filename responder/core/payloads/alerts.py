"""Alerts of action groups, in both schemas: webhook and Event Hubs action carry the same body.

https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-payload-samples,
https://learn.microsoft.com/azure/azure-monitor/alerts/activity-log-alerts-webhook
"""

from __future__ import annotations

from dataclasses import replace

from responder.core.events import Channel
from responder.core.payloads import fields, records, wording
from responder.core.payloads.activity import Activity, MalformedError
from responder.core.payloads.fields import Fields

_COMMON = "azuremonitorcommonalertschema"
_ACTIVITY_LOG = "microsoft.insights/activitylogs"


def is_common(row: Fields) -> bool:
    """Named so, or shaped so: a fragment with only `alertContext` is how the documentation shows some."""
    data = Fields(row.mapping("data"))
    return row.word("schemaId") == _COMMON or "alertContext" in row or ("alertContext" in data and "essentials" in data)


def is_activity_log(row: Fields) -> bool:
    """Named so, or shaped so."""
    context = Fields(Fields(row.mapping("data")).mapping("context"))
    return row.word("schemaId") == _ACTIVITY_LOG or "activityLog" in context


def common(row: Fields) -> Activity:
    """The activity-log entry in a common-schema alert; alerts of other kinds (metrics, logs) give one of no category.

    `monitorCondition` is `Fired` on resolutions, too, and `severity` is always `Sev4`: neither is read.
    """
    data = Fields(row.mapping("data"), row.mapping("alertContext") and {"alertContext": row.mapping("alertContext")})
    essentials, context = Fields(data.mapping("essentials")), Fields(data.mapping("alertContext"))
    targets = essentials.items("alertTargetIDs", "alertTargetId") or list(essentials.all("alertTargetIDs"))
    service = essentials.word("monitoringService") or ""  # `ServiceHealth`, but `Resource Health`
    operation = context.text("operationName", limit=300) or ""
    if not data.mapping("alertContext") and (service in records.HEALTH or not data.mapping("essentials")):
        raise MalformedError("an alert without its context")
    properties = records.properties(context)
    # Nothing else in the alert tells it either: `severity` is Sev4 on all, and stage and type are the same for all.
    level = wording.level(context.word("level", "eventLevel") or properties.word("level", "eventLevel"))
    return Activity(
        channel=Channel.COMMON_ALERT,
        category=records.category(operation, service),
        operation=operation,
        status=context.word("status"),
        said=context.text("status", limit=100),
        level=level,
        unrated=level is None,
        at=context.time("eventTimestamp", "submissionTimestamp") or essentials.time("firedDateTime"),
        subscription_id=fields.subscription(
            *targets, essentials.text("alertId"), essentials.text("alertRuleId"), context.text("resourceId")
        ),
        # In the common schema the resource is only in the targets.
        resource_id=fields.resource(context.text("resourceId"), *targets),
        properties=properties,
        flags=Fields(properties, context, essentials, data, data.mapping("customProperties"), row),
        description=essentials.text("alertRule", limit=500),
    )


def activity_log(row: Fields) -> Activity:
    """The entry in an alert of the older schema. `data.status` is always `Activated`: only the entry's own is read."""
    data = Fields(row.mapping("data"))
    entry = Fields(data.mapping("context")).mapping("activityLog")
    if not entry:
        raise MalformedError("an alert without its activity log entry")
    found = records.entry(entry, Channel.ACTIVITY_LOG_ALERT)
    return replace(found, flags=Fields(found.flags, data, data.mapping("properties"), row))
