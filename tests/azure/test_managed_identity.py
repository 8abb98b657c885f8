"""The token of a managed identity: asked as Azure documents it, kept, renewed in time, and never shown."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from azure.core import exceptions
from azure.identity import aio

from responder import clock
from responder.azure import credentials, endpoints, managed_identity, pipelines, platforms

SCOPE = "https://management.azure.com/.default"
NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
OTHERS = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "IDENTITY_SERVER_THUMBPRINT", "AZURE_CLIENT_ID")


@dataclass
class Platform:
    """The side of Azure that gives tokens; each answer is a status, or how long a new token lasts."""

    answers: list[int | timedelta] = field(default_factory=list)
    asked: list[web.Request] = field(default_factory=list)
    now: datetime = NOW

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        given = self.answers.pop(0) if self.answers else timedelta(hours=24)
        if isinstance(given, int):
            return web.json_response({"error": "token s3cret"}, status=given)
        ends = int((self.now + given).timestamp())
        token = {"access_token": f"token-{len(self.asked)}", "expires_on": str(ends), "resource": "r"}
        return web.json_response(token)


Ask = Callable[..., Awaitable[str]]


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Platform:
    """Its clock is the one that is gone by."""
    found = Platform()
    monkeypatch.setattr(clock, "wall", lambda: found.now)
    for name in OTHERS:
        monkeypatch.delenv(name, raising=False)
    return found


@pytest.fixture
async def ask(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ask]:
    """Ask for a token, on an App Service."""
    app = web.Application()
    app.router.add_get("/msi/token", platform.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    async with contextlib.AsyncExitStack() as stack:
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{runner.addresses[0][1]}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "he4der")
        session = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
        credential: Any = None

        async def asked(**options: Any) -> str:
            nonlocal credential
            if credential is None:
                credential = credentials.build("managed-identity", pipelines.transport(session, endpoints.Endpoints()))
                assert isinstance(credential, managed_identity.ManagedIdentity)
            return str((await credential.get_token(SCOPE, **options)).token)

        yield asked


async def test_a_token_is_asked_for_once_and_kept(ask: Ask, platform: Platform) -> None:
    assert [await ask(), await ask()] == ["token-1", "token-1"]
    (request,) = platform.asked
    assert dict(request.query) == {"api-version": "2019-08-01", "resource": "https://management.azure.com"}
    assert request.headers["X-IDENTITY-HEADER"] == "he4der"


async def test_a_user_assigned_identity_is_named(ask: Ask, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_ID", "mine")
    await ask()
    assert platform.asked[0].query["client_id"] == "mine"


async def test_a_long_token_is_renewed_at_half_time_and_a_short_one_before_its_end(
    ask: Ask, platform: Platform
) -> None:
    platform.answers = [timedelta(hours=24), timedelta(hours=1), timedelta(hours=1)]
    assert await ask() == "token-1"
    platform.now += timedelta(hours=11, minutes=59)
    assert await ask() == "token-1"
    platform.now += timedelta(minutes=2)
    assert await ask() == "token-2"
    platform.now += timedelta(minutes=54)
    assert await ask() == "token-2"
    platform.now += timedelta(minutes=2)
    assert await ask() == "token-3"


async def test_what_cannot_be_renewed_now_is_used_while_it_is_good_and_not_asked_for_each_time(
    ask: Ask, platform: Platform
) -> None:
    platform.answers = [timedelta(hours=24), 403, 403]
    assert await ask() == "token-1"
    platform.now += timedelta(hours=13)
    assert [await ask(), await ask()] == ["token-1", "token-1"]
    assert len(platform.asked) == 2
    platform.now += timedelta(hours=10, minutes=56)
    with pytest.raises(exceptions.ClientAuthenticationError):
        await ask()


async def test_a_refusal_tells_its_status_and_nothing_of_its_body(ask: Ask, platform: Platform) -> None:
    platform.answers = [400]
    with pytest.raises(exceptions.ClientAuthenticationError, match="400: it is not assigned to this machine") as caught:
        await ask()
    assert "s3cret" not in str(caught.value)


async def test_a_passing_trouble_of_the_platform_is_waited_out(
    ask: Ask, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(managed_identity._Patience, "get_backoff_time", lambda *_: 0)
    platform.answers = [410, 429, 500]
    assert await ask() == "token-4"


async def test_a_challenge_that_wants_other_claims_gets_a_fresh_token(ask: Ask) -> None:
    assert [await ask(), await ask(claims="{}")] == ["token-1", "token-2"]


def test_a_virtual_machine_is_asked_at_its_own_address(platform: Platform) -> None:
    found = platforms.source()
    assert found is not None
    assert found.url == "http://169.254.169.254/metadata/identity/oauth2/token"
    assert found.headers == {"Metadata": "true"}


@pytest.mark.parametrize(
    "environment",
    [
        {"IDENTITY_ENDPOINT": "http://127.0.0.1/x", "IMDS_ENDPOINT": "http://127.0.0.1"},
        {"IDENTITY_ENDPOINT": "http://x", "IDENTITY_HEADER": "h", "IDENTITY_SERVER_THUMBPRINT": "t"},
        {"MSI_ENDPOINT": "http://127.0.0.1/x", "MSI_SECRET": "s"},
    ],
    ids=["Arc", "Service Fabric", "Machine Learning"],
)
async def test_other_platforms_are_left_to_azure_identity(
    environment: dict[str, str], platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with aiohttp.ClientSession() as session:
        built = credentials.build("managed-identity", pipelines.transport(session, endpoints.Endpoints()))
        assert isinstance(built, aio.ManagedIdentityCredential)
        await built.close()


def test_a_daemon_in_peace_loads_no_library_that_it_does_not_need() -> None:
    """Each of these is several megabytes that stay for months; the simulator is not a part of the daemon at all."""
    code = (
        "import sys, responder.cli.serve, responder.logs, responder.service, responder.azure.pipelines\n"
        "import responder.azure.managed_identity, responder.azure.hub_clients, azure.mgmt.resourcegraph.aio\n"
        "wide = {'rich', 'pygments', 'jwt', 'cryptography', 'msal', 'requests', 'azure.identity', 'azure.mgmt.dns',\n"
        "        'azure.mgmt.postgresqlflexibleservers', 'azure.mgmt.rdbms', 'responder.simulator', 'uvloop'}\n"
        "print(sorted(wide & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
