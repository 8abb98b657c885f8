"""Creating, looking at, changing and deleting copies, whichever of the two products they are.

It never sends a request about a source server: only its id appears, inside the body of a restore. A write is sent
once; whether to send another is the caller's decision. It deletes nothing that does not carry our tag.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from responder.azure import clients, configurations, flexible, operations, single
from responder.azure import errors as meanings
from responder.core import changes, errors, restores, servers
from responder.core import configurations as core_configurations

if TYPE_CHECKING:
    from azure.core.polling import AsyncLROPoller

_log = structlog.get_logger(__name__)


class _Product(Protocol):
    """What `flexible` and `single` have in common."""

    async def begin_restore(
        self, to: clients.Clients, address: servers.Address, request: restores.RestoreRequest, **options: Any
    ) -> AsyncLROPoller[Any]: ...

    async def begin_delete(
        self, to: clients.Clients, address: servers.Address, **options: Any
    ) -> AsyncLROPoller[Any]: ...

    async def begin_change(
        self, to: clients.Clients, address: servers.Address, change: changes.Change, **options: Any
    ) -> AsyncLROPoller[Any]: ...

    async def get(self, to: clients.Clients, address: servers.Address) -> restores.FoundServer: ...

    def read(self, server: Any) -> restores.FoundServer: ...


_PRODUCTS: dict[servers.Family, _Product] = {servers.Family.FLEXIBLE: flexible, servers.Family.SINGLE: single}


class ControlPlane:
    """Azure's control plane for PostgreSQL. All raise `errors.AzureError`; tokens are secrets of the journal."""

    def __init__(self, to: clients.Clients) -> None:
        self._to = to

    async def restore(self, request: restores.RestoreRequest) -> str:
        """Ask for the restore, geo or to a point in time, once. Returns the operation's token, once Azure has taken it.

        Code `Ambiguous`: nobody knows whether it did; `find` the target before asking again.
        """
        address, product = _of(request.target_id)
        with meanings.translated(request.target_id, write=True):
            poller = await product.begin_restore(self._to, address, request)
            token = poller.continuation_token()
        _log.info(
            "azure.restore-requested",
            **request.source.log_context(),
            copy=address.name,
            target_region=request.target_region,
            to=request.to.isoformat() if request.to else None,
        )
        return token

    async def poll_restore(self, request: restores.RestoreRequest, token: str) -> restores.Progress:
        """One look at the operation; never waits."""
        address, product = _of(request.target_id)
        resume = functools.partial(product.begin_restore, self._to, address, request)
        return await operations.poll_once(resume, token, place=request.target_id, read=product.read)

    async def find(self, server_id: servers.ServerId) -> restores.FoundServer | None:
        """Look at a server that we created, in the region it was created in; None when there is none.

        Not for sources: their region may be the one that is down, and decisions read the inventory.
        """
        address, product = _of(server_id)
        try:
            with meanings.translated(server_id):
                return await product.get(self._to, address)
        except errors.AzureError as error:
            if error.status == 404:
                return None
            raise

    async def delete(self, server_id: servers.ServerId) -> str:
        """Delete a server that we created. Returns the operation's token.

        Raises `RefusedError` for one without our tag, and `AzureError` (404, `ResourceNotFound`) when there is none.
        """
        address, product = _of(server_id)
        found = await self.find(server_id)
        if found is None:
            raise errors.AzureError(
                "ResourceNotFound", "There is no such server.", status=404, retryable=False, place=server_id
            )
        if not found.ours:
            raise errors.RefusedError(
                "azure.not-ours",
                f"It does not carry the tag {restores.CREATED_BY_TAG}={restores.CREATED_BY}, so it is left alone.",
                remedy="Delete it by hand if it is to go.",
                place=server_id,
            )
        with meanings.translated(server_id, write=True):
            poller = await product.begin_delete(self._to, address)
            token = poller.continuation_token()
        _log.info("azure.delete-requested", copy=address.name, region=found.region)
        return token

    async def poll_delete(self, server_id: servers.ServerId, token: str) -> restores.Progress:
        """One look at the operation; never waits."""
        address, product = _of(server_id)
        resume = functools.partial(product.begin_delete, self._to, address)
        return await operations.poll_once(resume, token, place=server_id)

    async def change(self, change: changes.Change) -> str:
        """Ask for a change of a copy of ours or of a replica, once. Returns the operation's token.

        Code `Ambiguous`: nobody knows whether it was taken; look at the server before asking again.
        """
        address, product = _of(change.server_id)
        with meanings.translated(change.server_id, write=True):
            poller = await product.begin_change(self._to, address, change)
            token = poller.continuation_token()
        _log.info("azure.change-requested", on=address.name, what=type(change).__name__)
        return token

    async def poll_change(self, change: changes.Change, token: str) -> restores.Progress:
        """One look at the operation; never waits."""
        address, product = _of(change.server_id)
        resume = functools.partial(product.begin_change, self._to, address, change)
        read = product.read if isinstance(change, changes.Promotion | changes.Creation) else None
        return await operations.poll_once(resume, token, place=change.server_id, read=read)

    async def configuration(self, server_id: servers.ServerId) -> core_configurations.Configuration:
        """The firewall rules and parameters that somebody has set: of a copy of ours, or of a healthy server in peace.

        Raises `AzureError`.
        """
        return await configurations.read(self._to, _of(server_id)[0])


def _of(server_id: servers.ServerId) -> tuple[servers.Address, _Product]:
    address = servers.address_of(server_id)
    if address is None:
        raise errors.InputError(
            "azure.server-id", "This is not the resource id of a PostgreSQL server.", place=server_id
        )
    return address, _PRODUCTS[address.family]
