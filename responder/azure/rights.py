"""Asks what our identity is allowed somewhere, and what time it is there. Reads only.

https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource-group
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from responder.azure import clients
from responder.azure import errors as meanings
from responder.core import errors, rights

_API_VERSION = "2022-04-01"
_MOST_PAGES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What we are allowed in one place."""

    grants: tuple[rights.Grant, ...]
    at: datetime | None
    """When it was answered, by the clock of Resource Manager, which tells whole seconds. None: it did not say."""


async def ask(to: clients.Clients, scope: str) -> Answer:
    """Our rights at a subscription, a group or a resource, by its ARM id. Raises `AzureError`."""
    base = to.endpoints.resource_manager.rstrip("/")
    url = f"{base}{scope}/providers/Microsoft.Authorization/permissions?api-version={_API_VERSION}"
    grants: list[rights.Grant] = []
    at: datetime | None = None
    for _ in range(_MOST_PAGES):
        page, at = await _fetch(to, url, scope)
        grants += [_grant(entry) for entry in page.get("value", ()) if isinstance(entry, dict)]
        following = str(page.get("nextLink") or "")
        if not following.startswith(f"{base}/"):  # our token goes nowhere else
            break
        url = following
    return Answer(grants=tuple(grants), at=at)


async def _fetch(to: clients.Clients, url: str, scope: str) -> tuple[dict[str, Any], datetime | None]:
    from azure.core.rest import HttpRequest

    with meanings.translated(f"rights at {scope}"):
        async with await (await to.plain()).send_request(HttpRequest("GET", url), stream=True) as answer:
            body: bytes = await answer.read()
            answer.raise_for_status()
            said = answer.headers.get("Date", "")
    try:
        page = json.loads(body)
    except ValueError:
        page = None
    if not isinstance(page, dict):
        raise errors.AzureError(
            "UnexpectedPage", "The answer is no JSON object.", status=None, retryable=False, place=f"rights at {scope}"
        )
    return page, _moment(said)


def _moment(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None


def _grant(entry: dict[str, Any]) -> rights.Grant:
    return rights.Grant(actions=_texts(entry, "actions"), not_actions=_texts(entry, "notActions"))


def _texts(entry: dict[str, Any], name: str) -> tuple[str, ...]:
    return tuple(str(text) for text in entry.get(name) or ())
