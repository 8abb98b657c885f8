"""The broker as somebody sees it who speaks AMQP by hand: what the real client never shows."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from responder.simulator.amqp import decoding, errors, framing, links, performatives
from tests.simulator import event_hubs_clients as clients


class Peer:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, *bodies: bytes, channel: int = 0) -> None:
        self._writer.write(b"".join(framing.frame(channel, body) for body in bodies))

    def write(self, octets: bytes) -> None:
        self._writer.write(octets)

    async def octets(self, number: int) -> bytes:
        async with asyncio.timeout(clients.PATIENCE):
            return await self._reader.readexactly(number)

    async def frame(self) -> tuple[int, list[object]]:
        """Code and fields of the next frame; (0, []) for a heartbeat."""
        size = int.from_bytes(await self.octets(4))
        body = (await self.octets(size - 4))[4:]
        return performatives.read(body)[:2] if body else (0, [])

    async def end(self) -> bytes:
        async with asyncio.timeout(clients.PATIENCE):
            return await self._reader.read()


@contextlib.asynccontextmanager
async def connected(broker: clients.brokers.Broker, *, idle_ms: int) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
    peer = Peer(reader, writer)
    peer.write(framing.AMQP_HEADER)
    peer.send(performatives.open_(container="test", max_frame=512, channel_max=9, idle_ms=idle_ms))
    assert await peer.octets(8) == framing.AMQP_HEADER
    assert (await peer.frame())[0] == performatives.OPEN
    try:
        yield peer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_heartbeats_come_to_a_client_that_wants_them() -> None:
    async with clients.running({"hub": 1}) as broker, connected(broker, idle_ms=20) as peer:
        assert [await peer.frame() for _ in range(3)] == [(0, [])] * 3


async def test_a_link_detached_after_its_session_ended_is_no_offence() -> None:
    """The real client does it whenever it closes."""
    async with clients.running({"hub": 1}) as broker, connected(broker, idle_ms=0) as peer:
        begin = performatives.begin(remote_channel=0, incoming_window=9, outgoing_window=9, handle_max=9)
        peer.send(begin, performatives.end(), performatives.detach(1, closed=True), channel=1)
        peer.send(performatives.close())
        assert [(await peer.frame())[0] for _ in range(3)] == [
            performatives.BEGIN,
            performatives.END,
            performatives.CLOSE,
        ]
        assert await peer.end() == b""


async def test_an_oversized_frame_closes_the_connection_and_says_why() -> None:
    async with clients.running({"hub": 1}) as broker, connected(broker, idle_ms=0) as peer:
        peer.write((1 << 24).to_bytes(4) + bytes(4))
        code, fields = await peer.frame()
        assert code == performatives.CLOSE
        error = fields[0]
        assert isinstance(error, decoding.Described)
        assert isinstance(error.value, list)
        assert error.value[0] == errors.FRAMING_ERROR


async def test_a_hub_is_closed_to_a_connection_that_put_no_token() -> None:
    async with clients.running({"hub": 1}) as broker, connected(broker, idle_ms=0) as peer:
        # The answer to a receiver is the attach of a sender: what we want to be.
        asked = performatives.Attach(
            name="n", handle=0, receiver=True, source="", target="hub", selector=None, properties={}, capabilities=()
        )
        peer.send(
            performatives.begin(remote_channel=0, incoming_window=9, outgoing_window=9, handle_max=9),
            performatives.attach(asked, max_message=0),
            channel=1,
        )
        frames = [await peer.frame() for _ in range(3)]
        assert [code for code, _ in frames] == [performatives.BEGIN, performatives.ATTACH, performatives.DETACH]
        error = frames[2][1][2]
        assert isinstance(error, decoding.Described)
        assert isinstance(error.value, list)
        assert error.value[0] == errors.UNAUTHORIZED


class Carrier:
    """A session that remembers."""

    channel, room, max_frame = 1, 100, 512

    def __init__(self) -> None:
        self.flows: list[tuple[int, int, int]] = []
        self.performed: list[int] = []

    def next_delivery(self) -> int:
        return 0

    def perform(self, body: bytes) -> None:
        self.performed.append(performatives.read(body)[0])

    def deliver(self, frames: Sequence[bytes]) -> None: ...

    def forget(self, handle: int) -> None: ...

    def link_flow(self, handle: int, delivery_count: int, credit: int) -> None:
        self.flows.append((handle, delivery_count, credit))


class Nowhere:
    def put(self, payload: bytes, *, batched: bool) -> None:
        if payload == b"bad":
            raise errors.Refusal(errors.DECODE_ERROR, "bad")


def a_transfer(payload: bytes, *, more: bool = False, settled: bool = True) -> performatives.Transfer:
    return performatives.Transfer(
        handle=1, delivery_id=0, message_format=0, settled=settled, more=more, aborted=False, payload=payload
    )


def test_credit_is_granted_again_before_it_is_used_up() -> None:
    carrier = Carrier()
    link = links.Incoming(carrier, 1, Nowhere())
    link.grant()
    for _ in range(links.CREDIT):
        link.transfer(a_transfer(b""))
    half = links.CREDIT // 2
    assert carrier.flows == [(1, count, links.CREDIT) for count in (0, half, 2 * half)]


def test_a_message_over_one_megabyte_detaches_the_link() -> None:
    carrier = Carrier()
    link = links.Incoming(carrier, 1, Nowhere())
    link.transfer(a_transfer(bytes(links.MAX_MESSAGE), more=True))
    assert carrier.performed == []
    link.transfer(a_transfer(b"!"))
    assert carrier.performed == [performatives.DETACH]


@pytest.mark.parametrize("payload", [b"good", b"bad"])
def test_every_delivery_left_open_is_settled(payload: bytes) -> None:
    carrier = Carrier()
    links.Incoming(carrier, 1, Nowhere()).transfer(a_transfer(payload, settled=False))
    assert carrier.performed == [performatives.DISPOSITION]
