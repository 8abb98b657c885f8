"""What the broker refuses, and in which words, as the real client sees it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.eventhub._pyamqp.error import AMQPLinkError, TokenAuthFailure
from azure.eventhub.aio import EventHubConsumerClient
from azure.eventhub.exceptions import AuthenticationError

from responder.simulator.amqp import errors
from tests.simulator import event_hubs_clients as clients


class Hands:
    """Opens links one by one: the client's own loop swallows most refusals and tries for ever."""

    def __init__(self, client: EventHubConsumerClient) -> None:
        self._client = client
        self.links: list[Any] = []

    async def open(self, group: str = "$Default", epoch: int | None = None) -> None:
        link = self._client._create_consumer(group, "0", "-1", self._ignore, owner_level=epoch)
        self.links.append(link)
        await link._open()

    async def _ignore(self, *_: object) -> None:
        pass


@contextlib.asynccontextmanager
async def hands(broker: clients.brokers.Broker) -> AsyncIterator[Hands]:
    async with EventHubConsumerClient.from_connection_string(broker.connection_string("hub"), "$Default") as client:
        opened = Hands(client)
        try:
            yield opened
        finally:
            await asyncio.gather(*(link.close() for link in opened.links))


async def test_the_token_for_an_unknown_hub_is_refused_with_404() -> None:
    async with clients.running({"hub": 1}) as broker:
        elsewhere = broker.connection_string("hub").replace("EntityPath=hub", "EntityPath=nowhere")
        client = EventHubConsumerClient.from_connection_string(elsewhere, "$Default", retry_total=0)
        async with client:
            with pytest.raises(AuthenticationError, match="404"):
                await client.get_eventhub_properties()


async def test_a_refused_token_and_an_unknown_consumer_group_say_what_is_wrong() -> None:
    async with clients.running({"hub": 1}) as broker, hands(broker) as client:
        broker.faults.fail_tokens(401, "InvalidSignature: The token has an invalid signature.")
        with pytest.raises(TokenAuthFailure, match="InvalidSignature"):
            await client.open()
        broker.faults.accept_tokens()
        with pytest.raises(AMQPLinkError, match="consumergroups/nobody' could not be found") as caught:
            await client.open("nobody")
        assert caught.value.condition == errors.NOT_FOUND.encode()
        assert broker.receivers("hub") == 0


async def test_an_equal_epoch_steals_the_partition_and_a_lower_one_is_refused() -> None:
    """One reader has the link afterwards; the one that lost it is told by whom, the one that came too low as well."""
    async with clients.running({"hub": 1}) as broker, hands(broker) as client:
        first = clients.Reader(broker, "hub", partition_id="0", owner_level=5)
        async with clients.closing(first):
            await clients.wait(broker, lambda: broker.receivers("hub") == 1)
            await client.open(epoch=5)
            await first.until(lambda: bool(first.errors))
            assert "amqp:link:stolen" in str(first.errors[0])
            assert "New receiver 'nil' with higher epoch of '5'" in str(first.errors[0])
            with pytest.raises(AMQPLinkError, match="higher epoch '5' already exists") as caught:
                await client.open(epoch=4)
            assert caught.value.condition == errors.LINK_STOLEN.encode()
