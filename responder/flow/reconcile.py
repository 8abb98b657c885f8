"""Reconciliation: ask Azure for its health events, so that a lost push is found, and what was said while we were down.

It works when every hub and webhook is dead, for it needs none. What it hears goes through the one intake, under a key
made of the content: an event that has not changed is no new arrival, however often it is asked for. Reading and
judging are the assessment's, as for every source.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from responder import clock
from responder.core import errors, payloads
from responder.flow import intake
from responder.store import intake as rows
from responder.store import polls

_log = structlog.get_logger(__name__)

Pages = Callable[[str, datetime], AsyncGenerator[list[bytes], None]]
"""Given a subscription and a time: what was updated since, page by page. Raises `AzureError`, also between pages."""

_JITTER = 0.2
"""Share of a pause that is left to chance, so that subscriptions (and instances) drift apart and stay apart."""
_STAGGER = timedelta(seconds=1)
_AT_ONCE = 20
"""Polls at once. The connections to Resource Manager are shared with restores, which must never queue behind polls."""
_SUSPECTS_AT_ONCE = 10
"""Polls at once of subscriptions whose last one failed: those that hang never hold up those that answer."""
_LONGEST = timedelta(minutes=5)
"""For one poll with all its pages, when much is to be told: the first one, and one that was cut off."""
_USUAL = timedelta(seconds=30)
"""For any other."""
_SLOWEST = timedelta(seconds=75)
"""Between polls of a subscription that keeps failing. With what is left to chance, and a poll that is cut off, two
minutes pass between two attempts: as soon as Azure answers again, what was lost meanwhile is found."""
_LONGEST_OBEYED = timedelta(hours=1)
"""Of what an answer asks us to wait: a mistaken header must not make us deaf for a day."""
_OVERLAP = timedelta(hours=6)
"""An event becomes visible later than the time it carries; asking again for what is known costs nothing."""
_SAVE_EVERY = timedelta(minutes=5)
_SMALL = 16 * 1024
"""Bytes of an event that is read on the spot; a larger one is read in a thread, and holds up nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often, and how far back at the very first start."""

    interval: timedelta
    look_back: timedelta


class Poll:
    """One subscription that is asked again and again. A source of events like a hub, with the same signs of life."""

    def __init__(
        self, subscription_id: str, pages: Pages, door: intake.Intake, positions: polls.Polls, pace: Pace
    ) -> None:
        self._subscription = subscription_id
        self._pages = pages
        self._door = door
        self._positions = positions
        self.pace = pace
        self._asked_at: datetime | None = None
        self._saved_at: datetime | None = None
        self._heard: frozenset[str] = frozenset()
        self._failures = 0
        self._cut_off = True
        """The next poll may take its time."""
        self.last_ok_at: datetime | None = None
        """When the list was last heard to its end, and everything in it was stored."""
        self.last_event_at: datetime | None = None
        """When it last held something this process had not heard yet."""
        self.last_error: str | None = None
        """The newest failure, without secrets; stays after it is over, so compare `last_ok_at`."""
        self.last_error_at: datetime | None = None

    @property
    def name(self) -> str:
        """`rest:SUBSCRIPTION`; also the source of its arrivals."""
        return f"rest:{self._subscription.lower()}"

    @property
    def failing(self) -> bool:
        """The last poll failed."""
        return self._failures > 0

    async def turn(self, now: datetime) -> timedelta:
        """Ask once; how long to wait until the next time. Raises nothing: a failure is reported and tried again."""
        try:
            async with asyncio.timeout((_LONGEST if self._cut_off else _USUAL).total_seconds()):
                await self._ask(now)
        except Exception as error:
            self._cut_off = isinstance(error, TimeoutError) or self.last_ok_at is None
            return self._failed(error)
        self._cut_off = False
        if self._failures:
            _log.info("reconcile.recovered", source=self.name, failures=self._failures)
        self._failures, self.last_ok_at = 0, clock.now()
        return self.pace.interval * (1 - _JITTER * random.random())  # noqa: S311 - nobody is to be kept out

    async def _ask(self, now: datetime) -> None:
        heard: set[str] = set()
        async with contextlib.aclosing(self._pages(self._subscription, await self._since(now))) as pages:
            async for events in pages:
                await self._hear(events, heard)
        self._asked_at, self._heard = now, frozenset(heard)
        if self._saved_at is None or now - self._saved_at >= _SAVE_EVERY:
            await self._positions.complete(self.name, now)
            self._saved_at = now

    async def _since(self, now: datetime) -> datetime:
        known = self._asked_at or await self._positions.asked_at(self.name)
        return min(known, now) - _OVERLAP if known is not None else now - self.pace.look_back

    async def _hear(self, events: Sequence[bytes], heard: set[str]) -> None:
        """Store what is new; the page counts as heard only when it is durable."""
        keys = [key_of(body) if len(body) <= _SMALL else await asyncio.to_thread(key_of, body) for body in events]
        found = {key: body for key, body in zip(keys, events, strict=True) if key is not None}
        fresh = {key: body for key, body in found.items() if key not in self._heard}
        now = clock.now()
        await self._door.accept(
            [rows.Arrival(source=self.name, key=key, body=body, received_at=now) for key, body in fresh.items()]
        )
        heard.update(found)
        self._heard = self._heard.union(found)
        if fresh:
            self.last_event_at = now

    def _failed(self, error: Exception) -> timedelta:
        self._failures += 1
        asked = error.retry_after if isinstance(error, errors.AzureError) else None
        # Half an interval at first: with the one before it, a single failure does not cost two minutes.
        doubled: timedelta = self.pace.interval / 2 * 2 ** min(self._failures - 1, 16)
        slowest = max(_SLOWEST, self.pace.interval)
        pause = max(min(doubled, slowest), min(asked or timedelta(), _LONGEST_OBEYED))
        pause *= 1 + _JITTER * random.random()  # noqa: S311 - as above; never earlier than asked
        ours = isinstance(error, errors.ResponderError | TimeoutError)
        self.last_error, self.last_error_at = f"{type(error).__name__}: {error}" if ours else repr(error), clock.now()
        _log.warning(
            "reconcile.failed", source=self.name, why=self.last_error, pause_s=pause.total_seconds(), exc_info=not ours
        )
        return pause


class Reconcile:
    """All subscriptions, each at its own pace: the failure of one never holds up another."""

    def __init__(self, sources: Sequence[Poll]) -> None:
        self.sources = tuple(sources)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._suspects = asyncio.Semaphore(_SUSPECTS_AT_ONCE)

    async def run(self) -> None:
        """Until cancelled. The first round begins at once, and is spread over at most one interval."""
        async with asyncio.TaskGroup() as group:
            for number, source in enumerate(self.sources):
                group.create_task(self._again_and_again(source, number), name=source.name)

    async def _again_and_again(self, source: Poll, number: int) -> None:
        pause = min(_STAGGER * number, source.pace.interval * number / len(self.sources))
        while True:
            await asyncio.sleep(pause.total_seconds())
            async with self._suspects if source.failing else self._slots:
                pause = await source.turn(clock.now())


_COUNTING = frozenset({"duration"})
"""Grows by itself while an event is active, and tells no news."""


def key_of(body: bytes) -> str | None:
    """The key of an event as polled: the same for the same content, in whatever order. None: not worth keeping.

    A page that is no JSON is kept when an event can be recovered from it. Otherwise something on the way has answered
    in Azure's place, and differently each time.
    """
    try:
        event = json.loads(body)
        if isinstance(event, dict) and isinstance(properties := event.get("properties"), dict):
            event = {**event, "properties": {k: v for k, v in properties.items() if k not in _COUNTING}}
        content = json.dumps(_ordered(event), sort_keys=True).encode()
    except RecursionError:
        content = body
    except ValueError:
        if not payloads.parse(body).events:
            return None
        content = body
    return hashlib.sha256(content).hexdigest()


def _ordered(value: object) -> object:
    """Lists in one order: which region or subscription comes first says nothing, and updates carry their times."""
    if isinstance(value, dict):
        return {key: _ordered(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted((_ordered(each) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
    return value
