"""Rules of receiving from Event Hubs, with the real SDK against a broker of our own. What fails loses nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from responder.azure import hub_clients, hub_lanes
from responder.simulator.amqp import broker as brokers
from tests.azure import hubs


async def test_events_come_as_they_are_and_are_acknowledged_afterwards(
    broker: brokers.Broker, memory: hubs.Memory, inbox: hubs.Inbox
) -> None:
    """Bodies are handed over byte by byte, whatever was there before us; a checkpoint follows what was accepted."""
    sent = hubs.publish(broker, range(20))
    reader = hubs.source(broker, memory, inbox)

    async with hubs.running(reader):
        await inbox.until(lambda: len(inbox.bodies) >= 20)
        await hubs.eventually(lambda: {c["sequence_number"] for c in memory.checkpoints.values()} == {9})

    assert sorted(inbox.bodies) == sorted(sent)
    assert {partition for _, partition, _ in inbox.calls} == {"0", "1"}
    for entry in (e for e in memory.log if e.startswith("checkpoint")):
        accepted = entry.replace("checkpoint", "accept")
        assert accepted in memory.log[: memory.log.index(entry)]
    assert reader.last_event_at is not None
    assert reader.last_ok_at is not None
    assert reader.last_error is None


async def test_a_restart_goes_on_where_the_last_one_was(
    broker: brokers.Broker, memory: hubs.Memory, inbox: hubs.Inbox
) -> None:
    """What came in between is not lost, and what was acknowledged does not come again."""
    first = hubs.publish(broker, range(4))
    async with hubs.running(hubs.source(broker, memory, inbox)):
        await inbox.until(lambda: len(inbox.bodies) >= 4)
        await hubs.eventually(lambda: len(memory.checkpoints) == 2)
    second = hubs.publish(broker, range(4, 8))

    async with hubs.running(hubs.source(broker, memory, inbox)):
        await inbox.until(lambda: len(inbox.bodies) >= 8)

    assert sorted(inbox.bodies) == sorted(first + second)


async def test_what_could_not_be_accepted_comes_again(
    broker: brokers.Broker, memory: hubs.Memory, inbox: hubs.Inbox
) -> None:
    """A full disk loses nothing: no checkpoint passes an event that was refused, and it is delivered again."""
    inbox.refusing = OSError("disk full")
    sent = hubs.publish(broker, range(6))
    reader = hubs.source(broker, memory, inbox)

    async with hubs.running(reader):
        await inbox.until(lambda: inbox.refused >= 2)
        assert memory.checkpoints == {}
        assert reader.last_error == "OSError: disk full"
        assert reader.last_event_at is None
        sent += hubs.publish(broker, range(6, 10))
        inbox.refusing = None
        await inbox.until(lambda: set(inbox.bodies) >= set(sent))

    assert set(inbox.bodies) == set(sent)


async def test_a_checkpoint_that_cannot_be_written_costs_a_repetition(
    broker: brokers.Broker, memory: hubs.Memory, inbox: hubs.Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accepted is accepted: the source goes on and says what failed."""

    async def fail(_: Any) -> None:
        raise OSError("no store")

    monkeypatch.setattr(memory, "update", fail)
    reader = hubs.source(broker, memory, inbox)

    async with hubs.running(reader):
        hubs.publish(broker, range(2))
        await inbox.until(lambda: len(inbox.bodies) >= 2)
        await hubs.eventually(lambda: reader.last_error is not None)
        hubs.publish(broker, range(2, 4))
        await inbox.until(lambda: len(inbox.bodies) >= 4)

    assert reader.last_error == "OSError: no store"


async def test_a_broker_that_goes_away_is_told_and_taken_up_again(
    broker: brokers.Broker, memory: hubs.Memory, inbox: hubs.Inbox
) -> None:
    """The SDK would keep a refused connection to itself. Nothing sent meanwhile is lost."""
    reader = hubs.source(broker, memory, inbox)
    async with hubs.running(reader):
        hubs.publish(broker, range(2))
        await inbox.until(lambda: len(inbox.bodies) >= 2)

        broker.faults.refuse_connections()
        broker.faults.drop_connections()
        await hubs.eventually(lambda: reader.last_error is not None)
        sent = hubs.publish(broker, range(2, 6))
        await broker.faults.accept_connections()

        await inbox.until(lambda: set(inbox.bodies) >= set(sent))


async def test_a_connection_that_died_silently_is_noticed(
    broker: brokers.Broker, memory: hubs.Memory, inbox: hubs.Inbox
) -> None:
    """Nothing is refused and nothing comes: only asking the hub what it has shows that we are blind."""
    reader = hubs.source(broker, memory, inbox)
    async with hubs.running(reader):
        hubs.publish(broker, range(2))
        await inbox.until(lambda: len(inbox.bodies) >= 2)

        # Only the two partitions' own: a question that is under way would be noticed by its time-out.
        await broker.until(lambda: broker.connections() == 2)
        broker.faults.lose_connections()
        sent = hubs.publish(broker, range(2, 6))

        await inbox.until(lambda: set(inbox.bodies) >= set(sent))
    assert reader.last_error is not None
    assert reader.last_error.startswith("StalledError")


