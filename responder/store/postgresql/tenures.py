"""The lease of this instance, kept on a thread and a connection of its own, so that no busy event loop can lose it.

    every second   look whether another instance has died, and stand for election where nobody leads
    every 3 s      renew the lease of 10 s
    80 % of it     after that, by our own monotonic clock, nothing is proven any more: no effect begins

The monotonic clock counts while the process is frozen and the machine sleeps. A lease that has run out is never
renewed: the instance goes on under a new name, and what it had in hand under the old one is not its own any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import asyncpg
import structlog

import responder
from responder import clock
from responder.store import codec, database, instances
from responder.store.postgresql import failures, places, sessions, transactions

T = TypeVar("T")

_GATHER = 0.03  # seconds
_CONNECTIONS = """
    SELECT pid, CAST(usename AS text) AS role, application_name AS name FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'responder %'
        AND RIGHT(application_name, 12) IN (SELECT LEFT(id, 12) FROM instances WHERE lease_until <= :now)
        AND RIGHT(application_name, 12) NOT IN (SELECT LEFT(id, 12) FROM instances WHERE lease_until > :now)
"""
"""Those of processes whose lease has run out and who have not come back under another name. One that is frozen between
preparing a statement and executing it holds what it has locked for as long as it is frozen: before PostgreSQL 17 no
time-out of the server ends a transaction that waits for the rest of a statement's messages."""
_DISCONNECT = "SELECT pg_terminate_backend(:pid)"

_LEASES = "SELECT id, lease_until FROM instances"
_EXPIRE = "UPDATE instances SET lease_until = ? WHERE id = ? AND lease_until = ?"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a lease lasts, and how often it is looked after."""

    lease: timedelta = timedelta(seconds=10)
    beat: timedelta = timedelta(seconds=3)
    look: timedelta = timedelta(seconds=1)
    locked: timedelta = timedelta(seconds=1)
    """How long a lock is waited for: what a dead instance has may be in the hand of one that is frozen."""
    answer: timedelta = timedelta(seconds=4)
    """A connection that says nothing for so long is given up; there is time for another before the lease runs out."""

    @property
    def proof(self) -> timedelta:
        """How long a renewed lease is surely ours: before others may think otherwise, whatever the clocks' drift."""
        return self.lease * 0.8


