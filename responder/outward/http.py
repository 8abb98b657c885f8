"""One HTTP call to a host that the settings list: what may be called, and with which secrets. `wire` makes the call.

A secret is read when it is sent.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from urllib import parse

from responder import settings
from responder.core import calls, errors


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
            raise refused("The URL carries a user or password.", "Use a header with {secret: NAME}.")
        if parts.scheme == "https" and place not in encrypted:
            raise refused(f"{place} may not be called.", "List it in steps.http_request.hosts of the settings.")
        if parts.scheme == "http" and place not in plain:
            remedy = "Use https, or list it in steps.http_request.plain_hosts of the settings."
            raise refused(f"{place} may not be called without TLS.", remedy)
        if parts.scheme not in ("http", "https"):
            raise refused("The URL begins neither with https:// nor with http://.", "Correct it.")
        for value in call.headers.values():
            if not isinstance(value, str) and str(value.get("secret")) not in self._config.secrets:
                name = value.get("secret")
                raise refused(f"There is no secret {name!r}.", "Name it in steps.http_request.secrets of the settings.")

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
        # With an HTTP client, which takes a quarter of a second to load. Neither a start nor the loop waits for that.
        await asyncio.to_thread(importlib.import_module, "responder.outward.wire")
        from responder.outward import wire

        return await wire.send(call, headers, secrets, self._config)

    def _revealed(self, value: str | Mapping[str, str], secrets: list[str]) -> str:
        if isinstance(value, str):
            return value
        secret = self._config.secrets[str(value["secret"])].reveal()
        secrets.append(secret)
        return f"{value.get('before', '')}{secret}"


def _host(parts: parse.SplitResult) -> str:
    try:
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError as error:
        raise refused("The URL has a port that is none.", "Correct it.") from error
    return f"{(parts.hostname or '').lower()}:{port}"


def _listed(hosts: tuple[str, ...], port: int) -> set[str]:
    return {host.lower() if ":" in host else f"{host.lower()}:{port}" for host in hosts}


def refused(message: str, remedy: str) -> errors.InputError:
    """The error of what the settings do not allow."""
    return errors.InputError("http.not-allowed", message, remedy=remedy)
