"""Rules of receiving from Event Hubs, with the real SDK against a broker of our own. What fails loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from responder.azure import event_hub
from responder.simulator.amqp import broker as brokers

HUB = "health-events"
TIMING = event_hub.Timing(
    open=timedelta(seconds=2),
    balance=timedelta(seconds=0.5),
    watch=timedelta(seconds=0.3),
    first_pause=timedelta(seconds=0.05),
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

    def __init__(self, memory: Memory) -> None:
        self.bodies: list[bytes] = []
        self.calls: list[tuple[str, str, int]] = []
        self.refusing: Exception | None = None
        self.refused = 0
        self._memory = memory
        self._grew = asyncio.Condition()

    async def accept(self, hub: str, partition: str, messages: list[event_hub.Message]) -> None:
        if self.refusing is not None:
            self.refused += 1
            await self._tell()
            raise self.refusing
        self._memory.log.append(f"accept {partition}/{messages[-1].sequence}")
        self.calls.append((hub, partition, len(messages)))
        self.bodies += [m.body for m in messages]
        await self._tell()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30), self._grew:
            await self._grew.wait_for(holds)

    async def _tell(self) -> None:
        async with self._grew:
            self._grew.notify_all()


@pytest.fixture
async def broker() -> AsyncIterator[brokers.Broker]:
    found = brokers.Broker({HUB: 2})
    await found.start()
    yield found
    found.faults.thaw()
    await found.close()


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def inbox(memory: Memory) -> Inbox:
    return Inbox(memory)


def source(broker: brokers.Broker, memory: Memory, inbox: Inbox, **connection: Any) -> event_hub.HubSource:
    where = {"hub": HUB, "connection_string": broker.connection_string(HUB), **connection}
    return event_hub.HubSource(event_hub.HubConnection(**where), memory, inbox.accept, timing=TIMING)


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


async def test_events_come_as_they_are_and_are_acknowledged_afterwards(
    broker: brokers.Broker, memory: Memory, inbox: Inbox
) -> None:
    """Bodies are handed over byte by byte, whatever was there before us; a checkpoint follows what was accepted."""
    sent = publish(broker, range(20))
    reader = source(broker, memory, inbox)

    async with running(reader):
        await inbox.until(lambda: len(inbox.bodies) >= 20)
        await eventually(lambda: {c["sequence_number"] for c in memory.checkpoints.values()} == {9})

    assert sorted(inbox.bodies) == sorted(sent)
    assert {partition for _, partition, _ in inbox.calls} == {"0", "1"}
    for entry in (e for e in memory.log if e.startswith("checkpoint")):
        accepted = entry.replace("checkpoint", "accept")
        assert accepted in memory.log[: memory.log.index(entry)]
    assert reader.last_event_at is not None
    assert reader.last_ok_at is not None
    assert reader.last_error is None


async def test_a_restart_goes_on_where_the_last_one_was(broker: brokers.Broker, memory: Memory, inbox: Inbox) -> None:
    """What came in between is not lost, and what was acknowledged does not come again."""
    first = publish(broker, range(4))
    async with running(source(broker, memory, inbox)):
        await inbox.until(lambda: len(inbox.bodies) >= 4)
        await eventually(lambda: len(memory.checkpoints) == 2)
    second = publish(broker, range(4, 8))

    async with running(source(broker, memory, inbox)):
        await inbox.until(lambda: len(inbox.bodies) >= 8)

    assert sorted(inbox.bodies) == sorted(first + second)


async def test_what_could_not_be_accepted_comes_again(broker: brokers.Broker, memory: Memory, inbox: Inbox) -> None:
    """A full disk loses nothing: no checkpoint passes an event that was refused, and it is delivered again."""
    inbox.refusing = OSError("disk full")
    sent = publish(broker, range(6))
    reader = source(broker, memory, inbox)

    async with running(reader):
        await inbox.until(lambda: inbox.refused >= 2)
        assert memory.checkpoints == {}
        assert reader.last_error == "OSError: disk full"
        assert reader.last_event_at is None
        sent += publish(broker, range(6, 10))
        inbox.refusing = None
        await inbox.until(lambda: set(inbox.bodies) >= set(sent))

    assert set(inbox.bodies) == set(sent)


async def test_a_checkpoint_that_cannot_be_written_costs_a_repetition(
    broker: brokers.Broker, memory: Memory, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accepted is accepted: the source goes on and says what failed."""

    async def fail(_: Any) -> None:
        raise OSError("no store")

    monkeypatch.setattr(memory, "update", fail)
    reader = source(broker, memory, inbox)

    async with running(reader):
        publish(broker, range(2))
        await inbox.until(lambda: len(inbox.bodies) >= 2)
        await eventually(lambda: reader.last_error is not None)
        publish(broker, range(2, 4))
        await inbox.until(lambda: len(inbox.bodies) >= 4)

    assert reader.last_error == "OSError: no store"


