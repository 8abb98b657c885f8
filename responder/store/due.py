"""Which run is due, and when the next one will be: one look into an index, however many runs wait. Decides nothing."""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from responder.core import runs
from responder.store import apart, codec, database, instances, run_rows

_OURS = "id NOT IN (SELECT value FROM json_each(:excluding)) AND (owner IS NULL OR owner = :me)"
# Three ways of being due, each one look into an index; the oldest of the three first ones is the oldest of all.
# A run that another living instance has in hand is not due. SQLite has no counts to choose an index by: left alone, it
# reads all that wait, in search of a word.
_DUE = f"""
    SELECT number, id FROM (
        SELECT * FROM (
            SELECT number, id, wake_at AS since FROM runs
            WHERE state = 'ready' AND strikes < :calm AND {_OURS}
            ORDER BY wake_at, number LIMIT 1) AS ready
        UNION ALL
        SELECT * FROM (
            SELECT number, id, wake_at AS since FROM runs
            WHERE state = 'waiting' AND wake_at <= :now AND strikes < :calm AND {_OURS}
            ORDER BY wake_at, number LIMIT 1) AS awake
        UNION ALL
        SELECT * FROM (
            SELECT number, id, signalled_at AS since FROM runs INDEXED BY runs_signalled
            WHERE state = 'waiting' AND signalled_at IS NOT NULL AND strikes < :calm AND {_OURS}
            ORDER BY signalled_at, number LIMIT 1) AS signalled
    ) AS due ORDER BY since, number LIMIT 1
"""  # noqa: S608 - as all of these, it is made of literals
_DUE_ONE = f"""
    SELECT number, id FROM runs
    WHERE id = :only AND {_OURS}
        AND (state = 'ready' OR (state = 'waiting' AND (wake_at <= :now OR signalled_at IS NOT NULL)))
"""  # noqa: S608
_ROW = "SELECT * FROM runs WHERE number = ?"
NEXT_WAKE = f"""
    SELECT MIN(wake_at) AS wake_at FROM (
        SELECT * FROM (
            SELECT wake_at FROM runs
            WHERE state = 'ready' AND wake_at IS NOT NULL AND strikes < :calm AND {_OURS}
            ORDER BY wake_at LIMIT 1) AS ready
        UNION ALL
        SELECT * FROM (
            SELECT wake_at FROM runs
            WHERE state = 'waiting' AND wake_at IS NOT NULL AND strikes < :calm AND {_OURS}
            ORDER BY wake_at LIMIT 1) AS waiting
    ) AS wakes
"""  # noqa: S608


ANY = 1 << 30
"""More strikes than any run has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs may be claimed."""

    now: datetime
    excluding: Collection[runs.RunId] = ()
    only: runs.RunId | None = None
    """None: any."""
    calm: int = ANY
    """Only runs with fewer strikes."""
    me: str
    """The instance that asks."""


def claim(connection: database.Connection, wanted: Wanted, unreadable: apart.Apart) -> runs.Run | None:
    """The readable run that has been due longest, under a new fence; None when none is."""
    if not instances.alive(connection, wanted.me):
        return None
    sql = _DUE if wanted.only is None else _DUE_ONE
    left_out: set[str] = set(wanted.excluding)
    while True:
        excluding = codec.listed(left_out | unreadable.keys)
        asked: dict[str, object] = {"excluding": excluding, "only": wanted.only, "calm": wanted.calm, "me": wanted.me}
        asked["now"] = codec.stamp(wanted.now)
        found = connection.execute(sql, asked).fetchone()
        if found is None:
            return None
        row = connection.execute(_ROW + connection.lock_found, (found["number"],)).fetchone()
        if row is None:  # another instance is just taking it
            left_out.add(found["id"])
            continue
        run = unreadable.read(row["id"], functools.partial(run_rows.run, row))
        if run is not None:
            sql = "UPDATE runs SET fence = fence + 1, strikes = strikes + 1, owner = ? WHERE number = ?"
            connection.execute(sql, (wanted.me, found["number"]))
            return replace(run, fence=run.fence + 1, strikes=run.strikes + 1)
