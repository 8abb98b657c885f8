"""Announce: deliver what waits in the outbox. At least once; receivers drop repeats by the key."""

from __future__ import annotations

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

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.turn()
            await self._wake.wait(None, _LONGEST_NAP)

    async def turn(self) -> None:
        """Deliver everything that is due once."""
        for id_, announcement, attempts in await self._store.outbox.due(clock.now(), _BATCH):
            why = await self._deliver(announcement)
            if why is None:
                await self._store.outbox.sent(id_, clock.now())
                continue
            pause = min(_FIRST_RETRY * 2 ** min(attempts, 10), _LONGEST_RETRY)
            await self._store.outbox.failed(id_, clock.now() + pause, why)
            _log.warning("announcement.failed", kind=announcement.kind, why=why, attempts=attempts + 1)

    async def _deliver(self, announcement: announcements.Announcement) -> str | None:
        """None when every channel took it, or refused it for good; else why it is to be tried again."""
        again = None
        for channel in self._channels:
            try:
                await channel.deliver(announcement)
            except channels.ChannelError as error:
                if error.permanent:
                    _log.error("announcement.refused", channel=channel.name, kind=announcement.kind, why=str(error))
                else:
                    again = f"{channel.name}: {error}"
        return again
