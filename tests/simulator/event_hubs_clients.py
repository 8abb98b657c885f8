"""What the Event Hubs tests share: a running broker, the real client reading from it, and a checkpoint store.

The client is slow to open and to close (about a second each), so readers are closed together and tests share them.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from azure.eventhub import EventData
from azure.eventhub.aio import CheckpointStore, EventHubConsumerClient, PartitionContext

from responder.simulator.amqp import broker as brokers

PATIENCE = 60.0
"""Seconds until a test gives up waiting. No test takes that long."""


@contextlib.asynccontextmanager
async def running(hubs: Mapping[str, int], **options: Any) -> AsyncIterator[brokers.Broker]:
    broker = brokers.Broker(hubs, **options)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.close()


async def wait(broker: brokers.Broker, predicate: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        await broker.until(predicate)


class Reader:
    """The real consumer client, receiving into `events` (partition, event) and `errors`."""

    def __init__(self, broker: brokers.Broker, hub: str, group: str = "$Default", **options: Any) -> None:
        self.events: list[tuple[str, EventData]] = []
        self.errors: list[Exception] = []
        self.checkpoint = False
        self._changed = asyncio.Event()
        self._client = EventHubConsumerClient.from_connection_string(
            broker.connection_string(hub),
            group,
            checkpoint_store=options.pop("checkpoint_store", None),
            load_balancing_interval=0.2,
            # Seconds of silence after which the client gives a connection up; by default it never does.
            idle_timeout=options.pop("idle_timeout", None),
        )
        options = {"starting_position": "-1", **options}
        self._task = asyncio.create_task(
            self._client.receive_batch(on_event_batch=self._batch, on_error=self._error, **options)
        )

    async def _batch(self, partition: PartitionContext, events: list[EventData]) -> None:
        self.events += [(partition.partition_id, event) for event in events]
        if self.checkpoint:
            await partition.update_checkpoint(events[-1])
        self._changed.set()

    async def _error(self, partition: PartitionContext | None, error: Exception) -> None:
        self.errors.append(error)
        self._changed.set()

    async def until(self, predicate: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not predicate():
                self._changed.clear()
                await self._changed.wait()

    async def count(self, number: int) -> None:
        await self.until(lambda: len(self.events) >= number)

    def bodies(self) -> list[str]:
        return [event.body_as_str() for _, event in self.events]

    def sequences(self, partition: str) -> list[int | None]:
        return [event.sequence_number for at, event in self.events if at == partition]

    async def close(self) -> None:
        await self._client.close()
        await self._task


@contextlib.asynccontextmanager
async def closing(*readers: Reader) -> AsyncIterator[None]:
    """Close all of them at once at the end."""
    try:
        yield
    finally:
        await asyncio.gather(*(reader.close() for reader in readers))


class Checkpoints(CheckpointStore):  # type: ignore[misc]
    """In memory, for one process."""

    def __init__(self) -> None:
        self.ownerships: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.checkpoints: dict[tuple[str, str, str], dict[str, Any]] = {}

    async def list_ownership(
        self, fully_qualified_namespace: str, eventhub_name: str, consumer_group: str, **kwargs: Any
    ) -> Iterable[dict[str, Any]]:
        return [kept for key, kept in self.ownerships.items() if key[:2] == (eventhub_name, consumer_group)]

    async def claim_ownership(
        self, ownership_list: Iterable[dict[str, Any]], **kwargs: Any
    ) -> Iterable[dict[str, Any]]:
        claimed = []
        for ownership in ownership_list:
            kept = {**ownership, "etag": object(), "last_modified_time": asyncio.get_running_loop().time()}
            self.ownerships[self._key(ownership)] = kept
            claimed.append(kept)
        return claimed

    async def update_checkpoint(self, checkpoint: dict[str, Any], **kwargs: Any) -> None:
        self.checkpoints[self._key(checkpoint)] = checkpoint

    async def list_checkpoints(
        self, fully_qualified_namespace: str, eventhub_name: str, consumer_group: str, **kwargs: Any
    ) -> Iterable[dict[str, Any]]:
        return [kept for key, kept in self.checkpoints.items() if key[:2] == (eventhub_name, consumer_group)]

    @staticmethod
    def _key(record: dict[str, Any]) -> tuple[str, str, str]:
        return record["eventhub_name"], record["consumer_group"], record["partition_id"]
