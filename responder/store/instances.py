"""Who shares the store: instances with a lease each, and which of them leads a stage. All times are the database's.

An instance that does not renew its lease is dead to the others: what it had in hand is anybody's, and its leadership is
free. Each function works inside a transaction of the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from responder.core import errors
from responder.store import codec, database, run_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One process that shares the store."""

    id: str
    about: str
    """Host, process and version, for people."""
    daemon: bool
    """False: a command line that carries out one run."""
    started_at: datetime
    lease_until: datetime


class Tenure(Protocol):
    """This process among the instances of the store."""

    @property
    def id(self) -> str:
        """The name under which it has runs in hand; another one after every lapse of its lease."""

    def proven(self) -> bool:
        """Whether its lease surely stands at this moment. False: begin no effect."""

    def leads(self, stage: str) -> bool:
        """Whether it surely leads that stage at this moment. The first question stands for election."""

    def ring(self, stage: str) -> None:
        """Wake that stage of the other instances."""

    def hear(self, bells: Mapping[str, Callable[[], None]], set_clock: Callable[[datetime], None]) -> None:
        """Ring these when another instance rings; tell the time that all go by. Called on whatever thread."""

    async def end(self) -> None:
        """What we had is anybody's. Twice is once."""


class Alone:
    """The tenure of a process that holds the store for itself: there are no others."""

    id = "alone"

    def proven(self) -> bool:
        """The lock of the file stands as long as the process."""
        return True

    def leads(self, stage: str) -> bool:
        """Every stage."""
        return True

    def ring(self, stage: str) -> None:
        """Nobody to wake."""

    def hear(self, bells: Mapping[str, Callable[[], None]], set_clock: Callable[[datetime], None]) -> None:
        """Nobody rings, and the time is our own."""

    async def end(self) -> None:
        """Nobody is told."""


class Instances:
    """The register, for reading."""

    def __init__(self, base: database.Database) -> None:
        self._base = base

    async def list(self) -> list[Instance]:
        """Those whose lease has not been cleared away, the oldest first."""
        rows = await self._base.rows("SELECT * FROM instances ORDER BY started_at, id")
        return [
            Instance(
                id=row["id"],
                about=row["about"],
                daemon=bool(row["daemon"]),
                started_at=codec.moment(row["started_at"]),
                lease_until=codec.moment(row["lease_until"]),
            )
            for row in rows
        ]

    async def daemons(self) -> bool:
        """Whether somebody carries out runs and takes decisions: what is written now is seen to."""
        return any(one.daemon for one in await self.list())

    async def in_hand(self) -> dict[str, int]:
        """Instance -> how many runs it has in hand at this moment; those without any are not in the answer."""
        rows = await self._base.rows("SELECT owner, COUNT(*) AS n FROM runs WHERE owner IS NOT NULL GROUP BY owner")
        return {row["owner"]: int(row["n"]) for row in rows}

    async def leaders(self) -> dict[str, str]:
        """Stage -> the instance that leads it."""
        rows = await self._base.rows("SELECT stage, instance FROM leadership ORDER BY stage")
        return {row["stage"]: row["instance"] for row in rows}


def join(connection: database.Connection, id: str, about: str, lease: timedelta, *, daemon: bool) -> None:
    """Enter under a new name."""
    now = connection.now()
    row = (id, codec.clean(about), int(daemon), now, _later(now, lease))
    connection.execute(
        "INSERT INTO instances (id, about, daemon, started_at, lease_until) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until",
        row,
    )


def renew(connection: database.Connection, id: str, lease: timedelta) -> bool:
    """Renew a lease; False when it has run out, and others may have taken over: the name is spent."""
    now = connection.now()
    sql = "UPDATE instances SET lease_until = ? WHERE id = ? AND lease_until > ?"
    return connection.execute(sql, (_later(now, lease), id, now)).rowcount == 1


def lead(connection: database.Connection, id: str, stages: Collection[str]) -> set[str]:
    """Take the stages that nobody leads; all that this instance leads now. None for who has been swept away."""
    if not alive(connection, id):
        return set()
    for stage in sorted(stages):
        row = (stage, id, connection.now())
        connection.execute(
            "INSERT INTO leadership (stage, instance, since) VALUES (?, ?, ?) ON CONFLICT (stage) DO NOTHING", row
        )
    mine = connection.execute("SELECT stage FROM leadership WHERE instance = ?", (id,)).fetchall()
    return {row["stage"] for row in mine}


def alive(connection: database.Connection, id: str) -> bool:
    """Whether an instance is in the register, and stays there until the end of this transaction.

    Who takes something must ask: given to a name that was swept away meanwhile, it would be nobody's for ever.
    """
    if id == Alone.id:
        return True
    sql = "SELECT 1 FROM instances WHERE id = ?" + connection.lock_read  # noqa: S608 - a literal
    return connection.execute(sql, (id,)).fetchone() is not None


def guard(connection: database.Connection, stage: str, tenure: Tenure) -> None:
    """Refuse what a stage writes while another instance leads it: that one may have read what is about to change.

    Raises:
        StoreError: `store.not-leading`.
    """
    sql = "SELECT instance FROM leadership WHERE stage = ?" + connection.lock_read  # noqa: S608 - a literal
    row = connection.execute(sql, (stage,)).fetchone()
    if row is not None and row["instance"] != tenure.id:
        text = f"Another instance ({row['instance']}) leads {stage} now."
        raise errors.StoreError("store.not-leading", text, remedy="Nothing was written; that instance goes on.")


def sweep(connection: database.Connection) -> list[str]:
    """Give away what instances had whose lease has run out; who they were."""
    sql = "SELECT id FROM instances WHERE lease_until <= ?" + connection.lock_found  # noqa: S608 - a literal
    dead = [row["id"] for row in connection.execute(sql, (connection.now(),)).fetchall()]
    for id in dead:
        leave(connection, id)
    return dead


def leave(connection: database.Connection, id: str) -> None:
    """Give away what an instance has: its runs, the words it took for them and did not settle, its leadership."""
    run_rows.release(connection, id)
    connection.execute("DELETE FROM leadership WHERE instance = ?", (id,))
    connection.execute("DELETE FROM instances WHERE id = ?", (id,))


def _later(now: str, lease: timedelta) -> str:
    return codec.stamp(codec.moment(now) + lease)
