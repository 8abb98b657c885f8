"""Announce: deliver what waits in the outbox. At least once; receivers drop repeats by the key."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

import structlog

from responder import channels, clock
from responder.core import announcements
from responder.flow import wakes
from responder.store import sqlite

_log = structlog.get_logger(__name__)

_LONGEST_NAP = timedelta(seconds=2)
_FIRST_RETRY = timedelta(seconds=5)
_LONGEST_RETRY = timedelta(minutes=10)
_BATCH = 50


class Announce:
    """Sends due announcements over every channel, in order, and keeps what was not delivered."""

    def __init__(self, store: sqlite.Store, ways: Sequence[channels.Channel], wake: wakes.Wake) -> None:
        self._store = store
        self._channels = ways
        self._wake = wake
        self._took: dict[int, set[int]] = defaultdict(set)
        """Which channels are done with an announcement that others still owe; a new process may tell them again."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.turn()
            await self._wake.wait(None, _LONGEST_NAP)

    async def turn(self) -> None:
        """Deliver everything that is due once."""
        for id_, announcement, attempts in await self._store.outbox.due(clock.now(), _BATCH):
            why = await self._deliver(announcement, self._took[id_])
            if why is None:
                await self._store.outbox.sent(id_, clock.now())
                del self._took[id_]
                continue
            pause = min(_FIRST_RETRY * 2 ** min(attempts, 10), _LONGEST_RETRY)
            await self._store.outbox.failed(id_, clock.now() + pause, why)
            _log.warning("announcement.failed", kind=announcement.kind, why=why, attempts=attempts + 1)

    async def _deliver(self, announcement: announcements.Announcement, took: set[int]) -> str | None:
        """None when every channel took it, or refused it for good; else why it is to be tried again.

        All at once, so that one that does not answer holds up nobody; those that took it before are left in peace.
        """
        owed = [number for number in range(len(self._channels)) if number not in took]
        answers = await asyncio.gather(*(self._over(self._channels[number], announcement) for number in owed))
        took.update(number for number, why in zip(owed, answers, strict=True) if why is None)
        return next((why for why in answers if why is not None), None)

    async def _over(self, channel: channels.Channel, announcement: announcements.Announcement) -> str | None:
        """None when the channel is done with it; else why it is to be tried again."""
        try:
            await channel.deliver(announcement)
        except channels.ChannelError as error:
            if not error.permanent:
                return f"{channel.name}: {error}"
            _log.error("announcement.refused", channel=channel.name, kind=announcement.kind, why=str(error))
        return None
