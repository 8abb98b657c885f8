"""Runs: claimed by one owner at a time, written only under its fence. Carries nothing out and decides nothing.

`claim` raises the fence; every later write names it. Whoever slept through another claim finds its writes refused.
"""

from __future__ import annotations

import builtins
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from responder import clock
from responder.core import announcements, audits, errors, outages, servers
from responder.core import runs as core_runs
from responder.store import (
    apart,
    audit,
    audited,
    codec,
    database,
    due,
    instances,
    outbox,
    run_rows,
    samples,
    successions,
)

_ONE_RUN_PER_SERVER = ("runs.server_id", "one_active_run_per_server")
"""What SQLite and PostgreSQL call the broken constraint."""


class Submitted(StrEnum):
    """What became of a run that was submitted."""

    CREATED = "created"
    EXISTS = "exists"
    """A run of that id is known, ended or not: the same cause was submitted before."""
    BUSY = "busy"
    """Another run of this server has not ended."""


class Runs:
    """Runs, their steps, their signals and their journal."""

    def __init__(self, base: database.Database, tenure: instances.Tenure) -> None:
        self._base = base
        self._tenure = tenure
        self._held: dict[core_runs.RunId, tuple[int, str]] = {}
        """The fence of each run in hand, and our name when it was claimed."""
        self._apart = apart.Apart("runs")

    async def submit(self, run: core_runs.Run) -> Submitted:
        """Add a run. Asking twice is once, and never raises for it."""
        return (await self.submit_all([run]))[0]

    async def submit_all(self, runs: Sequence[core_runs.Run]) -> builtins.list[Submitted]:
        """Add many, in one transaction; for each what became of it, in the order given."""
        if not runs:
            return []
        return await self._base.execute_transaction(lambda c: _submit(c, runs))

    async def claim(
        self,
        now: datetime,
        *,
        excluding: Collection[core_runs.RunId] = (),
        only: core_runs.RunId | None = None,
        calm: int = due.ANY,
    ) -> core_runs.Run | None:
        """Take the run that has been due longest, under a new fence, with one more strike until its outcome is known.

        Due is a run that has not ended and is ready, or whose `wake_at` has come, or that has a signal nobody took.
        A run that this version cannot read is left to the one that wrote it.

        Args:
            now: runs that wake at this very moment are due.
            excluding: runs that the caller has in hand.
            only: take this run or none. None: any.
            calm: leave runs with so many strikes or more.
        """
        assert self._tenure.id, "only an instance claims runs"
        wanted = due.Wanted(now=now, excluding=excluding, only=only, calm=calm, me=self._tenure.id)
        run = await self._base.execute_transaction(lambda c: due.claim(c, wanted, self._apart))
        if run is not None:
            self._held[run.id] = (run.fence, wanted.me)
        return run

    def ours(self, run: core_runs.Run) -> bool:
        """Whether an effect of this run may begin at this moment: it is in our hand, and our lease surely stands.

        Ask directly before the effect. It asks no database, so it answers at once, also when that is away.
        """
        return self._tenure.proven() and self._held.get(run.id) == (run.fence, self._tenure.id)

    async def write(
        self,
        run: core_runs.Run,
        record: core_runs.StepRecord | None,
        news: Sequence[announcements.Announcement] = (),
        *,
        leave: bool = False,
        effect: bool = True,
    ) -> bool:
        """Write the run as it is now, the record of a step, a line of the journal, and what is told: all or nothing.

        The server, the outage, the playbook and the parameters of a run never change and are not written (only
        `Outages.merge` moves runs to another outage).

        Args:
            run: under the fence it was claimed with.
            record: of the step that changed; None: only the run changed.
            news: what is told of it.
            leave: we carry it on no further now, and any instance may. Otherwise it stays in our hand.
            effect: the step may change something outside, so what is written of it is recorded in the audit. Say False
                only of a step that reads.

        Returns:
            False: somebody else claimed the run since, `run.fence` is old, and nothing was written.

        Raises:
            RefusedError: `run.busy`, when an ended run would go on while another run of its server is active.
        """
        at = clock.now()
        one = _Write(run, record, at, audited.written(run, record, at, effect=effect), news, leave)
        try:
            written = await self._base.execute_transaction(lambda c: _write(c, one))
        except database.IntegrityError as error:
            if not any(name in str(error) for name in _ONE_RUN_PER_SERVER):
                raise
            text = f"Another run of the server of {run.id} has not ended."
            remedy = "Wait until it has ended, or cancel it."
            raise errors.RefusedError("run.busy", text, remedy=remedy) from error
        if leave or not written:
            self._held.pop(run.id, None)
        return written

    async def get(self, id: core_runs.RunId) -> core_runs.Run | None:
        """The run of that id, as last written."""
        return next(iter(await self._runs("WHERE id = :id", id=id)), None)

    async def steps(self, run_id: core_runs.RunId) -> dict[str, core_runs.StepRecord]:
        """The records of the steps reached so far, in the order in which they were first begun."""
        rows = await self._base.rows("SELECT id, body FROM steps WHERE run_id = :id ORDER BY number", {"id": run_id})
        return {row["id"]: codec.load(row["body"], core_runs.StepRecord) for row in rows}

    async def list(
        self, limit: int = 100, *, active_only: bool = False, outage_id: outages.OutageId | None = None,
        waiting_for: str | None = None,
    ) -> builtins.list[core_runs.Run]:  # fmt: skip
        """Runs, newest first. `waiting_for`: only those that have not ended and wait for that."""
        active = "state IN ('ready', 'waiting')" if active_only else "TRUE"
        of_outage = "outage_id = :outage" if outage_id is not None else "TRUE"
        waits = "state = 'waiting' AND waiting_for = :waits" if waiting_for is not None else "TRUE"
        where = f"WHERE {active} AND {of_outage} AND {waits} ORDER BY number DESC LIMIT :limit"
        return await self._runs(where, outage=outage_id, waits=waiting_for, limit=limit)

    async def going_on(
        self, limit: int, offset: int = 0, *, waits: str | None = None
    ) -> builtins.list[core_runs.Run]:  # fmt: skip
        """Runs that have not ended, those that need somebody first, those that only look on last.

        Args:
            waits: only those that wait for this, in the words of `Brakes.waiting`.
        """
        wanted = {"waits": waits, "limit": limit, "offset": offset}
        rows = await self._base.rows(_GOING_ON.format(which=_WAITS if waits is not None else "TRUE"), wanted)
        return [run_rows.run(row) for row in rows]

    async def active_for(self, server_id: servers.ServerId) -> core_runs.Run | None:
        """The run of that server that has not ended; there is at most one."""
        found = await self._runs("WHERE server_id = :server AND state IN ('ready', 'waiting')", server=server_id)
        return next(iter(found), None)

    async def of(self, server_id: servers.ServerId, outage_id: outages.OutageId | None) -> builtins.list[core_runs.Run]:
        """The runs of one server in one outage (None: in no outage), newest first."""
        same = "outage_id = :outage" if outage_id is not None else "outage_id IS NULL"
        where = f"WHERE server_id = :server AND {same} ORDER BY number DESC"
        return await self._runs(where, server=server_id, outage=outage_id)

    async def of_server(self, server_id: servers.ServerId) -> builtins.list[core_runs.Run]:
        """All runs of one server, in whatever outage, newest first."""
        return await self._runs("WHERE server_id = :server ORDER BY number DESC", server=server_id)

    async def next_wake(self, *, excluding: Collection[core_runs.RunId] = (), calm: int = due.ANY) -> datetime | None:
        """The earliest `wake_at` of runs that have not ended, those in hand apart. `calm`: as in `claim`."""
        left_out = codec.listed({*excluding, *self._apart.keys})
        row = await self._base.row(due.NEXT_WAKE, {"excluding": left_out, "calm": calm, "me": self._tenure.id})
        return codec.moment_or_none(row["wake_at"]) if row else None

    async def journal(self, run_id: core_runs.RunId) -> builtins.list[dict[str, Any]]:
        """Every write, oldest first: at, fence, run_state, step, state, attempt, record (a StepRecord or None)."""
        rows = await self._base.rows("SELECT * FROM journal WHERE run_id = :run ORDER BY id", {"run": run_id})
        return [run_rows.journal_line(row) for row in rows]

    async def signal(self, signal: core_runs.Signal) -> None:
        """Keep somebody's word, whether or not anybody waits for it. The run is due until it is taken.

        Raises:
            RefusedError: `run.unknown`.
        """
        await self.signal_all([signal])

    async def signal_all(self, signals: Sequence[core_runs.Signal]) -> None:
        """Keep many words, in one transaction.

        Raises:
            RefusedError: `run.unknown`; then none is kept.
        """
        if signals:
            await self._base.execute_transaction(lambda c: _signal(c, signals))

    async def revive(self, signal: core_runs.Signal, step: str) -> None:
        """Make a failed run ready again at that step, and keep the word that did it: both or none.

        Raises:
            RefusedError: `run.not-failed`, or `run.busy` while another run of its server is active.
        """

        def revived(connection: database.Connection) -> None:
            audit.hold(connection)
            run_rows.revive(connection, signal, step)

        await self._base.execute_transaction(revived)

    async def signals(self, run_id: core_runs.RunId) -> builtins.list[core_runs.Signal]:
        """All of them, taken or not, oldest first."""
        rows = await self._base.rows("SELECT * FROM signals WHERE run_id = :run ORDER BY id", {"run": run_id})
        return [run_rows.signal(row) for row in rows]

    async def lapsing(self, now: datetime) -> builtins.list[core_runs.Signal]:
        """Pauses and holds whose time is over and that nobody has seen to; oldest first."""
        sql = "SELECT * FROM signals WHERE until IS NOT NULL AND until <= :now ORDER BY until, id LIMIT 500"
        return [run_rows.signal(row) for row in await self._base.rows(sql, {"now": codec.stamp(now)})]

    async def lapse(self, word: core_runs.Signal, ending: core_runs.Signal | None) -> None:
        """See to one of them: say the word that ends it, if it takes one. Twice, or by two instances, is once."""

        def lapsed(connection: database.Connection) -> None:
            audit.hold(connection)
            run_rows.lapse(connection, word, ending)

        await self._base.execute_transaction(lapsed)

    async def take_signals(self, run_id: core_runs.RunId, fence: int) -> builtins.list[core_runs.Signal]:
        """Those nobody has taken, oldest first; none under an old fence.

        A signal is settled by the next `write` of the run. Taken and not settled when the process dies or the store
        refuses that write, it is offered again, and the run stays due: a word may be heard twice, never lost.
        """
        return await self._base.execute_transaction(lambda c: run_rows.take_signals(c, run_id, fence))

    async def recover(self) -> None:
        """Offer again what a dead process took and did not settle. Only for whoever holds the store alone."""
        await self._base.execute_transaction(run_rows.offer_all)

    async def _runs(self, where: str, **parameters: object) -> builtins.list[core_runs.Run]:
        sql = f"SELECT * FROM runs {where}"  # noqa: S608 - every condition is a literal of this module
        return [run_rows.run(row) for row in await self._base.rows(sql, parameters)]


