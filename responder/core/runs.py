"""Runs: one playbook being carried out for one server. A cursor and a journal; `advance` is the whole machine.

What a step answers is an `Outcome`. Nothing sleeps inside a step: waiting for a deadline, an approval, an Azure
operation or a back-off is a row with `wake_at`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NewType

from responder.core import copies, durations, outages, playbooks, servers

RunId = NewType("RunId", str)

MAKERS = ("promote_replica", "restore", "create_server", "measure_replica")
"""Step kinds whose output names the server that stands in for the run's own: `copy`, `fqdn`, `region`. First wins."""


class State(StrEnum):
    """Where a run is."""

    READY = "ready"
    """Due: some instance should take it."""
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self in (State.DONE, State.FAILED, State.CANCELLED)


class StepState(StrEnum):
    """Where a step of a run is. No row: not reached yet."""

    BEGUN = "begun"
    """The intent is written, the outcome is not: after a crash, reconcile before anything else."""
    WAITING = "waiting"
    RETRYING = "retrying"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The step is complete; `output` is what later steps may refer to."""

    output: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Look again at `until`, or when a signal on `topic` arrives."""

    until: datetime
    topic: str = "time"
    saved: Mapping[str, Any] | None = None
    """What the step must remember; None keeps what it saved before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """It did not work and may work later. Counts as an attempt."""

    after: timedelta
    why: str
    saved: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """It did not work and never will this way."""

    why: str


Outcome = Done | Wait | Retry | Fail


class NotStarted:
    """Answer of `reconcile`: the effect of a begun step never reached Azure. Execute it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """The journal of one step of one run."""

    id: str
    state: StepState
    attempts: int = 0
    """How often it was begun; 1 after the first time."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    saved: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    """Why it failed, is retried, or was skipped."""
    given: Mapping[str, Any] | None = None
    """Its settings as they were when it was begun, where they hold expressions: they do not change under a step."""


class Topic(StrEnum):
    """What a signal to a run is about."""

    APPROVE = "approve"
    DECLINE = "decline"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    SKIP = "skip"
    GO_NOW = "go-now"
    HOLD = "hold"
    RELEASE = "release"
    """A hold is over, and nothing else is said."""
    DECISION = "decision"
    """The decision for the server says something new: look again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Somebody's word to a run: stored even when nobody waits for it yet."""

    run_id: RunId
    topic: Topic
    by: str
    at: datetime
    payload: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    """Of whoever says it: the same word sent twice, because an answer was lost, is kept once. None: not named."""
    until: datetime | None = None
    """Of a pause or a hold: when it is over by itself. None: when somebody says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run. `fence` rises with every claim, and every write names it: a frozen former owner can do nothing."""

    id: RunId
    server_id: servers.ServerId
    outage_id: outages.OutageId | None
    """None for a run that a human started without an outage."""
    playbook: playbooks.Playbook
    params: Mapping[str, Any]
    state: State
    step: str | None
    """The step that is next or under way; None once ended."""
    created_at: datetime
    created_by: str
    fence: int = 0
    wake_at: datetime | None = None
    waiting_for: str | None = None
    ended_at: datetime | None = None
    why: str = ""
    """Why it ended as it did, when not simply done."""
    strikes: int = 0
    """How often in a row it was claimed and left without an outcome: it raised, or took the process with it."""

    def log_context(self) -> dict[str, str]:
        """The fields that every log line about this run carries."""
        return {"run": self.id, "playbook": self.playbook.name, "step": self.step or "-"}


def run_id(playbook: str, server: servers.Server, cause: str, number: int = 1) -> RunId:
    """Deterministic: the same cause asks for the same run, so asking twice starts one.

    Args:
        cause: the outage id, or what a human's run is named after.
        number: 2 and up when the region came back, the earlier run ended, and it went away again.
    """
    return RunId(f"{playbook}.{server.name}.{cause}" + (f".{number}" if number > 1 else ""))


def new(
    *,
    id_: RunId,
    server: servers.Server,
    outage_id: outages.OutageId | None,
    playbook: playbooks.Playbook,
    params: Mapping[str, Any],
    by: str,
    now: datetime,
) -> Run:
    """A run that is due at once."""
    return Run(
        id=id_,
        server_id=server.id,
        outage_id=outage_id,
        playbook=playbook,
        params=params,
        state=State.READY,
        step=playbook.steps[0].id,
        created_at=now,
        created_by=by,
        wake_at=now,
    )


def begin(run: Run, record: StepRecord | None, now: datetime, given: Mapping[str, Any] | None = None) -> StepRecord:
    """The intent: written before the step acts.

    Args:
        given: its settings with every expression filled in; None: there are none to fill in.
    """
    assert run.step is not None
    if record is None:
        return StepRecord(id=run.step, state=StepState.BEGUN, attempts=1, started_at=now, given=given)
    return replace(record, state=StepState.BEGUN, attempts=record.attempts + 1)


def skip(run: Run, now: datetime, why: str, record: StepRecord | None = None) -> tuple[Run, StepRecord]:
    """The run past a step whose condition does not hold, or that somebody passes over. What it saved is kept."""
    assert run.step is not None
    known = record or StepRecord(id=run.step, state=StepState.SKIPPED, started_at=now)
    return _next(run, now), replace(known, state=StepState.SKIPPED, ended_at=now, why=why)


