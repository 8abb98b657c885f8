"""The real consumer client against the broker: where it starts, and who gets what."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from azure.eventhub.aio import EventHubConsumerClient

from tests.simulator import event_hubs_clients as clients

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def ticking() -> Callable[[], datetime]:
    """A clock that is a second later every time it is read."""
    ticks = iter(range(10_000))
    return lambda: NOON + timedelta(seconds=next(ticks))


async def test_a_consumer_starts_exactly_where_it_asks_to() -> None:
    """One partition for each way to say where; four events in each before, and one after the consumer came."""
    async with clients.running({"hub": 8}, clock=ticking()) as broker:
        for number in range(4):
            for partition in range(8):
                broker.publish("hub", f"{number}".encode(), partition=partition)
        second = {partition: broker.events("hub", partition)[1] for partition in range(8)}
        positions: dict[str, tuple[str | int | datetime, bool, list[int]]] = {
            "0": ("-1", False, [0, 1, 2, 3, 4]),
            "1": (second[1].offset, False, [2, 3, 4]),
            "2": (second[2].offset, True, [1, 2, 3, 4]),
            "3": (second[3].sequence, False, [2, 3, 4]),
            "4": (second[4].sequence, True, [1, 2, 3, 4]),
            "5": (second[5].enqueued_at, False, [2, 3, 4]),
            "6": (second[6].enqueued_at, True, [1, 2, 3, 4]),
            "7": ("@latest", False, [4]),
        }
        reader = clients.Reader(
            broker,
            "hub",
            starting_position={partition: start for partition, (start, _, _) in positions.items()},
            starting_position_inclusive={partition: inclusive for partition, (_, inclusive, _) in positions.items()},
        )
        async with clients.closing(reader):
            await clients.wait(broker, lambda: broker.receivers("hub") == 8)
            for partition in range(8):
                broker.publish("hub", b"4", partition=partition)
            await reader.until(lambda: all(reader.sequences(partition)[-1:] == [4] for partition in positions))
            assert {partition: reader.sequences(partition) for partition in positions} == {
                partition: expected for partition, (_, _, expected) in positions.items()
            }


async def test_every_consumer_group_gets_every_event() -> None:
    """And only a reader that tracks the partition is told with every event how far the partition has come."""
    async with clients.running({"hub": 2}, groups=["audit"]) as broker:
        for number in range(6):
            broker.publish("hub", str(number).encode())
        readers = [
            clients.Reader(broker, "hub"),
            clients.Reader(broker, "hub", "audit", track_last_enqueued_event_properties=True),
        ]
        async with clients.closing(*readers):
            for reader in readers:
                await reader.count(6)
                assert sorted(reader.bodies()) == ["0", "1", "2", "3", "4", "5"]
        told = [[event.raw_amqp_message.delivery_annotations for _, event in reader.events] for reader in readers]
        assert not any(told[0])
        assert [annotations[b"last_enqueued_sequence_number"] for annotations in told[1]] == [2] * 6


async def test_a_new_client_goes_on_behind_the_checkpoint_of_the_old_one() -> None:
    async with clients.running({"hub": 2}) as broker:
        store = clients.Checkpoints()
        for number in range(4):
            broker.publish("hub", str(number).encode())
        first = clients.Reader(broker, "hub", checkpoint_store=store)
        first.checkpoint = True
        async with clients.closing(first):
            await first.count(4)
        for number in range(4, 8):
            broker.publish("hub", str(number).encode())
        second = clients.Reader(broker, "hub", checkpoint_store=store)
        async with clients.closing(second):
            await second.count(4)
            assert sorted(second.bodies()) == ["4", "5", "6", "7"]


async def test_properties_tell_what_the_hub_holds() -> None:
    async with clients.running({"hub": 3}, clock=ticking()) as broker:
        broker.publish("hub", b"a", partition=1)
        broker.publish("hub", b"b", partition=1)
        last = broker.events("hub", 1)[-1]
        async with EventHubConsumerClient.from_connection_string(broker.connection_string("hub"), "$Default") as client:
            assert await client.get_eventhub_properties() == {
                "eventhub_name": "hub",
                "created_at": NOON,
                "partition_ids": ["0", "1", "2"],
            }
            full, empty = await client.get_partition_properties("1"), await client.get_partition_properties("0")
        assert full["last_enqueued_sequence_number"] == 1
        assert full["last_enqueued_offset"] == last.offset
        assert full["last_enqueued_time_utc"] == last.enqueued_at
        assert not full["is_empty"]
        assert empty["is_empty"]
        assert empty["last_enqueued_sequence_number"] == -1
