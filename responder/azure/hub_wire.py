"""An event's way from the wire to us inside the SDK, with half of the work. It decides nothing about events.

Replaces two methods on the SDK's objects which it does not publish, so the version of azure-eventhub is pinned, and
tests compare what we say of a message with what the SDK says. In 5.15.1, for every event:
- a task and its time-out are made to read one frame;
- three messages are made, each with a header and properties that nobody here looks at: an empty one, one as if it were
  to be sent, and the one that came;
- its delivery tag is kept as long as the link lives, for a receipt that Event Hubs never wants.

Loads the SDK: import it late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from azure.eventhub._pyamqp import _decode

_AT_A_STRETCH = 32
"""Frames that are here already and are read before the event loop has a turn: some 3 ms."""
_SEQUENCE, _OFFSET = b"x-opt-sequence-number", b"x-opt-offset"


class Delivery:
    """One message as it came: says what the SDK's `EventData` says of it, as far as we ask."""

    __slots__ = ("_message", "sequence_number")

    def __init__(self, message: Any) -> None:
        self._message = message
        self.sequence_number: int | None = (message.message_annotations or {}).get(_SEQUENCE)

    @property
    def offset(self) -> str | None:
        """Where it lies, in the hub's own words."""
        found = (self._message.message_annotations or {}).get(_OFFSET)
        return found.decode() if isinstance(found, bytes) else None

    @property
    def body(self) -> Any:
        """A list of the sections of its data, or of its sequence; else a value, or None."""
        return self._message.data or self._message.sequence or self._message.value


def lighten(consumer: Any) -> None:
    """Have a consumer of the SDK hand over `Delivery`, not `EventData`."""
    waiting = consumer._message_buffer

    def following() -> Delivery:
        # Where the SDK goes on reading after a link broke.
        consumer._last_received_event = delivery = Delivery(waiting.popleft())
        return delivery

    consumer._next_message_in_buffer = following


async def open_link(consumer: Any, open_: Callable[[], Awaitable[None]]) -> None:
    """Open a consumer's link, and from then on read it our way."""
    await open_()
    transport = consumer._handler._connection._transport
    transport.receive_frame = Frames(transport.read, consumer._handler._link._received_delivery_tags)


class Frames:
    """Reads frames off one connection.

    Args:
        read: the SDK's reader of a whole frame. Cancelled, it keeps what it has for the next time.
        tags: what the link remembers of deliveries.
    """

    def __init__(self, read: Callable[..., Awaitable[Any]], tags: set[bytes]) -> None:
        self._read = read
        self._tags = tags
        self._read_by_now = 0

    async def __call__(self, timeout: float | None = None, **options: Any) -> tuple[int | None, Any]:
        """Channel and frame; two times None after so many seconds without a whole one.

        Raises:
            OSError: the connection is broken.
        """
        self._read_by_now += 1
        if self._read_by_now % _AT_A_STRETCH == 0:
            self._tags.clear()
            await asyncio.sleep(0)
        try:
            async with asyncio.timeout(timeout):
                header, channel, payload = await self._read(**options)
        except TimeoutError:
            return None, None
        return channel, _decode.decode_frame(payload) if payload else _decode.decode_empty_frame(header)
