"""Hub: events made durable by our source and intake, against the bare consumer with a handler that does nothing.

Counted from the first batch to the last event, because opening a client takes the SDK a second whoever uses it. The
bare consumer has the defaults of the SDK and of Python; that ours asks for more at once, unwraps messages itself and
lets the garbage collector look seldom, as the daemon does, is a part of what is measured.

Many turns, and short ones: a machine has good and bad moments, and each turn is compared with the one beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from azure.eventhub.aio import EventHubConsumerClient

from responder import service
from responder.azure import event_hub
from responder.flow import intake, pauses, wakes
from responder.store import sqlite
from tests.benchmarks import cloud, measures

EVENTS = 30_000
"""Enough that neither the opening questions of our watch nor the last commit weigh much: what is sustained counts."""
_TURNS, _SECONDS = 2, 1.5
"""As many times as other benchmarks have."""
_PATIENCE = 60.0


class _Count:
    """Starts its watch at the first batch, and says when all have come."""

    def __init__(self, events: int) -> None:
        self._events = events
        self._seen = 0
        self._watch: measures.Stopwatch | None = None
        self._sample: asyncio.Future[measures.Sample] = asyncio.get_running_loop().create_future()

    def begin(self) -> None:
        """A batch came in."""
        self._watch = self._watch or measures.Stopwatch()

    def finish(self, events: int) -> None:
        """Its events are dealt with."""
        assert self._watch is not None
        self._seen += events
        if self._seen >= self._events and not self._sample.done():
            self._sample.set_result(self._watch.read(self._seen))

    async def all(self) -> measures.Sample:
        """When every event was dealt with."""
        async with asyncio.timeout(_PATIENCE):
            return await self._sample


async def measure(effort: measures.Effort) -> list[measures.Row]:
    """One row."""
    events = effort.of(EVENTS)
    if effort.turns > 1:
        more = {"turns": _TURNS * effort.turns, "seconds": _SECONDS * effort.seconds}
        effort = dataclasses.replace(effort, **more)
    gc.freeze()  # as the daemon does; and the bare consumer would not have loaded it
    async with cloud.running(events) as env:
        row = await measures.compare("hub", "event", lambda: _ours(env, events), lambda: _bare(env, events), effort)
    return [row]


def _address(env: Mapping[str, str]) -> str:
    return env[cloud.hub_variable()]


@contextlib.contextmanager
def _collecting_as_the_daemon() -> Iterator[None]:
    was = gc.get_threshold()
    pauses.collect_seldom()
    try:
        yield
    finally:
        gc.set_threshold(*was)


async def _ours(env: Mapping[str, str], events: int) -> measures.Sample:
    count = _Count(events)
    with _collecting_as_the_daemon(), tempfile.TemporaryDirectory(prefix="responder-bench-") as folder:
        # A new store knows no checkpoint, so every turn reads the hub from its beginning.
        store = await sqlite.open_store(Path(folder) / "store.db")
        accept = service.accept(intake.Intake(store.intake, wakes.Wake()))

        async def counted(hub: str, partition: str, messages: list[event_hub.Message]) -> None:
            count.begin()
            await accept(hub, partition, messages)
            count.finish(len(messages))

        connection = event_hub.HubConnection(hub=cloud.HUB, connection_string=_address(env))
        receiving = asyncio.create_task(event_hub.HubSource(connection, store.checkpoints, counted).run())
        try:
            return await count.all()
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)
            await store.close()


async def _bare(env: Mapping[str, str], events: int) -> measures.Sample:
    count = _Count(events)

    async def nothing(partition: Any, batch: list[Any]) -> None:
        if batch:
            count.begin()
            count.finish(len(batch))

    client = EventHubConsumerClient.from_connection_string(_address(env), "$Default")
    receiving = asyncio.create_task(client.receive_batch(nothing, starting_position="-1"))
    try:
        return await count.all()
    finally:
        await client.close()
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
