"""Looks at a long-running operation of Azure once, from the token it was left with. It never waits and never writes.

A token is azure-core's continuation token: base64 of JSON, with signed URLs inside. It belongs into the journal and
into no log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import structlog

from responder.azure import errors as meanings
from responder.core import errors, restores

if TYPE_CHECKING:
    from azure.core.polling import AsyncLROPoller

_log = structlog.get_logger(__name__)

Resume = Callable[..., Awaitable["AsyncLROPoller[Any]"]]
"""A `begin_...` of the SDK, bound to its resource. With a continuation token it sends nothing."""

Read = Callable[[Any], restores.FoundServer]
"""Makes our value of the SDK's model of the resource."""


class _Latest:
    """Keeps the newest answer, which the SDK's poller does not hand out."""

    def __init__(self) -> None:
        self.response: Any = None

    def keep(self, answer: Any) -> None:
        self.response = answer.http_response


async def poll_once(resume: Resume, token: str, *, place: str, read: Read | None = None) -> restores.Progress:
    """One GET of the operation, and one of the resource when it has ended well.

    Args:
        resume: where to continue.
        token: of the operation.
        place: the resource, for errors and logs.
        read: reads the resource; None when there is none afterwards (a delete).

    Raises `AzureError` when there is no answer worth anything now. Whatever is final and not the operation's own
    end (404, an expired signature, an unreadable token) is `Lost`: the target tells.
    """
    if not token:
        return _lost(place, "there is no token")  # without one, the SDK's `begin_...` would send the write
    from responder.azure import budgets

    latest = _Latest()
    with budgets.unhurried():
        return await _polled(resume, token, latest, place=place, read=read)


async def _polled(resume: Resume, token: str, latest: _Latest, *, place: str, read: Read | None) -> restores.Progress:
    try:
        # The caller comes again by itself, so the SDK is to try once.
        poller = await resume(continuation_token=token, raw_response_hook=latest.keep, retry_total=0)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        return _lost(place, f"the token cannot be read ({type(error).__name__})")
    try:
        return await _look(poller, latest, place=place, read=read)
    except errors.AzureError as error:
        if error.retryable:
            raise
        return _lost(place, str(error))


async def _look(poller: AsyncLROPoller[Any], latest: _Latest, *, place: str, read: Read | None) -> restores.Progress:
    from azure.core import exceptions
    from azure.core.polling import base_polling

    # `polling_method` is typed by its base class, which does not have `update_status`; every one of ARM's has.
    method: Any = poller.polling_method()
    with meanings.translated(place):
        try:
            if not method.finished():
                await method.update_status()
        except (base_polling.BadStatus, base_polling.BadResponse) as error:
            raise exceptions.HttpResponseError(response=latest.response) from error
        if not method.finished():
            return restores.InProgress(retry_after=meanings.retry_after(latest.response.headers))
        if str(method.status()).lower() != "succeeded":
            return await _failed(poller, str(method.status()))
        resource = await poller.result()
    return restores.Succeeded(server=read(resource) if read and resource is not None else None)


async def _failed(poller: AsyncLROPoller[Any], status: str) -> restores.OperationFailed:
    """Why it failed. The SDK has the answer already and sends nothing more."""
    from azure.core import exceptions

    try:
        await poller.result()
    except exceptions.HttpResponseError as error:
        body = error.error
        code = str(getattr(body, "code", None) or status)
        message = meanings.clean(str(getattr(body, "message", None) or f"The operation ended as {status}."))
        return restores.OperationFailed(code=code, message=message)
    return restores.OperationFailed(code=status, message=f"The operation ended as {status}.")


def _lost(place: str, why: str) -> restores.Lost:
    _log.warning("azure.operation-lost", resource=place, why=why)
    return restores.Lost(why=why)
