"""The embedded store: opens and closes it. One daemon writes, any number of command lines read beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from responder.store import (
    checkpoints,
    database,
    estate,
    history,
    intake,
    locks,
    migrations,
    outages,
    outbox,
    polls,
    runs,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Everything that is stored, by subject. Each write is one transaction, durable when it returns."""

    database: database.Database
    intake: intake.Intake
    checkpoints: checkpoints.Checkpoints
    estate: estate.Estate
    outages: outages.Outages
    history: history.History
    runs: runs.Runs
    outbox: outbox.Outbox
    polls: polls.Polls
    lock: locks.Lock | None
    """None when opened for reading."""

    async def close(self) -> None:
        """Finish what is under way and let the next process in. Twice is once."""
        try:
            await self.database.close()
        finally:
            if self.lock is not None:
                self.lock.release()


async def open_store(path: Path | str, *, exclusive: bool = True) -> Store:
    """Open the store at `path`.

    Args:
        path: the database file. Made when missing, unless for reading.
        exclusive: True: as the one process that writes; migrates if need be. False: for reading only, also while a
            daemon writes.

    Raises:
        StoreError: `store.locked` (names the holder), `store.missing`, `store.newer`, `store.older`, `store.foreign`,
            `store.unavailable`.
    """
    return await (_open_writing if exclusive else _open_reading)(_absolute(path))


def _absolute(path: Path | str) -> Path:
    return Path(path).absolute()


async def _open_reading(path: Path) -> Store:
    base = database.Database(path, read_only=True)
    await base.connect()
    try:
        await migrations.verify(base, migrations.scripts())
    except BaseException:
        await base.close()
        raise
    return _assemble(base, None)


async def _open_writing(path: Path) -> Store:
    lock = locks.take(path)
    base = database.Database(path, read_only=False)
    try:
        await base.connect()
        await migrations.apply(base, migrations.scripts())
        store = _assemble(base, lock)
        await store.runs.recover()
        await store.checkpoints.recover()
    except BaseException:
        await base.close()
        lock.release()
        raise
    return store


def _assemble(base: database.Database, lock: locks.Lock | None) -> Store:
    return Store(
        database=base,
        intake=intake.Intake(base),
        checkpoints=checkpoints.Checkpoints(base),
        estate=estate.Estate(base),
        outages=outages.Outages(base),
        history=history.History(base),
        runs=runs.Runs(base),
        outbox=outbox.Outbox(base),
        polls=polls.Polls(base),
        lock=lock,
    )
