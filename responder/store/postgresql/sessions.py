"""One connection to PostgreSQL, driven from a plain thread: every call blocks. For one thread at a time.

A transaction's work is plain code that calls `execute` (see `database.Connection`); asyncpg wants an event loop. So
each session has a small loop of its own, and runs it only while it waits for an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import asyncpg

from responder.store.postgresql import dialect, failures, places

T = TypeVar("T")

_CONNECT = timedelta(seconds=10)
_ANSWER = timedelta(seconds=30)
_IDLE = timedelta(seconds=4)
"""A transaction whose process is frozen ends after this, so that it blocks nobody for longer. Less than a lease."""
_LOCKED = timedelta(seconds=8)
"""Waiting for somebody else's lock ends after this: the server takes us out of its queue, and it is tried again."""
_WORKING = timedelta(seconds=25)
"""A statement ends after this. Less than `_ANSWER`: who gives up waiting must leave nothing behind that goes on."""
MIGRATING = timedelta(hours=6)
"""A schema step may have to write anew everything that is stored."""
UNLIMITED = "0"
_STATEMENTS = 200
_GIVEN = "SELECT CAST(pg_current_xact_id() AS text), set_config('responder.items', :items, true)"
_SETTLED = """
    SELECT current_setting('search_path') AS path, pg_is_in_recovery() AS standby FROM set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END,
        false)
"""
"""What role or database say by default must not make a promised write one that a crash may lose.
https://www.postgresql.org/docs/current/runtime-config-wal.html#GUC-SYNCHRONOUS-COMMIT"""
_NOW = """SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""


def milliseconds(span: timedelta) -> str:
    """As settings of the server have it."""
    return str(int(span.total_seconds() * 1000))


class Cursor:
    """What one statement answered, all of it."""

    def __init__(self, rows: Sequence[asyncpg.Record], status: str) -> None:
        self._rows = iter(rows)
        count = status.rpartition(" ")[2]
        self.rowcount = int(count) if count.isdigit() else -1

    def fetchone(self) -> asyncpg.Record | None:
        """The next row, or None."""
        return next(self._rows, None)

    def fetchall(self) -> list[asyncpg.Record]:
        """All rows that are left."""
        return list(self._rows)

    def __iter__(self) -> Iterator[asyncpg.Record]:
        return self._rows


class Session:
    """The connection; made when it is first needed, and anew after it was dropped."""

    lock_found = " FOR UPDATE SKIP LOCKED"
    lock_read = " FOR KEY SHARE"

    def __init__(
        self,
        place: places.Place,
        purpose: str,
        *,
        answer: timedelta | None = None,
        standby: bool = False,
        **options: str,
    ) -> None:
        """Make a session that is not connected.

        Args:
            place: where.
            purpose: shown beside the connection in `pg_stat_activity`.
            answer: how long each answer of the server is waited for, if not as long as usual; then the connection
                counts as lost.
            standby: whether a standby will do, which is behind and takes no writes.
            options: server settings of this session.
        """
        self._place = place
        self._answer, self._standby = answer or _ANSWER, standby
        self._settings = {
            "application_name": f"responder {purpose} {place.process}",
            "search_path": f'"{place.schema}"',
            "timezone": "UTC",
            "idle_in_transaction_session_timeout": milliseconds(_IDLE),
            "lock_timeout": milliseconds(_LOCKED),
            "statement_timeout": milliseconds(_WORKING),
            **options,
        }
        self.in_transaction = False
        """Then a connection that breaks is not made anew: what follows would be outside of the transaction."""
        self._alone = self._unhurried = False
        self._script, self._items = "", list[Mapping[str, Any]]()
        self._loop = asyncio.new_event_loop()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._news = asyncio.Event()
        self._listening: tuple[str, Callable[[str], None]] | None = None
        self._prepared: OrderedDict[str, asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]] = OrderedDict()

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        """One statement."""
        statement = dialect.translated(sql)
        prepared = self._prepare(statement.sql)
        with failures.integrity():
            rows = self._run(prepared.fetch(*statement.arguments(parameters)))
        return Cursor(rows, prepared.get_statusmsg() or "")

    def executemany(self, sql: str, parameters: Any, /) -> None:
        """One statement for each of many parameters, sent together."""
        statement = dialect.translated(sql)
        arguments = [statement.arguments(each) for each in parameters]
        if arguments:
            with failures.integrity():
                self._run(self._prepare(statement.sql).executemany(arguments))

    def run_script(self, script: str, /) -> None:
        """Many statements at once, without parameters."""
        longest = (MIGRATING if self._unhurried else self._answer).total_seconds()
        with failures.integrity():
            self._run(self._connected().execute(script, timeout=longest))

    def queue(self, table: str, /) -> None:
        """Lock the table against other writers. LOCK takes no snapshot: what is read after it is what they wrote.

        https://www.postgresql.org/docs/current/sql-lock.html
        """
        self.run_script(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")

    def each_alone(self) -> None:
        """READ COMMITTED: each statement sees what is committed when it begins, and waits for rows that others write.

        https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED
        """
        self.run_script("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        self._alone = True

    def take_time(self) -> None:
        """No statement of it is ended for taking long."""
        self.run_script(f"SET LOCAL statement_timeout = {UNLIMITED}")
        self._unhurried = True

    def at_commit(self, script: str, items: Iterable[Mapping[str, Any]], /) -> bool:
        """Keep it for `closing`. Under SERIALIZABLE it would come too late: what it is about was read long before."""
        if self._alone:
            assert self._script in ("", script), "one script a transaction"
            self._script = script
            self._items += items
        return self._alone

    def begin(self, level: str) -> None:
        """Begin a transaction."""
        self.run_script(f"BEGIN ISOLATION LEVEL {level}")
        self._forget()
        self.in_transaction = True

    def closing(self) -> tuple[str | None, str]:
        """The last questions of a transaction: its number, if it has written anything, and the script that ends it."""
        if not self._items:
            number = self.execute("SELECT CAST(pg_current_xact_id_if_assigned() AS text)").fetchall()[0][0]
            return number, "COMMIT"
        given = {"items": json.dumps(self._items)}
        number = self.execute(_GIVEN, given).fetchall()[0][0]
        return number, f"{self._script};\nCOMMIT"

    def ended(self) -> None:
        """The transaction is over, one way or the other."""
        self.in_transaction = False
        self._forget()

    def _forget(self) -> None:
        self._alone, self._unhurried, self._script, self._items = False, False, "", []

    def now(self) -> str:
        """This moment by the database's clock, as text of one width."""
        return str(self.execute(_NOW).fetchall()[0][0])

    def listen(self, channel: str, heard: Callable[[str], None]) -> None:
        """Call `heard` with whatever is said on the channel, while we `idle` or wait for an answer."""
        connection = self._connected()
        if self._listening is None:

            def hear(_: object, __: int, ___: str, payload: object) -> None:
                heard(str(payload))

            self._run(connection.add_listener(channel, hear))
            self._listening = (channel, heard)

    def idle(self, longest: timedelta) -> None:
        """Wait and listen, until somebody pokes us.

        Raises:
            ConnectionError: there is nothing to listen to any more.
        """

        async def wait() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(longest.total_seconds()):
                    await self._news.wait()
            self._news.clear()

        self._run(wait())
        if self._connection is not None and self._connection.is_closed():
            raise ConnectionResetError("the connection was closed")

    def poke(self) -> None:
        """End `idle`; from any thread."""
        with contextlib.suppress(RuntimeError):  # closed meanwhile
            self._loop.call_soon_threadsafe(self._news.set)

    def drop(self) -> None:
        """Give the connection up; the next call makes a new one."""
        connection, self._connection = self._connection, None
        self._prepared.clear()
        self._listening = None
        if connection is not None:
            connection.terminate()
            self._run(asyncio.sleep(0))  # lets the loop close the socket

    def close(self) -> None:
        """End the connection and the loop, in whatever thread."""
        if self._loop.is_closed():
            return
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*failures.LOST):
                self._run(connection.close(timeout=2))
            if not connection.is_closed():
                connection.terminate()
            self._run(asyncio.sleep(0))
        self._loop.close()

    def _prepare(self, sql: str) -> asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]:
        connection = self._connected()
        found = self._prepared.get(sql)
        if found is None:
            found = self._prepared[sql] = self._run(connection.prepare(sql))
            if len(self._prepared) > _STATEMENTS:
                self._prepared.popitem(last=False)
        self._prepared.move_to_end(sql)
        return found

    def _connected(self) -> asyncpg.Connection[asyncpg.Record]:
        if self._connection is None or self._connection.is_closed():
            if self.in_transaction:
                raise ConnectionResetError("the connection broke in the middle of a transaction")
            self._prepared.clear()
            self._listening = None
            self._connection = self._run(self._connect())
        return self._connection

    async def _connect(self) -> asyncpg.Connection[asyncpg.Record]:
        try:
            made = await asyncpg.connect(
                self._place.secured(),
                password=self._place.password,
                timeout=min(_CONNECT, self._answer).total_seconds(),
                command_timeout=self._answer.total_seconds(),
                server_settings=self._settings,
                statement_cache_size=0,
            )
        except asyncpg.InterfaceError:
            raise
        except ValueError:  # its words may be a part of the URL
            raise places.unreadable() from None
        try:
            found = await made.fetchrow(_SETTLED)
            if found is None or found["path"] != self._settings["search_path"]:
                raise failures.Pooled("what we asked for our connection did not reach the server")
            if found["standby"] and not self._standby:
                raise asyncpg.ReadOnlySQLTransactionError("this server is a standby")
        except BaseException:
            made.terminate()
            raise
        return made

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(coroutine)
