"""Compares what a hub has with what reached us: the SDK reports neither silence nor a dead connection.

Asks the hub itself, over connections of its own. It throws no client away: it raises, and the source does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from responder import clock

if TYPE_CHECKING:
    from responder.azure import bookmarks, event_hub, hub_clients

_HASTE, _HASTY = timedelta(seconds=1), 30
"""Until the first proof the hub is asked this often, and so many times at most."""
_MISSES = 3
"""Questions without an answer, one after the other, before a silent client is thrown away."""


class StalledError(Exception):
    """The hub has events that do not reach us, though nothing has failed."""


class RewoundError(Exception):
    """The hub has less than we read already: it was made anew, or failed over to a copy."""

    def __init__(self, partitions: list[str]) -> None:
        super().__init__(f"partitions {', '.join(partitions)} end before what was read; they are read from the start")
        self.partitions = partitions


class Session:
    """The life of one client, as its callbacks tell it."""

    def __init__(self) -> None:
        self.broken = asyncio.Event()
        self.taken = asyncio.Event()
        """The first partition became ours."""
        self.closing = False
        """What fails now is of no interest."""
        self.worked = False
        """It received something, or proved that there is nothing."""
        self.handled: dict[str, int] = {}
        """Sequence number of the newest event accepted, by partition that is ours."""
        self.open_since: dict[str, datetime] = {}
        """Since when a partition's link is open without a break."""
        self.names: dict[str, Any] = {}
        """What the SDK calls the partition that was taken last, for a checkpoint."""
        self.thefts: dict[str, int] = {}
        """How often a partition was taken from us."""

    def is_idle(self) -> bool:
        """Nothing is ours."""
        return not self.handled

    def link(self, partition: str, is_open: bool) -> None:
        """A partition's link was opened, or found closed."""
        if is_open:
            self.open_since[partition] = clock.now()
        else:
            self.open_since.pop(partition, None)

    def leave(self, partition: str) -> None:
        """It is not ours any more."""
        self.handled.pop(partition, None)
        self.open_since.pop(partition, None)


class Look:
    """What one round of questions found out."""

    def __init__(self) -> None:
        self.waiting = 0
        self.sure = True
        """Every partition is read: ours by a link that was open all the time, the others by somebody."""


class Watch:
    """Asks the hub again and again while one client lives.

    Args:
        looked: told the outcome of each round.
        failed: told of a question that was not answered.
    """

    def __init__(
        self,
        session: Session,
        ledger: bookmarks.Ledger,
        timing: event_hub.Timing,
        *,
        looked: Callable[[Look], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._session = session
        self._ledger = ledger
        self._timing = timing
        self._looked = looked
        self._failed = failed
        self._behind: dict[str, int] = {}
        self._unread_since: datetime | None = None

    async def run(self, client: hub_clients.GuardedClient) -> None:
        """Until cancelled.

        Raises:
            StalledError, RewoundError: this client will not do.
            Exception: the hub did not answer several times, and nothing came from it meanwhile.
        """
        await self._first_moment()
        misses, had, hasty = 0, dict(self._session.handled), _HASTY
        while True:
            try:
                found = await self.look(client)
                self._looked(found)
                misses, hasty = 0, 0 if found.sure else hasty - 1
            except (StalledError, RewoundError):
                raise
            except Exception as error:
                misses = misses + 1 if self._session.handled == had else 1
                if misses >= _MISSES:
                    raise
                self._failed(error)
            had = dict(self._session.handled)
            # Who waits for us to be ready should not wait a whole round for the first proof.
            pause = min(self._timing.watch, _HASTE) if hasty > 0 else self._timing.watch
            await asyncio.sleep(pause.total_seconds())

    async def look(self, client: hub_clients.GuardedClient) -> Look:
        """One round."""
        asked, found = clock.now(), Look()
        partitions, rewound = await client.get_partition_ids(), []
        for partition in partitions:
            before = self._session.handled.get(partition)
            if before is None:
                continue
            newest = await client.get_partition_properties(partition)
            if before > int(newest["last_enqueued_sequence_number"]):
                rewound.append(partition)
                continue
            found.waiting += self._missing(partition, newest)
            found.sure &= self._session.open_since.get(partition, clock.now()) <= asked
        if rewound:
            raise RewoundError(rewound)
        unread = [p for p in partitions if p not in self._session.handled and p not in self._ledger.owned]
        self._check_read(unread, asked)
        found.sure &= not unread
        return found

    def _missing(self, partition: str, newest: dict[str, Any]) -> int:
        """How many events of a partition have not reached us."""
        end = int(newest["last_enqueued_sequence_number"])
        got = self._session.handled.get(partition)
        if got is None or newest["is_empty"]:
            return 0
        # What the hub has thrown away for its age will never come.
        missing = end - max(got, int(newest["beginning_sequence_number"]) - 1)
        if missing > 0 and self._behind.get(partition) == got:
            raise StalledError(f"partition {partition} has events after {got} that do not arrive")
        self._behind.pop(partition, None)
        if missing > 0:
            self._behind[partition] = got
        return max(missing, 0)

    def _check_read(self, unread: list[str], now: datetime) -> None:
        """A partition may be without a reader while it changes hands, not for good."""
        if not unread:
            self._unread_since = None
            return
        self._unread_since = self._unread_since or now
        patience: timedelta = self._timing.expiry + 3 * self._timing.balance
        if now - self._unread_since > max(patience, 2 * self._timing.watch):
            raise StalledError(f"nobody reads partition {', '.join(unread)}")

    async def _first_moment(self) -> None:
        """As soon as there is something to ask about: who waits for us to be ready should not wait a whole round."""
        try:
            async with asyncio.timeout(self._timing.watch.total_seconds()):
                await self._session.taken.wait()
        except TimeoutError:
            pass  # nothing became ours; the look itself says why
