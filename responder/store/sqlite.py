"""The embedded store: opens and closes it. One daemon writes, any number of command lines read beside it."""

from __future__ import annotations

from pathlib import Path

from responder.store import embedded, locks, migrations, stores

Store = stores.Store


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
    base = embedded.Database(path, read_only=True)
    await base.connect()
    try:
        await migrations.verify(base, migrations.scripts(base.KIND))
    except BaseException:
        await base.close()
        raise
    return stores.assemble(base, None)


async def _open_writing(path: Path) -> Store:
    lock = locks.take(path)
    base = embedded.Database(path, read_only=False)
    try:
        await base.connect()
        await migrations.apply(base, migrations.scripts(base.KIND))
        store = stores.assemble(base, lock)
        await store.runs.recover()
        await store.checkpoints.recover()
    except BaseException:
        await base.close()
        lock.release()
        raise
    return store
