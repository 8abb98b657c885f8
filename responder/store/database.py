"""The port between what is stored and where it is stored: transactions, rows, and what both databases understand.

Knows no table and opens nothing. `embedded` is SQLite behind it, `postgresql` is PostgreSQL. What lies above writes one
SQL for both (the rules are in CONTRIBUTING.md), with parameters `:name`, or `?` in their order.

`execute_transaction` is the only way to write: a test that replaces it sees, counts or kills every durable write.
"""

from __future__ import annotations

import abc
import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from responder import clock
from responder.core import errors
from responder.store import files

T = TypeVar("T")

Parameters = Sequence[Any] | Mapping[str, Any]
NONE: Mapping[str, Any] = {}

IntegrityError = sqlite3.IntegrityError
"""A constraint was broken: our own mistake, or a race that the constraint is there to decide. The text names the
constraint (PostgreSQL) or its columns (SQLite). After it, a transaction can do nothing more."""


class Row(Protocol):
    """One row: by column name, or by position."""

    def __getitem__(self, key: Any, /) -> Any: ...

    def keys(self) -> Iterable[str]: ...


class Cursor(Protocol):
    """What a statement answered."""

    @property
    def rowcount(self) -> int:
        """How many rows were written."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> Sequence[Any]:
        """All rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """What a transaction's work is given. Every call blocks; it runs on a thread of the store's."""

    @property
    def lock_found(self) -> str:
        """Ends a SELECT of single rows whose rows are to be written: rows that another instance is writing are not
        found. Empty where there is no other instance."""

    @property
    def lock_read(self) -> str:
        """Ends a SELECT whose rows must not vanish before the end of the transaction."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Cursor:
        """One statement."""

    def executemany(self, sql: str, parameters: Any, /) -> object:
        """One statement for each of many parameters."""

    def run_script(self, script: str, /) -> None:
        """Many statements, in the words of this database alone: a schema step."""

    def queue(self, table: str, /) -> None:
        """Wait until no other transaction that asked this for the table is under way; first in a transaction.

        The others wait as long as this transaction takes, and longer if its process is frozen in the middle. For what
        people do, not for what every run does: see `each_alone`.
        """

    def each_alone(self) -> None:
        """Say that every statement of this transaction is whole by itself; first in it.

        So nothing that it has read need still be so when it writes, but for the rows it has locked or written. It does
        not have to be done again because others were faster, and may put off to the commit what many would wait for.
        """

    def take_time(self) -> None:
        """Let this transaction take as long as it takes; first in it. For a schema step, over all that is stored."""

    def at_commit(self, script: str, items: Iterable[Mapping[str, Any]], /) -> bool:
        """Have the database do this at the very end, in one message with the commit: no client holds what it locks.

        Args:
            script: in the words of PostgreSQL; what is given is the JSON array `current_setting('responder.items')`.
                One transaction has one script, done once for all items.
            items: what is given to it, after what was given before. Not looked at when the answer is False.

        Returns:
            False: not here, or not in a transaction that is not `each_alone`. Do it now.
        """

    def now(self) -> str:
        """This moment by the clock that all instances of the store share, as `codec.stamp` writes it."""


Work = Callable[[Connection], T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """The store takes no writes."""

    since: datetime
    """The first write that it did not take."""
    error: errors.StoreError
    """What it said last."""


class Database(abc.ABC):
    """A database that is open, or will be after `connect`."""

    KIND: str
    """`sqlite` or `postgresql`; names the folder of its schema."""

    def __init__(self, place: str, *, read_only: bool) -> None:
        self.place = place
        """For messages: the file, or host and database. Never a secret."""
        self.read_only = read_only
        self.trouble: Trouble | None = None
        """None: the newest write was taken, or there was none. Reading may well go on beside it."""

    @abc.abstractmethod
    async def connect(self) -> None:
        """Open it. Leaves nothing behind when it fails."""

    @abc.abstractmethod
    async def rows(self, sql: str, parameters: Mapping[str, Any] = NONE) -> Sequence[Row]:
        """All rows of one query."""

    async def row(self, sql: str, parameters: Mapping[str, Any] = NONE) -> Row | None:
        """The first row, or None."""
        return next(iter(await self.rows(sql, parameters)), None)

    @abc.abstractmethod
    async def execute_transaction(self, work: Work[T]) -> T:
        """Do `work` in one transaction: durable when this returns; nothing happened when it raises.

        `work` may be done several times before one of them counts (another instance was faster, a connection broke), so
        it changes nothing but rows.

        Raises:
            StoreError: `store.unavailable`, `store.full`, `store.moved`, `store.read-only`, `store.closed`.
        """

    @contextlib.contextmanager
    def _minding(self) -> Iterator[None]:
        """Around a write: remember whether it was taken."""
        try:
            yield
        except errors.StoreError as error:
            if error.error_id in _TROUBLES:
                since = self.trouble.since if self.trouble is not None else clock.now()
                self.trouble = Trouble(since=since, error=error)
            raise
        self.trouble = None

    async def give_back(self, pages: int) -> bool:
        """Give so many unused pages of the file back to the disk. False: there are none (left)."""
        return False

    @abc.abstractmethod
    async def tables(self) -> set[str]:
        """The names of the tables there are."""

    @abc.abstractmethod
    def migrating(self) -> AbstractAsyncContextManager[None]:
        """While inside, nobody else changes the schema."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Finish what is under way and let go. Twice is once."""


_TROUBLES = {"store.unavailable", "store.full", files.MOVED}
"""All else that a write may meet is about that write."""


def insert(connection: Connection, sql: str, rows: Sequence[Sequence[Any]]) -> list[Row]:
    """One statement for many rows at a time: `sql` has `VALUES {rows}`; no two rows may have the same key.

    Not `executemany`: on SQLite it has to win the interpreter back from a busy event loop for each row, and on
    PostgreSQL every row is a message.

    Returns:
        What the statement returns, if it says `RETURNING`.
    """
    found: list[Row] = []
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[first : first + _ROWS_AT_ONCE]
        places = ", ".join(["(" + ", ".join("?" * len(part[0])) + ")"] * len(part))
        found += connection.execute(sql.format(rows=places), [value for row in part for value in row]).fetchall()
    return found


_ROWS_AT_ONCE = 500
"""In one statement. Both databases take 32,766 values."""
