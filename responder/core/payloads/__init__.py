"""From bytes to health events, whatever channel they came by.

    body -> documents (bytes to JSON values, the spoiled set apart)
         -> this file (envelopes opened, each value to the reader of its shape)
         -> alerts, records, rest, grid (one a shape) -> service_health, resource_health -> events

Dispatch is on content, not on transport: an event hub can carry records, alerts and Event Grid events side by side, and
an export of 2018 has REST shapes among its `records`. Nothing is refused for fields we do not know. `parse` never
raises: what cannot be read is returned as such, and must not stop what comes after it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from responder.core.events import Channel, HealthEvent, Kind, Status
from responder.core.payloads import alerts, budgets, documents, fields, grid, records, resource_health, rest
from responder.core.payloads.activity import MalformedError
from responder.core.payloads.documents import Unreadable
from responder.core.payloads.fields import Fields

__all__ = ["Parsed", "Unreadable", "parse", "to_json"]

MOST_PIECES = budgets.MOST_PIECES
_DEEPEST = 6
"""Envelopes, arrays and strings within each other before a piece is given up."""
_WRAPPERS = 20
"""Fields of an object that is looked into though nobody knows it, and entries of a list in it."""
_ENVELOPES = ("records", "value", "data", "tables")  # diagnostic settings; REST lists; Resource Graph; Log Analytics
_LONGEST_BASE64 = 2 << 20
_EVENTS = ("specversion", "eventType")  # their `data` is the event's own, unless it is an alert forwarded

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a body held."""

    events: tuple[HealthEvent, ...]
    unreadable: tuple[Unreadable, ...]


def parse(body: bytes) -> Parsed:
    """All events in a body, and the pieces of it that are none. Never raises; the work is bounded, see `budgets`."""
    return measured(body)[0]


def measured(body: bytes) -> tuple[Parsed, budgets.Budget]:
    """What a body held, and the work that it took."""
    with budgets.counting() as budget:
        try:
            return _parse(body, budget), budget
        finally:
            documents.forget()


def _parse(body: bytes, budget: budgets.Budget) -> Parsed:
    found: list[HealthEvent] = []
    documents_, spoiled = documents.read(bytes(body), _known)
    for document in documents_:
        for piece in _all_pieces(document):
            place = _place(document.offset, piece[1])
            if budget.pieces == MOST_PIECES:
                # One mark for all that follows; the whole body is kept, and can be read again.
                reason = f"not read: more than {MOST_PIECES} pieces in one body; this is the first of the rest"
                spoiled.append(Unreadable(reason, place, documents.excerpt(piece[0])))
                return Parsed(tuple(found), tuple(spoiled))
            budget.pieces += 1
            result = _read(*piece, document.offset)
            if isinstance(result, Unreadable):
                spoiled.append(result)
            else:
                found.extend(result)
    if budget.impacts > budget.most_impacts or budget.other_impacts > budget.most_other_impacts:
        limits = f"{budget.most_impacts} services in regions, or {budget.most_other_impacts} that do not concern us"
        spoiled.append(Unreadable(f"not read: more than {limits}", "impact", body[: documents.EXCERPT]))
    return Parsed(tuple(found), tuple(spoiled))


def _all_pieces(document: documents.Document) -> Iterator[tuple[object, str]]:
    try:
        yield from _pieces(document.value, "", 0)
    except Exception as error:  # as in `_read`: a defect of ours costs one document, and is seen
        yield Unreadable(f"{UNEXPECTED} {type(error).__name__}", "", documents.excerpt(document.value)), ""


def _pieces(value: object, path: str, depth: int) -> Iterator[tuple[object, str]]:
    """The value's events-to-be with their paths: envelopes, arrays and strings opened."""
    opened = documents.embedded(value)
    if isinstance(opened, str) and opened.lstrip()[:1] in {"{", "["} and depth < _DEEPEST:
        inner, spoiled = documents.read_text(opened, _known)
        for document in inner:
            yield from _pieces(document.value, path, depth + 1)
        yield from ((piece, path) for piece in spoiled)
        return
    try:
        content = _inside(opened, depth) if isinstance(opened, dict) else ("", opened)
    except budgets.ExceededError as error:
        yield Unreadable(str(error), "", documents.excerpt(opened)), path
        return
    name, inside = content if content else ("", None)
    if content is None or not isinstance(inside, list) or depth >= _DEEPEST:
        yield opened, path
        return
    prefix = f"{path}.{name}" if path and name else path + name
    for index, each in enumerate(inside):
        yield from _pieces(each, f"{prefix}[{index}]", depth + 1)


def _inside(row: Row, depth: int) -> tuple[str, object] | None:
    """What an envelope or a wrapper holds."""
    return _content(row) or (_wrapped(row) if depth < _DEEPEST else None)


def _content(row: Row) -> tuple[str, object] | None:
    """The name and content of an envelope, or None when it is none."""
    if len(row) > budgets.MOST_FIELDS:
        return None  # said by its reader
    found = Fields(row)
    if "schemaId" in found:
        return ("records", listed) if (listed := found.items("records")) else None
    if any(mark in found for mark in _EVENTS) and ("data" in found or "data_base64" in found):
        alert = found.mapping("data")
        if alert is None and (packed := found.text("data_base64", limit=_LONGEST_BASE64)):
            alert = Fields({"it": _unpacked(packed)}).mapping("it")  # CloudEvents: data that is bytes
        return ("data", [alert]) if alert and "schemaId" in Fields(alert) else None
    for name in _ENVELOPES if not records.is_record(found) else ("records",):  # what else an entry has is its own
        for inside in map(documents.embedded, found.all(name)):
            if isinstance(inside, list):
                return name, inside
            if name == "records" and inside:
                return name, [inside]
            if name == "data" and isinstance(inside, dict) and (table := _table(inside)):
                return "data.rows", table
    return ("rows", table) if (table := _table(row)) else None