class Tenure:
    """This process among the instances. `instances.Tenure` of the shared store."""

    def __init__(self, where: places.Place, timing: Timing, *, daemon: bool) -> None:
        self._timing = timing
        self._daemon = daemon
        self._where = where
        self._session = sessions.Session(
            where, "lease", answer=timing.answer, lock_timeout=sessions.milliseconds(timing.locked),
            statement_timeout=sessions.milliseconds(0.8 * timing.answer),
        )  # fmt: skip
        self._thread = threading.Thread(target=self._live, name="store-lease", daemon=True)
        self._lock = threading.Lock()
        self._id = ""
        self._proven_until = 0.0
        self._candidate: set[str] = set()
        self._known: set[str] = set()
        self._leading: frozenset[str] = frozenset()
        self._rung: set[str] = set()
        self._ending = False
        self._looked = 0.0
        self._first = threading.Event()
        self._failed: BaseException | None = None
        self._bells: Mapping[str, Callable[[], None]] = {}
        self._set_clock: Callable[[datetime], None] | None = None
        self._ahead: dict[tuple[str, str], float] = {}
        """Leases that end later than any can that was taken now, and since when we have seen them so."""
        self._left_alone: set[int] = set()
        """Processes of the server that we were not allowed to end."""
        self._shown: tuple[datetime, float] | None = None
        """What the database's clock showed when we entered, and when that was by our own monotonic one."""

    @property
    def id(self) -> str:
        """The name under which it has runs in hand; another one after every lapse of its lease."""
        return self._id

    def proven(self) -> bool:
        """Whether its lease surely stands at this moment. False: begin no effect."""
        return clock.ticks() < self._proven_until

    def leads(self, stage: str) -> bool:
        """Whether it surely leads that stage at this moment. The first question stands for election."""
        if stage not in self._candidate:
            with self._lock:
                self._candidate.add(stage)
            self._session.poke()
        return stage in self._leading and self.proven()

    def ring(self, stage: str) -> None:
        """Wake that stage of the other instances."""
        with self._lock:
            self._rung.add(stage)
        self._session.poke()

    def hear(self, bells: Mapping[str, Callable[[], None]], set_clock: Callable[[datetime], None]) -> None:
        """Ring these when another instance says so; tell the database's time, now and at every beat. On our thread."""
        self._bells, self._set_clock = bells, set_clock
        if self._shown is not None:  # at once: until the next beat, our machine's clock may be an hour off
            shown, since = self._shown
            set_clock(shown + timedelta(seconds=clock.ticks() - since))

    async def begin(self) -> None:
        """Enter the register. Raises StoreError, leaving no thread behind."""
        self._thread.start()
        await asyncio.to_thread(self._first.wait)
        if self._failed is not None:
            await asyncio.to_thread(self._thread.join)
            with failures.mapped(self._where.name):
                raise self._failed

    async def end(self) -> None:
        """Leave the register: what we had is anybody's at once. Twice is once."""
        self._ending = True
        self._session.poke()
        await asyncio.to_thread(self._thread.join)

    def _live(self) -> None:
        try:
            self._enter()
        except Exception as error:
            self._failed = error
            self._first.set()
            self._session.close()
            return
        self._first.set()
        while not self._ending:
            try:
                self._turn()
                self._post()
                self._session.idle(self._timing.look)
                time.sleep(_GATHER)  # a burst of rings is one
            except Exception as error:  # also a defect: without a beat the lease runs out, and others take over
                _log.warning("lease.troubled", error=str(error) or type(error).__name__)
                self._session.drop()
                time.sleep(0.2)
        with contextlib.suppress(Exception):
            self._do(lambda c: instances.leave(c, self._id))
        self._session.close()

    def _enter(self) -> None:
        began, fresh = clock.ticks(), self._where.process + uuid.uuid4().hex[len(self._where.process) :]
        about = f"pid {os.getpid()} on {socket.gethostname()}, responder {responder.__version__}"
        self._session.listen(self._where.schema, self._heard)
        self._do(lambda c: instances.join(c, fresh, about, self._timing.lease, daemon=self._daemon))
        if self._id:
            _log.error("lease.lapsed", was=self._id, now=fresh)
        self._leading, self._id = frozenset(), fresh
        self._shown = codec.moment(self._session.now()), clock.ticks()
        self._prove(began)

    def _turn(self) -> None:
        began = clock.ticks()
        if began > self._proven_until - (self._timing.proof - self._timing.beat).total_seconds():
            if not self._do(lambda c: instances.renew(c, self._id, self._timing.lease)):
                self._enter()
            self._prove(began)
            self._tell_time()
        if began - self._looked >= self._timing.look.total_seconds() or self._unelected():
            self._look_around()
            self._looked = began

    def _prove(self, began: float) -> None:
        self._proven_until = began + self._timing.proof.total_seconds()

    def _look_around(self) -> None:
        """Reads; writes only when somebody has died, or nobody leads."""
        self._session.listen(self._where.schema, self._heard)  # anew, after a lost connection
        now = self._session.now()
        leases = [(row["id"], row["lease_until"]) for row in self._session.execute(_LEASES).fetchall()]
        self._mind_steps(now, leases)
        if any(until <= now for _, until in leases):
            self._disconnect()
            swept = self._unless_held(instances.sweep) or []
            if swept:
                _log.warning("instance.dead", instances=swept)
                self.ring("act")
                self._heard_bell("act")
        rows = self._session.execute("SELECT stage, instance FROM leadership").fetchall()
        led = {row["stage"] for row in rows}
        mine = frozenset(row["stage"] for row in rows if row["instance"] == self._id)
        with self._lock:
            wanted = self._candidate - led
            self._known = set(self._candidate)
        if wanted:
            elected = self._unless_held(lambda c: instances.lead(c, self._id, wanted))
            mine = mine if elected is None else frozenset(elected)
        self._leading = mine

    def _mind_steps(self, now: str, leases: Iterable[tuple[str, str]]) -> None:
        """The database's clock was stepped back: a lease from before would outlive its dead instance by the step.

        Who lives renews it within a beat. Who has not for a whole lease by our own monotonic clock is dead.
        """
        ticks, latest = clock.ticks(), codec.stamp(codec.moment(now) + 2 * self._timing.lease)
        self._ahead = {lease: self._ahead.get(lease, ticks) for lease in leases if lease[1] > latest}
        for lease, since in self._ahead.items():
            if ticks - since > self._timing.lease.total_seconds():
                self._session.execute(_EXPIRE, (now, *lease))

    def _disconnect(self) -> None:
        """End the connections of the dead. One that we may not end keeps its locks for longer, and that is all."""
        for row in self._session.execute(_CONNECTIONS, {"now": self._session.now()}).fetchall():
            try:
                self._session.execute(_DISCONNECT, {"pid": row["pid"]})
            except asyncpg.InsufficientPrivilegeError as error:
                if row["pid"] not in self._left_alone:
                    remedy = (
                        "Let all instances use one role, and let it execute pg_terminate_backend; or grant ours "
                        "pg_signal_backend."
                    )
                    _log.warning(
                        "lease.not-disconnected",
                        connection=row["name"],
                        role=row["role"],
                        error=str(error),
                        remedy=remedy,
                    )
                self._left_alone.add(row["pid"])

    def _unelected(self) -> bool:
        with self._lock:
            return not self._candidate <= self._known

    def _do(self, work: database.Work[T], racing: timedelta = transactions.RACING) -> T:
        """Each of these statements is whole by itself, so others cannot make it fail by being faster."""
        return transactions.transact(self._session, work, level="READ COMMITTED", racing=racing)

    def _unless_held(self, work: database.Work[T]) -> T | None:
        """As `_do`, but once: what somebody holds must not cost us our own lease. None: at the next look."""
        try:
            return self._do(work, timedelta())
        except failures.RACES as error:
            _log.debug("lease.held-up", error=str(error))
            return None

    def _post(self) -> None:
        with self._lock:
            rung, self._rung = self._rung, set()
        for stage in rung:
            self._session.execute("SELECT pg_notify(?, ?)", (self._where.schema, f"{stage} {self._id}"))

    def _tell_time(self) -> None:
        if self._set_clock is not None:
            self._set_clock(codec.moment(self._session.now()))

    def _heard(self, payload: str) -> None:
        stage, _, sender = payload.partition(" ")
        if sender != self._id:
            self._heard_bell(stage)

    def _heard_bell(self, stage: str) -> None:
        if bell := self._bells.get(stage):
            bell()
