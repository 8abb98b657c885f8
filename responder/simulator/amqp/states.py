"""What all connections of one broker share. Holds; does nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from responder.simulator.amqp import faults, namespaces, readers


class Bell:
    """Rings whenever anything changed: an event, a link, a connection."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Return as soon as `predicate` holds; looked at now and at every ring."""
        while not predicate():
            await self._rung.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    namespace: namespaces.Namespace
    readers: readers.Readers
    faults: faults.Faults
    bell: Bell
