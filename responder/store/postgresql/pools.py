"""PostgreSQL behind the port: a few sessions, each on a thread of its own; reads and writes apart. Knows no table.

Threads rather than tasks, because the work of a transaction is plain code, the same for both databases; and so that a
slow answer of the database never holds up the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from responder.core import errors
from responder.store import database
from responder.store.postgresql import failures, places, sessions, transactions

T = TypeVar("T")

_READERS, _WRITERS = 3, 3


class Lane:
    """So many threads, each with a session that is connected when it is first needed."""

    def __init__(self, size: int, make: Callable[[], sessions.Session], name: str) -> None:
        self._make = make
        self._mine = threading.local()
        self._all: list[sessions.Session] = []
        self._executor = ThreadPoolExecutor(max_workers=size, thread_name_prefix=name)

    async def call(self, function: Callable[[sessions.Session], T]) -> T:
        """Let a free thread do it. A cancelled caller's work is still done."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: function(self._session()))

    def close(self) -> None:
        """Finish what is under way, end threads and connections. Blocks."""
        self._executor.shutdown()
        for session in self._all:
            session.close()

    def _session(self) -> sessions.Session:
        if not hasattr(self._mine, "session"):
            self._mine.session = self._make()
            self._all.append(self._mine.session)
        found: sessions.Session = self._mine.session
        return found


class Database(database.Database):
    """One schema of a PostgreSQL database. Others write it, too; each transaction is whole among them."""

    KIND = "postgresql"

    def __init__(self, where: places.Place, *, read_only: bool) -> None:
        super().__init__(where.name, read_only=read_only)
        self.where = where

        def reader() -> sessions.Session:
            return sessions.Session(where, "reads", standby=read_only, default_transaction_read_only="on")

        self._reading = Lane(_READERS, reader, "store-reads")
        self._writing = Lane(_WRITERS, lambda: sessions.Session(where, "writes"), "store-writes")
        self._closed = False

    async def connect(self) -> None:
        """Reach it once. Leaves no thread behind when it fails."""
        try:
            await self.rows("SELECT 1")
        except BaseException:
            await self.close()
            raise

    async def rows(self, sql: str, parameters: Mapping[str, Any] = database.NONE) -> Sequence[database.Row]:
        """All rows of one query, as they are at one moment."""
        return await self._call(self._reading, lambda session: transactions.read(session, sql, parameters))

    async def execute_transaction(self, work: database.Work[T]) -> T:
        """Do `work` in one transaction: durable when this returns; nothing happened when it raises."""
        if self.read_only:
            raise errors.StoreError(
                "store.read-only",
                "The store was opened for reading only.",
                remedy="Use a command that writes, or ask a daemon over its API.",
                place=self.place,
            )
        with self._minding():
            return await self._call(self._writing, lambda session: transactions.transact(session, work))

    async def tables(self) -> set[str]:
        """The names of the tables in our schema."""
        rows = await self.rows("SELECT tablename FROM pg_tables WHERE schemaname = :name", {"name": self.where.schema})
        return {row["tablename"] for row in rows}

    @contextlib.asynccontextmanager
    async def migrating(self) -> AsyncIterator[None]:
        """While inside, no other instance changes the schema; it is made if need be. Another's end is waited for."""
        free, long = sessions.UNLIMITED, sessions.MIGRATING

        def patient() -> sessions.Session:
            return sessions.Session(self.where, "migrates", answer=long, statement_timeout=free, lock_timeout=free)

        lane = Lane(1, patient, "store-migrates")
        number = int.from_bytes(hashlib.blake2b(self.where.schema.encode(), digest_size=8).digest(), signed=True)

        def lock(session: sessions.Session) -> None:
            session.execute("SELECT pg_advisory_lock(CAST(:number AS bigint))", {"number": number})
            if not session.execute("SELECT 1 FROM pg_namespace WHERE nspname = ?", (self.where.schema,)).fetchall():
                session.run_script(f'CREATE SCHEMA "{self.where.schema}"')

        try:
            await self._call(lane, lock)
            yield
        finally:
            await asyncio.to_thread(lane.close)  # the lock goes with its session

    async def close(self) -> None:
        """Finish what is under way, end connections and threads. Twice is once."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._reading.close)
            await asyncio.to_thread(self._writing.close)

    async def _call(self, lane: Lane, function: Callable[[sessions.Session], T]) -> T:
        if self._closed:
            raise errors.StoreError("store.closed", "The store was closed.", remedy="Start again.", place=self.place)

        def call(session: sessions.Session) -> T:
            with failures.mapped(self.place):
                return function(session)

        return await lane.call(call)
