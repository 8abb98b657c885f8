"""Event Hubs' consumer client, guarded against its own silences, and its checkpoint store over ours.

The guard overrides methods that the SDK does not publish, so the version of azure-eventhub is pinned, and the tests
of the hub source are the check of the pin. What it guards against, in 5.15.1:
- a peer that accepts and never answers holds an open, or a question to `$management`, for ever: all are bounded;
- a failed reopen is tried again at once, 12 times a second and partition, and told to nobody: it backs off and tells.
What it takes off the SDK's shoulders besides is in `hub_wire`.

Loads the SDK: import it late.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import certifi
from azure.eventhub.aio import CheckpointStore, EventHubConsumerClient

from responder.azure import event_hub, hub_rounds, hub_wire

Report = Callable[[str, Exception], None]
"""Told what failed: the partition (empty: the hub) and the error."""
Linked = Callable[[str, bool], None]
"""Told that a partition's link was opened (True), or found closed."""


class GuardedClient(EventHubConsumerClient):
    """The SDK's client with every wait bounded. Call `guard` before receiving."""

    _report: Report = staticmethod(lambda partition, error: None)
    _linked: Linked = staticmethod(lambda partition, is_open: None)
    _timing = None

    def guard(self, timing: event_hub.Timing, report: Report, linked: Linked) -> None:
        """Set the bounds, and who is told of failures and links that the SDK keeps to itself."""
        self._timing, self._report, self._linked = timing, report, linked

    async def get_partition_ids(self) -> list[str]:
        async with asyncio.timeout(self._bound):
            return await super().get_partition_ids()

    async def get_partition_properties(self, partition_id: str) -> dict[str, Any]:
        async with asyncio.timeout(self._bound):
            return await super().get_partition_properties(partition_id)

    @property
    def _bound(self) -> float:
        return (self._timing or event_hub.Timing()).open.total_seconds()

    def _create_consumer(self, consumer_group: str, partition_id: str, *args: Any, **kwargs: Any) -> Any:
        consumer = super()._create_consumer(consumer_group, partition_id, *args, **kwargs)
        hub_wire.lighten(consumer)
        timing = self._timing or event_hub.Timing()
        open_link = functools.partial(hub_wire.open_link, consumer, consumer._open)
        reopen = Reopening(open_link, timing, partition_id, self._report, self._linked)
        rounds = hub_rounds.Rounds(timing.idle.total_seconds())

        async def open_() -> None:
            await reopen(consumer.running)
            await rounds.listen(consumer)

        # On the object: the SDK calls `consumer._open()` before each piece of work, to reopen what has closed.
        consumer._open = open_  # type: ignore[method-assign]
        consumer._amqp_transport = rounds
        consumer._keep_alive = 0  # a task that would wake every second to listen, which somebody always does
        return consumer


@functools.cache
def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Whom we believe to be the hub. Made once: the SDK would do so for every connection, and every question opens one.

    That takes 60 ms, in which the event loop stands still. The authorities are the ones the SDK takes.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(str(ca_file) if ca_file is not None else certifi.where())
    return context


class Reopening:
    """Opens one partition's link: bounded, and with a growing pause after each failure."""

    def __init__(
        self,
        open_: Callable[[], Awaitable[None]],
        timing: event_hub.Timing,
        partition: str,
        report: Report,
        linked: Linked,
    ) -> None:
        self._linked = linked
        self._open = open_
        self._timing = timing
        self._partition = partition
        self._report = report
        self._failures = 0

    async def __call__(self, running: bool) -> None:
        """Does nothing when the link is open. Raises what the SDK raised, after the pause."""
        if running:
            return
        self._linked(self._partition, False)
        try:
            async with asyncio.timeout(self._timing.open.total_seconds()):
                await self._open()
        except Exception as error:
            self._failures += 1
            self._report(self._partition, error)
            await asyncio.sleep(self._timing.pause(self._failures).total_seconds())
            raise
        self._failures = 0
        self._linked(self._partition, True)


class Checkpoints(CheckpointStore):
    """The SDK's store over our port."""

    def __init__(self, port: event_hub.Checkpoints) -> None:
        self._port = port

    async def list_ownership(
        self, fully_qualified_namespace: str, eventhub_name: str, consumer_group: str, **kwargs: Any
    ) -> Iterable[dict[str, Any]]:
        found = await self._port.list_ownership(fully_qualified_namespace, eventhub_name, consumer_group)
        return [_stamped(o) for o in found]

    async def claim_ownership(
        self, ownership_list: Iterable[dict[str, Any]], **kwargs: Any
    ) -> Iterable[dict[str, Any]]:
        claims = list(ownership_list)
        try:
            return [_stamped(o) for o in await self._port.claim_ownership(claims)]
        except Exception:
            # Giving up a partition that could not be written down: it expires, and the SDK would only lose the error.
            if all(not claim.get("owner_id") for claim in claims):
                return []
            raise

    async def update_checkpoint(self, checkpoint: dict[str, str | int | None], **kwargs: Any) -> None:
        await self._port.update(checkpoint)

    async def list_checkpoints(
        self, fully_qualified_namespace: str, eventhub_name: str, consumer_group: str, **kwargs: Any
    ) -> Iterable[dict[str, Any]]:
        return await self._port.list(fully_qualified_namespace, eventhub_name, consumer_group)


def _stamped(ownership: dict[str, Any]) -> dict[str, Any]:
    """The SDK documents `last_modified_time` as a datetime and computes with it as seconds since 1970."""
    moment = ownership.get("last_modified_time")
    if isinstance(moment, datetime):
        return {**ownership, "last_modified_time": moment.timestamp()}
    return ownership


def open_client(
    connection: event_hub.HubConnection,
    port: event_hub.Checkpoints,
    timing: event_hub.Timing,
    report: Report,
    linked: Linked,
) -> GuardedClient:
    """A client that has not contacted anything yet; it is the caller's to close."""
    options: dict[str, Any] = {
        "consumer_group": connection.consumer_group,
        "eventhub_name": connection.hub,
        "checkpoint_store": Checkpoints(port),
        # Without it a connection that died silently is never noticed.
        "idle_timeout": timing.idle.total_seconds(),
        "load_balancing_interval": timing.balance.total_seconds(),
        "partition_ownership_expiration_interval": timing.expiry.total_seconds(),
        "ssl_context": trust(connection.ca_file),
    }
    if connection.connection_string is not None:
        client = GuardedClient.from_connection_string(connection.connection_string, **options)
    else:
        client = GuardedClient(connection.namespace, credential=connection.credential, **options)
    assert isinstance(client, GuardedClient)
    client.guard(timing, report, linked)
    return client
