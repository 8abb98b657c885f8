"""The fault switches, and that the real client comes through each of them without losing an event."""

import asyncio

import pytest

from responder.simulator.amqp import errors
from tests.simulator import event_hubs_clients as clients


async def test_a_consumer_resumes_behind_the_last_event_it_had() -> None:
    """After a dropped connection, a detached link, and a broker that was gone; nothing is lost or comes twice."""
    async with clients.running({"hub": 1, "other": 1}) as broker:
        broker.publish("hub", b"first")
        reader = clients.Reader(broker, "hub")
        async with clients.closing(reader):
            await reader.count(1)
            assert broker.faults.drop_connections() == 1
            await clients.wait(broker, lambda: broker.receivers("hub") == 0)
            broker.publish("hub", b"dropped")
            await reader.count(2)

            assert broker.faults.detach_receivers(errors.SERVER_BUSY, "Terminating.", hub="other") == 0
            assert broker.faults.detach_receivers(errors.DETACH_FORCED, "Idle link.") == 1
            broker.publish("hub", b"detached")
            await reader.count(3)

            broker.faults.refuse_connections()
            broker.faults.drop_connections()
            await clients.wait(broker, lambda: broker.connections() == 0)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", broker.port)
            broker.publish("hub", b"gone")
            await broker.faults.accept_connections()
            await reader.count(4)
            assert reader.bodies() == ["first", "dropped", "detached", "gone"]


async def test_a_frozen_broker_accepts_and_says_nothing_until_it_thaws() -> None:
    async with clients.running({"hub": 1}) as broker:
        reader = clients.Reader(broker, "hub")
        async with clients.closing(reader):
            await clients.wait(broker, lambda: broker.receivers("hub") == 1)
            broker.faults.freeze()
            broker.publish("hub", b"held back")
            incoming, outgoing = await asyncio.open_connection("127.0.0.1", broker.port)
            outgoing.write(b"AMQP\x03\x01\x00\x00")
            answer = asyncio.create_task(incoming.readexactly(8))
            # Everything the loop has to do is done when a round trip through another connection is.
            await round_trip()
            assert not answer.done()
            assert reader.bodies() == []
            broker.faults.thaw()
            assert await answer == b"AMQP\x03\x01\x00\x00"
            outgoing.close()
            await outgoing.wait_closed()
            await reader.count(1)


async def test_a_lost_connection_stays_silent_while_new_ones_are_served() -> None:
    """As behind a NAT that forgot: the client's idle time-out is what finds out."""
    async with clients.running({"hub": 1}) as broker:
        reader = clients.Reader(broker, "hub", idle_timeout=1)
        async with clients.closing(reader):
            await clients.wait(broker, lambda: broker.receivers("hub") == 1)
            broker.faults.lose_connections()
            broker.publish("hub", b"over the new one")
            await reader.count(1)
            broker.faults.thaw()


async def round_trip() -> None:
    """A message through the loop and the kernel and back."""
    done = asyncio.Event()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"!")
        await writer.drain()
        writer.close()
        done.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    incoming, outgoing = await asyncio.open_connection(*server.sockets[0].getsockname())
    assert await incoming.read() == b"!"
    await done.wait()
    outgoing.close()
    await outgoing.wait_closed()
    server.close()
    await server.wait_closed()
