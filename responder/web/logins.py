"""Logging in and out at the console: a token for a cookie. Keeps sessions; what they may see is not decided here.

The cookie carries a session's id and never the token. It is HttpOnly, SameSite=Strict, for this host and all its paths,
and Secure (with the prefix `__Host-`, which no other host can forge) wherever the browser speaks https to whatever
stands in front of us. It opens what GET answers and nothing else: whoever acts brings the bearer token itself. So no
page of somebody else can make a browser do anything here.

Wrong tokens are counted for each remote after they were found wrong, as webhooks do (`rates`): nobody who has a token
waits for those who have none, also when a proxy makes all remotes look the same. So the count keeps noise out of the
log; what keeps guessers out is the length of the token.
"""

from __future__ import annotations

import asyncio
import math
from urllib.parse import parse_qs, urlsplit

import structlog
from aiohttp import web

from responder import clock, settings
from responder.web import rates, roles, sessions

_log = structlog.get_logger(__name__)

_COOKIE, _SECURE_COOKIE = "responder", "__Host-responder"
_MOST = 4096
"""Bytes of a login; a token is shorter."""
_PATIENCE = 10.0  # seconds for reading one
_WRONG = settings.Rate(per_second=0.5, burst=10)


class Logins:
    """The sessions of one server, and the way in and out."""

    def __init__(self, register: roles.Register) -> None:
        self._register = register
        self._sessions = sessions.Sessions()
        self._wrong = rates.Remotes(_WRONG)

    def caller(self, request: web.Request) -> roles.Caller | None:
        """Whoever is logged in with this browser; None: nobody."""
        for name in (_SECURE_COOKIE, _COOKIE):
            found = self._sessions.caller(request.cookies.get(name, ""), clock.ticks())
            if found is not None:
                return found
        return None

    async def log_in(self, request: web.Request) -> web.Response:
        """Take `token=...` as a form sends it; then to the console.

        Raises:
            HTTPException: 401 not a token of ours; 403 another site's page; 408, 413; 429 wrong too often.
        """
        _own_page(request)
        caller = self._register.known(await _token(request))
        if caller is None:
            raise self._refused(request)
        self.forget(request)
        answer = web.Response(status=303, headers={"Location": "/"})
        _give(answer, request, self._sessions.open(caller, clock.ticks()), sessions.LASTS.total_seconds())
        _log.info("console.login", by=caller.name or "web.token", remote=request.remote)
        return answer

    async def log_out(self, request: web.Request) -> web.Response:
        """End this browser's session; then to the login."""
        _own_page(request)
        self.forget(request)
        answer = web.Response(status=303, headers={"Location": "/login"})
        _give(answer, request, "", 0)
        return answer

    def forget(self, request: web.Request) -> None:
        """End whatever session this browser has."""
        for name in (_SECURE_COOKIE, _COOKIE):
            self._sessions.close(request.cookies.get(name, ""))

    def _refused(self, request: web.Request) -> web.HTTPException:
        wait = self._wrong.of(request.remote).take(clock.now())
        if wait:
            after = {"Retry-After": str(math.ceil(wait.total_seconds()))}
            return web.HTTPTooManyRequests(reason="Too many wrong tokens. Wait a little.", headers=after)
        _log.warning("console.wrong-token", remote=request.remote)
        return web.HTTPUnauthorized(reason="That is not a token of this responder (settings: web.token, web.tokens).")


def _own_page(request: web.Request) -> None:
    """Refuse what another site's page makes a browser send; browsers say so by themselves."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise web.HTTPForbidden(reason="Only the login page of this host logs in and out.")


async def _token(request: web.Request) -> str:
    too_large = web.HTTPRequestEntityTooLarge(max_size=_MOST, reason=f"A login has at most {_MOST} bytes.")
    if (request.content_length or 0) > _MOST:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > _MOST:
                    raise too_large
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(reason="The login came too slowly, try again.") from error
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=10)
    except ValueError:
        return ""
    return fields.get("token", [""])[0].strip()


def _give(answer: web.Response, request: web.Request, id_: str, lasts: float) -> None:
    secure = _https(request)
    answer.set_cookie(
        _SECURE_COOKIE if secure else _COOKIE, id_, max_age=int(lasts), path="/", secure=secure, httponly=True,
        samesite="Strict",
    )  # fmt: skip


def _https(request: web.Request) -> bool:
    """Whether the browser speaks https to whatever stands in front of us. It says so itself (`Origin`), and proxies
    do; who lies about it spoils nothing but a cookie of its own."""
    said = request.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip().lower()
    return request.secure or said == "https" or urlsplit(request.headers.get("Origin", "")).scheme == "https"