_RANK = """
    CASE waiting_for WHEN 'quarantine' THEN 0 WHEN 'retry' THEN 1 WHEN 'approval' THEN 2 WHEN 'pause' THEN 3
    WHEN 'freeze' THEN 4 WHEN 'hold' THEN 6 WHEN 'turn' THEN 7 WHEN 'decision' THEN 8 ELSE 5 END, number
"""
_WAITS = "CASE WHEN state = 'ready' THEN 'nothing' ELSE COALESCE(waiting_for, 'time') END = :waits"
# Numbers first: with the bodies in it, the database would sort all of them.
_GOING_ON = f"""
    SELECT * FROM runs WHERE number IN (
        SELECT number FROM runs WHERE state IN ('ready', 'waiting') AND {{which}}
        ORDER BY {_RANK} LIMIT :limit OFFSET :offset)
    ORDER BY {_RANK}
"""  # noqa: S608 - literals


class _Write(NamedTuple):
    """All that one write of a run writes."""

    run: core_runs.Run
    record: core_runs.StepRecord | None
    at: datetime
    entries: Sequence[audits.Entry]
    news: Sequence[announcements.Announcement]
    leave: bool


def _write(connection: database.Connection, one: _Write) -> bool:
    if one.entries and outbox.names_head(one.news):
        audit.hold(connection)
    elif one.entries:
        audit.add_last(connection)
    written = run_rows.write(connection, one.run, one.record, one.at, leave=one.leave)
    if written:
        if one.record is not None:
            samples.note(connection, one.run, one.record, one.at)
            successions.note(connection, one.run, one.record, one.at)
        audit.append(connection, one.entries)
        outbox.put(connection, one.news)
    return written


def _signal(connection: database.Connection, signals: Sequence[core_runs.Signal]) -> None:
    if any(signal.topic is not core_runs.Topic.DECISION for signal in signals):
        audit.add_last(connection)
    for signal in signals:
        run_rows.add_signal(connection, signal)


def _submit(connection: database.Connection, added: Sequence[core_runs.Run]) -> builtins.list[Submitted]:
    audit.add_last(connection)
    created = run_rows.insert(connection, added)
    audit.append(connection, audited.submitted(run for run in added if run.id in created))
    others = codec.listed(run.id for run in added if run.id not in created)
    sql = "SELECT id FROM runs WHERE id IN (SELECT value FROM json_each(:ids))"
    known = {row["id"] for row in connection.execute(sql, {"ids": others})}
    found = []
    for run in added:
        exists = Submitted.EXISTS if run.id in known else Submitted.BUSY
        found.append(Submitted.CREATED if run.id in created else exists)
    return found