async def test_a_broker_that_goes_away_is_told_and_taken_up_again(
    broker: brokers.Broker, memory: Memory, inbox: Inbox
) -> None:
    """The SDK would keep a refused connection to itself. Nothing sent meanwhile is lost."""
    reader = source(broker, memory, inbox)
    async with running(reader):
        publish(broker, range(2))
        await inbox.until(lambda: len(inbox.bodies) >= 2)

        broker.faults.refuse_connections()
        broker.faults.drop_connections()
        await eventually(lambda: reader.last_error is not None)
        sent = publish(broker, range(2, 6))
        await broker.faults.accept_connections()

        await inbox.until(lambda: set(inbox.bodies) >= set(sent))


async def test_a_connection_that_died_silently_is_noticed(broker: brokers.Broker, memory: Memory, inbox: Inbox) -> None:
    """Nothing is refused and nothing comes: only asking the hub what it has shows that we are blind."""
    reader = source(broker, memory, inbox)
    async with running(reader):
        publish(broker, range(2))
        await inbox.until(lambda: len(inbox.bodies) >= 2)

        # Only the two partitions' own: a question that is under way would be noticed by its time-out.
        await broker.until(lambda: broker.connections() == 2)
        broker.faults.lose_connections()
        sent = publish(broker, range(2, 6))

        await inbox.until(lambda: set(inbox.bodies) >= set(sent))
    assert reader.last_error is not None
    assert reader.last_error.startswith("StalledError")


async def test_a_broker_that_accepts_and_says_nothing_is_told(
    broker: brokers.Broker, memory: Memory, inbox: Inbox
) -> None:
    """The SDK would wait for its answer for ever."""
    broker.faults.freeze()
    reader = source(broker, memory, inbox)
    async with running(reader):
        await eventually(lambda: "TimeoutError" in (reader.last_error or ""))
        broker.faults.thaw()
        sent = publish(broker, range(2))
        await inbox.until(lambda: set(inbox.bodies) >= set(sent))


async def test_a_wrong_consumer_group_is_told(broker: brokers.Broker, memory: Memory, inbox: Inbox) -> None:
    """The SDK would be silent for ever about a name that does not exist."""
    reader = source(broker, memory, inbox, consumer_group="nobody")
    async with running(reader):
        await eventually(lambda: reader.last_error is not None)

    assert reader.last_error is not None
    assert "SharedAccessKey" not in reader.last_error


async def test_a_quiet_hub_is_alive(broker: brokers.Broker, memory: Memory, inbox: Inbox) -> None:
    """Idle is not blind: the hub is asked, and has nothing for us."""
    reader = source(broker, memory, inbox)
    async with running(reader):
        await eventually(lambda: reader.last_ok_at is not None)

    assert reader.last_event_at is None
    assert inbox.bodies == []


async def test_two_sources_share_the_partitions(broker: brokers.Broker, memory: Memory, inbox: Inbox) -> None:
    """Two instances of one group read every event between them, and handing over is no failure."""
    one, two = source(broker, memory, inbox), source(broker, memory, inbox)
    async with running(one):
        await eventually(lambda: broker.receivers(HUB) == 2)
        async with running(two):
            await eventually(lambda: len({o["owner_id"] for o in memory.owners.values() if o["owner_id"]}) == 2)
            await eventually(lambda: broker.receivers(HUB) == 2)
            sent = publish(broker, range(10))
            await inbox.until(lambda: set(inbox.bodies) >= set(sent))

    assert one.last_error is None
    assert two.last_error is None


async def test_stopping_gives_partitions_back(broker: brokers.Broker, memory: Memory, inbox: Inbox) -> None:
    """Who comes next does not have to wait for an ownership to expire."""
    async with running(source(broker, memory, inbox)):
        await eventually(lambda: broker.receivers(HUB) == 2)

    assert {o["owner_id"] for o in memory.owners.values()} == {""}
    await broker.until(lambda: not broker.connections())


@pytest.mark.parametrize(
    ("body", "read"),
    [(b"a", b"a"), ("ä", "ä".encode()), ([b"a", b"b"], b"ab"), ({b"a": 1}, b"{b'a': 1}"), ([[1]], b"[[1]]"), (7, b"7")],
)
def test_any_body_becomes_bytes(body: Any, read: bytes) -> None:
    """What is no bytes is kept as text, to be looked at by a human."""

    class Event:
        pass

    event = Event()
    event.body = body  # type: ignore[attr-defined]

    assert event_hub.body_of(event) == read
