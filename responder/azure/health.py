"""Health events as Resource Health keeps them: the history to start from, and a second witness to the hub.

It hands on what Azure said, unread. https://learn.microsoft.com/rest/api/resourcehealth/events/list-by-subscription-id
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from responder.azure import clients
from responder.azure import errors as meanings
from responder.core import errors

API_VERSION = "2025-05-01"
_MOST_PAGES = 200
_STATED = "subscriptionId"
"""Where the parser looks for the subscription first. Resource Graph's rows have this field, REST's have not."""


async def event_pages(to: clients.Clients, subscription_id: str, since: datetime) -> AsyncGenerator[list[bytes], None]:
    """The events of one subscription that were updated since the day of `since`, page by page, each as its JSON.

    Azure filters by day, so older ones of that day come along. An event's id can lack the subscription, and its list of
    impacted ones can name many: the one that was asked is added as `subscriptionId`, nothing else is touched. A page
    that is no JSON comes as one piece, as it came: its events may still be recovered, what follows it cannot.

    Raises `AzureError`, also after some pages: only who got to the end has heard everything.
    """
    base = to.endpoints.resource_manager.rstrip("/")
    start = since.astimezone(UTC).strftime("%m/%d/%Y")
    url = (
        f"{base}/subscriptions/{subscription_id}/providers/Microsoft.ResourceHealth/events"
        f"?api-version={API_VERSION}&queryStartTime={start}"
    )
    seen: set[str] = set()
    while url:
        seen.add(url)
        body = await _fetch(to, url, subscription_id)
        page = _read(body, subscription_id)
        if page is None:
            yield [body]
            raise _unexpected("A page of health events is no JSON object with a list in it.", subscription_id)
        events, following = page
        yield events
        if following and not _may_follow(following, seen, to.endpoints.host):
            raise _unexpected("The list of health events leads to another host, or does not end.", subscription_id)
        url = following


def _read(body: bytes, subscription_id: str) -> tuple[list[bytes], str] | None:
    """Its events and the link to the next; None when it is no page."""
    try:
        page = json.loads(body)
        if not isinstance(page, dict) or not isinstance(page.get("value"), list):
            return None
        return [_told(event, subscription_id) for event in page["value"]], str(page.get("nextLink") or "")
    except (ValueError, RecursionError):
        return None


def _may_follow(link: str, seen: set[str], host: str) -> bool:
    """Our token goes to no other host; and a link that comes twice would lead round for ever."""
    try:
        elsewhere = urlsplit(link).hostname != host
    except ValueError:
        return False
    return not elsewhere and link not in seen and len(seen) < _MOST_PAGES


def _told(event: object, subscription_id: str) -> bytes:
    if isinstance(event, dict) and not event.get(_STATED):
        event = {**event, _STATED: subscription_id}
    return json.dumps(event).encode()


async def _fetch(to: clients.Clients, url: str, subscription_id: str) -> bytes:
    from azure.core.rest import HttpRequest

    from responder.azure import budgets

    with budgets.unhurried(), meanings.translated(f"health events of {subscription_id}"):
        # As a stream, else the SDK itself reads the JSON, and one bad byte costs the page.
        async with await (await to.plain()).send_request(HttpRequest("GET", url), stream=True) as answer:
            body: bytes = await answer.read()
            answer.raise_for_status()
    return body


def _unexpected(what: str, subscription_id: str) -> errors.AzureError:
    return errors.AzureError(
        "UnexpectedPage", what, status=None, retryable=False, place=f"health events of {subscription_id}"
    )
