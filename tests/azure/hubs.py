"""What tests of receiving from Event Hubs share: a source with tiny times, what it accepts, and what it checkpoints."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from responder.azure import event_hub
from responder.simulator.amqp import broker as brokers

HUB = "health-events"
TIMING = event_hub.Timing(
    open=timedelta(seconds=2),
    balance=timedelta(seconds=0.5),
    watch=timedelta(seconds=0.3),
    first_pause=timedelta(seconds=0.05),
    gather=timedelta(seconds=0.02),
    store=timedelta(seconds=1),
    shelter=timedelta(seconds=0.5),
    longest_pause=timedelta(seconds=0.2),
)


class Memory:
    """Checkpoints that outlive a source, as the store's do."""

    def __init__(self) -> None:
        self.owners: dict[str, dict[str, Any]] = {}
        self.checkpoints: dict[str, dict[str, Any]] = {}
        self.log: list[str] = []

    async def list_ownership(self, *_: str) -> list[dict[str, Any]]:
        return [dict(o) for o in self.owners.values()]

    async def claim_ownership(self, claims: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        won = []
        for claim in claims:
            known = self.owners.get(claim["partition_id"])
            if known is not None and known["etag"] != claim.get("etag"):
                continue
            # A datetime, as the SDK documents it.
            fresh = {**claim, "etag": str(uuid.uuid4()), "last_modified_time": datetime.now(UTC)}
            self.owners[claim["partition_id"]] = fresh
            won.append(dict(fresh))
        return won

    async def update(self, checkpoint: Mapping[str, Any]) -> None:
        self.log.append(f"checkpoint {checkpoint['partition_id']}/{checkpoint['sequence_number']}")
        self.checkpoints[str(checkpoint["partition_id"])] = dict(checkpoint)

    async def list(self, *_: str) -> list[dict[str, Any]]:
        return [dict(c) for c in self.checkpoints.values()]


class Inbox:
    """What was accepted, in order; refuses while `refusing` is set."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.bodies: list[bytes] = []
        self.calls: list[tuple[str, str, int]] = []
        self.refusing: Exception | None = None
        self.refused = 0
        self.hanging: asyncio.Event | None = None
        """Does not answer until this is set."""
        self._memory = memory or Memory()
        self._grew = asyncio.Condition()

    async def accept(self, hub: str, partition: str, messages: list[event_hub.Message]) -> None:
        if self.hanging is not None:
            await self.hanging.wait()
        if self.refusing is not None:
            self.refused += 1
            await self._tell()
            raise self.refusing
        self._memory.log.append(f"accept {partition}/{messages[-1][0]}")
        self.calls.append((hub, partition, len(messages)))
        self.bodies += [body for _, body in messages]
        await self._tell()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30), self._grew:
            await self._grew.wait_for(holds)

    async def _tell(self) -> None:
        async with self._grew:
            self._grew.notify_all()


def source(
    broker: brokers.Broker,
    checkpoints: event_hub.Checkpoints,
    inbox: Inbox,
    *,
    shelter: event_hub.Checkpoints | None = None,
    timing: Mapping[str, timedelta] | None = None,
    **connection: Any,
) -> event_hub.HubSource:
    where = {"hub": HUB, "connection_string": broker.connection_string(HUB), **connection}
    patience = dataclasses.replace(TIMING, **(timing or {}))
    return event_hub.HubSource(
        event_hub.HubConnection(**where), checkpoints, inbox.accept, timing=patience, shelter=shelter
    )


@contextlib.asynccontextmanager
async def running(source: event_hub.HubSource) -> AsyncIterator[None]:
    task = asyncio.create_task(source.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def eventually(holds: Callable[[], bool]) -> None:
    """For what nobody announces. Fails after 20 s."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - neither the SDK nor the store announces it
            await asyncio.sleep(0.02)


def publish(broker: brokers.Broker, numbers: Iterable[int]) -> list[bytes]:
    bodies = [b"\x00\xff event %d" % n for n in numbers]
    for body in bodies:
        broker.publish(HUB, body)
    return bodies
