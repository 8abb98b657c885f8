"""The embedded store as the contract sees it: open it, and let the machine it runs on lose power at a chosen write."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from responder.store import sqlite


class PowerLost(Exception):
    """The machine stopped here."""


class Backend:
    """One store on disk. A twin over another database offers the same four methods."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._crashes = 0
        self._opened: list[sqlite.Store] = []
        self.path = directory / "store.db"

    async def open(self) -> sqlite.Store:
        store = await sqlite.open_store(self.path)
        self._opened.append(store)
        return store

    def lose_power(self, store: sqlite.Store, *, before_commit: bool) -> None:
        """At the next write: just before it is committed, or just after."""
        original = store.database.execute_transaction

        async def dying(work: Callable[[Any], Any]) -> Any:
            def until_commit(connection: Any) -> None:
                work(connection)
                self._keep_disk(store.database.path)
                raise PowerLost

            if before_commit:
                await original(until_commit)
            await original(work)
            self._keep_disk(store.database.path)
            raise PowerLost

        store.database.execute_transaction = dying  # type: ignore[method-assign]

    async def restart(self) -> sqlite.Store:
        """What the next process finds on the disk. Shared memory is lost with the power."""
        store = await sqlite.open_store(self._disk())
        self._opened.append(store)
        return store

    async def close(self) -> None:
        for store in self._opened:
            await store.close()

    def _disk(self) -> Path:
        return self._directory / f"disk-{self._crashes}" / "store.db"

    def _keep_disk(self, path: Path) -> None:
        self._crashes += 1
        self._disk().parent.mkdir()
        for name in (path.name, f"{path.name}-wal"):
            shutil.copy(path.with_name(name), self._disk().with_name(name))
