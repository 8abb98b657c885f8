"""Resource Health: the events that the publisher appends, and the availability of single servers.

https://learn.microsoft.com/rest/api/resourcehealth/events/list-by-subscription-id (2025-05-01)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from responder.core import regions
from responder.simulator import resources
from responder.simulator.arm import calls, found

_EVENTS = f"{calls.SUBSCRIPTION}/providers/Microsoft.ResourceHealth/events"
_PROPERTY = r"(?:properties/)?"
_CLAUSE = re.compile(
    rf"{_PROPERTY}(?P<field>\w+)\s+(?P<op>eq|ge|gt)\s+(?:datetime)?'?(?P<value>[^']*?)'?", re.IGNORECASE
)
_DATES = ("%m/%d/%Y", "%Y-%m-%d")


async def _events(call: calls.Call) -> calls.Reply:
    """The subscription's own, newest first; `queryStartTime` and simple `$filter`s are heeded: eventType, status,
    service, region."""
    subscription = found.subscription_of(call)
    start = call.query.get("queryStartTime")
    since = _moment(start) if start else None
    clauses = _clauses(call.query.get("$filter", ""))
    own = (e for e in reversed(call.world.events) if _concerns(e, subscription))
    return calls.page(call, [e for e in own if _recent(e, since) and all(_satisfies(e, c) for c in clauses)])


async def _event(call: calls.Call) -> calls.Reply:
    subscription = found.subscription_of(call)
    tracking = call.params["tracking"]
    for event in reversed(call.world.events):
        if str(event.get("name", "")).lower() == tracking.lower() and _concerns(event, subscription):
            return calls.Reply(body=event)
    raise calls.Refused(404, "EventNotFound", f"The event '{tracking}' was not found.")


async def _availability(call: calls.Call) -> calls.Reply:
    """What Resource Health thinks of one server. It lives elsewhere, so it answers for regions that are down."""
    return calls.Reply(body=_status(call, _server(call)))


async def _availabilities(call: calls.Call) -> calls.Reply:
    subscription = found.subscription_of(call)
    servers = (s for s in call.world.servers.values() if s.subscription == subscription)
    return calls.page(call, [_status(call, s) for s in servers])


def _server(call: calls.Call) -> resources.Server:
    key = call.path.lower().split("/providers/microsoft.resourcehealth")[0]
    server = call.world.servers.get(key)
    if server is None:
        raise calls.Refused(404, "ResourceNotFound", f"The Resource '{key}' was not found.")
    return server


def _status(call: calls.Call, server: resources.Server) -> calls.Body:
    down = call.world.region_down(server.region)
    now = calls.ticks(call.world.now())
    summary = "We're sorry, your server isn't available." if down else "There aren't any known problems."
    return {
        "id": f"{server.id}/providers/Microsoft.ResourceHealth/availabilityStatuses/current",
        "name": "current",
        "type": "Microsoft.ResourceHealth/AvailabilityStatuses",
        "location": server.region,
        "properties": {
            "availabilityState": "Unavailable" if down else "Available",
            "title": "Unavailable" if down else "Available",
            "summary": summary,
            "reasonType": "Unplanned" if down else "",
            "occurredTime": now,
            "reasonChronicity": "Persistent",
            "reportedTime": now,
        },
    }


def _concerns(event: calls.Body, subscription: str) -> bool:
    """Whether the event names the subscription among those impacted. One that names none was told to everybody."""
    told = _told(calls.child(event, "properties"))
    return not told or subscription.lower() in told


def _told(properties: calls.Body) -> set[str]:
    impacts = properties.get("impact")
    regional = (region for impact in _objects(impacts) for region in _objects(impact.get("impactedRegions")))
    listed = (region.get("impactedSubscriptions") for region in regional)
    return {str(one).lower() for each in listed if isinstance(each, list) for one in each}


def _objects(value: object) -> list[calls.Body]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _clauses(text: str) -> list[list[tuple[str, str, str]]]:
    """`a eq 'x' and (b eq 'y' or c eq 'z')` as a list of alternatives. Raises `Refused` (400)."""
    clauses = []
    for conjunct in filter(None, re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE)):
        alternatives = []
        for part in re.split(r"\s+or\s+", conjunct.strip("() "), flags=re.IGNORECASE):
            match = _CLAUSE.fullmatch(part.strip("() "))
            if match is None:
                raise calls.Refused(400, "InvalidFilter", f"The filter '{part}' cannot be read.")
            alternatives.append((match["field"].lower(), match["op"].lower(), match["value"]))
        clauses.append(alternatives)
    return clauses


def _satisfies(event: calls.Body, alternatives: list[tuple[str, str, str]]) -> bool:
    return any(_holds(event, *alternative) for alternative in alternatives)


def _holds(event: calls.Body, field: str, operator: str, value: str) -> bool:
    properties = calls.child(event, "properties")
    if field in ("service", "region"):
        return value.lower() in _impacted(properties, field)
    actual = next((v for k, v in properties.items() if k.lower() == field), None)
    if operator == "eq":
        return str(actual).lower() == value.lower()
    moment, bound = _moment(str(actual or "")), _moment(value)
    return moment is not None and bound is not None and moment >= bound


def _impacted(properties: calls.Body, field: str) -> set[str]:
    names: set[str] = set()
    for impact in _objects(properties.get("impact")):
        if field == "service":
            names.add(calls.text(impact, "impactedService").lower())
            continue
        for region in _objects(impact.get("impactedRegions")):
            name = calls.text(region, "impactedRegion")
            names |= {name.lower(), regions.normalise(name)}
    return names


def _recent(event: Mapping[str, object], since: datetime | None) -> bool:
    if since is None:
        return True
    properties = calls.child(event, "properties")
    times = (calls.text(properties, n) for n in ("lastUpdateTime", "impactStartTime"))
    moments = [m for m in map(_moment, times) if m is not None]
    return not moments or max(moments) >= since


def _moment(text: str) -> datetime | None:
    for form in _DATES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    # The service writes seven digits of a second; Python reads six.
    shortened = re.sub(r"(\.\d{6})\d+", r"\1", text.replace(" ", "+") if "T" in text else text)
    try:
        moment = datetime.fromisoformat(shortened)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _of_one(type_: str) -> str:
    return f"{calls.GROUP}/providers/{resources.PROVIDER}/{type_}/{{name}}/providers/Microsoft.ResourceHealth"


ROUTES = (
    calls.route("GET", _EVENTS, _events),
    calls.route("GET", f"{_EVENTS}/{{tracking}}", _event),
    calls.route(
        "GET", f"{calls.SUBSCRIPTION}/providers/Microsoft.ResourceHealth/availabilityStatuses", _availabilities
    ),
    *(
        calls.route("GET", f"{_of_one(type_)}/availabilityStatuses/current", _availability)
        for type_ in resources.TYPES.values()
    ),
)
