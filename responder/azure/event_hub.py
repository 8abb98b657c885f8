"""Health events from Event Hubs: received, handed over, and only then acknowledged. It never looks into a body.

What is handed over may come again, after a restart or a lost connection: who accepts knows (partition, sequence).
Nothing that was not accepted is acknowledged: when accepting fails, the client is thrown away, and a new one goes on
from the last checkpoint.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import structlog

from responder import clock
from responder.azure import errors as meanings

if TYPE_CHECKING:
    from responder.azure import hub_clients

_log = structlog.get_logger(__name__)

_BATCH = 300


class Message(NamedTuple):
    """One event as it came."""

    sequence: int
    offset: str
    body: bytes


Accept = Callable[[str, str, list[Message]], Awaitable[None]]
"""Given hub, partition id and events in order. They are durable when it returns; it raises when they are not."""


class Checkpoints(Protocol):
    """Who reads which partition, and up to where; dicts as azure-eventhub's CheckpointStore documents them.

    Arguments: fully qualified namespace, hub, consumer group. A claim with an old etag is left out of the answer.
    """

    async def list_ownership(self, namespace: str, hub: str, group: str, /) -> Sequence[dict[str, Any]]: ...

    async def claim_ownership(self, claims: list[dict[str, Any]], /) -> Sequence[dict[str, Any]]: ...

    async def update(self, checkpoint: dict[str, Any], /) -> None: ...

    async def list(self, namespace: str, hub: str, group: str, /) -> Sequence[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConnection:
    """Where a hub is and how to log in: by connection string, or by namespace and credential."""

    hub: str
    consumer_group: str = "$Default"
    connection_string: str | None = field(default=None, repr=False)
    """Holds the key: a secret."""
    namespace: str = ""
    """`NAME.servicebus.windows.net`."""
    credential: Any = field(default=None, repr=False)
    """An azure-identity aio credential (`clients.Clients.credential`); it is not closed here."""
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How patient a source is."""

    idle: timedelta = timedelta(seconds=60)
    """Silence after which a link is opened anew."""
    open: timedelta = timedelta(seconds=30)
    """The longest an open, or a question to the hub, may take."""
    balance: timedelta = timedelta(seconds=10)
    """How often partitions are shared out. A partition that failed is taken up again after this."""
    watch: timedelta = timedelta(seconds=30)
    """How often the hub is asked whether it has more than we got."""
    first_pause: timedelta = timedelta(seconds=1)
    longest_pause: timedelta = timedelta(seconds=60)

    def pause(self, failures: int) -> timedelta:
        """How long to wait after so many failures in a row."""
        return min(self.first_pause * (1 << min(failures - 1, 10)), self.longest_pause)


class StalledError(Exception):
    """The hub has events that do not reach us, though nothing has failed."""


class _Session:
    """The life of one client."""

    def __init__(self) -> None:
        self.broken = asyncio.Event()
        self.taken = asyncio.Event()
        """The first partition became ours."""
        self.got_anything = False
        self.handled: dict[str, int] = {}
        """Sequence number of the newest event accepted, by partition that is ours."""


