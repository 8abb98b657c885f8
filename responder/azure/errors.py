"""Turns what SDKs raise into `core.errors.AzureError`. The one place that knows their exceptions.

Reading: no answer, 408, 429 and 5xx are worth another try. Writing is stricter. Only what Azure certainly did not
take is retryable; without an answer, or with a 5xx, nobody knows, and the code is `Ambiguous`: look at the target.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from responder.core import errors

if TYPE_CHECKING:
    from azure.core import exceptions

AMBIGUOUS = "Ambiguous"
UNREACHABLE = "Unreachable"
TIMED_OUT = "TimedOut"
NO_TOKEN = "NoToken"  # noqa: S105 - the name of an error

# Refused because of the moment, not because of the request. Azure spells the first both ways.
_REFUSED_FOR_NOW = frozenset({"ServerIsBusy", "ServerBusy", "AnotherOperationInProgress", "OperationInProgress"})
_ACCESS = "Ask Microsoft for access to the region (a support request of type service and subscription limits)."
_QUOTA = "Ask Microsoft for more vCores there; until then, free some."
_SIZE = (
    "A restore keeps the size: wait for capacity, or promote a replica; in peace choose a size that both regions offer."
)
_REMEDIES: Mapping[str, str] = {
    "LocationIsOfferRestricted": _ACCESS,
    "OfferRestricted": _ACCESS,
    "SubscriptionNotInAllowList": _ACCESS,
    "QuotaExceeded": _QUOTA,
    "ServerSkuNotAvailable": _SIZE,
    "SkuNotAvailable": _SIZE,
    "AllocationFailed": _SIZE,
}
"""What to do about refusals that time alone may not cure, by Azure's code."""
_QUERY = re.compile(r"(https?://[^\s?\"']+)\?[^\s\"']*")
_LONGEST = 500


@contextmanager
def translated(place: str, *, write: bool = False) -> Iterator[None]:
    """Raise `AzureError` for whatever the SDK raises inside; anything that is not Azure's passes as it is.

    Args:
        place: what the request was about (a resource, never a signed URL).
        write: whether the request changes something.
    """
    try:
        yield
    except errors.ResponderError:
        raise
    except Exception as error:
        meaning = translate(error, place=place, write=write)
        if meaning is None:
            raise
        raise meaning from error


def translate(error: Exception, *, place: str, write: bool) -> errors.AzureError | None:
    """The meaning of an SDK's exception; None when it is not one."""
    from azure.core import exceptions

    if isinstance(error, exceptions.ClientAuthenticationError) and error.response is None:
        return errors.AzureError(
            NO_TOKEN,
            f"No token could be had: {clean(error.message)}",
            status=None,
            retryable=True,  # nothing was sent
            remedy="Check the credential in the settings, and the identity's endpoint.",
            place=place,
        )
    if isinstance(error, exceptions.HttpResponseError) and error.status_code is not None:
        return _answered(error, place=place, write=write)
    if isinstance(error, exceptions.AzureError | TimeoutError):
        return _unanswered(error, place=place, write=write)
    return None


def _answered(error: exceptions.HttpResponseError, *, place: str, write: bool) -> errors.AzureError:
    status = int(error.status_code or 0)
    body = error.error
    code = str(getattr(body, "code", None) or f"Http{status}")
    message = clean(str(getattr(body, "message", None) or error.reason or "no reason given"))
    headers: Mapping[str, str] = getattr(error.response, "headers", None) or {}
    after = retry_after(headers)
    if write and (status == 408 or status >= 500):
        return _ambiguous(f"Azure answered {status} {code}: {message}", status=status, after=after, place=place)
    if write:
        retryable = status in (412, 429) or code in _REFUSED_FOR_NOW
    else:
        # A good status with a body that is no JSON comes from something in between.
        retryable = status in (200, 408, 429) or status >= 500
    remedy = _REMEDIES.get(code, "")
    return errors.AzureError(
        code, message, status=status, retryable=retryable, retry_after=after, remedy=remedy, place=place
    )


def _unanswered(error: Exception, *, place: str, write: bool) -> errors.AzureError:
    if never_sent(error):
        return errors.AzureError(
            UNREACHABLE,
            f"No connection: {clean(str(error))}",
            status=None,
            retryable=True,
            remedy="Check name resolution, the network and azure.resource_manager.",
            place=place,
        )
    what = f"No answer came ({type(error).__name__})"
    if write:
        return _ambiguous(what, status=None, after=None, place=place)
    return errors.AzureError(TIMED_OUT, what, status=None, retryable=True, place=place)


def _ambiguous(what: str, *, status: int | None, after: timedelta | None, place: str) -> errors.AzureError:
    return errors.AzureError(
        AMBIGUOUS,
        f"{what}; the request may have been carried out.",
        status=status,
        retryable=False,
        retry_after=after,
        remedy="Look at the target before asking again.",
        place=place,
    )


def never_sent(error: Exception) -> bool:
    """Whether the request certainly did not leave this machine.

    The SDK's `ServiceRequestError` alone proves nothing: its aiohttp transport raises it for a connection that broke
    after the request was sent, too.
    """
    import aiohttp
    from azure.core import exceptions

    if isinstance(error, exceptions.ServiceRequestTimeoutError):
        return True  # the time-out of connecting
    inner = getattr(error, "inner_exception", None)
    return isinstance(error, exceptions.ServiceRequestError) and (
        inner is None or isinstance(inner, aiohttp.ClientConnectorError | aiohttp.InvalidURL)
    )


def retry_after(headers: Mapping[str, Any]) -> timedelta | None:
    """How long the answer asks to wait; None when it does not say, or says it as a date."""
    found = {str(name).lower(): str(value) for name, value in headers.items()}
    for name, unit in (("retry-after-ms", "milliseconds"), ("x-ms-retry-after-ms", "milliseconds")):
        if found.get(name, "").isdigit():
            return timedelta(**{unit: int(found[name])})
    seconds = found.get("retry-after", "")
    return timedelta(seconds=int(seconds)) if seconds.isdigit() else None


def clean(text: str) -> str:
    """One line without signatures: the query of every URL is cut off, and the length is bounded."""
    return _QUERY.sub(r"\1", " ".join(text.split()))[:_LONGEST]
