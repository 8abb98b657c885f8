"""Ended runs and closed outages go by age, with everything that is only about them. The audit stays, and is not read.

A run stays, however old, while it may be the only one that knows of a copy: one that the inventory lists by its id or
by the run's tag, or whose subscription it does not list, so that nobody can tell. What was cut over to is known
elsewhere (`successions`), and so is what restores took (`samples`). An outage stays while one of its runs does.

Of each a line is left (`pruned`): whoever asks is told, and news that comes late opens nothing (`outages.upsert`).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.core import restores, runs, servers
from responder.store import apart, codec, database, run_rows

_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What is left of a run or an outage."""

    id: str
    at: datetime
    """When it was deleted."""
    ended_at: datetime
    """When the run ended, or the outage was closed."""
    how: str
    """A run's last state, an outage's last status."""
    copies: Sequence[str] = ()
    """Ids of the copies that the run had not thrown away."""

    def sentence(self, what: str) -> str:
        """What became of it; `what`: run or outage."""
        left = f" Copies it had left then: {', '.join(self.copies)}." if self.copies else ""
        when = f"on {self.ended_at:%Y-%m-%d %H:%M} UTC ({self.how}) and was deleted by age on {self.at:%Y-%m-%d}"
        return f"The {what} {self.id} ended {when}.{left}"


class Pruning:
    """Finds what may go, deletes it, and knows what went."""

    def __init__(self, base: database.Database) -> None:
        self._base = base
        self._apart, self._steps_apart = apart.Apart("runs"), apart.Apart("steps")
        self._looked = ("", 0)
        """How far the ended runs were looked through: those before it are kept for now."""
        self._made: tuple[int, Mapping[str, Collection[str]]] = (0, {})
        """What carries the tag of a run, at that version of the estate."""

    async def runs(self, before: datetime, now: datetime, limit: int) -> int:
        """Delete the oldest runs that ended before, in one transaction; how many. Fewer than the limit: no more."""
        free: dict[str, Sequence[str]] = {}
        while len(free) < limit:
            page = await self._base.rows(_ENDED, _asked(before, self._looked, min(_PAGE, limit - len(free))))
            if not page:
                break
            free |= await self._free(page)
            self._looked = page[-1]["ended_at"], page[-1]["number"]
        done = len(free) < limit
        deleted = 0
        if free:
            deleted = await self._base.execute_transaction(lambda c: _delete_runs(c, free, before, now))
        if done:
            self._looked = ("", 0)
        return deleted if done else limit  # what was revived meanwhile is no reason to stop

    async def outages(self, before: datetime, now: datetime, limit: int) -> int:
        """Delete the oldest outages that were closed before, in one transaction; how many. `sweep` does the rest."""
        return await self._base.execute_transaction(lambda c: _delete_outages(c, before, now, limit))

    async def sweep(self, now: datetime, limit: int) -> bool:
        """Delete a batch of what is left of outages that are gone: decisions, silences. False: there is nothing."""
        return await self._base.execute_transaction(lambda c: _sweep(c, now, limit))

    async def run(self, id: str) -> Pruned | None:
        """What became of a run that is not there any more."""
        return _read(await self._base.row(_LINE, {"kind": "run", "id": id}))

    async def outage(self, start: str) -> Pruned | None:
        """What became of the one outage whose id begins so, in any case of letters."""
        rows = await self._base.rows(_STARTING, {"start": start})
        return _read(rows[0]) if len(rows) == 1 else None

    async def gone(self, ids: Collection[str]) -> set[str]:
        """Which of these outages were deleted."""
        rows = await self._base.rows(_GONE, {"ids": codec.listed(ids)})
        return {row["id"] for row in rows}

    async def _free(self, page: Sequence[database.Row]) -> dict[str, Sequence[str]]:
        """Of ended runs those that nothing needs, each with the copies that it had left."""
        ids = [row["id"] for row in page]
        records: dict[str, dict[str, runs.StepRecord] | None] = {id_: {} for id_ in ids}
        for row in await self._base.rows(_STEPS, {"ids": codec.listed(ids)}):
            load = functools.partial(codec.load, row["body"], runs.StepRecord)
            record, known = self._steps_apart.read(f"{row['run_id']} {row['id']}", load), records[row["run_id"]]
            if record is None:
                records[row["run_id"]] = None  # whoever wrote it may know why it matters
            elif known is not None:
                known[row["id"]] = record
        left: dict[str, list[str]] = {}
        for row in page:
            run, steps = self._apart.read(row["id"], functools.partial(run_rows.run, row)), records[row["id"]]
            if run is not None and steps is not None:
                left[row["id"]] = [servers.server_id(id_) for id_ in runs.left(run, steps)]
        needed = await self._needed({row["id"]: row["ended_at"] for row in page if row["id"] in left}, left)
        return {id_: copies for id_, copies in left.items() if id_ not in needed}

    async def _needed(self, ended: Mapping[str, str], left: Mapping[str, Sequence[str]]) -> set[str]:
        """The runs that may be the only ones to know of a copy."""
        made = await self._made_by()
        of = {run: {*copies, *made.get(run, ())} for run, copies in left.items()}
        of = {run: copies for run, copies in of.items() if copies}
        if not of:
            return set()
        known = {(row["run_id"], row["copy_id"]) for row in await self._base.rows(_CUT_OVER, _these(of))}
        every = {copy for copies in of.values() for copy in copies}
        there = {row["id"] for row in await self._base.rows(_THERE, _these(every))}
        needed = set()
        for run, copies in of.items():
            for copy in copies:
                if (run, copy) not in known and (copy in there or not await self._listed(copy, since=ended[run])):
                    needed.add(run)
        return needed

    async def _made_by(self) -> Mapping[str, Collection[str]]:
        """The servers that carry the tag of a run, by that; read again when the estate has changed."""
        row = await self._base.row(_VERSION)
        version = int(row["number"]) if row else 0
        if version != self._made[0]:
            found: dict[str, list[str]] = {}
            for each in await self._base.rows(_OURS):
                server = codec.load(each["body"], servers.Server)
                found.setdefault(server.tags.get(restores.RUN_TAG, ""), []).append(server.id)
            self._made = version, found
        return self._made[1]

    async def _listed(self, copy: str, *, since: str) -> bool:
        """Whether the inventory lists the subscription of a copy, so that its absence proves that it is gone."""
        prefix = "/".join(copy.split("/")[:3]) + "/"
        row = await self._base.row(_SEEN, {"prefix": prefix})
        seen = codec.moment_or_none(row["at"]) if row else None
        return seen is not None and seen > codec.moment(since) + _LONG_ENOUGH