async def test_a_broker_that_accepts_and_says_nothing_is_told(
    broker: brokers.Broker, memory: hubs.Memory, inbox: hubs.Inbox
) -> None:
    """The SDK would wait for its answer for ever."""
    broker.faults.freeze()
    reader = hubs.source(broker, memory, inbox)
    async with hubs.running(reader):
        await hubs.eventually(lambda: "TimeoutError" in (reader.last_error or ""))
        broker.faults.thaw()
        sent = hubs.publish(broker, range(2))
        await inbox.until(lambda: set(inbox.bodies) >= set(sent))


async def test_a_wrong_consumer_group_is_told(broker: brokers.Broker, memory: hubs.Memory, inbox: hubs.Inbox) -> None:
    """The SDK would be silent for ever about a name that does not exist."""
    reader = hubs.source(broker, memory, inbox, consumer_group="nobody")
    async with hubs.running(reader):
        await hubs.eventually(lambda: reader.last_error is not None)

    assert reader.last_error is not None
    assert "SharedAccessKey" not in reader.last_error


async def test_a_quiet_hub_is_alive(broker: brokers.Broker, memory: hubs.Memory, inbox: hubs.Inbox) -> None:
    """Idle is not blind: the hub is asked, and has nothing for us."""
    reader = hubs.source(broker, memory, inbox)
    async with hubs.running(reader):
        await hubs.eventually(lambda: reader.last_ok_at is not None)

    assert reader.last_event_at is None
    assert inbox.bodies == []


async def test_two_sources_share_the_partitions(broker: brokers.Broker, memory: hubs.Memory, inbox: hubs.Inbox) -> None:
    """Two instances of one group read every event between them, and handing over is no failure."""
    one, two = hubs.source(broker, memory, inbox), hubs.source(broker, memory, inbox)
    async with hubs.running(one):
        await hubs.eventually(lambda: broker.receivers(hubs.HUB) == 2)
        async with hubs.running(two):
            await hubs.eventually(lambda: len({o["owner_id"] for o in memory.owners.values() if o["owner_id"]}) == 2)
            await hubs.eventually(lambda: broker.receivers(hubs.HUB) == 2)
            sent = hubs.publish(broker, range(10))
            await inbox.until(lambda: set(inbox.bodies) >= set(sent))

    assert one.last_error is None
    assert two.last_error is None


async def test_stopping_gives_partitions_back(broker: brokers.Broker, memory: hubs.Memory, inbox: hubs.Inbox) -> None:
    """Who comes next does not have to wait for an ownership to expire."""
    async with hubs.running(hubs.source(broker, memory, inbox)):
        await hubs.eventually(lambda: broker.receivers(hubs.HUB) == 2)

    assert {o["owner_id"] for o in memory.owners.values()} == {""}
    await broker.until(lambda: not broker.connections())


async def test_stopping_in_the_middle_of_a_renewal_gives_partitions_back_too(
    broker: brokers.Broker, inbox: hubs.Inbox
) -> None:
    """The renewal is written and its answer is under way: what gives the partition up must go by that answer."""
    asked, answered = asyncio.Event(), asyncio.Event()
    answered.set()

    class Slow(hubs.Memory):
        async def claim_ownership(self, claims: Any) -> Any:
            won = await super().claim_ownership(claims)
            if claims[0]["owner_id"] and not answered.is_set():
                asked.set()
                await answered.wait()
            return won

    memory = Slow()
    async with hubs.running(hubs.source(broker, memory, inbox)):
        await hubs.eventually(lambda: broker.receivers(hubs.HUB) == 2)
        answered.clear()
        await asked.wait()
        asyncio.get_running_loop().call_later(0.1, answered.set)

    assert {o["owner_id"] for o in memory.owners.values()} == {""}


@pytest.mark.parametrize(
    ("body", "read"),
    [
        *[(b"a", b"a"), ([b"a"], b"a"), ([b"a", b"b"], b"ab"), (None, b"")],
        *[("ä", "ä".encode()), ({b"a": 1}, b"{b'a': 1}"), ([[1]], b"[[1]]"), (7, b"7")],
    ],
)
def test_any_body_becomes_bytes(body: Any, read: bytes) -> None:
    """What is no bytes is kept as text, to be looked at by a human."""

    class Event:
        pass

    event = Event()
    event.body = body  # type: ignore[attr-defined]

    assert hub_lanes.body_of(event) == read


async def test_a_partition_that_cannot_be_given_back_is_no_failure_and_one_that_cannot_be_taken_is() -> None:
    """The SDK loses the error of the former in a task of its own."""

    class Full(hubs.Memory):
        async def claim_ownership(self, claims: Any) -> Any:
            raise OSError("disk full")

    checkpoints = hub_clients.Checkpoints(Full())

    assert await checkpoints.claim_ownership([{"partition_id": "0", "owner_id": ""}]) == []
    with pytest.raises(OSError, match="disk full"):
        await checkpoints.claim_ownership([{"partition_id": "0", "owner_id": "me"}])
