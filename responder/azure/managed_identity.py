"""The token of this machine's managed identity, asked of the platform the way Azure documents it for plain HTTP.

azure-identity brings MSAL, requests and cryptography along: 18 MB resident and half a second, for one GET a day. It
still does everything else: other credentials, and platforms with a protocol of their own (Arc, Service Fabric, ...).
https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
Loads azure-core: import it late.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from azure.core import exceptions
from azure.core.credentials import AccessToken
from azure.core.pipeline import AsyncPipeline, policies
from azure.core.rest import HttpRequest

from responder import clock
from responder.azure import platforms

_RENEWED_BEFORE = timedelta(minutes=5)
"""A token that ends sooner is no good for a new request: as azure-core's own policy has it."""
_LONG = timedelta(hours=2)
"""Of a token that lasts so long, a new one is asked for at half time."""
_AGAIN = timedelta(seconds=30)
"""Between two tries to renew what is still good."""
_BUSY = (404, 410, 429, *range(500, 600))
"""Documented as passing, at the address of a virtual machine: 410 for up to 70 s, while the service is renewed."""


@dataclass(slots=True)
class _Kept:
    """The newest token for a resource."""

    token: AccessToken
    renew_at: float
    """Seconds since 1970, as `expires_on`."""


class ManagedIdentity:
    """A credential of azure-core's. It borrows the transport, and keeps tokens in memory only."""

    def __init__(self, asked: platforms.Source, client_id: str | None, transport: Any) -> None:
        self._asked = asked
        self._client_id = client_id
        self._kept: dict[str, _Kept] = {}
        self._one = asyncio.Lock()
        self._pipeline: AsyncPipeline[Any, Any] = AsyncPipeline(transport, [policies.UserAgentPolicy(), _Patience()])

    async def get_token(self, *scopes: str, claims: str | None = None, **options: Any) -> AccessToken:
        """A token for a scope, `https://RESOURCE/.default`.

        Args:
            scopes: exactly one.
            claims: what a refusal wanted to see in it: then a fresh one is asked for.
            options: what other kinds of credentials know.

        Raises:
            ClientAuthenticationError: none can be had. Its message holds no token.
            AzureError: the platform does not answer.
        """
        (scope,) = scopes
        resource = scope.removesuffix("/.default")
        async with self._one:
            kept, now = self._kept.get(resource), clock.wall().timestamp()
            if kept is not None and claims is None and now < kept.renew_at:
                return kept.token
            try:
                self._kept[resource] = renewed = await self._ask(resource)
            except exceptions.AzureError:
                if kept is None or claims is not None or now + _RENEWED_BEFORE.total_seconds() > kept.token.expires_on:
                    raise
                kept.renew_at = now + _AGAIN.total_seconds()
                return kept.token
            return renewed.token

    async def close(self) -> None:
        """The transport is its owner's to close."""

    async def __aenter__(self) -> ManagedIdentity:
        return self

    async def __aexit__(self, *failed: object) -> None:
        """Nothing to let go of."""

    async def _ask(self, resource: str) -> _Kept:
        query = {"api-version": self._asked.version, "resource": resource}
        if self._client_id:
            query["client_id"] = self._client_id
        request = HttpRequest("GET", self._asked.url, params=query, headers=dict(self._asked.headers))
        # The machine's own address answers at once or never.
        answer = (await self._pipeline.run(request, connection_timeout=2)).http_response
        try:
            answer.raise_for_status()
            told = answer.json()
            token, expires_on = str(told["access_token"]), int(told["expires_on"])
        except (exceptions.HttpResponseError, ValueError, KeyError, TypeError) as error:
            raise exceptions.ClientAuthenticationError(message=_why(answer, error)) from None
        now = clock.wall().timestamp()
        half = (expires_on - now) / 2 if expires_on - now >= _LONG.total_seconds() else 0.0
        renew_at = now + half if half else expires_on - _RENEWED_BEFORE.total_seconds()
        return _Kept(AccessToken(token, expires_on), renew_at)


def _why(answer: Any, error: Exception) -> str:
    if answer.status_code == 200:
        return f"The managed identity's answer is no token ({type(error).__name__})."
    hint = ": it is not assigned to this machine" if answer.status_code == 400 else ""
    return f"No token for the managed identity, status {answer.status_code}{hint}."


class _Patience(policies.AsyncRetryPolicy[Any, Any]):
    """As the documentation asks of clients; with 410, for more than 70 s."""

    def __init__(self) -> None:
        super().__init__(
            retry_total=5, retry_status=5, retry_backoff_factor=0.8, retry_backoff_max=60, retry_on_status_codes=_BUSY
        )

    def is_retry(self, settings: dict[str, Any], response: Any) -> bool:
        settings["backoff"] = 2.5 if response.http_response.status_code == 410 else self.backoff_factor
        return bool(super().is_retry(settings, response))