_LONG_ENOUGH = timedelta(days=1)
"""After a run's end, its copy is in every complete listing."""
_FREE = """
    runs.state IN ('done', 'failed', 'cancelled') AND runs.ended_at < :before
    AND NOT EXISTS (SELECT 1 FROM outages WHERE outages.id = runs.outage_id AND outages.closed_at IS NULL)
"""
_ENDED = f"""
    SELECT * FROM runs WHERE {_FREE} AND (ended_at > :at OR (ended_at = :at AND number > :number))
    ORDER BY ended_at, number LIMIT :limit
"""  # noqa: S608 - literals, as all of these
_STEPS = "SELECT run_id, id, body FROM steps WHERE run_id IN (SELECT value FROM json_each(:ids))"
_CUT_OVER = "SELECT run_id, copy_id FROM successions WHERE run_id IN (SELECT value FROM json_each(:ids))"
_THERE = "SELECT id FROM servers WHERE id IN (SELECT value FROM json_each(:ids))"
_OURS = f"""SELECT body FROM servers WHERE body LIKE '%"{restores.RUN_TAG}":%'"""  # noqa: S608
_VERSION = "SELECT number FROM versions WHERE name = 'estate'"
_SEEN = "SELECT MAX(seen_at) AS at FROM servers WHERE SUBSTR(id, 1, LENGTH(CAST(:prefix AS TEXT))) = :prefix"
_STILL = f"SELECT id, state, ended_at FROM runs WHERE {_FREE} AND id IN (SELECT value FROM json_each(:ids))"  # noqa: S608
_OF_RUNS = tuple(
    f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(:ids))"  # noqa: S608
    for table, column in (
        *((table, "run_id") for table in ("journal", "signals", "asks", "under_way", "steps")),
        ("runs", "id"),
    )
)
"""What points at a run before the run."""
_CLOSED = """
    SELECT id, status, closed_at FROM outages
    WHERE closed_at IS NOT NULL AND closed_at < :before
        AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.outage_id = outages.id)
        AND NOT EXISTS (SELECT 1 FROM freezes WHERE kind = 'wave' AND name = outages.id AND lifted_at IS NULL)
    ORDER BY closed_at LIMIT :limit
"""
_NOTE = """
    INSERT INTO pruned (kind, id, at, ended_at, how, copies, swept_at) VALUES {rows}
    ON CONFLICT (kind, id) DO UPDATE SET at = excluded.at, ended_at = excluded.ended_at, how = excluded.how,
        copies = excluded.copies, swept_at = excluded.swept_at
"""
_LINE = "SELECT * FROM pruned WHERE kind = :kind AND id = :id"
_STARTING = """
    SELECT * FROM pruned
    WHERE kind = 'outage' AND LOWER(SUBSTR(id, 1, LENGTH(CAST(:start AS TEXT)))) = LOWER(CAST(:start AS TEXT))
    ORDER BY id LIMIT 2
"""
_GONE = "SELECT id FROM pruned WHERE kind = 'outage' AND id IN (SELECT value FROM json_each(:ids))"
_UNSWEPT = "SELECT id FROM pruned WHERE swept_at IS NULL ORDER BY id LIMIT 1"
_DECISIONS = "SELECT id FROM decisions WHERE outage_id = :outage ORDER BY id LIMIT :limit"
_SILENCES = "SELECT server_id FROM silences WHERE outage_id = :outage ORDER BY server_id LIMIT :limit"
_THESE = "IN (SELECT CAST(value AS BIGINT) FROM json_each(:ids))"


