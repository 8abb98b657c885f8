"""The incident console at `/`: pages, and the way in. Holds no data and acts on nothing.

A page is a frame that the browser fills from `/api/v1` by modules as they lie in `pages/`; there is no build. Whatever
came from outside is put there as text. Three things see to it: the modules have one place that makes elements
(`pages/make.js`), the policy below lets no script or style of anybody else's run, and Trusted Types have the browser
refuse whatever would make HTML of a text.
"""

from __future__ import annotations

import hashlib
import html
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from aiohttp import web

from responder.web import logins, roles

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_NOTE = "<!-- note -->"
_NO_TOKEN = "No token is configured, so nobody can log in (settings: web.token, web.tokens)."  # noqa: S105


@dataclass(frozen=True, slots=True)
class _Page:
    body: bytes
    kind: str
    tag: str


def mount(app: web.Application, doors: logins.Logins, register: roles.Register) -> None:
    """Add the pages, the login and the logout."""
    Console(doors, register).mount(app)


class Console:
    """The handlers."""

    def __init__(self, doors: logins.Logins, register: roles.Register) -> None:
        self._logins = doors
        self._register = register
        self._pages = {file.name: _page(file.name, file.read_bytes()) for file in _files()}

    def mount(self, app: web.Application) -> None:
        """Add every route."""
        app.router.add_get("/", self.console)
        app.router.add_get("/login", self.login)
        app.router.add_post("/login", self.log_in)
        app.router.add_post("/logout", self.log_out)
        app.router.add_get("/console/session", self.session)
        app.router.add_get("/console/{name}", self.file)

    async def console(self, request: web.Request) -> web.Response:
        """The console; whoever is not logged in is sent to the login."""
        if self._logins.caller(request) is None:
            return web.Response(status=303, headers={**HEADERS, "Location": "/login", "Cache-Control": "no-store"})
        return self._shown("index.html")

    async def login(self, _: web.Request) -> web.Response:
        """Where a token is asked for. It looks whether this browser is logged in: one that follows a link from
        elsewhere does not show its cookie at once (SameSite=Strict)."""
        return self._shown("login.html", "" if self._register else _NO_TOKEN)

    async def log_in(self, request: web.Request) -> web.Response:
        """Take the token. What is wrong with it is said on the page."""
        try:
            answer = await self._logins.log_in(request)
        except web.HTTPException as error:
            page = self._shown("login.html", error.reason)
            page.set_status(error.status)
            if "Retry-After" in error.headers:
                page.headers["Retry-After"] = error.headers["Retry-After"]
            return page
        answer.headers.update({**HEADERS, "Cache-Control": "no-store"})
        return answer

    async def log_out(self, request: web.Request) -> web.Response:
        """End the session."""
        answer = await self._logins.log_out(request)
        answer.headers.update({**HEADERS, "Cache-Control": "no-store"})
        return answer

    async def session(self, request: web.Request) -> web.Response:
        """Whether this browser is logged in, for the login page; nothing else."""
        known = self._logins.caller(request) is not None
        return web.json_response({"known": known}, headers={**HEADERS, "Cache-Control": "no-store"})

    async def file(self, request: web.Request) -> web.Response:
        """A module, the style sheet or the icon. They tell nothing, so nobody need be logged in."""
        name = request.match_info["name"]
        page = self._pages.get(name) if not name.endswith(".html") else None
        if page is None:
            raise web.HTTPNotFound(reason="There is no such file.")
        headers = {**HEADERS, "ETag": page.tag, "Cache-Control": "no-cache"}  # asked for anew: never of an old version
        if request.headers.get("If-None-Match", "").removeprefix("W/") == page.tag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=page.body, content_type=page.kind, charset="utf-8", headers=headers)

    def _shown(self, name: str, note: str = "") -> web.Response:
        body = self._pages[name].body.replace(_NOTE.encode(), html.escape(note).encode())
        headers = {**HEADERS, "Cache-Control": "no-store"}
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)


def _files() -> list[Traversable]:
    return [file for file in (resources.files(__name__) / "pages").iterdir() if _kind(file.name) is not None]


def _kind(name: str) -> str | None:
    return _KINDS.get(name.rpartition(".")[2])


def _page(name: str, body: bytes) -> _Page:
    kind = _kind(name)
    assert kind is not None
    return _Page(body, kind, f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"')
