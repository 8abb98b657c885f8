"""Opens the SDK's clients, one a subscription and kind, and closes them in order. It sends nothing by itself."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from responder.azure import credentials, endpoints
from responder.core import errors

if TYPE_CHECKING:
    import aiohttp
    from azure.mgmt.core import AsyncARMPipelineClient
    from azure.mgmt.dns.aio import DnsManagementClient
    from azure.mgmt.postgresqlflexibleservers.aio import PostgreSQLManagementClient as FlexibleClient
    from azure.mgmt.rdbms.postgresql.aio import PostgreSQLManagementClient as SingleClient
    from azure.mgmt.resourcegraph.aio import ResourceGraphClient

_Client = TypeVar("_Client")

_AT_ONCE = ("azure.mgmt.resourcegraph.aio", "responder.azure.pipelines")
"""What every daemon needs. The other SDKs are loaded by the first call that needs them."""
_loaded: set[str] = set()


@dataclass(frozen=True, slots=True)
class Login:
    """The administrator that new servers get: the login that our checks by SQL use. `repr` hides the password."""

    user: str
    password: str = field(repr=False)


class Clients:
    """The clients of one cloud, made when first asked for. All share one session and one credential."""

    def __init__(self, where: endpoints.Endpoints, session: aiohttp.ClientSession) -> None:
        """Borrow a session; `open_clients` is what callers use. Raises `InputError` for a credential that cannot be."""
        from responder.azure import budgets, pipelines

        self.endpoints = where
        self.budgets = budgets.Budgets(where.reserve)
        self._transport = pipelines.transport(session, where)
        self.credential = credentials.build(where.credential, self._transport)
        self.administrator: Callable[[], Login | None] = lambda: None
        """Asked when a server is made."""
        self._open: dict[tuple[str, str], Any] = {}

    async def flexible(self, subscription_id: str) -> FlexibleClient:
        """For Microsoft.DBforPostgreSQL/flexibleServers."""
        await _need("azure.mgmt.postgresqlflexibleservers.aio")
        from azure.mgmt.postgresqlflexibleservers.aio import PostgreSQLManagementClient

        return self._of("flexible", subscription_id, PostgreSQLManagementClient)

    async def single(self, subscription_id: str) -> SingleClient:
        """For Microsoft.DBforPostgreSQL/servers."""
        await _need("azure.mgmt.rdbms.postgresql.aio")
        from azure.mgmt.rdbms.postgresql.aio import PostgreSQLManagementClient

        return self._of("single", subscription_id, PostgreSQLManagementClient)

    async def dns(self, subscription_id: str) -> DnsManagementClient:
        """For public DNS zones."""
        await _need("azure.mgmt.dns.aio")
        from azure.mgmt.dns.aio import DnsManagementClient

        return self._of("dns", subscription_id, DnsManagementClient)

    def graph(self) -> ResourceGraphClient:
        """For Resource Graph, which is asked across subscriptions."""
        from azure.mgmt.resourcegraph.aio import ResourceGraphClient

        return self._of("graph", "", ResourceGraphClient)

    def login(self) -> Login:
        """The administrator of a new server.

        Raises:
            InputError: none is configured.
        """
        found = self.administrator()
        if found is None:
            raise errors.InputError(
                "azure.no-login",
                "A new server needs an administrator, and no login is configured.",
                remedy="Set postgres.user and postgres.password.",
            )
        return found

    def plain(self) -> AsyncARMPipelineClient[Any, Any]:
        """For what no SDK of ours covers: requests as they are, through the same policies."""
        from azure.mgmt.core import AsyncARMPipelineClient

        return self._of("plain", "", AsyncARMPipelineClient)

    async def close(self) -> None:
        """Close the clients, then the credential. The session that all of them use is closed by its owner."""
        for client in self._open.values():
            await client.close()
        self._open.clear()
        await self.credential.close()

    def _of(self, kind: str, subscription_id: str, make: Callable[..., _Client]) -> _Client:
        key = (kind, subscription_id.lower())
        if key not in self._open:
            self._open[key] = self._make(subscription_id, make)
        client: _Client = self._open[key]
        return client

    def _make(self, subscription_id: str, make: Callable[..., Any]) -> Any:
        from responder.azure import pipelines

        options = {
            "base_url": self.endpoints.resource_manager,
            "transport": self._transport,
            "policies": pipelines.policies_of(self.credential, self.endpoints, self.budgets),
        }
        if subscription_id:
            return make(self.credential, subscription_id, **options)
        return make(**options) if make.__name__ == "AsyncARMPipelineClient" else make(self.credential, **options)


@asynccontextmanager
async def open_clients(where: endpoints.Endpoints) -> AsyncIterator[Clients]:
    """The clients of one cloud for as long as the block runs. Nothing is contacted before the first request."""
    await _need(*_AT_ONCE, credentials.needed(where.credential))
    from responder.azure import pipelines

    async with pipelines.open_session(where) as session:
        clients = Clients(where, session)
        try:
            yield clients
        finally:
            await clients.close()


async def _need(*names: str) -> None:
    """Load these modules, once: it takes up to a second, which the loop is not to stand still for."""
    missing = [name for name in names if name not in _loaded]
    if missing:
        await asyncio.to_thread(lambda: [importlib.import_module(name) for name in missing])
        _loaded.update(missing)
