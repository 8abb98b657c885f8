"""Runs as rows: the statements behind `runs`, each inside a transaction of the caller's."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from responder.core import errors, playbooks, runs
from responder.store import audit, audited, codec, database

_COLUMNS = (
    "id", "server_id", "outage_id", "playbook", "params", "created_at", "created_by",
    "state", "step", "fence", "wake_at", "waiting_for", "ended_at", "why", "strikes",
)  # fmt: skip
_INSERT = f"INSERT INTO runs ({', '.join(_COLUMNS)}) VALUES {{rows}} ON CONFLICT DO NOTHING RETURNING id"  # noqa: S608
_WRITE = """
    UPDATE runs SET state = :state, step = :step, wake_at = :wake_at, waiting_for = :waiting_for,
                    ended_at = :ended_at, why = :why, strikes = :strikes
    WHERE id = :id AND fence = :fence
"""
_LEAVE = ", owner = NULL WHERE"
_STEP = """
    INSERT INTO steps (run_id, id, kind, state, at, body) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (run_id, id)
    DO UPDATE SET kind = excluded.kind, state = excluded.state, at = excluded.at, body = excluded.body
"""
_AT_REST = "DELETE FROM under_way WHERE run_id = ?"
_JOURNAL = """
    INSERT INTO journal (run_id, at, fence, run_state, step, state, attempt, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_ACTIVE = "SELECT id FROM runs WHERE server_id = ? AND state IN ('ready', 'waiting')"
_REVIVE = """
    UPDATE runs SET state = 'ready', step = :step, wake_at = :at, waiting_for = NULL, ended_at = NULL, why = '',
                    strikes = 0, fence = fence + 1
    WHERE id = :id AND state = 'failed'
"""
_SAID = """
    INSERT INTO signals (run_id, topic, by, at, payload, key, until) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING
"""
_SETTLE = "UPDATE signals SET settled = 1 WHERE run_id = ? AND settled = 0 AND taken_by <= ?"
_LEFT = "run_id = :run AND settled = 0 AND (taken_by IS NULL OR taken_by < :fence)"
"""Nobody has taken it, or who did has not settled it and never will: its writes are refused."""
_UNTAKEN = f"SELECT * FROM signals WHERE {_LEFT} ORDER BY id"  # noqa: S608 - literals
_TAKE = f"UPDATE signals SET taken_by = :fence WHERE {_LEFT}"  # noqa: S608
_SIGNALLED_STILL = """
    UPDATE runs SET signalled_at = (SELECT MIN(at) FROM signals WHERE run_id = runs.id AND settled = 0) WHERE id = ?
"""
_SIGNALLED_SINCE = """
    UPDATE runs SET signalled_at = CASE WHEN signalled_at < :at THEN signalled_at ELSE :at END WHERE id = :id
"""
_SIGNALLED = """
    UPDATE runs SET signalled_at = (
        SELECT MIN(at) FROM signals WHERE run_id = runs.id AND settled = 0 AND taken_by IS NULL)
    WHERE id IN (SELECT run_id FROM signals WHERE settled = 0)
"""


def insert(connection: database.Connection, added: Sequence[runs.Run]) -> set[runs.RunId]:
    """Add runs; the ids of those that were, for an id may be known and a server have an active run."""
    rows = [_row(run) for run in added]
    return {row["id"] for row in database.insert(connection, _INSERT, rows)}


def _row(run: runs.Run) -> tuple[Any, ...]:
    row = {
        **_moving(run),
        "server_id": run.server_id,
        "outage_id": run.outage_id,
        "playbook": _snapshot(run.playbook),
        "params": codec.dump(dict(run.params), codec.MAPPING),
        "created_at": codec.stamp(run.created_at),
        "created_by": codec.clean(run.created_by),
    }
    return tuple(row[column] for column in _COLUMNS)


def _snapshot(playbook: playbooks.Playbook) -> str:
    """The playbook as text; a wave starts the same one ten thousand times."""
    global _newest_snapshot
    if _newest_snapshot is None or _newest_snapshot[0] is not playbook:
        _newest_snapshot = playbook, codec.dump(playbook, playbooks.Playbook)
    return _newest_snapshot[1]


_newest_snapshot: tuple[playbooks.Playbook, str] | None = None


def write(
    connection: database.Connection, run: runs.Run, record: runs.StepRecord | None, at: datetime, *, leave: bool
) -> bool:
    """Write run, step and journal if the fence still stands; False and nothing if not."""
    sql = _WRITE.replace("WHERE", _LEAVE) if leave else _WRITE
    if connection.execute(sql, _moving(run)).rowcount == 0:
        return False
    line: tuple[str | int | None, ...] = (run.step, None, None, None)
    if record is not None:
        body = codec.dump(record, runs.StepRecord)
        step = run.playbook.step(record.id)
        kind = step.kind if step else None
        connection.execute(_STEP, (run.id, record.id, kind, record.state, codec.stamp(at), body))
        line = (record.id, record.state, record.attempts, body)
    connection.execute(_JOURNAL, (run.id, codec.stamp(at), run.fence, run.state, *line))
    if connection.execute(_SETTLE, (run.id, run.fence)).rowcount:
        connection.execute(_SIGNALLED_STILL, (run.id,))
    if run.state.ended or (record is not None and _at_rest(run, record)):
        connection.execute(_AT_REST, (run.id,))
    return True


def _at_rest(run: runs.Run, record: runs.StepRecord) -> bool:
    """Nothing is under way any more. In the middle of a step that is acting (a ready run), nobody knows yet."""
    acting = run.state is runs.State.READY and record.state is runs.StepState.WAITING
    return not acting and not runs.under_way(record)


def revive(connection: database.Connection, word: runs.Signal, step: str) -> None:
    """Make a failed run ready again at a step, under a new fence, together with the word that does it."""
    row = connection.execute("SELECT server_id, state FROM runs WHERE id = ?", (word.run_id,)).fetchone()
    if row is None or row["state"] != runs.State.FAILED:
        text = f"Run {word.run_id} has not failed, or goes on already."
        raise errors.RefusedError("run.not-failed", text, remedy=f"See `responder runs show {word.run_id}`.")
    other = connection.execute(_ACTIVE, (row["server_id"],)).fetchone()
    if other is not None:
        text = f"Another run of this server has not ended: {other['id']}."
        raise errors.RefusedError("run.busy", text, remedy="Wait until it has ended, or cancel it.")
    at = codec.stamp(word.at)
    connection.execute(_REVIVE, {"id": word.run_id, "step": step, "at": at})
    fence = connection.execute("SELECT fence FROM runs WHERE id = ?", (word.run_id,)).fetchone()["fence"]
    connection.execute(_JOURNAL, (word.run_id, at, fence, runs.State.READY, step, None, None, None))
    add_signal(connection, word)


def run(row: database.Row) -> runs.Run:
    """The run of a row."""
    return runs.Run(
        id=row["id"],
        server_id=row["server_id"],
        outage_id=row["outage_id"],
        playbook=_playbook(row["playbook"]),
        params=codec.load(row["params"], codec.MAPPING),
        state=runs.State(row["state"]),
        step=row["step"],
        created_at=codec.moment(row["created_at"]),
        created_by=row["created_by"],
        fence=row["fence"],
        wake_at=codec.moment_or_none(row["wake_at"]),
        waiting_for=row["waiting_for"],
        ended_at=codec.moment_or_none(row["ended_at"]),
        why=row["why"],
        strikes=row["strikes"],
    )


@functools.lru_cache(maxsize=64)
def _playbook(text: str) -> playbooks.Playbook:
    """Of one wave there are ten thousand snapshots of the same playbook."""
    return codec.load(text, playbooks.Playbook)


def journal_line(row: database.Row) -> dict[str, Any]:
    """One line of the journal, as people and machines read it."""
    line = {name: row[name] for name in ("fence", "run_state", "step", "state", "attempt")}
    record = codec.load(row["body"], runs.StepRecord) if row["body"] is not None else None
    return {"at": codec.moment(row["at"]), **line, "record": record}


def add_signal(connection: database.Connection, signal: runs.Signal) -> None:
    """Keep a signal and make its run due."""
    run = connection.execute("SELECT server_id, outage_id FROM runs WHERE id = ?", (signal.run_id,)).fetchone()
    if run is None:
        remedy = "`responder runs list` shows the runs there are."
        raise errors.RefusedError("run.unknown", f"There is no run {signal.run_id}.", remedy=remedy)
    payload, at = codec.dump(dict(signal.payload), codec.MAPPING), codec.stamp(signal.at)
    row = (signal.run_id, signal.topic, codec.clean(signal.by), at, payload, signal.key, codec.stamp(signal.until))
    added = connection.execute(_SAID, row)
    if added.rowcount:
        audit.append(connection, audited.said(connection, signal, run))
    connection.execute(_SIGNALLED_SINCE, {"at": at, "id": signal.run_id})


def lapse(connection: database.Connection, word: runs.Signal, ending: runs.Signal | None) -> None:
    """A pause or a hold is over: it is not found again, and the word that ends it is said."""
    sql = "UPDATE signals SET until = NULL WHERE run_id = ? AND topic = ? AND at = ? AND until = ?"
    connection.execute(sql, (word.run_id, word.topic, codec.stamp(word.at), codec.stamp(word.until)))
    if ending is not None:
        add_signal(connection, ending)


def take_signals(connection: database.Connection, run_id: runs.RunId, fence: int) -> list[runs.Signal]:
    """Mark what is left as taken by this fence, and return it. The run stays due until a write settles it."""
    sql = "UPDATE runs SET fence = fence WHERE id = ? AND fence = ?"  # locks the row
    if connection.execute(sql, (run_id, fence)).rowcount == 0:
        return []
    given = {"run": run_id, "fence": fence}
    taken = connection.execute(_UNTAKEN, given).fetchall()
    if taken:
        connection.execute(_TAKE, given)
    return [signal(row) for row in taken]


def offer_all(connection: database.Connection) -> None:
    """Make signals that were taken and not settled untaken again, and their runs due; nobody has a run in hand."""
    connection.execute("UPDATE runs SET owner = NULL WHERE owner IS NOT NULL")
    connection.execute("UPDATE signals SET taken_by = NULL WHERE settled = 0 AND taken_by IS NOT NULL")
    connection.execute(_SIGNALLED)


def release(connection: database.Connection, owner: str) -> None:
    """Nobody has the runs of that instance in hand any more. What it took and did not settle is offered again."""
    theirs = "run_id IN (SELECT id FROM runs WHERE owner = ?)"
    sql = f"UPDATE signals SET taken_by = NULL WHERE settled = 0 AND taken_by IS NOT NULL AND {theirs}"  # noqa: S608
    connection.execute(sql, (owner,))
    connection.execute(_SIGNALLED + " AND owner = ?", (owner,))
    connection.execute("UPDATE runs SET owner = NULL WHERE owner = ?", (owner,))


def signal(row: database.Row) -> runs.Signal:
    """The signal of a row."""
    return runs.Signal(
        run_id=row["run_id"],
        topic=runs.Topic(row["topic"]),
        by=row["by"],
        at=codec.moment(row["at"]),
        payload=codec.load(row["payload"], codec.MAPPING),
        key=row["key"],
        until=codec.moment_or_none(row["until"]),
    )


def _moving(run: runs.Run) -> dict[str, Any]:
    """What of a run changes as it goes on, and what it is found by."""
    return {
        "id": run.id,
        "fence": run.fence,
        "state": run.state,
        "step": run.step,
        "wake_at": codec.stamp(run.wake_at),
        "waiting_for": run.waiting_for,
        "ended_at": codec.stamp(run.ended_at),
        "why": codec.clean(run.why),
        "strikes": run.strikes,
    }
