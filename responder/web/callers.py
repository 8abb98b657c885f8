"""Who may call a webhook: a shared secret in the URL, a token of Entra ID, or, without either, this machine alone.

Each endpoint has its ways; any one that succeeds admits. Headers and the URL are enough for all of them, so nobody's
body is read before. A caller is told that it was refused, the log is told why; neither is told the secret or the token.
"""

from __future__ import annotations

import functools
import ipaddress
import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog
from aiohttp import web

from responder import clock, settings
from responder.web import answers, rates

_log = structlog.get_logger(__name__)

_SHORT = 16
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")
_LOGGED = settings.Rate(per_second=1, burst=20)
"""Refusals that are logged one by one, of all remotes together; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class No:
    """One way did not admit."""

    say: str
    """For the caller."""
    why: str = ""
    """For the log, with the stable id of the rule."""
    wait: timedelta | None = None
    """It cannot be told now; ask again after this long. None: it is certain."""


class Way(Protocol):
    """One way to prove who is calling."""

    async def admits(self, request: web.Request) -> No | None: ...


class Secret:
    """`?code=SECRET`, compared in constant time. For what can only carry a URL."""

    def __init__(self, secret: str, place: str) -> None:
        self._secret = secret
        if len(secret) < _SHORT or not re.fullmatch(r"[\w.~-]+", secret, re.ASCII):
            remedy = "Take the output of `openssl rand -hex 32`: long, and nothing in it that a URL must escape."
            _log.warning("webhook.secret-weak", place=place, remedy=remedy)

    async def admits(self, request: web.Request) -> No | None:
        """Exactly one `code`, and the right one."""
        given = request.query.getall("code", [])
        if len(given) == 1 and answers.matches(given[0], self._secret):
            return None
        why = "webhook.code-wrong" if given else "webhook.code-missing"
        return No(say="The code in the URL is missing or wrong.", why=why)


class Loopback:
    """Without a secret and without Entra ID: whoever is on this machine, and is no proxy and no browser.

    Behind a proxy on this machine everybody has a loopback address, and any page that a browser here shows can post to
    it. Both tell on themselves by their headers.
    """

    def __init__(self, origins: Collection[str] = ()) -> None:
        self._origins = frozenset(origins)

    async def admits(self, request: web.Request) -> No | None:
        """By address and by what must not be in the headers."""
        say = "Without web.webhook_secret only loopback may call."
        if not _is_local(request.remote):
            return No(say=say, why="webhook.not-loopback")
        if any(name in request.headers for name in _FORWARDED):
            return No(say=say, why="webhook.proxied")
        origin = request.headers.get("Origin")
        browser = "Sec-Fetch-Site" in request.headers or (origin is not None and origin not in self._origins)
        return No(say=say, why="webhook.browser") if browser else None


@functools.lru_cache(maxsize=1024)
def _is_local(remote: str | None) -> bool:
    try:
        return ipaddress.ip_address(remote or "").is_loopback
    except ValueError:
        return False


class Gate:
    """The ways of one endpoint, and its budgets."""

    def __init__(self, ways: Sequence[Way], limits: rates.Limits) -> None:
        self.ways = ways
        self._limits = limits
        self._logged = rates.Bucket(_LOGGED)
        self._unlogged = 0

    async def admit(self, request: web.Request) -> None:
        """Let go on whoever proves who it is, at its pace.

        Raises:
            HTTPException: 401 refused; 503 when that cannot be told now; 429 too many calls. The latter two say when to
                come back, and Azure does.
        """
        refusals = []
        for way in self.ways:
            no = await way.admits(request)
            if no is None:
                return self._pace(request)
            refusals.append(no)
        self._note(request, refusals)
        self.count_unproven(request)
        undecided = next((no for no in refusals if no.wait is not None), None)
        if undecided is not None and undecided.wait is not None:
            raise web.HTTPServiceUnavailable(reason=undecided.say, headers=come_back(undecided.wait))
        raise web.HTTPUnauthorized(reason=" ".join(no.say for no in refusals))

    def count_unproven(self, request: web.Request) -> None:
        """Count a call that proved nothing. Raises 429 when its remote makes too many."""
        wait = self._limits.refused(request.remote, clock.now())
        if wait:
            raise web.HTTPTooManyRequests(reason="Too many refused calls.", headers=come_back(wait))

    def _pace(self, request: web.Request) -> None:
        wait = self._limits.admitted(request.remote, clock.now())
        if wait:
            raise web.HTTPTooManyRequests(reason="Too many calls, try again.", headers=come_back(wait))

    def _note(self, request: web.Request, refusals: Sequence[No]) -> None:
        if self._logged.take(clock.now()):
            self._unlogged += 1
            return
        why = [no.why for no in refusals]
        _log.warning("webhook.refused", path=request.path, remote=request.remote, why=why, unlogged=self._unlogged)
        self._unlogged = 0


def come_back(wait: timedelta) -> dict[str, str]:
    """`Retry-After`, in whole seconds, never zero."""
    return {"Retry-After": str(max(math.ceil(wait.total_seconds()), 1))}
