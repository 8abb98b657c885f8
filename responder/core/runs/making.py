"""What a run has made: its copy, read off its journal by step kind. Pure; decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from responder.core import copies, playbooks
from responder.core.runs import shapes

MAKERS = ("promote_replica", "restore", "create_server", "measure_replica")
"""Step kinds whose output names the server that stands in for the run's own: `copy`, `fqdn`, `region`. First wins."""


def stands_in(run: shapes.Run) -> bool:
    """Whether the copy of this run is meant to take the place of its server: decisions look at no other.

    Not so a rehearsal's, nor one that a human wants beside the server (`cutover` is a parameter, and not set).
    """
    can = any(step.kind == "cut_over" for step in run.playbook.steps)
    return can and (run.created_by == "responder" or run.params.get("cutover", True) is not False)


def copy_of(run: shapes.Run | None, records: Mapping[str, shapes.StepRecord]) -> copies.Copy:
    """The copy that a run made, or the replica it means to promote, read off its journal by step kind.

    No run, or nothing begun: no copy.
    """
    if run is None:
        return copies.Copy()
    by_kind: dict[str, shapes.StepRecord] = {}
    for step in run.playbook.steps:
        record = records.get(step.id)
        if record is None or _throws_others(step):  # what does not count
            continue
        if step.kind not in by_kind or by_kind[step.kind].state is shapes.StepState.SKIPPED:
            by_kind[step.kind] = record
    measured = by_kind.get("measure_replica")
    if measured is not None and measured.state is not shapes.StepState.SKIPPED:
        return _replica(run, measured, by_kind)
    tried = _tried(run, records)
    restore, verify = _counts(tried)
    if restore is None or restore.started_at is None or restore.state is shapes.StepState.SKIPPED:
        return copies.Copy()
    if restore.state is shapes.StepState.DONE and not restore.output.get("copy"):
        return copies.Copy()
    ready = verify is not None and verify.state is shapes.StepState.DONE
    point = verify.output.get("recovery_point") if ready and verify else None
    place = tried.index((restore, verify))
    older, newer = tried[:place], tried[place + 1 :]
    return copies.Copy(
        renewable=renewal_from(run, run.step, records),
        renewing_since=next((one[0].started_at for one in newer if _being_made(*one)), None),
        instead_of=older[-1][0].output.get("copy") if older else None,
        state=_copy_state(run, restore, by_kind, ready=ready),
        way=_way(run, restore),
        server_id=restore.output.get("copy") or restore.saved.get("copy"),
        started_at=restore.started_at,
        ready_at=verify.ended_at if ready and verify else None,
        recovery_point=datetime.fromisoformat(point) if point else None,
        verified=bool(ready and verify and verify.output.get("sql")),
    )


OTHERS = "others"
"""What a `discard_copy` says under `of` that throws away the run's copies but for the one that counts."""
_RESTORES = ("restore", "create_server")
_MAKES_READY = ("copy_firewall_rules", "copy_parameters", "verify")

Tried = tuple[shapes.StepRecord, shapes.StepRecord | None]
"""The record that made a copy, and the one that verified it."""


def _tried(run: shapes.Run, records: Mapping[str, shapes.StepRecord]) -> list[Tried]:
    """The copies that a run has begun, in the order of its playbook."""
    found: list[Tried] = []
    for step in run.playbook.steps:
        record = records.get(step.id)
        if record is None or record.state is shapes.StepState.SKIPPED:
            continue
        if step.kind in _RESTORES:
            found.append((record, None))
        elif step.kind == "verify" and found and found[-1][1] is None:
            found[-1] = found[-1][0], record
    return found


def _counts(tried: Sequence[Tried]) -> tuple[shapes.StepRecord | None, shapes.StepRecord | None]:
    """The newest copy that was verified; before there is one, the first: a newer one counts when it can be used."""
    verified = [one for one in tried if one[1] is not None and one[1].state is shapes.StepState.DONE]
    return verified[-1] if verified else tried[0] if tried else (None, None)


