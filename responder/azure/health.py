"""Health events as Resource Health keeps them: the history to start from, and a second witness to the hub.

It hands on what Azure said, unread. https://learn.microsoft.com/rest/api/resourcehealth/events/list-by-subscription-id
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from responder.azure import clients
from responder.azure import errors as meanings
from responder.core import errors

API_VERSION = "2025-05-01"
_MOST_PAGES = 200


async def list_events(to: clients.Clients, subscription_id: str, since: datetime) -> list[bytes]:
    """The events of one subscription that were updated since the day of `since`, each as its JSON.

    Azure filters by day, so older ones of that day come along. Raises `AzureError`; never returns a part.
    """
    base = to.endpoints.resource_manager.rstrip("/")
    start = since.astimezone(UTC).strftime("%m/%d/%Y")
    url: str | None = (
        f"{base}/subscriptions/{subscription_id}/providers/Microsoft.ResourceHealth/events"
        f"?api-version={API_VERSION}&queryStartTime={start}"
    )
    events: list[bytes] = []
    pages = 0
    while url:
        page = await _page(to, url, subscription_id)
        events += [json.dumps(event).encode() for event in page.get("value", [])]
        url, pages = page.get("nextLink"), pages + 1
        if url and (pages == _MOST_PAGES or urlsplit(url).hostname != to.endpoints.host):
            raise errors.AzureError(
                "UnexpectedPage",
                "The list of health events leads to another host, or does not end.",
                status=None,
                retryable=False,
                place=f"health events of {subscription_id}",
            )
    return events


async def _page(to: clients.Clients, url: str, subscription_id: str) -> dict[str, Any]:
    from azure.core.rest import HttpRequest

    with meanings.translated(f"health events of {subscription_id}"):
        answer = await to.plain().send_request(HttpRequest("GET", url))
        answer.raise_for_status()
        page: dict[str, Any] = answer.json()
    return page
