"""Which server took the place of which, kept for good: in the transaction of the outcome that says so.

Of its own, and not read off the runs: these go by age, and a server that was cut away from is still not the live one.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from responder.core import runs, servers, successions
from responder.store import codec, database


class Successions:
    """Reads. What is written, is written by `note`."""

    def __init__(self, base: database.Database) -> None:
        self._base = base

    async def of(self, ids: Collection[servers.ServerId]) -> dict[servers.ServerId, list[successions.Succession]]:
        """Of these servers, those that were ever cut away from: the newest first, ended ones too."""
        rows = await self._base.rows(_OF, {"ids": codec.listed(ids)})
        return _by_server([_read(row) for row in rows])

    async def standing(self) -> dict[servers.ServerId, successions.Succession]:
        """Every server that is not the live one, and what took its place last."""
        rows = await self._base.rows(_STANDING)
        return {id_: found[0] for id_, found in _by_server([_read(row) for row in rows]).items()}

    async def newest(self, limit: int) -> tuple[list[successions.Succession], int]:
        """Those that stand and were begun last, and how many servers are not the live one in all."""
        rows = await self._base.rows(f"{_STANDING} LIMIT :limit", {"limit": limit})
        count = await self._base.row(_COUNT)
        return [_read(row) for row in rows], count["servers"] if count else 0


def note(connection: database.Connection, run: runs.Run, record: runs.StepRecord, at: datetime) -> None:
    """Write what this record says about who is the live one, inside a transaction of the caller's."""
    if not successions.tells(run, record):
        return
    rows = connection.execute("SELECT id, body FROM steps WHERE run_id = ?", (run.id,)).fetchall()
    records = {row["id"]: codec.load(row["body"], runs.StepRecord) for row in rows}
    match successions.told(run, records, record, at):
        case successions.Withdrawn():
            connection.execute("DELETE FROM successions WHERE run_id = ?", (run.id,))
        case successions.Succession() as found:
            since = codec.stamp(found.since)
            connection.execute(_ENDS, {"live": found.by, "at": since, "run": run.id})
            point = codec.stamp(found.recovery_point)
            row = {"run": run.id, "server": found.server, "by": found.by, "since": since, "point": point}
            connection.execute(_ADD, row)


_OF = "SELECT * FROM successions WHERE server_id IN (SELECT value FROM json_each(:ids)) ORDER BY since DESC, run_id"
_STANDING = "SELECT * FROM successions WHERE ended_at IS NULL ORDER BY since DESC, run_id"
_COUNT = "SELECT COUNT(DISTINCT server_id) AS servers FROM successions WHERE ended_at IS NULL"
# What takes a place is live itself, whatever was said of it before.
_ENDS = "UPDATE successions SET ended_at = :at, ended_by = :run WHERE server_id = :live AND ended_at IS NULL"
_ADD = """
    INSERT INTO successions (run_id, server_id, copy_id, since, recovery_point)
    VALUES (:run, :server, :by, :since, :point)
    ON CONFLICT (run_id) DO UPDATE SET
        server_id = excluded.server_id, copy_id = excluded.copy_id, since = excluded.since,
        recovery_point = excluded.recovery_point
"""


def _read(row: database.Row) -> successions.Succession:
    return successions.Succession(
        server=row["server_id"],
        by=row["copy_id"],
        run=row["run_id"],
        since=codec.moment(row["since"]),
        recovery_point=codec.moment_or_none(row["recovery_point"]),
        ended_at=codec.moment_or_none(row["ended_at"]),
    )


def _by_server(found: list[successions.Succession]) -> dict[servers.ServerId, list[successions.Succession]]:
    by_server: dict[servers.ServerId, list[successions.Succession]] = {}
    for one in found:
        by_server.setdefault(one.server, []).append(one)
    return by_server
