"""What Event Hubs and its SDK do on a bad day, with the real SDK and our own broker: we hear, or say we do not."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from responder import clock
from responder.azure import event_hub
from responder.core import hearing
from responder.simulator.amqp import broker as brokers
from responder.simulator.amqp import errors, logs
from tests.azure import hubs

POLICY = hearing.Policy(lagging_after=timedelta(0))


def state(reader: event_hub.HubSource) -> hearing.State:
    return hearing.judge(reader.facts(), POLICY, clock.now()).state


async def test_a_partition_that_changes_hands_is_no_failure(broker: brokers.Broker, inbox: hubs.Inbox) -> None:
    """A stolen link is information; what is sent meanwhile arrives."""
    reader = hubs.source(broker, hubs.Memory(), inbox)
    async with hubs.running(reader):
        await broker.until(lambda: broker.receivers(hubs.HUB) == 2)
        broker.faults.detach_receivers(errors.LINK_STOLEN, "New receiver with higher epoch of '1' is created.")
        sent = hubs.publish(broker, range(4))
        await inbox.until(lambda: set(inbox.bodies) >= set(sent))

    assert reader.last_error is None
    assert reader.restarts == 0


async def test_a_refused_token_is_told_and_over_when_it_is_accepted(broker: brokers.Broker, inbox: hubs.Inbox) -> None:
    """The SDK tells nobody about a key that is wrong or revoked while it runs."""
    broker.faults.fail_tokens()
    reader = hubs.source(broker, hubs.Memory(), inbox)
    async with hubs.running(reader):
        await hubs.eventually(lambda: reader.last_error is not None)
        assert state(reader) is hearing.State.BLIND
        assert "c2ltdWxhdG9y" not in str(reader.last_error)

        broker.faults.accept_tokens()
        sent = hubs.publish(broker, range(2))
        await inbox.until(lambda: set(inbox.bodies) >= set(sent))
        assert state(reader) is hearing.State.HEARING


async def test_an_expired_token_is_told_and_over_when_it_is_renewed(broker: brokers.Broker, inbox: hubs.Inbox) -> None:
    """Azure detaches the links of a token that is over; the SDK would try again for ever and be silent."""
    reader = hubs.source(broker, hubs.Memory(), inbox)
    async with hubs.running(reader):
        await hubs.eventually(lambda: reader.last_ok_at is not None)
        broker.faults.fail_tokens(401, "ExpiredToken: The token is expired.")
        broker.faults.detach_receivers(errors.UNAUTHORIZED, "ExpiredToken: The token is expired.")
        await hubs.eventually(lambda: "xpired" in (reader.last_error or ""))

        sent = hubs.publish(broker, range(4))
        broker.faults.accept_tokens()
        await inbox.until(lambda: set(inbox.bodies) >= set(sent))


async def test_questions_that_fail_do_not_break_links_that_work(
    broker: brokers.Broker, inbox: hubs.Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While events come, nobody hangs up because the hub does not say how many it has."""
    from responder.azure import hub_clients

    asked = 0

    async def refuse(*_: Any) -> Any:
        nonlocal asked
        asked += 1
        broker.publish(hubs.HUB, b"news")
        raise OSError("no management")

    reader = hubs.source(broker, hubs.Memory(), inbox)
    async with hubs.running(reader):
        await hubs.eventually(lambda: reader.last_ok_at is not None)
        monkeypatch.setattr(hub_clients.GuardedClient, "get_partition_properties", refuse)
        await inbox.until(lambda: asked >= 6)

        assert reader.restarts == 0
        assert reader.last_error == "OSError: no management"
        assert state(reader) is hearing.State.HEARING


async def test_a_broker_that_restarts_loses_nothing(broker: brokers.Broker, inbox: hubs.Inbox) -> None:
    """Gone with all its connections, and back on the same port."""
    reader = hubs.source(broker, hubs.Memory(), inbox)
    async with hubs.running(reader):
        sent = hubs.publish(broker, range(2))
        await inbox.until(lambda: len(inbox.bodies) >= 2)
        await broker.close()
        await hubs.eventually(lambda: reader.last_error is not None)
        sent += hubs.publish(broker, range(2, 6))
        await broker.start()
        await inbox.until(lambda: set(inbox.bodies) >= set(sent))


async def test_a_hub_that_was_made_anew_is_read_from_its_beginning(broker: brokers.Broker, inbox: hubs.Inbox) -> None:
    """Checkpoints of the old one point behind its end, where nothing would ever come, and nothing would fail."""
    memory = hubs.Memory()
    hubs.publish(broker, range(20))
    async with hubs.running(hubs.source(broker, memory, inbox)):
        await inbox.until(lambda: len(inbox.bodies) >= 20)
        await hubs.eventually(lambda: len(memory.checkpoints) == 2)
    await broker.close()
    anew = brokers.Broker({hubs.HUB: 2}, port=broker.port)
    await anew.start()
    try:
        sent = hubs.publish(anew, range(100, 104))
        async with hubs.running(hubs.source(anew, memory, inbox)):
            await inbox.until(lambda: set(inbox.bodies) >= set(sent))
    finally:
        await anew.close()


