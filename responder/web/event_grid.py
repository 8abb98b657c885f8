"""Event Grid's handshakes: how an endpoint says that it wants to be called. Stores nothing, fetches nothing.

A handshake brings addresses to fetch (`validationUrl`, `WebHook-Request-Callback`). They came in a request, so they are
not even read.
https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema
https://learn.microsoft.com/azure/event-grid/end-point-validation-cloud-events-schema
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping

from responder import settings
from responder.core import errors

_VALIDATION = "microsoft.eventgrid.subscriptionvalidationevent"
_LARGEST = 65_536
"""Bytes; the validation event has a few hundred."""
_CODE = re.compile(r"[\w.:~+/=-]{1,256}", re.ASCII)


def subscription_allowed(headers: Mapping[str, str], names: Collection[str]) -> bool:
    """Whether the event subscription is one of ours. No names: any. Event Grid writes the name in capitals."""
    given = headers.get("aeg-subscription-name", "").strip().casefold()
    return not names or given in {name.casefold() for name in names}


def is_deletion(headers: Mapping[str, str]) -> bool:
    """Whether this tells that the event subscription is gone."""
    return _type(headers) == "subscriptiondeletion"


def validation_code(headers: Mapping[str, str], body: bytes) -> str | None:
    """The code to echo when this is the handshake of Event Grid's own schema; None: it is a delivery.

    The handshake is an array of exactly one validation event. The header says so, too; a proxy may have dropped it.

    Raises:
        InputError: `event-grid.handshake`: the header says handshake, and the body is none.
    """
    announced = _type(headers) == "subscriptionvalidation"
    if not announced and (len(body) > _LARGEST or b"alidationCode" not in body):
        return None
    code = _code(body) if len(body) <= _LARGEST else None
    if code is None and announced:
        text = "This is no validation event."
        raise errors.InputError("event-grid.handshake", text, remedy="Send an array of exactly one.")
    return code


def permission(headers: Mapping[str, str], origins: Collection[str], rate: settings.Rate) -> dict[str, str]:
    """Headers that answer the handshake of CloudEvents: who may deliver, and how many events a minute.

    Raises:
        InputError: `event-grid.handshake`: it does not name its origin.
        RefusedError: `event-grid.origin`: that origin is not configured.
    """
    origin = headers.get("WebHook-Request-Origin", "").strip()
    if not origin:
        text = "The header WebHook-Request-Origin is missing."
        raise errors.InputError("event-grid.handshake", text, remedy="Only CloudEvents' handshake asks with OPTIONS.")
    known = next((name for name in origins if name.casefold() == origin.casefold()), None)
    if known is None:
        text = "This origin may not deliver here."
        raise errors.RefusedError("event-grid.origin", text, remedy="Add it to web.event_grid.origins, if it is yours.")
    return {"WebHook-Allowed-Origin": known, "WebHook-Allowed-Rate": str(max(int(rate.per_second * 60), 1))}


def _type(headers: Mapping[str, str]) -> str:
    return headers.get("aeg-event-type", "").strip().casefold()


def _code(body: bytes) -> str | None:
    try:
        events = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(events, list) or len(events) != 1 or not isinstance(events[0], dict):
        return None
    event = events[0]
    data = event.get("data")
    if str(event.get("eventType", "")).casefold() != _VALIDATION or not isinstance(data, dict):
        return None
    code = data.get("validationCode")
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None
