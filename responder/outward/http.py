"""One HTTP call to a host that the settings list. No redirect is followed, no proxy or cookie is used, no body is kept
beyond its beginning, and a secret is read when it is sent. What a name leads to is judged when it is looked up, and
that address is called: a name that is answered for differently a moment later leads nowhere else."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Collection, Mapping
from urllib import parse

import aiohttp
from aiohttp import abc

from responder import settings
from responder.core import calls, errors

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
                raise _refused(f"{host} leads to {one['host']}, which is not a public address.", remedy)
        return found

    async def close(self) -> None:
        await self._names.close()


class Http:
    """Makes calls within the limits of the settings."""

    def __init__(self, config: settings.HttpRequest) -> None:
        self._config = config

    def judge(self, call: calls.Call) -> None:
        """Whether the call may be made.

        Raises:
            InputError: its host is not listed, it is not https where it must be, or it names a secret there is not.
        """
        parts = parse.urlsplit(call.url)
        place = _host(parts)
        encrypted, plain = _listed(self._config.hosts, 443), _listed(self._config.plain_hosts, 80)
        if parts.username or parts.password:
            raise _refused("The URL carries a user or password.", "Use a header with {secret: NAME}.")
        if parts.scheme == "https" and place not in encrypted:
            raise _refused(f"{place} may not be called.", "List it in steps.http_request.hosts of the settings.")
        if parts.scheme == "http" and place not in plain:
            remedy = "Use https, or list it in steps.http_request.plain_hosts of the settings."
            raise _refused(f"{place} may not be called without TLS.", remedy)
        if parts.scheme not in ("http", "https"):
            raise _refused("The URL begins neither with https:// nor with http://.", "Correct it.")
        for value in call.headers.values():
            if not isinstance(value, str) and str(value.get("secret")) not in self._config.secrets:
                name = value.get("secret")
                raise _refused(
                    f"There is no secret {name!r}.", "Name it in steps.http_request.secrets of the settings."
                )

    async def send(self, call: calls.Call) -> calls.Answer:
        """Make the call.

        Raises:
            InputError: it may not be made, or a secret cannot be read.
            NotSent: nobody was reached.
            Unanswered: it was sent, and no whole answer came.
        """
        self.judge(call)
        secrets: list[str] = []
        headers = {name: self._revealed(value, secrets) for name, value in call.headers.items()}
        try:
            async with self._session() as session:
                # aiohttp sends what it takes for repeatable (PUT, DELETE) once more when the connection breaks off.
                session._retry_connection = False
                async with session.request(
                    call.method, call.url, headers=headers, data=call.body, allow_redirects=False
                ) as answer:
                    text = _blotted((await _beginning(answer)).decode("utf-8", "replace"), secrets)
                    again = answer.headers.get("Retry-After")
                    return calls.Answer(status=answer.status, body=text[:_KEPT], retry_after=again)
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL, aiohttp.ClientConnectorDNSError) as error:
            raise calls.NotSent(_blotted(str(error), secrets)) from None
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError, ValueError) as error:
            raise calls.Unanswered(_blotted(str(error) or type(error).__name__, secrets)) from None

    def _revealed(self, value: str | Mapping[str, str], secrets: list[str]) -> str:
        if isinstance(value, str):
            return value
        secret = self._config.secrets[str(value["secret"])].reveal()
        secrets.append(secret)
        return f"{value.get('before', '')}{secret}"

    def _session(self) -> aiohttp.ClientSession:
        ca_file = str(self._config.ca_file) if self._config.ca_file else None
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=ssl.create_default_context(cafile=ca_file),
                limit=1,
                force_close=True,
                resolver=_Resolver(self._config.private_hosts),
                use_dns_cache=False,
            ),
            timeout=aiohttp.ClientTimeout(total=self._config.timeout.total_seconds()),
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


def _host(parts: parse.SplitResult) -> str:
    try:
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError as error:
        raise _refused("The URL has a port that is none.", "Correct it.") from error
    return f"{(parts.hostname or '').lower()}:{port}"


def _listed(hosts: tuple[str, ...], port: int) -> set[str]:
    return {host.lower() if ":" in host else f"{host.lower()}:{port}" for host in hosts}


def _blotted(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _refused(message: str, remedy: str) -> errors.InputError:
    return errors.InputError("http.not-allowed", message, remedy=remedy)