def not_meant(run: shapes.Run, step: playbooks.Step, outputs: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The steps that made and verified copies other than the one a step is about, by id.

    What makes a copy ready is about the newest before it; everything else about the newest that was verified.
    """
    found: list[list[str]] = []
    before: list[str] = []
    for each in run.playbook.steps:
        if each.id == step.id:
            before = found[-1] if found else []
        if each.kind in _RESTORES and outputs.get(each.id, {}).get("copy"):
            found.append([each.id])
        elif each.kind == "verify" and found and each.id in outputs:
            found[-1].append(each.id)
    verified = [one for one in found if len(one) > 1]
    meant = before if step.kind in _MAKES_READY else verified[-1] if verified else found[0] if found else []
    return {id_ for one in found if one is not meant for id_ in one}


def left(run: shapes.Run, records: Mapping[str, shapes.StepRecord]) -> list[str]:
    """The ARM ids of the copies that a run which goes no further leaves behind, as far as they are known to be there:
    they are done, or Azure has taken the request."""
    return [copy for copy, seen in _left(run, records).items() if seen]


def perhaps_left(run: shapes.Run, records: Mapping[str, shapes.StepRecord]) -> list[str]:
    """Those that were asked for, without Azure ever having said that it would make them, or refused for good."""
    return [copy for copy, seen in _left(run, records).items() if not seen]


def _left(run: shapes.Run, records: Mapping[str, shapes.StepRecord]) -> dict[str, bool]:
    """Each copy, and whether it is known to be there."""
    copy = copy_of(run, records)
    thrown = [step for step in run.playbook.steps if step.kind == "discard_copy" and _is_done(records.get(step.id))]
    if copy.state is copies.State.DISCARDED or any(not _throws_others(step) for step in thrown):
        return {}
    found = {copy.server_id: True} if copy.server_id is not None else {}
    for step in run.playbook.steps:
        record = records.get(step.id)
        if step.kind in _RESTORES and record is not None:
            id_, seen = _asked_for(record)
            if id_ and (not thrown or copy.server_id in (None, id_)):  # else it was thrown away with the others
                found[id_] = seen
    return found


def _asked_for(record: shapes.StepRecord) -> tuple[str, bool]:
    """What a step that makes a copy has asked for, also one that was passed over, and whether Azure has taken it."""
    done = str(record.output.get("copy") or "")
    return done or str(record.saved.get("copy") or ""), bool(done or record.taken)


def renewal_from(run: shapes.Run, step: str | None, records: Mapping[str, shapes.StepRecord]) -> bool:
    """Whether that step, or one behind it, would make a newer copy, and was not begun. None: the run has ended."""
    ids = [each.id for each in run.playbook.steps]
    ahead = run.playbook.steps[ids.index(step) :] if step in ids else ()
    return any(each.settings.get("anew") is True and each.id not in records for each in ahead)


def _being_made(made: shapes.StepRecord, verified: shapes.StepRecord | None) -> bool:
    if made.state is not shapes.StepState.DONE:
        return made.state is not shapes.StepState.FAILED
    return bool(made.output.get("copy")) and (verified is None or verified.state is not shapes.StepState.FAILED)


def _throws_others(step: playbooks.Step) -> bool:
    return step.kind == "discard_copy" and step.settings.get("of") == OTHERS


def _is_done(record: shapes.StepRecord | None) -> bool:
    return record is not None and record.output.get("verdict") in ("discarded", "nothing-to-discard")


def _replica(run: shapes.Run, measured: shapes.StepRecord, by_kind: Mapping[str, shapes.StepRecord]) -> copies.Copy:
    """A replica is there already: it is ready as soon as it is measured, and ours only when it is promoted."""
    promoted, output = by_kind.get("promote_replica"), measured.output
    if promoted is not None and promoted.output.get("verdict") == "promoted":
        state, output = copies.State.PROMOTED, {**output, **promoted.output}
    elif measured.state is shapes.StepState.FAILED or run.state in (shapes.State.FAILED, shapes.State.CANCELLED):
        state = copies.State.FAILED
    elif run.state is shapes.State.DONE:
        state = copies.State.DISCARDED  # it was not needed, and goes on as a replica
    else:
        state = copies.State.READY if measured.state is shapes.StepState.DONE else copies.State.RESTORING
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


def _way(run: shapes.Run, restore: shapes.StepRecord) -> str:
    step = run.playbook.step(restore.id)
    return "point-in-time-restore" if step and step.settings.get("from") == "point-in-time" else "geo-restore"


def _copy_state(
    run: shapes.Run, restore: shapes.StepRecord, by_kind: Mapping[str, shapes.StepRecord], *, ready: bool
) -> copies.State:
    cut_over, discard = by_kind.get("cut_over"), by_kind.get("discard_copy")
    if cut_over is not None and cut_over.output.get("verdict") == "cut-over":
        return copies.State.PROMOTED
    if discard is not None and discard.state is shapes.StepState.DONE:
        return copies.State.DISCARDED
    if restore.state is shapes.StepState.FAILED or run.state in (shapes.State.FAILED, shapes.State.CANCELLED):
        return copies.State.FAILED
    return copies.State.READY if ready else copies.State.RESTORING