async def test_events_that_silently_stop_are_missed_and_fetched(
    broker: brokers.Broker, inbox: hubs.Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links are open, heartbeats come, nothing fails: only the hub's own count shows it. A new client gets them."""
    reader = hubs.source(broker, hubs.Memory(), inbox)
    async with hubs.running(reader):
        await hubs.eventually(lambda: reader.last_ok_at is not None)
        with monkeypatch.context() as patch:
            patch.setattr(logs.Cursor, "take", lambda _: None)
            sent = hubs.publish(broker, range(2))
            await hubs.eventually(lambda: reader.facts().waiting > 0)
            assert state(reader) is hearing.State.LAGGING
            await hubs.eventually(lambda: reader.restarts > 0)
        await inbox.until(lambda: set(inbox.bodies) >= set(sent))
        await hubs.eventually(lambda: reader.facts().waiting == 0)

    assert "StalledError" in str(reader.last_error)


async def test_a_store_that_hangs_does_not_hold_a_partition_for_ever(broker: brokers.Broker, inbox: hubs.Inbox) -> None:
    """The SDK would keep the partition and be silent. Nothing was accepted, so it comes again."""
    inbox.hanging = asyncio.Event()
    reader = hubs.source(broker, hubs.Memory(), inbox)
    async with hubs.running(reader):
        sent = hubs.publish(broker, range(2))
        await hubs.eventually(lambda: reader.restarts > 0)
        inbox.hanging.set()
        await inbox.until(lambda: set(inbox.bodies) >= set(sent))


async def test_checkpoints_are_never_waited_for(
    broker: brokers.Broker, memory: hubs.Memory, inbox: hubs.Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Event after event is accepted while the checkpoint store hangs; the newest checkpoint is written afterwards."""
    let_go = asyncio.Event()
    update = memory.update

    async def slow(checkpoint: Any) -> None:
        await let_go.wait()
        await update(checkpoint)

    monkeypatch.setattr(memory, "update", slow)
    reader = hubs.source(broker, memory, inbox)
    async with hubs.running(reader):
        for number in range(10):
            hubs.publish(broker, [number])
            await inbox.until(lambda have=number + 1: len(inbox.bodies) >= have)
        assert memory.checkpoints == {}
        let_go.set()
        await hubs.eventually(lambda: [c["sequence_number"] for c in memory.checkpoints.values()] == [4, 4])


async def test_a_link_that_never_opens_is_no_proof(broker: brokers.Broker, inbox: hubs.Inbox) -> None:
    """The hub is empty and answers every question, but not for this consumer group: that is blind, not idle."""
    reader = hubs.source(broker, hubs.Memory(), inbox, consumer_group="nobody")
    async with hubs.running(reader):
        await hubs.eventually(
            lambda: "not-found" in (reader.last_error or "") or "not be found" in str(reader.last_error)
        )
        reader.last_error = None
        await hubs.eventually(lambda: reader.last_error is not None)  # a round later

    assert reader.last_ok_at is None
    assert state(reader) is hearing.State.BLIND


async def test_a_rival_in_the_group_is_named_and_both_hear_all(broker: brokers.Broker) -> None:
    """Two readers of one consumer group that share no checkpoints take every partition from each other, for ever."""
    mine, theirs = hubs.Inbox(), hubs.Inbox()
    quick = {"balance": timedelta(seconds=0.2)}
    reader = hubs.source(broker, hubs.Memory(), mine, timing=quick)
    rival = hubs.source(broker, hubs.Memory(), theirs, timing=quick)
    async with hubs.running(reader), hubs.running(rival):
        sent = hubs.publish(broker, range(4))
        await mine.until(lambda: set(mine.bodies) >= set(sent))
        await theirs.until(lambda: set(theirs.bodies) >= set(sent))
        await hubs.eventually(lambda: "RivalError" in f"{reader.last_error}{rival.last_error}")
        sent += hubs.publish(broker, range(4, 8))
        await mine.until(lambda: set(mine.bodies) >= set(sent))
        await theirs.until(lambda: set(theirs.bodies) >= set(sent))


async def test_a_connection_string_that_is_none_has_a_place_without_a_secret() -> None:
    text = "Endpoint=sb://[s3cret;SharedAccessKeyName=a;SharedAccessKey=s3cret"

    assert event_hub.HubConnection(hub="Health", connection_string=text).place == "/health"


async def test_two_hubs_of_one_name_are_two_sources() -> None:
    """The same hub name in two namespaces, by connection string or by name."""
    one = event_hub.HubConnection(hub="Health", namespace="A.servicebus.windows.net")
    two = event_hub.HubConnection(
        hub="Health", connection_string="SharedAccessKey=s==;Endpoint=sb://b.servicebus.windows.net/;EntityPath=x"
    )

    assert one.place == "a.servicebus.windows.net/health"
    assert two.place == "b.servicebus.windows.net/health"
