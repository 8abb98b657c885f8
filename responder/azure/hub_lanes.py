"""The way of events from the SDK to being durable, partition by partition: in order, the next ones on their heels.

While one commit runs the SDK goes on receiving; what gathers meanwhile, and a moment longer, is the next commit: each
costs the event loop some rounds for the interpreter's lock. A lone event waits for nothing. A checkpoint is noted only
for what is durable. Nothing here stores, or opens or closes a client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from responder.azure import bookmarks, event_hub, hub_watch

Facts = dict[str, Any]

_AHEAD = 3_000
"""Events that may wait for the commit before them; then the SDK waits, and the hub keeps the rest."""
_GATHER = 0.1
"""Seconds between commits of one partition while more is coming. The SDK's own rounds take half as long."""


class Lane:
    """One partition.

    Args:
        carry: makes messages durable and does whatever that allows, given where the last of them lies; False: it
            failed, and nothing later may follow.
    """

    def __init__(self, carry: Callable[[list[event_hub.Message], Facts], Awaitable[bool]]) -> None:
        self._carry = carry
        self._waiting: list[event_hub.Message] = []
        self._end: Facts = {}
        """The checkpoint behind what is waiting."""
        self._taken = asyncio.Event()
        self._broken = False
        self._task: asyncio.Task[None] | None = None

    async def put(self, messages: list[event_hub.Message], end: Facts) -> None:
        """Send messages on their way; waits only while too many are waiting. After a failure it drops them."""
        while len(self._waiting) >= _AHEAD and not self._broken:
            self._taken.clear()
            await self._taken.wait()
        if self._broken:
            return
        self._waiting += messages
        self._end = end
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="hub lane")

    async def empty(self) -> None:
        """Wait until what was put is durable, or has failed."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Drop what is waiting, and give up waiting for the commit under way."""
        self._broken = True
        self._waiting = []
        self._taken.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._waiting and not self._broken:
            messages, self._waiting = self._waiting, []
            end = self._end
            self._taken.set()
            if not await self._carry(messages, end):
                self._broken, self._waiting = True, []
                self._taken.set()
            elif self._waiting:
                await asyncio.sleep(_GATHER)


class Reader:
    """What the SDK calls while one client lives. Nothing here raises: the SDK would go on without telling."""

    def __init__(
        self,
        session: hub_watch.Session,
        ledger: bookmarks.Ledger,
        marks: bookmarks.Bookmarks,
        carry: Callable[[str, list[event_hub.Message]], Awaitable[bool]],
        timing: event_hub.Timing,
    ) -> None:
        self._session = session
        self._ledger = ledger
        self._marks = marks
        self._carry = carry
        self._timing = timing
        self._lanes: dict[str, Lane] = {}

    async def took(self, partition: Any) -> None:
        """A partition became ours."""
        id_ = partition.partition_id

        async def carry(messages: list[event_hub.Message], end: Facts) -> bool:
            accepted = await self._carry(id_, messages)
            if accepted:
                self._marks.note(end)
            return accepted

        self._lanes[id_] = Lane(carry)
        self._session.handled.setdefault(id_, self._ledger.positions.get(id_, -1))
        self._session.names = _names(partition)
        self._session.taken.set()

    async def handle(self, partition: Any, events: list[Any]) -> None:
        """Send events on their way."""
        lane = self._lanes.get(partition.partition_id)
        if events and lane is not None:
            # The messages themselves are let go of at once: each is a heap of objects for the garbage collector.
            messages = [(event.sequence_number, body_of(event)) for event in events]
            await lane.put(messages, _checkpoint(partition, events[-1]))

    async def left(self, partition: Any, reason: Any) -> None:
        """It is not ours any more. What is on its way becomes durable, within reason."""
        id_ = partition.partition_id
        lane = self._lanes.pop(id_, None)
        if lane is not None:
            try:
                async with asyncio.timeout(self._timing.store.total_seconds()):
                    await lane.empty()
            except TimeoutError:
                pass  # it comes again
            await lane.close()
        if reason.name == "SHUTDOWN":  # and not OWNERSHIP_LOST: the new owner may have gone further
            await self._marks.write(id_)  # who comes next begins there
        self._marks.forget(id_)
        self._session.leave(id_)
        self._ledger.left(id_)


def _checkpoint(partition: Any, event: Any) -> dict[str, Any]:
    return {**_names(partition), "offset": event.offset, "sequence_number": event.sequence_number}


def _names(partition: Any) -> dict[str, Any]:
    names = ("fully_qualified_namespace", "eventhub_name", "consumer_group", "partition_id")
    return {name: getattr(partition, name) for name in names}


def body_of(event: Any) -> bytes:
    """The bytes of an event, as they came. A body that is an AMQP value and no bytes is shown as text. Never raises."""
    body = event.body
    if type(body) is list:  # data sections, nearly always one
        if len(body) == 1 and isinstance(body[0], bytes):
            return body[0]
        return b"".join(body) if all(isinstance(part, bytes) for part in body) else str(body).encode()
    if body is None:
        return b""
    return body if isinstance(body, bytes) else str(body).encode()
