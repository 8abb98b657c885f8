"""How a run moves on: `advance` is the whole machine, total over outcomes. Writes nothing and reads no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from responder.core import durations, playbooks
from responder.core.runs.shapes import Done, Fail, Outcome, Retry, Run, State, StepRecord, StepState, Wait


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
    """Whether a step's effect may be going on out there: begun with its outcome unknown, or an operation is polled."""
    if record is None:
        return False
    return record.state is StepState.BEGUN or (record.state is StepState.WAITING and record.taken)


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


_LONGEST_PAUSE = timedelta(hours=1)
"""Where a playbook says `first` and not `longest`: doubled a dozen times, ten seconds are half a day."""


def back_off(step: playbooks.Step, attempts: int) -> timedelta | None:
    """The pause that the playbook wants after so many failures; None: it says nothing."""
    if step.first is None:
        return None
    grown: timedelta = step.first * 2.0 ** min(attempts - 1, 16)
    return min(grown, step.longest or max(step.first, _LONGEST_PAUSE))


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
