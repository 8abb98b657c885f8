"""Our azure room against the local Azure: a served world, and our clients logged in to it. Nothing of ours is faked."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from responder.azure import clients, control_plane, endpoints
from responder.core import regions, restores, servers
from responder.simulator import arm as arms
from responder.simulator import certificates, estates, ledger, world
from responder.simulator.amqp import broker as brokers
from tests.azure import hubs

QUICK = estates.Timing(
    create=timedelta(milliseconds=30),
    restore=timedelta(milliseconds=30),
    delete=timedelta(milliseconds=10),
    retry_after=timedelta(0),
)


@dataclass(kw_only=True)
class Cloud:
    """The local Azure, and a way in."""

    world: world.World
    endpoints: endpoints.Endpoints
    stack: contextlib.AsyncExitStack

    @property
    def subscription(self) -> str:
        return str(self.world.estate.subscriptions[0].id)

    async def clients(self, **changes: Any) -> clients.Clients:
        """New clients, as a new process would open them."""
        where = dataclasses.replace(self.endpoints, **changes)
        return await self.stack.enter_async_context(clients.open_clients(where))

    async def control_plane(self, **changes: Any) -> control_plane.ControlPlane:
        return control_plane.ControlPlane(await self.clients(**changes))

    def server(self, name: str, family: servers.Family = servers.Family.FLEXIBLE) -> servers.Server:
        """A server of the estate as the inventory would have it."""
        found = self.world.server_named(name)
        assert found is not None
        return servers.Server(
            id=servers.server_id(found.id),
            name=name,
            family=family,
            subscription_id=self.subscription,
            resource_group=found.resource_group,
            region=regions.normalise(found.region),
            tier=found.tier,
            sku=found.sku,
        )

    def request(
        self, name: str = "orders", family: servers.Family = servers.Family.FLEXIBLE
    ) -> restores.RestoreRequest:
        """Geo-restore a server of the estate into the pair of its region."""
        source = self.server(name, family)
        address = servers.Address(
            subscription_id=self.subscription,
            resource_group="rg-recovery",
            family=family,
            name=servers.copy_name(source, "outage-1", 1),
        )
        return restores.RestoreRequest(
            source=source,
            target_id=servers.id_of(address),
            target_region=regions.RegionName("centralus"),
            tags={"responder-run": "run-1"},
        )

    def asked_of(self, server: servers.Server) -> list[ledger.Entry]:
        """Every request that names this server in its path."""
        return [e for e in self.world.ledger if servers.server_id(e.path).startswith(server.id)]


Serve = Callable[..., Awaitable[Cloud]]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[certificates.Authority, Path]:
    authority = certificates.Authority()
    return authority, authority.write(tmp_path_factory.mktemp("ca") / "ca.pem")


@pytest.fixture
async def serve(
    authority: tuple[certificates.Authority, Path], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Serve]:
    """Serve the small estate with changes: `await serve(limits=...)`."""
    certificate, ca = authority
    async with contextlib.AsyncExitStack() as stack:

        async def start(**changes: Any) -> Cloud:
            estate = estates.load_shipped("small").model_copy(update={"timing": QUICK, **changes})
            cloud = world.World(estate)
            runner = web.AppRunner(arms.build_app(cloud), shutdown_timeout=1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate.server_context()).start()
            http, tls = (address[1] for address in runner.addresses)
            monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{http}/msi/token")
            monkeypatch.setenv("IDENTITY_HEADER", arms.IDENTITY_HEADER)
            where = endpoints.Endpoints(
                resource_manager=f"https://localhost:{tls}",
                audience=f"https://localhost:{tls}/.default",
                ca_file=ca,
                credential="managed-identity",
                connect_timeout=timedelta(seconds=2),
                read_timeout=timedelta(seconds=5),
            )
            return Cloud(world=cloud, endpoints=where, stack=stack)

        yield start


@pytest.fixture
async def cloud(serve: Serve) -> Cloud:
    """The small estate."""
    return await serve()


@dataclass(kw_only=True)
class Stub:
    """A server that gives one answer, for what the local Azure cannot be made to say."""

    answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
    asked: list[str]
    endpoints: endpoints.Endpoints


Answering = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[Stub]]


@pytest.fixture
async def stub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Answering]:
    """Serve one handler at every path but the token's: `await stub(handler)`. `asked` holds `METHOD path`."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Stub:
            asked: list[str] = []

            async def handle(request: web.Request) -> web.StreamResponse:
                if request.path == "/msi/token":
                    return web.json_response({"access_token": "t", "expires_on": "4102444800", "resource": "r"})
                asked.append(f"{request.method} {request.path}")
                return await answer(request)

            app = web.Application()
            app.router.add_route("*", "/{anything:.*}", handle)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            base = f"http://127.0.0.1:{runner.addresses[0][1]}"
            monkeypatch.setenv("IDENTITY_ENDPOINT", f"{base}/msi/token")
            monkeypatch.setenv("IDENTITY_HEADER", "x")
            where = endpoints.Endpoints(
                resource_manager=base,
                credential="managed-identity",
                connect_timeout=timedelta(seconds=2),
                read_timeout=timedelta(milliseconds=200),
            )
            return Stub(answer=answer, asked=asked, endpoints=where)

        yield start


@pytest.fixture
async def broker() -> AsyncIterator[brokers.Broker]:
    found = brokers.Broker({hubs.HUB: 2})
    await found.start()
    yield found
    found.faults.thaw()
    await found.close()


@pytest.fixture
def memory() -> hubs.Memory:
    return hubs.Memory()


@pytest.fixture
def inbox(memory: hubs.Memory) -> hubs.Inbox:
    return hubs.Inbox(memory)
