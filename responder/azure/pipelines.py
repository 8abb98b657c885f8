"""One HTTP session and the policies every SDK client of ours runs through.

What the SDK would do by itself and must not: send a write again, look proxies up for each request, register a
resource provider, follow a redirect with our token, log URLs that carry a signature. Loads SDKs: import it late.
"""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from azure.core import exceptions
from azure.core.pipeline import PipelineRequest, PipelineResponse, policies
from azure.core.pipeline.transport import AioHttpTransport
from azure.mgmt.core.policies import AsyncARMChallengeAuthenticationPolicy

from responder.azure import budgets, endpoints

_CONNECTIONS = 100
_READS = frozenset({"GET", "HEAD"})
# Three tries within a few seconds. Whoever needs more patience than this has a durable way to wait.
_RETRIES = {
    "retry_total": 2,
    "retry_connect": 2,
    "retry_read": 1,
    "retry_status": 2,
    "retry_backoff_factor": 0.4,
    "retry_backoff_max": 5,
}
_LONGEST_WAIT = 10
"""Seconds. A longer Retry-After is passed on to the caller instead of being slept through."""


class AnswerLostError(aiohttp.ClientError):
    """A write was sent and the connection broke before the answer."""


async def never_resend(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a PUT or DELETE again by itself.

    It does so once when a connection breaks (https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2 calls them
    idempotent); a geo-restore that Azure took the first time is not.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise  # never sent
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method in _READS:
            raise
        raise AnswerLostError(str(error)) from error


def open_session(trust: ssl.SSLContext | None) -> aiohttp.ClientSession:
    """The one connection pool. The caller closes it, after every client.

    The certificate authorities were loaded once (`endpoints.trust`): given to the SDK as `connection_verify`, they
    would be read again for each request, and no connection would ever be used twice.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=trust or True),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # the SDK's transport does it
        trust_env=False,  # else aiohttp asks a thread for proxies at each request
        middlewares=(never_resend,),
    )


def transport(session: aiohttp.ClientSession, where: endpoints.Endpoints) -> AioHttpTransport:
    """A transport over the shared session; closing it leaves the session open."""
    return AioHttpTransport(
        session=session,
        session_owner=False,
        use_env_settings=False,
        connection_timeout=where.connect_timeout.total_seconds(),
        read_timeout=where.read_timeout.total_seconds(),
    )


class Retries(policies.AsyncRetryPolicy[Any, Any]):
    """Tries reads again, a little. A write goes through once, whatever the answer."""

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        if request.http_request.method in _READS:
            return await super().send(request)
        self.configure_retries(request.context.options)  # takes its options out: the transport knows none of them
        return await self.next.send(request)

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        wait = self.get_retry_after(response) or 0
        return wait <= _LONGEST_WAIT and bool(super().is_retry(settings, response))


class Login(AsyncARMChallengeAuthenticationPolicy):
    """Puts our token on requests to Resource Manager, and on no others."""

    def __init__(self, credential: Any, where: endpoints.Endpoints) -> None:
        super().__init__(credential, where.audience)
        self._host = where.host

    async def on_request(self, request: PipelineRequest[Any]) -> None:
        """Raises `ClientAuthenticationError` without a response when no token can be had: nothing was sent then."""
        url = urlsplit(request.http_request.url)
        host = url.hostname or ""
        if host != self._host and not host.endswith(f".{self._host}"):
            raise ForeignHostError(message=f"{host} is not {self._host}: our token is not for it")
        if host in endpoints.LOOPBACK:
            # The SDK refuses tokens over plain http; here they do not leave the machine.
            request.context.options["enforce_https"] = False
        try:
            await super().on_request(request)
        except exceptions.AzureError as error:
            raise exceptions.ClientAuthenticationError(message=error.message) from error


class ForeignHostError(exceptions.HttpResponseError):
    """An answer of Azure led to another host. Shown as status 421, for it is not ours to ask."""

    def __init__(self, message: str) -> None:
        super().__init__(message=message)
        self.status_code = 421
        self.reason = message


def policies_of(credential: Any, where: endpoints.Endpoints, known: budgets.Budgets) -> list[Any]:
    """A new list of policies, for one client: each pipeline links its policies to each other."""
    return [
        budgets.Tokens(known),
        policies.RequestIdPolicy(),
        policies.HeadersPolicy(),
        policies.UserAgentPolicy("azure-postgresql-responder"),
        policies.ContentDecodePolicy(),
        Retries(**_RETRIES),
        Login(credential, where),
        policies.CustomHookPolicy(),
    ]
