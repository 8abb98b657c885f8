"""What a run has made, read off its journal by step kind: the copy that stands in for its server. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from responder.core import copies
from responder.core.runs.shapes import Run, State, StepRecord, StepState

MAKERS = ("promote_replica", "restore", "create_server", "measure_replica")
"""Step kinds whose output names the server that stands in for the run's own: `copy`, `fqdn`, `region`. First wins."""


def stands_in(run: Run) -> bool:
    """Whether the copy of this run is meant to take the place of its server: decisions look at no other.

    Not so a rehearsal's, nor one that a human wants beside the server (`cutover` is a parameter, and not set).
    """
    can = any(step.kind == "cut_over" for step in run.playbook.steps)
    return can and (run.created_by == "responder" or run.params.get("cutover", True) is not False)


def copy_of(run: Run | None, records: Mapping[str, StepRecord]) -> copies.Copy:
    """The copy that a run made, or the replica it means to promote, read off its journal by step kind.

    No run, or nothing begun: no copy.
    """
    if run is None:
        return copies.Copy()
    by_kind: dict[str, StepRecord] = {}
    for step in run.playbook.steps:
        record = records.get(step.id)
        if record is not None and (step.kind not in by_kind or by_kind[step.kind].state is StepState.SKIPPED):
            by_kind[step.kind] = record
    measured = by_kind.get("measure_replica")
    if measured is not None and measured.state is not StepState.SKIPPED:
        return _replica(run, measured, by_kind)
    restore, verify = by_kind.get("restore") or by_kind.get("create_server"), by_kind.get("verify")
    if restore is None or restore.started_at is None or restore.state is StepState.SKIPPED:
        return copies.Copy()
    if restore.state is StepState.DONE and not restore.output.get("copy"):
        return copies.Copy()
    ready = verify is not None and verify.state is StepState.DONE
    point = verify.output.get("recovery_point") if ready and verify else None
    return copies.Copy(
        state=_copy_state(run, restore, by_kind, ready=ready),
        way=_way(run, restore),
        server_id=restore.output.get("copy") or restore.saved.get("copy"),
        started_at=restore.started_at,
        ready_at=verify.ended_at if ready and verify else None,
        recovery_point=datetime.fromisoformat(point) if point else None,
        verified=bool(ready and verify and verify.output.get("sql")),
    )


def _replica(run: Run, measured: StepRecord, by_kind: Mapping[str, StepRecord]) -> copies.Copy:
    """A replica is there already: it is ready as soon as it is measured, and ours only when it is promoted."""
    promoted, output = by_kind.get("promote_replica"), measured.output
    if promoted is not None and promoted.output.get("verdict") == "promoted":
        state, output = copies.State.PROMOTED, {**output, **promoted.output}
    elif measured.state is StepState.FAILED or run.state in (State.FAILED, State.CANCELLED):
        state = copies.State.FAILED
    elif run.state is State.DONE:
        state = copies.State.DISCARDED  # it was not needed, and goes on as a replica
    else:
        state = copies.State.READY if measured.state is StepState.DONE else copies.State.RESTORING
    point = output.get("recovery_point")
    return copies.Copy(
        state=state,
        way="promote-replica",
        server_id=output.get("copy"),
        started_at=measured.started_at,
        ready_at=measured.ended_at,
        recovery_point=datetime.fromisoformat(point) if point else None,
        verified=bool(output.get("sql")),
    )


def _way(run: Run, restore: StepRecord) -> str:
    step = run.playbook.step(restore.id)
    return "point-in-time-restore" if step and step.settings.get("from") == "point-in-time" else "geo-restore"


def _copy_state(run: Run, restore: StepRecord, by_kind: Mapping[str, StepRecord], *, ready: bool) -> copies.State:
    cut_over, discard = by_kind.get("cut_over"), by_kind.get("discard_copy")
    if cut_over is not None and cut_over.output.get("verdict") == "cut-over":
        return copies.State.PROMOTED
    if discard is not None and discard.state is StepState.DONE:
        return copies.State.DISCARDED
    if restore.state is StepState.FAILED or run.state in (State.FAILED, State.CANCELLED):
        return copies.State.FAILED
    return copies.State.READY if ready else copies.State.RESTORING
