"""How often a quiet link is looked at: when something comes, and not twenty times a second in case it might have.

The SDK's own rounds cost 1 % of a core with four partitions of a hub that says nothing (azure-eventhub 5.15.1, whose
inner parts this uses). What they are made of, opening, reading and errors, stays the SDK's.

Loads the SDK: import it late.
"""

from __future__ import annotations

import asyncio
from typing import Any

from azure.eventhub._pyamqp.constants import LinkState
from azure.eventhub.aio._transport._pyamqp_transport_async import PyamqpTransportAsync

_PATIENCE = 4.0
"""Seconds that a quiet link is listened to at a stretch. Between two, the SDK looks whether its ends are alive."""
_GATHER = 0.05
"""Seconds between what is handed over, while more is coming; the SDK's own."""


class Rounds(PyamqpTransportAsync):
    """The SDK's transport for one consumer.

    Args:
        idle: after so many seconds of silence the link is to be opened anew.
    """

    def __init__(self, idle: float) -> None:
        self._patience = min(_PATIENCE, idle / 4)
        self._arrived = asyncio.Event()
        self._quiet = False
        """Nothing has come since the last round began."""

    async def listen(self, consumer: Any) -> None:
        """Until a frame comes, or for a while; not at all while messages come, or cannot. Raises as the SDK does."""
        quiet, self._quiet = self._quiet, True
        if not quiet or not consumer.running:
            return
        link = consumer._handler._link
        if link.get_state() is LinkState.ATTACHED and link.current_link_credit > 0:
            await consumer._handler._connection.listen(wait=self._patience, batch=1)

    async def message_received_async(self, consumer: Any, message: Any) -> None:  # type: ignore[override]
        """A message is in our hands; the link reads on."""
        await PyamqpTransportAsync.message_received_async(consumer, message)
        self._quiet = False
        self._arrived.set()

    async def receive_messages_async(  # type: ignore[override]
        self, consumer: Any, batch: bool, max_batch_size: int, max_wait_time: float | None
    ) -> None:
        """Receive until the link breaks, or until cancelled. `max_wait_time` is not known here: quiet is not told."""
        assert batch
        assert max_wait_time is None
        consumer._callback_task_run = True
        self._quiet = False
        tasks = [
            asyncio.create_task(self._hand_over(consumer, max_batch_size)),
            asyncio.create_task(self._receive(consumer, max_batch_size)),
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            consumer._callback_task_run = False
            tasks[1].cancel()
            self._arrived.set()
            await asyncio.wait(tasks, timeout=1)

    async def _receive(self, consumer: Any, max_batch_size: int) -> None:
        try:
            await PyamqpTransportAsync._receive_task(consumer, max_batch_size)  # type: ignore[no-untyped-call]
        finally:
            self._arrived.set()  # the other one must see that this has ended

    async def _hand_over(self, consumer: Any, max_batch_size: int) -> None:
        while consumer._callback_task_run:
            await self._arrived.wait()
            self._arrived.clear()
            while waiting := min(max_batch_size, len(consumer._message_buffer)):
                await consumer._on_event_received([consumer._next_message_in_buffer() for _ in range(waiting)])
            await asyncio.sleep(_GATHER)
