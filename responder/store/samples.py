"""Restores that have ended, well or badly: written in the transaction that ends the step, read to learn from.

Measures nothing itself: when a restore was asked for and when its copy was there is in the journal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from responder.core import regions, restore_times, runs, servers
from responder.store import codec, database

RESTORES = frozenset({"restore"})
"""Step kinds that bring up a copy."""
_DRILL = "drill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """One restore of a size class."""

    number: int
    """Rises with every restore that ends."""
    size_class: str
    sample: restore_times.Sample


class Samples:
    """What restores took."""

    def __init__(self, base: database.Database) -> None:
        self._base = base

    async def since(self, number: int, limit: int = 1000) -> list[Sampled]:
        """Restores behind that number whose time is known, oldest first."""
        rows = await self._base.rows(_SINCE, {"number": number, "limit": limit})
        return [_sampled(row) for row in rows]

    async def newest(self, limit: int = 100) -> list[dict[str, Any]]:
        """Newest first: run_id, attempt, kind, server_id, size_class, source_region, target_region, times, failed."""
        rows = await self._base.rows("SELECT * FROM restore_samples ORDER BY id DESC LIMIT :limit", {"limit": limit})
        return [
            {
                **{name: row[name] for name in _PLAIN},
                "requested_at": codec.moment_or_none(row["requested_at"]),
                "ended_at": codec.moment(row["ended_at"]),
                "failed": bool(row["failed"]),
            }
            for row in rows
        ]


def note(connection: database.Connection, run: runs.Run, record: runs.StepRecord, at: datetime) -> None:
    """Write a restore that this record ends, inside a transaction of the caller's; anything else is no sample."""
    step = run.playbook.step(record.id)
    failed = record.state in (runs.StepState.FAILED, runs.StepState.RETRYING)
    ended = failed or (record.state is runs.StepState.DONE and bool(record.output.get("copy")))
    if step is None or step.kind not in RESTORES or not ended:
        return
    row = connection.execute("SELECT body, region FROM servers WHERE id = ?", (run.server_id,)).fetchone()
    if row is None:
        return
    server = codec.load(row["body"], servers.Server)
    target = record.output.get("region") or record.saved.get("region") or regions.pair_of(server.region) or ""
    connection.execute(
        _NOTE,
        {
            "run": run.id,
            "step": record.id,
            "attempt": record.attempts,
            "kind": _DRILL if run.playbook.name == _DRILL else "real",
            "server": run.server_id,
            "size": restore_times.size_class(server.storage_gb),
            "source": server.region,
            "target": codec.clean(str(target)),
            "requested": _requested(record),
            "ended": codec.stamp(record.ended_at or at),
            "failed": int(failed),
        },
    )


def _requested(record: runs.StepRecord) -> str | None:
    """When the restore was asked for: the step says so, or it was the first attempt."""
    told = record.output.get("requested_at") or record.saved.get("requested_at")
    if isinstance(told, str):
        try:
            return codec.stamp(datetime.fromisoformat(told))
        except ValueError:
            return None
    return codec.stamp(record.started_at) if record.attempts == 1 else None


def _sampled(row: database.Row) -> Sampled:
    took = codec.moment(row["ended_at"]) - codec.moment(row["requested_at"])
    sample = restore_times.Sample(took=took, failed=bool(row["failed"]), real=row["kind"] != _DRILL)
    return Sampled(number=int(row["id"]), size_class=row["size_class"], sample=sample)


_PLAIN = ("run_id", "step", "attempt", "kind", "server_id", "size_class", "source_region", "target_region")
_NOTE = """
    INSERT INTO restore_samples (run_id, step, attempt, kind, server_id, size_class, source_region, target_region,
                                 requested_at, ended_at, failed)
    VALUES (:run, :step, :attempt, :kind, :server, :size, :source, :target, :requested, :ended, :failed)
    ON CONFLICT (run_id, step, attempt) DO NOTHING
"""
_SINCE = """
    SELECT id, size_class, kind, requested_at, ended_at, failed FROM restore_samples
    WHERE id > :number AND requested_at IS NOT NULL AND ended_at > requested_at ORDER BY id LIMIT :limit
"""