class HubSource:
    """One hub, read for as long as `run` runs."""

    def __init__(
        self, connection: HubConnection, checkpoints: Checkpoints, accept: Accept, *, timing: Timing | None = None
    ) -> None:
        self._connection = connection
        self._checkpoints = checkpoints
        self._accept = accept
        self._timing = timing or Timing()
        self.last_event_at: datetime | None = None
        """When events were last accepted."""
        self.last_ok_at: datetime | None = None
        """When the hub last proved that it answers and has nothing for us that we did not get."""
        self.last_error: str | None = None
        """The newest failure, in one line without secrets; stays after it is over, so compare `last_ok_at`."""
        self.last_error_at: datetime | None = None

    @property
    def name(self) -> str:
        return self._connection.hub

    async def run(self) -> None:
        """Receive until cancelled. Raises nothing else: what fails is reported, and tried again with back-off."""
        # Importing the SDK takes a moment, which the loop is not to stand still for.
        await asyncio.to_thread(importlib.import_module, "responder.azure.hub_clients")
        failures = 0
        while True:
            session = _Session()
            try:
                await self._receive(session)
            except Exception as error:
                self._report("", error)
            failures = 1 if session.got_anything else failures + 1
            pause = self._timing.pause(failures)
            _log.warning("azure.hub-reconnecting", hub=self.name, pause_s=pause.total_seconds())
            await asyncio.sleep(pause.total_seconds())

    async def _receive(self, session: _Session) -> None:
        """One client, until it breaks. Closing it comes first: its tasks are not children of ours."""
        from responder.azure import hub_clients

        client = hub_clients.open_client(self._connection, self._checkpoints, self._timing, self._report)
        tasks = [
            asyncio.create_task(self._consume(client, session), name=f"hub {self.name} receives"),
            asyncio.create_task(self._watch(client, session), name=f"hub {self.name} is watched"),
            asyncio.create_task(session.broken.wait(), name=f"hub {self.name} breaks"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await self._close(client)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _consume(self, client: hub_clients.GuardedClient, session: _Session) -> None:
        async def took(partition: Any) -> None:
            session.handled.setdefault(partition.partition_id, await self._checkpoint_of(partition))
            session.taken.set()

        async def left(partition: Any, reason: Any) -> None:
            session.handled.pop(partition.partition_id, None)

        async def handle(partition: Any, events: Any) -> None:
            await self._handle(session, partition, events)

        async def failed(partition: Any, error: Exception) -> None:
            self._report(partition.partition_id if partition else "", error)

        await client.receive_batch(
            handle,
            max_batch_size=_BATCH,
            prefetch=_BATCH,
            starting_position="-1",  # where there is no checkpoint; `@latest` loses what comes before the first event
            on_error=failed,
            on_partition_initialize=took,
            on_partition_close=left,
        )

    async def _handle(self, session: _Session, partition: Any, events: Any) -> None:
        """Accept, then acknowledge. Never raises: the SDK would go on without telling."""
        if session.broken.is_set() or not events:
            return  # after a failure nothing later may be acknowledged
        messages = [Message(e.sequence_number, str(e.offset), body_of(e)) for e in events]
        try:
            await self._accept(self.name, partition.partition_id, messages)
        except Exception as error:
            self._report(partition.partition_id, error)
            session.broken.set()
            return
        session.handled[partition.partition_id] = messages[-1].sequence
        session.got_anything = True
        self.last_event_at = self.last_ok_at = clock.now()
        try:
            async with asyncio.timeout(self._timing.open.total_seconds()):
                await partition.update_checkpoint(events[-1])
        except Exception as error:
            self._report(partition.partition_id, error)  # what was accepted comes again, no more

    async def _watch(self, client: hub_clients.GuardedClient, session: _Session) -> None:
        """Compare what the hub has with what we got: the SDK reports neither silence nor a dead connection."""
        behind: dict[str, int] = {}
        await self._first_look(session)
        while True:
            partitions = list(session.handled)
            if not partitions:
                await client.get_partition_ids()
            for partition in partitions:
                newest = await client.get_partition_properties(partition)
                got = session.handled.get(partition, -1)
                late = not newest["is_empty"] and got < newest["last_enqueued_sequence_number"]
                if late and behind.get(partition) == got:
                    raise StalledError(f"partition {partition} has events after {got} that do not arrive")
                behind.pop(partition, None)
                if late:
                    behind[partition] = got
            if not behind:
                session.got_anything = True
                self.last_ok_at = clock.now()
            await asyncio.sleep(self._timing.watch.total_seconds())

    async def _first_look(self, session: _Session) -> None:
        """As soon as there is something to ask about: who waits for us to be ready should not wait a whole round."""
        try:
            async with asyncio.timeout(self._timing.watch.total_seconds()):
                await session.taken.wait()
        except TimeoutError:
            pass  # nothing became ours; the look itself says why

    async def _checkpoint_of(self, partition: Any) -> int:
        known = await self._checkpoints.list(
            partition.fully_qualified_namespace, partition.eventhub_name, partition.consumer_group
        )
        found = [c.get("sequence_number") for c in known if c["partition_id"] == partition.partition_id]
        return int(found[0]) if found and found[0] is not None else -1

    async def _close(self, client: hub_clients.GuardedClient) -> None:
        try:
            async with asyncio.timeout(self._timing.open.total_seconds()):
                await client.close()
        except Exception as error:
            self._report("", error)

    def _report(self, partition: str, error: Exception) -> None:
        """Remember and log a failure. A stolen link is how partitions change hands, so that is only logged."""
        why = meanings.clean(f"{type(error).__name__}: {error}")
        if "link:stolen" in str(error).lower():
            _log.info("azure.hub-partition-handed-over", hub=self.name, partition=partition)
            return
        self.last_error, self.last_error_at = why, clock.now()
        _log.warning("azure.hub-failed", hub=self.name, partition=partition, why=why)


def body_of(event: Any) -> bytes:
    """The bytes of an event, as they came. A body that is an AMQP value and no bytes is shown as text."""
    body = event.body
    if isinstance(body, bytes):
        return body
    if isinstance(body, str | int | float | Mapping):
        return str(body).encode()
    parts = list(body)
    return b"".join(parts) if all(isinstance(p, bytes) for p in parts) else str(parts).encode()
