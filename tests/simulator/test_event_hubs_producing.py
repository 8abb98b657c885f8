"""The real producer client against the broker, and what arrives at the real consumer client."""

from azure.eventhub import EventData
from azure.eventhub.aio import EventHubProducerClient

from tests.simulator import event_hubs_clients as clients


def producer(broker: clients.brokers.Broker, hub: str = "hub") -> EventHubProducerClient:
    return EventHubProducerClient.from_connection_string(broker.connection_string(hub), retry_total=0)


async def test_events_lie_where_the_producer_put_them() -> None:
    """To a partition, by key, and in turn; batches stay together and in order."""
    async with clients.running({"hub": 3}) as broker, producer(broker) as sender:
        batch = await sender.create_batch(partition_id="2")
        for number in range(5):
            batch.add(EventData(str(number)))
        await sender.send_batch(batch)
        assert [event.body for event in broker.events("hub", 2)] == [b"0", b"1", b"2", b"3", b"4"]

        await sender.send_event(EventData(b"first"), partition_key="orders")
        await sender.send_batch([EventData(b"second"), EventData(b"third")], partition_key="orders")
        keyed = [event for event in broker.events("hub") if event.partition_key == "orders"]
        assert [event.body for event in keyed] == [b"first", b"second", b"third"]
        assert len({event.partition for event in keyed}) == 1

        for _ in range(3):
            await sender.send_event(EventData(b"in turn"))
        assert {event.partition for event in broker.events("hub") if event.body == b"in turn"} == {0, 1, 2}


async def test_an_event_arrives_as_it_was_sent() -> None:
    """Body, application properties with their types, system properties and key; 900 KB cross in many frames."""
    large = bytes(range(256)) * 3600
    async with clients.running({"hub": 1}) as broker, producer(broker) as sender:
        event = EventData(large)
        event.properties = {"text": "Größe", "number": 7, "true": True, "half": 0.5}
        event.message_id, event.correlation_id, event.content_type = "m-1", "c-1", "application/json"
        await sender.send_batch([event], partition_key="key")
        broker.publish("hub", b"{}", properties={"source": "simulator"})
        reader = clients.Reader(broker, "hub")
        async with clients.closing(reader):
            await reader.count(2)
    (_, got), (_, published) = reader.events
    assert b"".join(got.body) == large
    assert got.properties == {b"text": "Größe".encode(), b"number": 7, b"true": True, b"half": 0.5}
    assert (got.message_id, got.correlation_id, got.content_type) == ("m-1", "c-1", "application/json")
    assert got.partition_key == b"key"
    assert (published.sequence_number, published.body_as_str()) == (1, "{}")
    assert published.properties == {b"source": b"simulator"}
