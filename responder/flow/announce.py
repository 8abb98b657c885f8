"""Announce: deliver what waits in the outbox. At least once; receivers drop repeats by the key.

    outbox ──► the first of a sort, one by one ──► channels, a few at a time
           └─► the many that follow ──► one digest

When a region goes away, hundreds of owners are to be told the same thing within a minute. Whoever is on call gets the
first of them and then digests.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from responder import channels, clock
from responder.core import announcements, digests
from responder.flow import pauses, wakes
from responder.store import sqlite

_log = structlog.get_logger(__name__)

_LONGEST_NAP = timedelta(seconds=2)
_FIRST_RETRY = timedelta(seconds=5)
_LONGEST_RETRY = timedelta(minutes=10)
_MOST = 2000
"""Announcements looked at in a turn: what is held for a digest must not hide what lies behind it."""
_BATCH = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How much a person can bear."""

    one_by_one: int = 10
    """So many of one sort (kind and outage) within `within` are told each alone; the next ones together."""
    within: timedelta = timedelta(minutes=5)
    gather: timedelta = timedelta(seconds=30)
    """How long the first of those waits for others."""
    parallel: int = 8
    """Deliveries at a time over one channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Letter:
    """What is delivered as one: an announcement, or a digest of many."""

    announcement: announcements.Announcement
    ids: Sequence[int]
    attempts: int


class Announce:
    """Sends due announcements over every channel, and keeps what was not delivered."""

    def __init__(
        self,
        store: sqlite.Store,
        ways: Sequence[channels.Channel],
        wake: wakes.Wake,
        manner: Manner | None = None,
    ) -> None:
        self._store = store
        self._channels = ways
        self._wake = wake
        self._manner = manner or Manner()
        self._slots = [asyncio.Semaphore(self._manner.parallel) for _ in ways]
        self._took: dict[int, set[int]] = defaultdict(set)
        """Which channels are done with an announcement that others still owe; a new process may tell them again."""
        self._told: dict[digests.Group, deque[datetime]] = defaultdict(deque)
        """When each of a sort was told alone, of late."""
        self._gathering: dict[digests.Group, datetime] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.turn()
            await self._wake.wait(None, _LONGEST_NAP)

    async def turn(self) -> None:
        """Deliver everything that is due once."""
        now = clock.now()
        letters = self._letters(await self._store.outbox.due(now, _MOST), now)
        for batch in pauses.batches(letters, _BATCH):
            answers = await asyncio.gather(*(self._deliver(letter) for letter in batch))
            for letter, why in zip(batch, answers, strict=True):
                await self._settle(letter, why)

    def _letters(self, due: Sequence[tuple[int, announcements.Announcement, int]], now: datetime) -> list[_Letter]:
        """What is delivered now: each alone, or together with its like; some wait for others to come."""
        found: list[_Letter] = []
        gathered: dict[digests.Group, list[tuple[int, announcements.Announcement, int]]] = defaultdict(list)
        for id_, announcement, attempts in due:
            group = digests.group_of(announcement)
            if group is None or self._alone(group, now):
                found.append(_Letter(announcement=announcement, ids=[id_], attempts=attempts))
            else:
                gathered[group].append((id_, announcement, attempts))
        for group, members in gathered.items():
            if now - self._gathering.setdefault(group, now) < self._manner.gather:
                continue
            del self._gathering[group]
            found.append(_together(group, members, now))
        return found

    def _alone(self, group: digests.Group, now: datetime) -> bool:
        """Whether one more of its sort is told by itself; then it counts."""
        told = self._told[group]
        while told and now - told[0] >= self._manner.within:
            told.popleft()
        if group in self._gathering or len(told) >= self._manner.one_by_one:
            return False
        told.append(now)
        return True

    async def _settle(self, letter: _Letter, why: str | None) -> None:
        if why is None:
            await self._store.outbox.sent(letter.ids, clock.now())
            for id_ in letter.ids:
                self._took.pop(id_, None)
            return
        pause = min(_FIRST_RETRY * 2 ** min(letter.attempts, 10), _LONGEST_RETRY)
        await self._store.outbox.failed(letter.ids, clock.now() + pause, why)
        _log.warning("announcement.failed", kind=letter.announcement.kind, why=why, attempts=letter.attempts + 1)

    async def _deliver(self, letter: _Letter) -> str | None:
        """None when every channel took it, or refused it for good; else why it is to be tried again.

        All at once, so that one that does not answer holds up nobody; those that took it before are left in peace.
        """
        took = set.intersection(*(self._took[id_] for id_ in letter.ids))
        owed = [number for number in range(len(self._channels)) if number not in took]
        answers = await asyncio.gather(*(self._over(number, letter.announcement) for number in owed))
        for id_ in letter.ids:
            self._took[id_].update(number for number, why in zip(owed, answers, strict=True) if why is None)
        return next((why for why in answers if why is not None), None)

    async def _over(self, number: int, announcement: announcements.Announcement) -> str | None:
        """None when the channel is done with it; else why it is to be tried again."""
        channel = self._channels[number]
        try:
            async with self._slots[number]:
                await channel.deliver(announcement)
        except channels.ChannelError as error:
            if not error.permanent:
                return f"{channel.name}: {error}"
            _log.error("announcement.refused", channel=channel.name, kind=announcement.kind, why=str(error))
        return None


def _together(
    group: digests.Group, members: Sequence[tuple[int, announcements.Announcement, int]], now: datetime
) -> _Letter:
    if len(members) == 1:
        id_, announcement, attempts = members[0]
        return _Letter(announcement=announcement, ids=[id_], attempts=attempts)
    told = digests.digest(group, [announcement for _, announcement, _ in members], now)
    return _Letter(announcement=told, ids=[id_ for id_, _, _ in members], attempts=0)
