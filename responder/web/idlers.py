"""Connections that ask nothing: let go before they take the room of those that do. Reads no request.

aiohttp waits for the head of a request for as long as it takes, and an hour for the next one. Whoever opens connections
and goes on sending half a head (slowloris), or nothing, would use up the process's files, and then Azure could not
connect. So a connection without a request is closed after a while, and the oldest of too many at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

import structlog

from responder import clock

_log = structlog.get_logger(__name__)

PATIENCE = timedelta(seconds=60)
"""Without a request. Who wants to keep a connection asks more often, or opens another."""
MOST = 400
"""Connections without a request at once; the usual limit of a process is 1,024 files."""
_EVERY = timedelta(seconds=2)


class Connection(Protocol):
    """One connection of aiohttp's server."""

    def force_close(self) -> None: ...


class Server(Protocol):
    """aiohttp's server, as far as it is looked at."""

    @property
    def connections(self) -> Sequence[Connection]: ...


class Idlers:
    """Who is connected and asks nothing, and since when."""

    def __init__(self, server: Server, patience: timedelta = PATIENCE, most: int = MOST) -> None:
        self._server = server
        self._patience = patience.total_seconds()
        self._most = most
        self._since: dict[Connection, float] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_EVERY.total_seconds())
            self.turn(clock.ticks())

    def turn(self, now: float) -> int:
        """Look once, by ticks; how many were let go."""
        idle = [one for one in self._server.connections if is_idle(one)]
        self._since = {one: self._since.get(one, now) for one in idle}
        oldest = sorted(idle, key=lambda one: self._since[one])
        late = {one for one in idle if now - self._since[one] >= self._patience}
        gone = late.union(oldest[: max(len(idle) - self._most, 0)])
        for one in gone:
            one.force_close()
            del self._since[one]
        if len(gone) > len(late):
            _log.warning("web.too-many-idle", closed=len(gone), connections=len(idle))
        return len(gone)


def is_idle(connection: Connection) -> bool:
    """Whether no request of it is being answered. A body that is awaited belongs to one, and has a limit of its own."""
    return getattr(connection, "_current_request", None) is None
