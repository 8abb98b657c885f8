"""A quiet link is listened to at a stretch; one that may bring something, or is broken, is the SDK's to work on."""

from __future__ import annotations

from typing import Any

import pytest
from azure.eventhub._pyamqp.constants import LinkState

from responder.azure import hub_rounds


class Link:
    """A receiver link, as far as it is asked; also the connection, the client and the consumer around it."""

    def __init__(self) -> None:
        self.current_link_credit = 300
        self.running = True
        self.waits: list[float] = []
        self.state, self.error = LinkState.ATTACHED, None
        self._handler: Any = self
        self._link = self._connection = self
        self._message_buffer: list[Any] = []
        self._message_buffer_lock: Any = self

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...

    def get_state(self) -> LinkState:
        if self.error is not None:
            raise self.error
        return self.state

    async def listen(self, *, wait: float, batch: int) -> None:
        assert batch == 1, "what comes after the first frame is the SDK's to read"
        self.waits.append(wait)


@pytest.fixture
def link() -> Link:
    return Link()


async def _rounds(link: Link, idle: float = 60.0) -> hub_rounds.Rounds:
    """After the first round, which is the SDK's: it gives the hub leave to send."""
    rounds = hub_rounds.Rounds(idle)
    await rounds.listen(link)
    assert link.waits == []
    return rounds


async def test_a_link_that_brought_nothing_is_listened_to_for_long(link: Link) -> None:
    rounds = await _rounds(link)
    await rounds.listen(link)
    await rounds.listen(link)
    assert link.waits == [4.0, 4.0]


async def test_a_link_whose_silence_is_to_be_noticed_soon_is_listened_to_for_less(link: Link) -> None:
    await (await _rounds(link, idle=2.0)).listen(link)
    assert link.waits == [0.5]


async def test_while_messages_come_the_link_is_not_held_up(link: Link) -> None:
    rounds = await _rounds(link)
    await rounds.message_received_async(link, "news")
    await rounds.listen(link)
    assert link.waits == []


async def test_without_leave_to_send_nothing_would_come(link: Link) -> None:
    rounds = await _rounds(link)
    link.current_link_credit = 0
    await rounds.listen(link)
    link.current_link_credit, link.state = 300, LinkState.ATTACH_SENT
    await rounds.listen(link)
    link.state, link.running = LinkState.ATTACHED, False
    await rounds.listen(link)
    assert link.waits == []


async def test_a_link_that_broke_is_told_at_once(link: Link) -> None:
    rounds = await _rounds(link)
    link.error = ConnectionError("detached")
    with pytest.raises(ConnectionError):
        await rounds.listen(link)