def anew(step: playbooks.Step, record: StepRecord, now: datetime) -> StepRecord:
    """The record of a failed step that a human tries again: with all its attempts and its whole time, and what it
    saved. When it was first begun stays known where no time-out counts from it."""
    started = now if step.timeout is not None else record.started_at
    return replace(record, state=StepState.RETRYING, attempts=0, started_at=started, ended_at=None)


def failed_step(run: Run, records: Mapping[str, StepRecord]) -> str | None:
    """The step that a failed run stopped at; None when it is not to be seen."""
    ended = [r for r in records.values() if r.state is StepState.FAILED and run.playbook.step(r.id) is not None]
    newest = max(ended, key=lambda r: (r.ended_at is not None, r.ended_at), default=None)
    return newest.id if newest is not None and run.state is State.FAILED else None


def under_way(record: StepRecord | None) -> bool:
    """Whether a step's effect may be going on out there: begun with its outcome unknown, or an operation is polled.

    By what steps save: `token` is the handle of an operation, `adopted` a target that is being made. With either,
    executing the step only looks.
    """
    if record is None:
        return False
    handles = "token" in record.saved or "adopted" in record.saved
    return record.state is StepState.BEGUN or (record.state is StepState.WAITING and handles)


def advance(run: Run, record: StepRecord, outcome: Outcome, now: datetime) -> tuple[Run, StepRecord]:
    """The run and the step's record after an outcome. Total over outcomes; writes nothing."""
    assert run.step is not None
    step = run.playbook.step(run.step)
    assert step is not None
    end = deadline(step, record)
    match outcome:
        case Done(output=output):
            return _next(run, now), replace(record, state=StepState.DONE, output=output, ended_at=now, why="")
        case Wait() | Retry() if end is not None and now >= end:
            why = f": {outcome.why}" if isinstance(outcome, Retry) else ""
            return _failed(run, step, record, f"not done within {_span(step)}{why}", now)
        case Wait(until=until, topic=topic, saved=saved):
            waiting = replace(record, state=StepState.WAITING, saved=record.saved if saved is None else saved)
            due = min(until, end) if end else until
            return replace(run, state=State.WAITING, wake_at=due, waiting_for=topic), waiting
        case Retry(after=after, why=why, saved=saved) if record.attempts < step.attempts:
            retrying = replace(
                record, state=StepState.RETRYING, why=why, saved=record.saved if saved is None else saved
            )
            later = now + max(after, back_off(step, record.attempts) or after)
            due = min(later, end) if end else later
            return replace(run, state=State.WAITING, wake_at=due, waiting_for="retry"), retrying
        case Retry(why=why, saved=saved):  # what it saved counts: somebody may say `retry`
            kept = record if saved is None else replace(record, saved=saved)
            return _failed(run, step, kept, f"gave up after {record.attempts} attempts: {why}", now)
        case Fail(why=why):
            return _failed(run, step, record, why, now)


def deadline(step: playbooks.Step, record: StepRecord | None) -> datetime | None:
    """When the step must be done; None: it may take as long as it takes."""
    if step.timeout is None or record is None or record.started_at is None:
        return None
    return record.started_at + step.timeout


def overdue(run: Run, record: StepRecord | None, now: datetime) -> Fail | None:
    """The end of a step that failed before, whose time is up: it is not tried again. One that waits is looked at once
    more, because what it waits for may be there."""
    step = run.playbook.step(run.step or "")
    end = deadline(step, record) if step else None
    if step is None or record is None or end is None or now < end or record.state is not StepState.RETRYING:
        return None
    return Fail(why=f"not done within {_span(step)}: {record.why}")


def back_off(step: playbooks.Step, attempts: int) -> timedelta | None:
    """The pause that the playbook wants after so many failures; None: it says nothing."""
    if step.first is None:
        return None
    grown: timedelta = step.first * 2.0 ** min(attempts - 1, 16)
    return min(grown, step.longest) if step.longest is not None else grown


def _span(step: playbooks.Step) -> str:
    return durations.show(step.timeout) if step.timeout else ""


def cancelled(run: Run, why: str, now: datetime) -> Run:
    """The run after a cancel, honoured between steps."""
    return replace(run, state=State.CANCELLED, step=None, ended_at=now, wake_at=None, waiting_for=None, why=why)


def refused(run: Run, why: str, now: datetime) -> Run:
    """The run that may not even start."""
    return replace(run, state=State.FAILED, step=None, ended_at=now, wake_at=None, waiting_for=None, why=why)


def _failed(run: Run, step: playbooks.Step, record: StepRecord, why: str, now: datetime) -> tuple[Run, StepRecord]:
    failed = replace(record, state=StepState.FAILED, ended_at=now, why=why)
    if step.on_failure == "continue":
        return _next(run, now), failed
    if step.on_failure.startswith("step:"):
        target = step.on_failure.removeprefix("step:")
        return replace(run, state=State.READY, step=target, wake_at=now, waiting_for=None), failed
    ended = replace(
        run, state=State.FAILED, step=None, ended_at=now, wake_at=None, waiting_for=None, why=f"{step.id}: {why}"
    )
    return ended, failed


def _next(run: Run, now: datetime) -> Run:
    assert run.step is not None
    following = run.playbook.after(run.step)
    if following is None:
        return replace(run, state=State.DONE, step=None, ended_at=now, wake_at=None, waiting_for=None)
    return replace(run, state=State.READY, step=following.id, wake_at=now, waiting_for=None)


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
