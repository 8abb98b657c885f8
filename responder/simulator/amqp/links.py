"""The two kinds of link: `Outgoing`, on which the client receives, and `Incoming`, on which it sends.

They move messages and count credit. What the messages are is the affair of a `Feed` or a `Sink`; frames and windows
that of the session that carries them.
Source: https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-transport-v1.0-os.html, section 2.6
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from responder.simulator.amqp import errors, performatives

MAX_MESSAGE = 1024 * 1024
"""Octets of one message, or one batch: the limit of the Standard tier."""

CREDIT = 1000
BURST = 256 * 1024
"""Octets one link sends before others have a turn."""


class Feed(Protocol):
    """Where an outgoing link's messages come from."""

    def take(self) -> bytes | None:
        """The next message, encoded, or None when there is none yet: the link is woken when there is."""


class Sink(Protocol):
    """Where an incoming link's messages go."""

    def put(self, payload: bytes, *, batched: bool) -> None:
        """Take one message. Raises `errors.Refusal` to reject it."""


class Carrier(Protocol):
    """The session, as a link sees it."""

    @property
    def channel(self) -> int: ...
    @property
    def room(self) -> int:
        """Transfer frames that may go out now."""

    @property
    def max_frame(self) -> int: ...
    def next_delivery(self) -> int: ...
    def perform(self, body: bytes) -> None: ...
    def deliver(self, frames: Sequence[bytes]) -> None: ...
    def link_flow(self, handle: int, delivery_count: int, credit: int) -> None: ...
    def forget(self, handle: int) -> None: ...


class Outgoing:
    """A link on which the client receives. `epoch` is the one it asked for, or None.

    `left` is called once, when the link ends for whatever reason.
    """

    def __init__(self, carrier: Carrier, handle: int, epoch: int | None = None) -> None:
        self.epoch = epoch
        self.feed: Feed | None = None
        self.left: Callable[[], None] | None = None
        self._carrier = carrier
        self._handle = handle
        self._frames: deque[bytes] = deque()
        self._credit = self._delivery_count = 0
        self._drain = self._scheduled = self._closed = False

    def wake(self) -> None:
        """Send what there is to send, soon. Many wakes in one turn of the event loop are one."""
        if not self._scheduled and not self._closed:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    def flow(self, flow: performatives.Flow) -> None:
        # The client may not have seen all we sent when it granted: its own count says from where its credit runs.
        self._credit = (flow.delivery_count or 0) + (flow.credit or 0) - self._delivery_count
        self._drain = flow.drain
        if flow.echo:
            self._tell()
        self.wake()

    def evict(self, refusal: errors.Refusal) -> None:
        """Detach for good, saying why."""
        self._carrier.perform(performatives.detach(self._handle, closed=True, refusal=refusal))
        self._carrier.forget(self._handle)
        self.close()

    def close(self) -> None:
        """Send nothing more. May be called twice."""
        self._closed = True
        left, self.left = self.left, None
        if left is not None:
            left()

    def _pump(self) -> None:
        self._scheduled = False
        if self._closed:
            return
        burst: list[bytes] = []
        size, room = 0, self._carrier.room
        while len(burst) < room and size < BURST and (self._frames or self._next()):
            burst.append(self._frames.popleft())
            size += len(burst[-1])
        if burst:
            self._carrier.deliver(burst)
        if size >= BURST:
            self.wake()
        elif self._drain and self._credit > 0 and len(burst) < room:
            self._delivery_count += self._credit
            self._credit = 0
            self._tell()

    def _next(self) -> bool:
        """Cut the next message into frames; False when there is none, or no credit for it."""
        payload = self.feed.take() if self.feed is not None and self._credit > 0 else None
        if payload is None:
            return False
        self._credit -= 1
        self._delivery_count += 1
        delivery = self._carrier.next_delivery()
        piece = self._carrier.max_frame - performatives.TRANSFER_OVERHEAD
        for at in range(0, len(payload), piece):
            more = at + piece < len(payload)
            self._frames.append(
                performatives.transfer_frame(
                    self._carrier.channel, self._handle, delivery, more, payload[at : at + piece]
                )
            )
        return True

    def _tell(self) -> None:
        self._carrier.link_flow(self._handle, self._delivery_count, self._credit)


class Incoming:
    """A link on which the client sends. Grants credit as it is used up; settles every delivery the client left open."""

    def __init__(self, carrier: Carrier, handle: int, sink: Sink) -> None:
        self._carrier = carrier
        self._handle = handle
        self._sink = sink
        self._parts: list[bytes] = []
        self._size = 0
        self._first: performatives.Transfer | None = None
        self._delivery_count = self._granted_at = 0

    def grant(self) -> None:
        """Let the client send (again)."""
        self._granted_at = self._delivery_count
        self._carrier.link_flow(self._handle, self._delivery_count, CREDIT)

    def transfer(self, transfer: performatives.Transfer) -> None:
        first = self._first = self._first or transfer
        self._parts.append(transfer.payload)
        self._size += len(transfer.payload)
        if self._size > MAX_MESSAGE:
            self._evict(
                errors.Refusal(
                    errors.MESSAGE_TOO_LARGE,
                    f"The received message exceeds the limit of {MAX_MESSAGE} bytes currently allowed on the link.",
                )
            )
        elif transfer.aborted:
            self._reset()
        elif not transfer.more:
            payload = b"".join(self._parts)
            self._reset()
            self._complete(first, transfer.settled or first.settled, payload)

    def close(self) -> None:
        """Forget a delivery that is half received."""
        self._reset()

    def _complete(self, first: performatives.Transfer, settled: bool, payload: bytes) -> None:
        self._delivery_count += 1
        delivery = first.delivery_id or 0
        try:
            self._sink.put(payload, batched=first.message_format == performatives.BATCHED_FORMAT)
            outcome = performatives.accepted(delivery)
        except errors.Refusal as refusal:
            outcome = performatives.rejected(delivery, refusal)
        if not settled:
            self._carrier.perform(outcome)
        if self._delivery_count - self._granted_at >= CREDIT // 2:
            self.grant()

    def _evict(self, refusal: errors.Refusal) -> None:
        self._carrier.perform(performatives.detach(self._handle, closed=True, refusal=refusal))
        self._carrier.forget(self._handle)
        self._reset()

    def _reset(self) -> None:
        self._parts, self._size, self._first = [], 0, None
