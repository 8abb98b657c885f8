"""A running Resource Manager for each test: a world, its URLs, and the real SDK clients pointed at it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from azure.identity.aio import ManagedIdentityCredential
from azure.mgmt.dns.aio import DnsManagementClient
from azure.mgmt.postgresqlflexibleservers.aio import PostgreSQLManagementClient
from azure.mgmt.rdbms.postgresql.aio import PostgreSQLManagementClient as SingleServerClient
from azure.mgmt.resourcegraph.aio import ResourceGraphClient

from responder.simulator import arm as arms
from responder.simulator import certificates, estates, world

QUICK = estates.Timing(
    create=timedelta(milliseconds=30),
    restore=timedelta(milliseconds=30),
    delete=timedelta(milliseconds=10),
    retry_after=timedelta(0),
)
"""Timings that let an operation be seen under way without anybody having to wait for it."""


class FakeData:
    """A data plane without processes that notes what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.backups: dict[str, datetime] = {}
        self._port = 40000

    async def create(
        self, name: str, region: str, *, real: bool, rows_per_second: float = 0, geo_backup: bool = True
    ) -> str:
        self.told.append(("create", name, region))
        self._port += 1
        return f"127.0.0.1:{self._port}"

    async def restore(self, name: str, region: str, *, source: str, to: datetime | None = None) -> str:
        self.told.append(("restore", name, region, source))
        if source not in self.backups and to is None:
            raise world.NoBackup(source)
        self._port += 1
        return f"127.0.0.1:{self._port}"

    async def replicate(self, name: str, region: str, *, source: str) -> str:
        self.told.append(("replicate", name, region, source))
        self._port += 1
        return f"127.0.0.1:{self._port}"

    async def promote(self, name: str) -> None:
        self.told.append(("promote", name))

    async def remove(self, name: str) -> None:
        self.told.append(("remove", name))

    async def region_down(self, region: str) -> None:
        self.told.append(("down", region))

    async def region_up(self, region: str) -> None:
        self.told.append(("up", region))

    def newest_backup(self, source: str) -> datetime | None:
        return self.backups.get(source)

    async def close(self) -> None:
        self.told.append(("close",))


@dataclass(kw_only=True)
class Arm:
    """A served world and what a client needs to reach it."""

    world: world.World
    http: str
    tls: str
    ca: Path
    credential: ManagedIdentityCredential
    stack: contextlib.AsyncExitStack = field(repr=False)

    @property
    def subscription(self) -> str:
        return str(self.world.estate.subscriptions[0].id)

    def id_of(self, name: str) -> str:
        server = self.world.server_named(name)
        assert server is not None
        return server.id

    def id_in(self, group: str, name: str, type_: str = "flexibleServers") -> str:
        group_id = f"/subscriptions/{self.subscription}/resourceGroups/{group}"
        return f"{group_id}/providers/Microsoft.DBforPostgreSQL/{type_}/{name}"

    @property
    def _options(self) -> dict[str, Any]:
        return {
            "base_url": self.tls,
            "credential_scopes": [f"{self.tls}/.default"],
            "connection_verify": str(self.ca),
            "polling_interval": 0,
            "retry_total": 0,
        }

    async def flexible(self, **options: Any) -> PostgreSQLManagementClient:
        client = PostgreSQLManagementClient(self.credential, self.subscription, **{**self._options, **options})
        return await self.stack.enter_async_context(client)

    async def single(self, **options: Any) -> SingleServerClient:
        client = SingleServerClient(self.credential, self.subscription, **{**self._options, **options})
        return await self.stack.enter_async_context(client)

    async def graph(self, **options: Any) -> ResourceGraphClient:
        client = ResourceGraphClient(self.credential, **{**self._options, **options})
        return await self.stack.enter_async_context(client)

    async def dns(self, **options: Any) -> DnsManagementClient:
        client = DnsManagementClient(self.credential, self.subscription, **{**self._options, **options})
        return await self.stack.enter_async_context(client)

    async def session(self, *, token: str | None = "opaque") -> aiohttp.ClientSession:
        """Plain HTTP, for what the SDKs do not show. Paths are relative to the HTTP listener."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.stack.enter_async_context(aiohttp.ClientSession(self.http, headers=headers))


Serve = Callable[..., Awaitable[Arm]]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[certificates.Authority, Path]:
    authority = certificates.Authority()
    return authority, authority.write(tmp_path_factory.mktemp("ca") / "ca.pem")


@pytest.fixture
async def serve(
    authority: tuple[certificates.Authority, Path], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Serve]:
    """Serve a world; changes to the small estate are given as keywords: `await serve(limits=..., data=...)`."""
    certificate, ca = authority
    async with contextlib.AsyncExitStack() as stack:

        async def start(*, data: world.DataPlane | None = None, **changes: Any) -> Arm:
            estate = estates.load_shipped("small").model_copy(update={"timing": QUICK, **changes})
            cloud = world.World(estate, data=data)
            await cloud.start()
            stack.push_async_callback(cloud.close)
            runner = web.AppRunner(arms.build_app(cloud), shutdown_timeout=1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate.server_context()).start()
            http, tls = (address[1] for address in runner.addresses)
            monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{http}/msi/token")
            monkeypatch.setenv("IDENTITY_HEADER", arms.IDENTITY_HEADER)
            credential = await stack.enter_async_context(ManagedIdentityCredential())
            return Arm(
                world=cloud,
                http=f"http://127.0.0.1:{http}",
                tls=f"https://localhost:{tls}",
                ca=ca,
                credential=credential,
                stack=stack,
            )

        yield start


@pytest.fixture
async def arm(serve: Serve) -> Arm:
    """The small estate without a data plane."""
    return await serve()
