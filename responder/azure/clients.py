"""Opens the SDK's clients, one a subscription and kind, and closes them in order. It sends nothing by itself.

To open is to load SDKs, half a second and more. So a daemon acts before it has done that; the first step that speaks to
Azure waits for it.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from responder.azure import credentials
from responder.azure import endpoints as places
from responder.core import errors

if TYPE_CHECKING:
    import aiohttp
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.mgmt.core import AsyncARMPipelineClient
    from azure.mgmt.dns.aio import DnsManagementClient
    from azure.mgmt.postgresqlflexibleservers.aio import PostgreSQLManagementClient as FlexibleClient
    from azure.mgmt.rdbms.postgresql.aio import PostgreSQLManagementClient as SingleClient
    from azure.mgmt.resourcegraph.aio import ResourceGraphClient

    from responder.azure import budgets

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

    budgets: budgets.Budgets
    """What Azure said it will still answer. Known once they are open, as is the credential."""
    credential: AsyncTokenCredential

    def __init__(self, where: places.Endpoints) -> None:
        """Loads nothing yet; `open` does.

        Raises `InputError` for certificate authorities that cannot be read, and a credential that cannot be.
        """
        credentials.insist(where.credential)
        self.endpoints = where
        self.administrator: Callable[[], Login | None] = lambda: None
        """Asked when a server is made."""
        self._trust = places.trust(where)
        self._one_at_a_time = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._transport: Any = None
        self._made: dict[tuple[str, str], Any] = {}

    async def open(self) -> None:
        """Load what every daemon needs. Nothing is contacted before the first request. Twice is once."""
        async with self._one_at_a_time:
            if self._session is not None:
                return
            await _load(*_AT_ONCE, credentials.needed(self.endpoints.credential))
            from responder.azure import budgets, pipelines

            session = pipelines.open_session(self._trust)
            try:
                self._transport = pipelines.transport(session, self.endpoints)
                self.credential = credentials.build(self.endpoints.credential, self._transport)
            except BaseException:
                await session.close()
                raise
            self.budgets, self._session = budgets.Budgets(self.endpoints.reserve), session

    async def flexible(self, subscription_id: str) -> FlexibleClient:
        """For Microsoft.DBforPostgreSQL/flexibleServers."""
        await self._need("azure.mgmt.postgresqlflexibleservers.aio")
        from azure.mgmt.postgresqlflexibleservers.aio import PostgreSQLManagementClient

        return self._of("flexible", subscription_id, PostgreSQLManagementClient)

    async def single(self, subscription_id: str) -> SingleClient:
        """For Microsoft.DBforPostgreSQL/servers."""
        await self._need("azure.mgmt.rdbms.postgresql.aio")
        from azure.mgmt.rdbms.postgresql.aio import PostgreSQLManagementClient

        return self._of("single", subscription_id, PostgreSQLManagementClient)

    async def dns(self, subscription_id: str) -> DnsManagementClient:
        """For public DNS zones."""
        await self._need("azure.mgmt.dns.aio")
        from azure.mgmt.dns.aio import DnsManagementClient

        return self._of("dns", subscription_id, DnsManagementClient)

    def graph(self) -> ResourceGraphClient:
        """For Resource Graph, which is asked across subscriptions. They have to be open."""
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

    async def plain(self) -> AsyncARMPipelineClient[Any, Any]:
        """For what no SDK of ours covers: requests as they are, through the same policies."""
        await self._need()
        from azure.mgmt.core import AsyncARMPipelineClient

        return self._of("plain", "", AsyncARMPipelineClient)

    async def close(self) -> None:
        """Close the clients, then the credential, then the session that all of them use. Twice is once."""
        if self._session is None:
            return
        session, self._session = self._session, None
        async with session:
            for client in self._made.values():
                await client.close()
            self._made.clear()
            await self.credential.close()

    async def _need(self, *names: str) -> None:
        """Be open, with these modules loaded.

        Raises:
            AzureError: it cannot be. No run fails for that: the daemon, which opens us too, will say so and end.
        """
        try:
            await self.open()
        except errors.InputError as error:
            raise errors.AzureError("NotOpen", str(error), status=None, retryable=True) from error
        await _load(*names)

    def _of(self, kind: str, subscription_id: str, make: Callable[..., _Client]) -> _Client:
        key = (kind, subscription_id.lower())
        if key not in self._made:
            self._made[key] = self._make(subscription_id, make)
        client: _Client = self._made[key]
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
async def open_clients(where: places.Endpoints) -> AsyncIterator[Clients]:
    """The clients of one cloud, open for as long as the block runs."""
    clients = Clients(where)
    try:
        await clients.open()
        yield clients
    finally:
        await clients.close()


async def _load(*names: str) -> None:
    """Load these modules, once: it takes up to a second, which the loop is not to stand still for."""
    missing = [name for name in names if name not in _loaded]
    if missing:
        await asyncio.to_thread(lambda: [importlib.import_module(name) for name in missing])
        _loaded.update(missing)