def _unpacked(text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf-8-sig", "replace")
    except ValueError:
        return ""


def _wrapped(row: Row) -> tuple[str, object] | None:
    """What a relay has put around an event (`{"body": ...}`, `{"0": ...}`), one level deep, if that is all it is."""
    if len(row) > _WRAPPERS or _known(row):
        return None
    found: list[object] = []
    for value in row.values():
        inside = documents.embedded(value)
        several = inside if isinstance(inside, list) else [inside]
        if any(map(_known, several[:_WRAPPERS])):
            found += several
    return ("*", found) if found else None


def _table(data: Row) -> list[object]:
    """Rows of Resource Graph's older answer, or of Log Analytics: `{"columns": [{"name"}], "rows": [[...]]}`."""
    answer = Fields(data)
    if "columns" not in answer or "rows" not in answer:
        return []
    names = [Fields(column).text("name", limit=200) or "" for column in answer.items("columns")]
    rows = answer.items("rows")
    return [dict(zip(names, row, strict=False)) if isinstance(row, list) else row for row in rows] if names else []


def _read(value: object, path: str, offset: int) -> Sequence[HealthEvent] | Unreadable:
    place = _place(offset, path)
    if isinstance(value, Unreadable):
        return replace(value, position=place)
    if not isinstance(value, dict):
        return Unreadable(f"not an object but {_NAMES.get(type(value), 'a number')}", place, documents.excerpt(value))
    if not value:
        return Unreadable("an empty object", place, b"{}")
    try:
        row, body = Fields(value), rest.body_of(value)
        reader = next(read for recognises, read in _SHAPES if recognises(row, body))
        return reader(value)
    except (MalformedError, budgets.ExceededError) as error:
        return Unreadable(str(error), place, documents.excerpt(value))
    except Exception as error:  # one strange piece must never stop a partition; the tests hold that this is not reached
        return Unreadable(f"{UNEXPECTED} {type(error).__name__}", place, documents.excerpt(value))


UNEXPECTED = "the parser failed:"
"""How the reason of a defect of ours begins."""
_NAMES: dict[type, str] = {str: "text", list: "an array", bool: "a boolean", type(None): "null"}


def _place(offset: int, path: str) -> int | str:
    return offset if not path else f"{offset}:{path}" if offset else path


def _unknown(row: Row) -> list[HealthEvent]:
    subscription = fields.subscription(Fields(row).text("id", "resourceId"))
    return [HealthEvent(channel=Channel.UNKNOWN, kind=Kind.OTHER, status=Status.UNKNOWN, subscription_id=subscription)]


def _is_availability(row: Fields, body: Fields) -> bool:
    type_ = (row.text("type") or "").casefold()
    return "/availabilitystatuses" in type_ or ("availabilityState" in body and "id" in row)


def _availability(row: Row) -> list[HealthEvent]:
    channel = Channel.RESOURCE_GRAPH if "targetResourceId" in rest.body_of(row) else Channel.REST_EVENT
    return [resource_health.from_availability(channel, rest.body_of(row), Fields(row))]


# The first that recognises a value reads it. Order matters: Event Grid's `eventType` before REST's, envelopes of alerts
# before the entries inside them.
_SHAPES: tuple[tuple[Callable[[Fields, Fields], bool], Callable[[Row], list[HealthEvent]]], ...] = (
    (lambda row, _: alerts.is_common(row), lambda row: [records.event(alerts.common(Fields(row)))]),
    (lambda row, _: alerts.is_activity_log(row), lambda row: [records.event(alerts.activity_log(Fields(row)))]),
    (lambda row, _: grid.is_cloud_event(row) or grid.is_grid_event(row), lambda row: [grid.event(row)]),
    (lambda row, _: records.is_record(row), lambda row: [records.record(row)]),
    (rest.is_emerging, rest.emerging),
    (_is_availability, _availability),
    (rest.is_event, lambda row: [rest.event(row)]),
    (lambda _row, _body: True, _unknown),
)


def _known(value: object) -> bool:
    """Whether a recovered value is an event or an envelope; fragments of a broken record are neither."""
    if not isinstance(value, dict):
        return False
    try:
        row, body = Fields(value), rest.body_of(value)
        return _content(value) is not None or any(recognises(row, body) for recognises, _ in _SHAPES[:-1])
    except budgets.ExceededError:
        return True  # to be set apart as a whole


def to_json(event: HealthEvent) -> dict[str, object]:
    """The event as `events parse --json` prints it."""
    return {
        "channel": str(event.channel),
        "tracking_id": event.tracking_id,
        "subscription_id": event.subscription_id,
        "kind": event.kind.value,
        "status": event.status.value,
        "stage": event.stage,
        "impact_start": _show(event.impact_start),
        "impact_end": _show(event.impact_end),
        "regions": list(event.regions),
        "services": list(event.services),
        "concerns_postgresql": event.concerns_postgresql,
        "synthetic": event.synthetic,
        "resource_id": event.resource_id,
        "title": event.title,
        "actionable": event.actionable,
        # From here on additions to the promised shape.
        "level": event.level,
        "unrated": event.unrated,
        "communication_id": event.communication_id,
        "updated_at": _show(event.updated_at),
        "global_scope": event.global_scope,
        "relation": event.relation.value,
        "false_positive": event.false_positive,
        "health": event.health,
        "cause": event.cause,
        "impacted_subscriptions": list(event.impacted_subscriptions),
        "impacts": [
            {"service": i.service, "relation": i.relation.value, "region": i.region, "status": i.status.value}
            for i in event.impacts
        ],
        "summary": event.summary,
    }


def _show(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None
