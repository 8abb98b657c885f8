"""How far a hub is read, kept without anybody waiting for it. It decides nothing about events.

`Bookmarks` writes the newest checkpoint of each partition from a task of its own, until it succeeds. `Ledger` is the
checkpoint store as one client sees it: bounded in time, and replaced by our own store while the shared one is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from responder import clock

if TYPE_CHECKING:
    from responder.azure import event_hub

Facts = dict[str, Any]
_T = TypeVar("_T")


class Bookmarks:
    """The newest checkpoint of each partition, written soon. What is not written costs a repetition, never an event."""

    def __init__(
        self,
        write: Callable[[Facts], Awaitable[None]],
        timing: event_hub.Timing,
        report: Callable[[str, Exception], None],
    ) -> None:
        self._write = write
        self._timing = timing
        self._report = report
        self._due: dict[str, Facts] = {}
        self._noted = asyncio.Event()

    def note(self, checkpoint: Facts) -> None:
        """Write this one; an older one of the same partition is not needed any more. Returns at once."""
        self._due[str(checkpoint["partition_id"])] = checkpoint
        self._noted.set()

    def forget(self, partition: str) -> None:
        """The partition is somebody else's now, who may have gone further."""
        self._due.pop(partition, None)

    async def run(self) -> None:
        """Until cancelled: write what is due, now and then; after a failure later and later."""
        failures = 0
        while True:
            await self._noted.wait()
            self._noted.clear()
            written = await asyncio.gather(*(self.write(partition) for partition in tuple(self._due)))
            failures = 0 if all(written) else failures + 1
            if failures:
                self._noted.set()
            pause = self._timing.pause(failures) if failures else self._timing.gather
            await asyncio.sleep(pause.total_seconds())

    async def write(self, partition: str) -> bool:
        """Write what is due for one partition now, bounded. False: it failed, was reported, and stays due."""
        checkpoint = self._due.get(partition)
        if checkpoint is None:
            return True
        try:
            await self._write(checkpoint)
        except Exception as error:
            self._report(partition, error)
            return False
        if self._due.get(partition) is checkpoint:
            del self._due[partition]
        return True


class ClosingError(Exception):
    """The client is being closed, and takes no partition any more."""


class Ledger:
    """The checkpoint store of one client's life. Implements `event_hub.Checkpoints`; every call is bounded.

    With a `shelter`, checkpoints are kept there, too. When the store has been away for `Timing.shelter` and the client
    owns nothing, it takes every partition as if it were alone and goes on from the shelter: somebody who reads twice
    is better than nobody who reads. A client that owns something needs no shelter: it keeps what it has.
    """

    def __init__(
        self,
        store: event_hub.Checkpoints,
        shelter: event_hub.Checkpoints | None,
        timing: event_hub.Timing,
        alone: Callable[[], bool],
    ) -> None:
        self._store = store
        self._shelter = shelter
        self._timing = timing
        self._alone = alone
        self._away_since: datetime | None = None
        self._sheltered = False
        self._claiming = asyncio.Lock()
        self._closing = False
        self.positions: dict[str, int] = {}
        """Sequence number of each checkpoint as last listed: where the client begins."""
        self.owned: frozenset[str] = frozenset()
        """Partitions that somebody owned as last listed."""

    async def list_ownership(self, namespace: str, hub: str, group: str) -> Sequence[Facts]:
        """Who reads what. In the shelter: nobody else."""
        try:
            found = await self._asked(self._store.list_ownership(namespace, hub, group))
        except Exception:
            if not self._may_shelter():
                raise
            self._sheltered, found = True, []
        else:
            self._sheltered = False
        oldest = clock.now() - self._timing.expiry
        self.owned = frozenset(str(one["partition_id"]) for one in found if one["owner_id"] and _at(one) > oldest)
        return found

    async def claim_ownership(self, claims: list[Facts]) -> Sequence[Facts]:
        """Claim, or renew, where the list came from; or give up."""
        if not any(claim["owner_id"] for claim in claims):
            return await self._claimed(claims)
        async with self._claiming:
            if self._closing:
                raise ClosingError
            return await self._claimed(claims)

    async def close(self) -> None:
        """From now on partitions are only given up. A renewal under way is waited for, in bounds: it would change what
        giving up goes by, the etag, and the partition would be nobody's until it expires."""
        self._closing = True
        async with self._claiming:
            pass

    async def _claimed(self, claims: list[Facts]) -> Sequence[Facts]:
        if self._sheltered:
            now = clock.now().timestamp()
            return [{**claim, "etag": "sheltered", "last_modified_time": now} for claim in claims]
        # The blob store gives back a claim that it could not write; without an etag it never was ours.
        return [won for won in await self._asked(self._store.claim_ownership(claims)) if won.get("etag")]

    async def update(self, checkpoint: Facts) -> None:
        """Keep it in the shelter, then in the store."""
        if self._shelter is not None:
            await self._bounded(self._shelter.update(checkpoint))
        await self._asked(self._store.update(checkpoint))

    async def list(self, namespace: str, hub: str, group: str) -> Sequence[Facts]:
        """How far each partition is read."""
        if self._sheltered and self._shelter is not None:
            found = await self._bounded(self._shelter.list(namespace, hub, group))
        else:
            found = await self._asked(self._store.list(namespace, hub, group))
        self.positions = {str(one["partition_id"]): _sequence(one) for one in found}
        return found

    def left(self, partition: str) -> None:
        """It was ours until now, so what was listed of it does not count any more."""
        self.owned -= {partition}

    async def _asked(self, answer: Awaitable[_T]) -> _T:
        """The store's answer; remembers since when there is none."""
        try:
            found = await self._bounded(answer)
        except Exception:
            self._away_since = self._away_since or clock.now()
            raise
        self._away_since = None
        return found

    async def _bounded(self, answer: Awaitable[_T]) -> _T:
        async with asyncio.timeout(self._timing.store.total_seconds()):
            return await answer

    def _may_shelter(self) -> bool:
        if self._shelter is None or self._away_since is None or not self._alone():
            return self._sheltered
        return clock.now() - self._away_since >= self._timing.shelter


def _sequence(checkpoint: Mapping[str, Any]) -> int:
    found = checkpoint.get("sequence_number")
    return -1 if found is None else int(found)


def _at(ownership: Mapping[str, Any]) -> datetime:
    moment = ownership["last_modified_time"]
    return moment if isinstance(moment, datetime) else datetime.fromtimestamp(float(moment), UTC)
