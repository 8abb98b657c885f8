"""What the webhook tests share: a daemon's web server over a real store, and a tenant that signs and publishes keys."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from responder import settings
from responder.flow import intake, wakes
from responder.store import sqlite
from responder.web import desk, server

TENANT = "7a1d9a3e-52c4-4a2b-9a55-0f0e6f7f9d11"
STRANGER = "0c2f6f1b-8f0e-4f3c-a1ad-5b1f5bb0d222"
CLIENT = "f3b1c9d4-1111-4222-8333-444455556666"
ACTION_GROUPS = "461e8683-5575-4561-ac7f-899cc907d62a"
EVENT_GRID = "4962773b-9cdb-44cf-a8bf-237846a00ab7"
MONITOR = "/webhooks/azure-monitor"
GRID = "/webhooks/event-grid"
SECRET = "correct-horse-battery-staple-4711"
ALERT = b'{"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": {}, "alertContext": {}}}'

V1 = {"iss": f"https://sts.windows.net/{TENANT}/", "aud": f"api://{CLIENT}", "ver": "1.0"}
V2 = {"iss": f"https://login.microsoftonline.com/{TENANT}/v2.0", "aud": CLIENT, "ver": "2.0"}


@functools.cache
def key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The private key of that name: made once, because that takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def jwk(name: str, **changes: Any) -> dict[str, Any]:
    """Its public half as Entra lists it; a change to None leaves a field out."""
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key(name).public_key()))
    entry = {"kid": name, "use": "sig", "kty": "RSA", "n": public["n"], "e": public["e"]} | changes
    return {field: value for field, value in entry.items() if value is not None}


def claims(base: Mapping[str, Any] = V2, at: datetime | None = None, **changes: Any) -> dict[str, Any]:
    """What a good token of action groups says; a change to None leaves a claim out."""
    now = int((at or datetime.now(UTC)).timestamp())
    caller = "appid" if base is V1 else "azp"
    good = {
        **base,
        "tid": TENANT,
        caller: ACTION_GROUPS,
        "roles": ["ActionGroupsSecureWebhook"],
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def token(
    said: Mapping[str, Any] | None = None,
    *,
    by: str = "one",
    kid: str | None = "",
    algorithm: str = "RS256",
    **header: Any,
) -> str:
    """A token signed by a key; `kid` None: it names none."""
    names = {} if kid is None else {"kid": kid or by}
    payload = json.dumps(said or claims()).encode()
    return jwt.PyJWS().encode(payload, key(by), algorithm=algorithm, headers=names | header)


def forged(header: Mapping[str, Any], said: Mapping[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A token put together by hand."""
    signed = b".".join(_base64(json.dumps(part).encode()) for part in (header, said))
    return b".".join((signed, _base64(sign(signed)))).decode()


def signed_with_public_key(said: Mapping[str, Any], by: str = "one") -> str:
    """HS256 with the public key as the secret: what a confused verifier takes for RS256."""
    public = (
        key(by).public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    header = {"alg": "HS256", "typ": "JWT", "kid": by}
    return forged(header, said, lambda data: hmac.new(public, data, hashlib.sha256).digest())


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@dataclass(kw_only=True)
class Tenant:
    """The address that a tenant publishes its keys at, with its moods."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=lambda: [jwk("one")])
    body: bytes | None = None
    """Answered instead of the keys."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: answers wait."""

    async def answer(self, _: web.Request) -> web.Response:
        """What is asked for is counted before it is answered."""
        self.asked += 1
        await self.go_on.wait()
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        return web.Response(status=self.status, body=body, headers=self.headers, content_type="application/json")


async def _elsewhere(_: web.Request) -> web.Response:
    """Where the address may lead to: a good answer, with a key that is not the tenant's."""
    return web.json_response({"keys": [jwk("two")]})


@contextlib.asynccontextmanager
async def tenant() -> AsyncIterator[Tenant]:
    """A tenant that publishes key `one`."""
    made = Tenant()
    made.go_on.set()
    app = web.Application()
    app.router.add_get("/keys", made.answer)
    app.router.add_get("/elsewhere", _elsewhere)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
        yield made
    finally:
        made.go_on.set()
        await runner.cleanup()


def entra(published: Tenant | None = None, **changes: Any) -> dict[str, Any]:
    """Settings of an endpoint behind Entra ID."""
    url = published.url if published else "http://127.0.0.1:9/keys"
    return {"tenant": TENANT, "audiences": [f"api://{CLIENT}", CLIENT], "keys_url": url} | changes


@dataclass(kw_only=True)
class Daemon:
    """The web server of a daemon, and what it has stored."""

    port: int
    store: sqlite.Store
    session: aiohttp.ClientSession

    async def post(
        self, path: str = MONITOR, data: Any = ALERT, **more: Any
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        """Status, body, headers."""
        return await self.call("POST", path, data=data, **more)

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        """Status, body, headers."""
        async with self.session.request(method, f"http://127.0.0.1:{self.port}{path}", **more) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else {}, answer.headers

    async def status(self, path: str = MONITOR, *, bearer: str | None = None, **more: Any) -> int:
        """Of a post, with a bearer token if one is given."""
        headers = {**more.pop("headers", {}), **({"Authorization": f"Bearer {bearer}"} if bearer is not None else {})}
        return (await self.post(path, headers=headers, **more))[0]

    async def raw(self, *pieces: bytes) -> bytes:
        """What is answered to these bytes, until the server closes or has answered."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in pieces:
                writer.write(piece)
            return await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            return error.partial
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def stored(self) -> list[bytes]:
        """Bodies, oldest first."""
        return [arrival.body for arrival in await self.store.intake.pending()]


@contextlib.asynccontextmanager
async def daemon(folder: Path, store_: Any = None, **changes: Any) -> AsyncIterator[Daemon]:
    """The server with these `web` settings; `store_` stands in for the table of arrivals."""
    store = await sqlite.open_store(folder / "store.db")
    assess = wakes.Wake()
    behind = desk.Desk(
        config=settings.Settings.model_validate({"web": {"port": 0, **changes}}),
        store=store,
        intake=intake.Intake(store_ or store.intake, assess),
        playbooks={},
        sources=(),
        assess=assess,
        act=wakes.Wake(),
    )
    try:
        async with server.running(behind) as port, aiohttp.ClientSession() as session:
            yield Daemon(port=port, store=store, session=session)
    finally:
        await store.close()


class Clock:
    """A time that tests move, and the ticks that go with it."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self._ticks = 0.0

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> None:
        self.step(**span)
        self._ticks += timedelta(**span).total_seconds()

    def step(self, **span: float) -> None:
        """Somebody sets the clock; no time passes."""
        self.at += timedelta(**span)

    def ticks(self) -> float:
        return self._ticks
