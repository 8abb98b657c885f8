"""The wire of an HTTP call: no redirect is followed, no proxy or cookie is used, no body is kept beyond its beginning.

What a name leads to is judged when it is looked up, and that address is called: a name that is answered for differently
a moment later leads nowhere else. Loads an HTTP client: import it late.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Collection, Mapping

import aiohttp
from aiohttp import abc

from responder import settings
from responder.core import calls
from responder.outward import http

_KEPT = 2000
"""Characters of an answer that are kept."""
_READ = 64 * 1024
"""Bytes of an answer that are read at most."""


class _Resolver(abc.AbstractResolver):
    """Looks names up, and takes no address that is not public for a name that may not have one."""

    def __init__(self, private: Collection[str]) -> None:
        self._private = {name.lower().rstrip(".") for name in private}
        self._names = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[abc.ResolveResult]:
        found = await self._names.resolve(host, port, family)
        if host.lower().rstrip(".") in self._private:
            return found
        for one in found:
            if not ipaddress.ip_address(one["host"].partition("%")[0]).is_global:
                remedy = "If that is meant, list it in steps.http_request.private_hosts of the settings."
                raise http.refused(f"{host} leads to {one['host']}, which is not a public address.", remedy)
        return found

    async def close(self) -> None:
        await self._names.close()


async def send(
    call: calls.Call, headers: Mapping[str, str], secrets: list[str], config: settings.HttpRequest
) -> calls.Answer:
    """Make a call that may be made.

    Args:
        headers: those of the call, with the secrets in them.
        secrets: to be blotted out of whatever comes back.

    Raises:
        InputError: its name leads where it may not.
        NotSent: nobody was reached.
        Unanswered: it was sent, and no whole answer came.
    """
    try:
        async with _session(config) as session:
            # aiohttp sends what it takes for repeatable (PUT, DELETE) once more when the connection breaks off.
            session._retry_connection = False
            async with session.request(
                call.method, call.url, headers=headers, data=call.body, allow_redirects=False
            ) as answer:
                text = calls.blotted((await _beginning(answer)).decode("utf-8", "replace"), secrets)
                again = answer.headers.get("Retry-After")
                return calls.Answer(status=answer.status, body=text[:_KEPT], retry_after=again)
    except (aiohttp.ClientConnectorError, aiohttp.InvalidURL, aiohttp.ClientConnectorDNSError) as error:
        raise calls.NotSent(calls.blotted(str(error), secrets)) from None
    except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError, ValueError) as error:
        raise calls.Unanswered(calls.blotted(str(error) or type(error).__name__, secrets)) from None


def _session(config: settings.HttpRequest) -> aiohttp.ClientSession:
    ca_file = str(config.ca_file) if config.ca_file else None
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            ssl=ssl.create_default_context(cafile=ca_file),
            limit=1,
            force_close=True,
            resolver=_Resolver(config.private_hosts),
            use_dns_cache=False,
        ),
        timeout=aiohttp.ClientTimeout(total=config.timeout.total_seconds()),
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def _beginning(answer: aiohttp.ClientResponse) -> bytes:
    found = bytearray()
    async for chunk in answer.content.iter_chunked(8192):
        found += chunk
        if len(found) >= _READ:
            break
    return bytes(found)
