"""Health events from Event Hubs: received, handed over, and only then acknowledged. It never looks into a body.

What is handed over may come again, after a restart or a lost connection: who accepts knows (partition, sequence).
Nothing that was not accepted is acknowledged: when accepting fails, the client is thrown away, and a new one goes on
from the last checkpoint. Nothing waits for a checkpoint to be written.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import urllib.parse
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from responder import clock
from responder.azure import bookmarks, hub_lanes, hub_watch
from responder.azure import errors as meanings
from responder.core import hearing

if TYPE_CHECKING:
    from responder.azure import hub_clients

_log = structlog.get_logger(__name__)

_BATCH = 300
_PREFETCH = 1_000
"""Events of a partition that may be on their way to us. The SDK's own 300 make it ask for more so often that a fifth of
the rate is lost; what it costs is memory, 3 MB a partition for health events of the usual size."""
_RIVALRY = 5  # times a partition is taken from us in one client's life, before that is more than handing over


Message = tuple[int, bytes]
"""Sequence number and body of one event, as it came."""

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

    @property
    def place(self) -> str:
        """`NAMESPACE/HUB`: two namespaces may have hubs of one name. No secret."""
        host = self.namespace
        if self.connection_string is not None:
            pairs = (part.partition("=") for part in self.connection_string.split(";"))
            endpoint = next((value for key, _, value in pairs if key.strip().lower() == "endpoint"), "")
            with contextlib.suppress(ValueError):  # what is no address is told when it is opened
                host = urllib.parse.urlsplit(endpoint.strip()).hostname or ""
        return f"{host}/{self.hub}".lower()


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
    gather: timedelta = timedelta(seconds=1)
    """How long checkpoints are gathered: only the newest of a partition is written. What a restart repeats."""
    store: timedelta = timedelta(seconds=10)
    """The longest a question to the checkpoint store may take."""
    shelter: timedelta = timedelta(seconds=30)
    """How long a shared checkpoint store must be away before a client that owns nothing does without it."""

    @property
    def expiry(self) -> timedelta:
        """How long a killed process holds its partitions."""
        return self.balance * 3 + timedelta(seconds=1)

    @property
    def proof(self) -> timedelta:
        """How long one look at the hub proves that we would hear: three rounds, and one answer that takes its time."""
        return self.watch * 3 + self.open

    def pause(self, failures: int) -> timedelta:
        """How long to wait after so many failures in a row."""
        return min(self.first_pause * (1 << min(failures - 1, 10)), self.longest_pause)


class RivalError(Exception):
    """Somebody outside of our group of instances reads with our consumer group."""


class HubSource:
    """One hub, read for as long as `run` runs.

    Args:
        checkpoints: shared by all instances that read this consumer group.
        shelter: our own store, where `checkpoints` is one on the network: kept in step, and used when that is away.
    """

    def __init__(
        self, connection: HubConnection, checkpoints: Checkpoints, accept: Accept, *,
        timing: Timing | None = None, shelter: Checkpoints | None = None,
    ) -> None:  # fmt: skip
        self._connection = connection
        self._checkpoints = checkpoints
        self._shelter = shelter
        self._accept = accept
        self._timing = timing or Timing()
        self._since = clock.now()
        self._waiting = 0
        self._waiting_since: datetime | None = None
        self.last_event_at: datetime | None = None
        """When events were last accepted."""
        self.last_ok_at: datetime | None = None
        """When we last received events, or the hub proved that it has nothing for us that we did not get."""
        self.last_error: str | None = None
        """The newest failure, in one line without secrets; stays after it is over, so compare `last_ok_at`."""
        self.last_error_at: datetime | None = None
        self.accepted = 0
        """Events accepted."""
        self.restarts = 0
        """Clients thrown away."""

    @property
    def name(self) -> str:
        return self._connection.place

    def facts(self) -> hearing.Facts:
        """What it knows about itself."""
        return hearing.Facts(
            source=f"hub {self.name}",
            since=self._since,
            proof_lasts=self._timing.proof,
            proven_at=self.last_ok_at,
            last_event_at=self.last_event_at,
            waiting=self._waiting,
            waiting_since=self._waiting_since,
            accepted=self.accepted,
            restarts=self.restarts,
            error=self.last_error,
        )

    async def run(self) -> None:
        """Receive until cancelled. Raises nothing else: what fails is reported, and tried again with back-off."""
        # Importing the SDK takes a moment, which the loop is not to stand still for.
        await asyncio.to_thread(importlib.import_module, "responder.azure.hub_clients")
        self._since = clock.now()
        failures = 0
        while True:
            session = hub_watch.Session()
            ledger = bookmarks.Ledger(self._checkpoints, self._shelter, self._timing, session.is_idle)
            try:
                await self._receive(session, ledger)
            except Exception as error:
                self._report("", error)
                await self._rewind(session, ledger, error)
            self.restarts += 1
            failures = 1 if session.worked else failures + 1
            pause = self._timing.pause(failures)
            _log.warning("azure.hub-reconnecting", hub=self.name, pause_s=pause.total_seconds())
            await asyncio.sleep(pause.total_seconds())

    async def _receive(self, session: hub_watch.Session, ledger: bookmarks.Ledger) -> None:
        """One client, until it breaks. Closing it comes first: its tasks are not children of ours."""
        from responder.azure import hub_clients

        await asyncio.to_thread(hub_clients.trust, self._connection.ca_file)  # reads a file, the first time
        report = functools.partial(self._failed, session)
        client = hub_clients.open_client(self._connection, ledger, self._timing, report, session.link)
        marks = bookmarks.Bookmarks(ledger.update, self._timing, self._report)
        reader = hub_lanes.Reader(session, ledger, marks, functools.partial(self._carry, session), self._timing)
        watch = hub_watch.Watch(
            session,
            ledger,
            self._timing,
            looked=functools.partial(self._looked, session),
            failed=lambda error: self._report("", error),
        )
        jobs = {
            "receives": self._consume(client, session, reader),
            "is watched": watch.run(client),
            "keeps checkpoints": marks.run(),
            "breaks": session.broken.wait(),
        }
        tasks = [asyncio.create_task(job, name=f"hub {self.name} {what}") for what, job in jobs.items()]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            session.closing = True
            await ledger.close()
            await self._close(client)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _consume(
        self, client: hub_clients.GuardedClient, session: hub_watch.Session, reader: hub_lanes.Reader
    ) -> None:
        async def failed(partition: Any, error: Exception) -> None:
            self._failed(session, partition.partition_id if partition else "", error)

        await client.receive_batch(
            reader.handle,
            max_batch_size=_BATCH,
            prefetch=_PREFETCH,
            starting_position="-1",  # where there is no checkpoint; `@latest` loses what comes before the first event
            on_error=failed,
            on_partition_initialize=reader.took,
            on_partition_close=reader.left,
        )

    async def _carry(self, session: hub_watch.Session, partition: str, messages: list[Message]) -> bool:
        """Accept; True: it may be acknowledged, and after a failure nothing later may be. Never raises."""
        if session.broken.is_set():
            return False
        try:
            await self._accept(self.name, partition, messages)
        except Exception as error:
            self._report(partition, error)
            session.broken.set()
            return False
        session.handled[partition] = messages[-1][0]
        session.worked = True
        self.accepted += len(messages)
        self.last_event_at = self.last_ok_at = clock.now()
        return True

    def _looked(self, session: hub_watch.Session, found: hub_watch.Look) -> None:
        self._waiting = found.waiting
        self._waiting_since = (self._waiting_since or clock.now()) if found.waiting else None
        if found.sure and not found.waiting:
            session.worked = True
            self.last_ok_at = clock.now()

    async def _rewind(self, session: hub_watch.Session, ledger: bookmarks.Ledger, error: Exception) -> None:
        """After a hub was made anew its checkpoints point behind its end, where nothing would ever come."""
        if not isinstance(error, hub_watch.RewoundError):
            return
        for partition in error.partitions:
            start = session.names | {"partition_id": partition, "offset": "-1", "sequence_number": -1}
            try:
                await ledger.update(start)
            except Exception as failure:
                self._report(partition, failure)  # found again by the next look

    async def _close(self, client: hub_clients.GuardedClient) -> None:
        try:
            async with asyncio.timeout(self._timing.open.total_seconds()):
                await client.close()
        except Exception as error:
            self._report("", error)

    def _failed(self, session: hub_watch.Session, partition: str, error: Exception) -> None:
        """What the SDK tells. A stolen link is how partitions change hands: no failure, unless it never ends."""
        if session.closing:
            return  # it stumbles over links that it was opening
        if "link:stolen" not in str(error).lower():
            self._report(partition, error)
            return
        _log.info("azure.hub-partition-handed-over", hub=self.name, partition=partition)
        session.thefts[partition] = session.thefts.get(partition, 0) + 1
        if session.thefts[partition] == _RIVALRY:
            group = self._connection.consumer_group
            text = f"another reader keeps taking it; give the responder a consumer group of its own ({group} is shared)"
            self._report(partition, RivalError(text))

    def _report(self, partition: str, error: Exception) -> None:
        """Remember and log a failure."""
        why = meanings.clean(f"{type(error).__name__}: {error}")
        self.last_error, self.last_error_at = why, clock.now()
        _log.warning("azure.hub-failed", hub=self.name, partition=partition, why=why)