def _asked(before: datetime, looked: tuple[str, int], limit: int) -> dict[str, object]:
    return {"before": codec.stamp(before), "at": looked[0], "number": looked[1], "limit": limit}


def _these(ids: Iterable[str]) -> dict[str, str]:
    return {"ids": codec.listed(ids)}


def _delete_runs(
    connection: database.Connection, free: dict[str, Sequence[str]], before: datetime, now: datetime
) -> int:
    asked = {"before": codec.stamp(before), "ids": codec.listed(free)}
    rows = connection.execute(_STILL, asked).fetchall()
    if rows:
        at = codec.stamp(now)
        lines = [("run", r["id"], at, r["ended_at"], r["state"], json.dumps(list(free[r["id"]])), at) for r in rows]
        database.insert(connection, _NOTE, lines)
        for sql in _OF_RUNS:
            connection.execute(sql, {"ids": codec.listed(row["id"] for row in rows)})
    return len(rows)


def _delete_outages(connection: database.Connection, before: datetime, now: datetime, limit: int) -> int:
    rows = connection.execute(_CLOSED, {"before": codec.stamp(before), "limit": limit}).fetchall()
    if rows:
        lines = [("outage", r["id"], codec.stamp(now), r["closed_at"], r["status"], "[]", None) for r in rows]
        database.insert(connection, _NOTE, lines)
        sql = "DELETE FROM outages WHERE id IN (SELECT value FROM json_each(:ids))"
        connection.execute(sql, {"ids": codec.listed(row["id"] for row in rows)})
    return len(rows)


def _sweep(connection: database.Connection, now: datetime, limit: int) -> bool:
    found = connection.execute(_UNSWEPT).fetchone()
    if found is None:
        return False
    asked = {"outage": found["id"], "limit": limit}
    decisions = connection.execute(_DECISIONS, asked).fetchall()
    if decisions:
        ids = {"ids": codec.listed(str(row["id"]) for row in decisions)}
        connection.execute(f"DELETE FROM latest_decisions WHERE decision_id {_THESE}", ids)  # noqa: S608
        connection.execute(f"DELETE FROM decisions WHERE id {_THESE}", ids)  # noqa: S608
        return True
    silent = connection.execute(_SILENCES, asked).fetchall()
    if silent:
        sql = "DELETE FROM silences WHERE outage_id = :outage AND server_id IN (SELECT value FROM json_each(:ids))"
        connection.execute(sql, {"outage": found["id"], "ids": codec.listed(row["server_id"] for row in silent)})
        return True
    swept = "UPDATE pruned SET swept_at = :at WHERE kind = 'outage' AND id = :id"
    connection.execute(swept, {"at": codec.stamp(now), "id": found["id"]})
    return True


def _read(row: database.Row | None) -> Pruned | None:
    if row is None:
        return None
    return Pruned(
        id=row["id"],
        at=codec.moment(row["at"]),
        ended_at=codec.moment(row["ended_at"]),
        how=row["how"],
        copies=tuple(json.loads(row["copies"])),
    )
