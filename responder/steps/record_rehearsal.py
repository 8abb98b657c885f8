"""`record_rehearsal`: the figures of a rehearsed restore, put together. The next one is believed to take as long.

Output: `requested_at`, `accepted_at`, `ready_at`, `first_query_at` (null where it did not get so far), `used_gb`,
`size_class`, `kind`, `failed`, the durations between, and `data_loss_s` against the moment it was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from responder.core import playbooks, restore_times, runs
from responder.steps import doors

EFFECT = "read"
ABOUT = "Puts the figures of a rehearsed restore together."
OUTPUTS = (
    playbooks.Output(name="verdict", words=("rehearsed", "failed"), about="rehearsed, or failed"),
    playbooks.Output(name="failed", type=playbooks.Type.FLAG, about="it did not come to a first query"),
    playbooks.Output(name="kind", about="geo-restore or point-in-time-restore"),
    playbooks.Output(name="size_class", about="small, middle or large"),
    playbooks.Output(name="used_gb", type=playbooks.Type.NUMBER, about="what its databases take"),
    playbooks.Output(name="requested_at", type=playbooks.Type.TIME, about="when Azure was asked"),
    playbooks.Output(name="accepted_at", type=playbooks.Type.TIME, about="when it had accepted"),
    playbooks.Output(name="ready_at", type=playbooks.Type.TIME, about="when the copy was ready"),
    playbooks.Output(name="first_query_at", type=playbooks.Type.TIME, about="when it answered SQL"),
    playbooks.Output(name="accepted_after_s", type=playbooks.Type.DURATION, about="from the request until then"),
    playbooks.Output(name="ready_after_s", type=playbooks.Type.DURATION, about="from the request until then"),
    playbooks.Output(name="first_query_after_s", type=playbooks.Type.DURATION, about="from the request until then"),
    playbooks.Output(name="data_loss_s", type=playbooks.Type.DURATION, about="from its newest row to the request"),
)


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Read the outputs of the steps before; of one that failed, what it had saved."""
    restored, seen = dict(ctx.output_of("restore")), ctx.output_of("verify")
    failed = not restored or not seen
    if not restored:
        restored = _tried(ctx)
    requested = _at(restored, "requested_at")
    times = {name: _at(restored, name) for name in ("accepted_at", "ready_at")}
    times["first_query_at"] = _at(seen, "first_query_at")
    point = _at(seen, "recovery_point")
    return runs.Done(
        output={
            "verdict": "failed" if failed else "rehearsed",
            "failed": failed,
            "kind": restored.get("kind") or "geo-restore",
            "size_class": restore_times.size_class(ctx.situation.server.storage_gb),
            "used_gb": seen.get("used_gb"),
            "requested_at": requested.isoformat() if requested else None,
            **{name: at.isoformat() if at else None for name, at in times.items()},
            **{f"{name.removesuffix('_at')}_after_s": _between(requested, at) for name, at in times.items()},
            "data_loss_s": _between(point, requested),
        }
    )


def _tried(ctx: doors.Context) -> dict[str, Any]:
    """What a restore that came to nothing had written down."""
    for step in ctx.run.playbook.steps:
        record = ctx.records.get(step.id)
        if step.kind == "restore" and record is not None:
            started = record.started_at.isoformat() if record.started_at else None
            return {"requested_at": started, **record.saved}
    return {}


def _at(found: Mapping[str, Any], name: str) -> datetime | None:
    return datetime.fromisoformat(str(found[name])) if found.get(name) else None


def _between(earlier: datetime | None, later: datetime | None) -> float | None:
    return round(max((later - earlier).total_seconds(), 0.0), 3) if earlier and later else None
