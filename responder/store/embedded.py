"""SQLite behind the port: one connection on a thread of its own. Knows no table.

Not aiosqlite: its thread is invisible to a test's accelerated clock, an executor is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from responder import clock
from responder.core import errors
from responder.store import codec, database, failures, files

T = TypeVar("T")

_BUSY_TIMEOUT = 5.0  # seconds; only a checkpoint of another connection ever makes us wait


_INCREMENTAL = 2


class Connection(sqlite3.Connection):
    """A connection with the few words that `database.Connection` adds."""

    lock_found = ""
    lock_read = ""

    def run_script(self, script: str) -> None:
        """The statements one by one: `executescript` would commit behind our back."""
        for statement in _statements(script):
            self.execute(statement)

    def queue(self, table: str) -> None:
        """There is one writer."""

    def each_alone(self) -> None:
        """There is one writer."""

    def take_time(self) -> None:
        """Nobody counts."""

    def at_commit(self, script: str, items: Iterable[Mapping[str, Any]]) -> bool:
        """Nobody waits for this process."""
        return False

    def now(self) -> str:
        """The clock of the one process that writes."""
        return codec.stamp(clock.now())


class Database(database.Database):
    """The connection. All calls are served in order; a cancelled caller's write is still whole or not at all."""

    KIND = "sqlite"

    def __init__(self, path: Path, *, read_only: bool) -> None:
        super().__init__(str(path), read_only=read_only)
        self.path = path
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._connection: Connection | None = None
        self._files = files.Files(path)
        self._closed = False

    async def connect(self) -> None:
        """Open the file; make it unless read-only. Leaves no thread behind when it fails."""
        try:
            await self._call(self._connect)
        except BaseException:
            await self.close()
            raise

    async def rows(self, sql: str, parameters: Mapping[str, Any] = database.NONE) -> Sequence[sqlite3.Row]:
        """All rows of one query."""
        return await self._call(lambda: self._open().execute(sql, parameters).fetchall())

    async def execute_transaction(self, work: database.Work[T]) -> T:
        """Do `work` in one transaction: durable when this returns; nothing happened when it raises."""
        if self.read_only:
            raise errors.StoreError(
                "store.read-only",
                "The store was opened for reading only.",
                remedy="Ask the running daemon over its API, or stop it and try again.",
                place=str(self.path),
            )
        with self._minding():
            return await self._call(lambda: _transact(self._open(), work, self._files))

    async def give_back(self, pages: int) -> bool:
        """Cut unused pages off the file's end. A file that was made without that keeps them for what comes."""

        def shrink() -> bool:
            connection = self._open()
            connection.execute(f"PRAGMA incremental_vacuum({pages:d})").fetchall()  # each row is a page
            mode, free = (connection.execute(f"PRAGMA {n}").fetchone()[0] for n in ("auto_vacuum", "freelist_count"))
            return bool(mode == _INCREMENTAL and free > 0)

        return await self._call(shrink)

    async def tables(self) -> set[str]:
        """The names of the tables there are."""
        return {row["name"] for row in await self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}

    @contextlib.asynccontextmanager
    async def migrating(self) -> AsyncIterator[None]:
        """Whoever writes holds the lock of the file already."""
        yield

    async def close(self) -> None:
        """Finish what is under way, close the file, end the thread. Twice is once."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._executor, self._disconnect)
            self._executor.shutdown()

    async def _call(self, function: Callable[[], T]) -> T:
        if self._closed:
            text = "The store was closed."
            raise errors.StoreError("store.closed", text, remedy="Start again.", place=str(self.path))

        def call() -> T:
            with failures.mapped(self.path):
                return function()

        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def _open(self) -> Connection:
        assert self._connection is not None, "connect first"
        return self._connection

    def _connect(self) -> None:
        if self.read_only and not self.path.is_file():
            remedy = "Check the path in the settings, or start the daemon: it makes the store."
            raise errors.StoreError("store.missing", "There is no store yet.", remedy=remedy, place=str(self.path))
        mode = "ro" if self.read_only else "rwc"
        uri = f"file:{quote(str(self.path))}?mode={mode}"
        self._connection = sqlite3.connect(
            uri, uri=True, timeout=_BUSY_TIMEOUT, isolation_level=None, factory=Connection
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA foreign_keys = ON")
        if self.read_only:
            return
        self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts for a file that is made now, and no other
        journal = self._connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if journal != "wal":
            remedy = "Put it on a local disk: network file systems cannot share its memory."
            raise failures.unavailable(self.path, f"its volume allows journal mode {journal} only", remedy=remedy)
        self._connection.execute("PRAGMA synchronous = FULL")  # NORMAL could lose the newest commits in a power cut
        self._connection.execute("SELECT 1 FROM sqlite_master").fetchall()  # by now all its files are there
        self._files.remember()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _transact(connection: Connection, work: database.Work[T], opened: files.Files) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        answer = work(connection)
        opened.must_be_there()
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has rolled it back already
            connection.execute("ROLLBACK")
        raise
    return answer


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
