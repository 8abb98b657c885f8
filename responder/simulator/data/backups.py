"""Geo-redundant backups: a copy of a server's bytes in the pair region, every so often, after a delay.

A backup counts once it has been replicated. One that was under way, to disk or to the pair, when the region went down
never arrives. Knows times and directories; what is in them is the business of whoever writes them.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from responder.simulator.data import processes

KEPT = 2
"""Replicated backups kept of each server, the newest ones."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One complete backup."""

    completed_at: datetime
    """Aware UTC. Rows committed later are not in it."""
    directory: Path
    """In the pair region's storage. Does not exist when the server holds no data."""


class Vault:
    """The backups of one server."""

    def __init__(self, *, replication: timedelta) -> None:
        self.lock = asyncio.Lock()
        """Held while backups are read or deleted."""
        self._replication = replication
        self._backups: list[Backup] = []

    def newest(self) -> Backup | None:
        """The newest backup that has been replicated by now."""
        return next(reversed(self._replicated()), None)

    def add(self, backup: Backup) -> None:
        """A backup is complete, and its replication begins."""
        self._backups.append(backup)

    def lose_unreplicated(self) -> None:
        """The source region went down: what has not arrived in the pair will not. The files go when next tidied."""
        self._backups = self._replicated()

    def keep_only_needed(self) -> list[Backup]:
        """Forget the replicated backups but the newest `KEPT`; returns what remains, the ones on their way included."""
        surplus = self._replicated()[:-KEPT]
        self._backups = [backup for backup in self._backups if backup not in surplus]
        return list(self._backups)

    def _replicated(self) -> list[Backup]:
        arrived_before = datetime.now(UTC) - self._replication
        return [backup for backup in self._backups if backup.completed_at <= arrived_before]


class Routine:
    """Takes the backups of one server: the first at once, then one every `interval`, none while its region is down."""

    def __init__(
        self,
        storage: Path,
        vault: Vault,
        *,
        interval: timedelta,
        copy: Callable[[Path], Awaitable[None]],
    ) -> None:
        """`copy` writes a complete backup into the directory it is given, which does not exist yet, below `storage`."""
        self._storage = storage
        self._vault = vault
        self._interval = interval
        self._copy = copy
        self._region_up = asyncio.Event()
        self._outages = 0
        self._taken = 0

    def region_down(self) -> None:
        """Take no more backups, and drop the one that is being taken."""
        self._region_up.clear()
        self._outages += 1
        self._vault.lose_unreplicated()

    def region_up(self) -> None:
        """Take backups (again); the first one now."""
        self._region_up.set()

    async def run(self) -> None:
        """Take backups until cancelled. One that fails is logged, and the next is due as if it had not."""
        loop = asyncio.get_running_loop()
        while True:
            await self._region_up.wait()
            due = loop.time() + self._interval.total_seconds()
            try:
                await self._take()
            except (processes.ProcessFailed, OSError) as error:
                _log.warning("backup.failed", storage=str(self._storage), error=str(error))
            await asyncio.sleep(due - loop.time())

    async def _take(self) -> None:
        """Copy, and put the copy into the vault if the region held until it was complete. Then tidy up."""
        outages, target = self._outages, self._storage / f"{self._taken:06}"
        self._taken += 1
        await self._copy(target)
        if self._outages == outages:
            self._vault.add(Backup(completed_at=datetime.now(UTC), directory=target))
        async with self._vault.lock:
            needed = {backup.directory for backup in self._vault.keep_only_needed()}
            await asyncio.to_thread(_delete_all_but, needed, self._storage)


def _delete_all_but(needed: set[Path], storage: Path) -> None:
    for directory in storage.iterdir() if storage.exists() else ():
        if directory not in needed:
            shutil.rmtree(directory, ignore_errors=True)
