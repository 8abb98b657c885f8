"""A transaction that is done again until it counts: races are repeated, and a broken COMMIT is asked for its fate.

SERIALIZABLE: what a transaction has read is still so when it commits, or it is done again. So each write of the
repositories is as atomic between instances as it is on SQLite, where there is only one writer. Those that say that each
of their statements is whole alone (`database.Connection.each_alone`) need less, and wait less.
https://www.postgresql.org/docs/current/transaction-iso.html#XACT-SERIALIZABLE

What all of them would queue for is done by the server, in one message with the COMMIT (`at_commit`). A lock that is
held while the server waits for its client is held for as long as that client's process is frozen or starved, and so
is everybody's turn behind it: with a few such clients in the queue, all instances stand still for minutes.
"""

from __future__ import annotations

import contextlib
import random
import time
from datetime import timedelta
from typing import TypeVar

import asyncpg

from responder.store import database
from responder.store.postgresql import failures, sessions

T = TypeVar("T")

RACING = timedelta(seconds=20)
"""How long a transaction is repeated that others keep overtaking."""
_LOST = timedelta(seconds=4)
"""How long a broken connection is made anew; then the stages rest, and try again later."""
_PAUSE = timedelta(milliseconds=5)
_LONGEST_PAUSE = timedelta(milliseconds=250)
_FATE = "SELECT pg_xact_status(CAST(CAST(:xid AS text) AS xid8)) AS fate"


class _Unknown(Exception):
    """The connection broke while it was committing."""

    def __init__(self, xid: str, answer: object) -> None:
        super().__init__(xid)
        self.xid = xid
        self.answer = answer


def transact(
    session: sessions.Session, work: database.Work[T], *, level: str = "SERIALIZABLE", racing: timedelta = RACING
) -> T:
    """Do `work` in one transaction, as often as it takes. Raises what the driver raises when it takes too long.

    Args:
        session: on our thread.
        work: what to do.
        level: of isolation.
        racing: how long it is repeated when others are faster, or hold what it needs.
    """
    patience = Patience(racing)
    while True:
        try:
            return _once(session, work, level)
        except failures.RACES as error:
            if not patience.with_race():
                raise
            if isinstance(error, asyncpg.InvalidCachedStatementError):
                session.drop()
        except failures.LOST:
            session.drop()
            if not patience.with_loss():
                raise
        except _Unknown as commit:
            if _committed(session, commit.xid, patience):
                return commit.answer  # type: ignore[return-value]  # what `work` answered


def read(session: sessions.Session, sql: str, parameters: database.Parameters) -> list[database.Row]:
    """All rows of one query, asked again when the connection breaks."""
    patience = Patience()
    while True:
        try:
            return list(session.execute(sql, parameters).fetchall())
        except failures.RACES:
            session.drop()
            if not patience.with_race():
                raise
        except failures.LOST:
            session.drop()
            if not patience.with_loss():
                raise


class Patience:
    """How long it is worth trying, with growing pauses. Blocks the thread it is used on."""

    def __init__(self, racing: timedelta = RACING) -> None:
        self._racing = racing
        self._began = time.monotonic()
        self._lost_at: float | None = None
        self._pause = _PAUSE

    def with_race(self) -> bool:
        """Pause before the next try; False: enough."""
        return self._wait(self._began, self._racing)

    def with_loss(self) -> bool:
        """As `with_race`, for a connection that is lost; its time begins with the first loss."""
        if self._lost_at is None:
            self._lost_at = time.monotonic()
        return self._wait(self._lost_at, _LOST)

    def _wait(self, since: float, longest: timedelta) -> bool:
        if time.monotonic() - since > longest.total_seconds():
            return False
        time.sleep(self._pause.total_seconds() * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not cryptography
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return True


def _once(session: sessions.Session, work: database.Work[T], level: str) -> T:
    session.begin(level)
    try:
        return _begun(session, work)
    finally:
        session.ended()


def _begun(session: sessions.Session, work: database.Work[T]) -> T:
    try:
        answer = work(session)
        xid, script = session.closing()
    except failures.LOST:
        raise  # whatever was done is undone by the server
    except BaseException:
        _undo(session)
        raise
    try:
        session.run_script(script)
    except failures.LOST as error:
        if xid is None:  # nothing was written, so nothing is in doubt
            raise
        raise _Unknown(xid, answer) from error
    except BaseException:
        if script != "COMMIT":  # it failed before it came to that
            _undo(session)
        raise
    return answer


def _undo(session: sessions.Session) -> None:
    with contextlib.suppress(*failures.LOST):
        session.run_script("ROLLBACK")


def _committed(session: sessions.Session, xid: str, patience: Patience) -> bool:
    """What became of a COMMIT whose answer was lost: the server remembers."""
    while True:
        session.drop()
        try:
            fate = session.execute(_FATE, {"xid": xid}).fetchall()[0]["fate"]
        except asyncpg.InvalidParameterValueError:
            return False  # a server that never heard of it: after a fail-over, the newest transactions may be gone
        except failures.LOST:
            if not patience.with_loss():
                raise
            continue
        if fate != "in progress":
            return bool(fate == "committed")
        if not patience.with_loss():
            raise TimeoutError("the fate of the last write is not known yet")
