"""Intake: whatever a source hears becomes a durable row before it is acknowledged. Nothing is read or judged here.

Natural group commit: what queues up while one commit runs is the next commit. No timer, so a lone event is durable
within one commit, and a burst shares them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from responder import clock
from responder.flow import wakes
from responder.store import intake as rows

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Heard:
    """What came through the door from one source since the process began."""

    accepted: int = 0
    last_at: datetime | None = None
    refused_at: datetime | None = None
    """When the store last refused something; who sent it was told, and sends it again."""
    error: str | None = None


class Intake:
    """The one door for events; every source awaits `accept` and acknowledges only when it returns."""

    def __init__(self, store: rows.Intake, assess: wakes.Wake) -> None:
        self._store = store
        self._assess = assess
        self._queue: list[tuple[Sequence[rows.Arrival], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._heard: dict[str, Heard] = defaultdict(Heard)

    def heard_of(self, source: str) -> Heard:
        """What came from a source."""
        return self._heard[source]

    async def accept(self, arrivals: Sequence[rows.Arrival]) -> None:
        """Durable when it returns. The same (source, key) twice is kept once.

        Raises:
            StoreError: it could not be stored; do not acknowledge.
        """
        if not arrivals:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((arrivals, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._drain(), name="intake-writer")
        await done

    async def _drain(self) -> None:
        while self._queue:
            batch, self._queue = self._queue, []
            try:
                await self._store.append([arrival for arrivals, _ in batch for arrival in arrivals])
            except Exception as error:
                _log.error("intake.refused", arrivals=len(batch), error=str(error))
                for arrivals, done in batch:
                    self._count(arrivals, error)
                    if not done.done():
                        done.set_exception(error)
                        done.exception()  # who waits may be cancelled before it hears this; it is logged already
                continue
            for arrivals, done in batch:
                self._count(arrivals, None)
                if not done.done():
                    done.set_result(None)
            self._assess.ring()

    def _count(self, arrivals: Sequence[rows.Arrival], error: Exception | None) -> None:
        heard = self._heard[arrivals[0].source]  # what is accepted together comes from one source
        if error is None:
            heard.accepted += len(arrivals)
            heard.last_at = clock.now()
        else:
            heard.refused_at, heard.error = clock.now(), f"{type(error).__name__}: {error}"
