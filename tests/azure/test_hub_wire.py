"""Rules of reading from the wire our way: what we say of a message is what the SDK says, and no byte is lost."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
from azure.eventhub import EventData
from azure.eventhub._pyamqp import _encode, message, performatives
from azure.eventhub._pyamqp.aio import _transport_async

from responder.azure import hub_lanes, hub_wire

PLACE = {b"x-opt-sequence-number": 7, b"x-opt-offset": b"4711", b"x-opt-enqueued-time": 1}
EMPTY = struct.pack(">IBBH", 8, 2, 0, 0)


@pytest.mark.parametrize(
    "parts",
    [
        {"data": [b"a"]},
        {"data": [b"a", b"b"]},
        {"data": [b""]},
        {"sequence": [[1, b"x"], [2]]},
        {"value": b"text"},
        {"value": {b"a": 1}},
        {"value": 0},
        {"value": None},
        {"data": [b"a"], "properties": message.Properties(message_id=b"1"), "header": message.Header(durable=True)},
    ],
)
@pytest.mark.parametrize("annotations", [PLACE, {}, None])
def test_a_delivery_says_what_the_sdk_says(parts: dict[str, Any], annotations: dict[bytes, Any] | None) -> None:
    """The check of the pin: a new version of the SDK that puts things elsewhere fails here."""
    came = message.Message(message_annotations=annotations, **parts)
    theirs, ours = EventData._from_message(came), hub_wire.Delivery(came)

    body: Any = theirs.body
    assert ours.body == (list(body) if hasattr(body, "__next__") else body)
    assert ours.sequence_number == theirs.sequence_number
    assert ours.offset == theirs.offset
    assert isinstance(hub_lanes.body_of(ours), bytes)


@pytest.fixture
async def transport() -> _transport_async.AsyncTransport:
    """The SDK's, fed by hand."""
    made = _transport_async.AsyncTransport("127.0.0.1")
    made.reader = asyncio.StreamReader()
    return made


async def test_a_frame_that_comes_in_pieces_is_whole_at_last(transport: _transport_async.AsyncTransport) -> None:
    """A time-out in the middle of it loses nothing: the SDK asks again several times a second."""
    head, performative = _encode.encode_frame(performatives.CloseFrame(error=None))
    assert performative is not None
    frame = head + struct.pack(">H", 3) + performative
    read = hub_wire.Frames(transport.read, set())

    for start in range(len(frame)):
        assert await read(timeout=0.001) == (None, None)
        transport.reader.feed_data(frame[start : start + 1])

    assert await read(timeout=30) == (3, (24, [None]))


async def test_what_is_there_already_does_not_hold_up_the_others(transport: _transport_async.AsyncTransport) -> None:
    """A backlog is read in stretches, and what the link remembers of it does not grow."""
    transport.reader.feed_data(EMPTY * 100)
    tags = {b"1"}
    read = hub_wire.Frames(transport.read, tags)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert [await read(timeout=30) for _ in range(100)] == [(0, (1, b"EMPTY"))] * 100
    task.cancel()

    assert turns > 1
    assert tags == set()


async def test_an_ended_connection_is_told_as_the_sdk_tells_it(transport: _transport_async.AsyncTransport) -> None:
    """What breaks is the SDK's to handle; only waiting in vain is an answer."""
    transport.reader.feed_eof()

    with pytest.raises(OSError, match="closed"):
        await hub_wire.Frames(transport.read, set())(timeout=30)
