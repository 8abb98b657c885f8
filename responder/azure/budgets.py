"""Reads Azure's token buckets from its answers, and holds back what can wait before what is urgent has to.

In memory; `changes` and `learn` are how instances share it over the store. Nothing is sent from here, and nothing
sleeps: what must wait is told so with a retryable error, and every caller has a durable way to wait.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy

from responder import clock
from responder.azure import errors as meanings
from responder.core import errors, throttles

HELD_BACK = "HeldBack"
"""Code of the error for a request that was not sent."""

Key = tuple[str, throttles.Kind]

_SUBSCRIPTION = re.compile(r"/subscriptions/([^/?]+)", re.IGNORECASE)
_MOST_REFUSED = timedelta(minutes=10)
"""A longer Retry-After is not believed for everything: it may be about one request."""
_unhurried: ContextVar[bool] = ContextVar("unhurried", default=False)


@contextlib.contextmanager
def unhurried() -> Iterator[None]:
    """What is asked inside can wait: polls, lists."""
    token = _unhurried.set(True)
    try:
        yield
    finally:
        _unhurried.reset(token)


class Budgets:
    """What is known of every subscription's buckets."""

    def __init__(self, reserve: int) -> None:
        self._reserve = reserve
        self._known: dict[Key, throttles.Bucket] = {}
        self._changed: set[Key] = set()

    def wait(self, key: Key) -> timedelta:
        """How long a request of this kind has to wait now."""
        reserve = self._reserve if _unhurried.get() else 0
        return throttles.wait(self._known.get(key), key[1], clock.now(), reserve=reserve)

    def heard(self, key: Key, remaining: int | None, refused_for: timedelta | None) -> None:
        """Azure has answered."""
        if remaining is None and refused_for is None:
            return
        self._known[key] = throttles.heard(self._known.get(key), remaining, refused_for, clock.now())
        self._changed.add(key)

    def changes(self) -> Mapping[Key, throttles.Bucket]:
        """What was heard since the last time, for the others."""
        found = {key: self._known[key] for key in self._changed}
        self._changed.clear()
        return found

    def learn(self, theirs: Mapping[Key, throttles.Bucket]) -> None:
        """What the others have heard."""
        now = clock.now()
        for key, bucket in theirs.items():
            known = throttles.merged(self._known.get(key), bucket, now)
            if known is not None:
                self._known[key] = known


class Tokens(AsyncHTTPPolicy[Any, Any]):
    """Asks the budgets before each call, and tells them of its answer. Outside of the retries: it sees the last."""

    def __init__(self, budgets: Budgets) -> None:
        super().__init__()
        self._budgets = budgets

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Raises `AzureError` with code `HeldBack` instead of sending."""
        key = _key(request.http_request.method, request.http_request.url)
        if key is None:
            return await self.next.send(request)
        pause = self._budgets.wait(key)
        if pause:
            raise errors.AzureError(
                HELD_BACK,
                f"Azure's budget for {key[1]} of subscription {key[0]} is used up for now; nothing was sent.",
                status=None,
                retryable=True,
                retry_after=pause,
                remedy="It is tried again by itself.",
            )
        response = await self.next.send(request)
        headers = response.http_response.headers
        refused = None
        if response.http_response.status_code == 429:
            refused = min(meanings.retry_after(headers) or timedelta(seconds=1), _MOST_REFUSED)
        self._budgets.heard(key, _remaining(headers, key[1]), refused)
        return response


def _key(method: str, url: str) -> Key | None:
    match = _SUBSCRIPTION.search(url)
    return (match[1].lower(), throttles.kind_of(method)) if match else None


def _remaining(headers: Mapping[str, Any], kind: throttles.Kind) -> int | None:
    name = f"x-ms-ratelimit-remaining-subscription-{kind}"
    found = {str(key).lower(): str(value) for key, value in headers.items()}.get(name, "")
    return int(found) if found.isdigit() else None
