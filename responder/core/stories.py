"""The story of one server in one outage, in sentences: what was seen, decided, done and said, and when.

Answers "why did mine wait?". Only retells what is stored; judges nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.core import decisions, durations, outages, regions, runs, silences

Action = decisions.Action
Made = tuple[runs.Run, Mapping[str, runs.StepRecord], Sequence[runs.Signal]]
"""A run, its steps by id, and what was said to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened."""

    at: datetime
    kind: str
    """`outage`, `probe`, `decision`, `run` or `word`."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Everything a story is made of."""

    name: str
    outage: outages.Outage
    silences: silences.Silences
    decided: Sequence[decisions.Decision]
    """Oldest first."""
    made: Sequence[Made]
    """Oldest first."""


def tell(told: Told) -> list[Line]:
    """The story, in the order of time."""
    lines = [*_of_outage(told.outage), *_of_probes(told.name, told.silences)]
    lines += _of_decisions(told.decided)
    for made in told.made:
        lines += _of_run(*made)
    return sorted(lines, key=lambda line: line.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One reason why a server waited."""

    id: str
    text: str
    """As it was last said."""
    lasted: timedelta
    """How long it was the weightiest of all."""

    @property
    def sentence(self) -> str:
        """The reason, and how long it counted."""
        return f"{self.text} (for {durations.show(self.lasted)})" if self.lasted else f"{self.text} (until now)"


def waits(decided: Sequence[decisions.Decision], now: datetime) -> list[Wait]:
    """Why it waited, the reason that counted longest first; empty when it never had to.

    Args:
        decided: oldest first.
        now: up to when the last of them stands.
    """
    found: dict[str, Wait] = {}
    ends = [*(following.at for following in decided[1:]), now][: len(decided)]
    for decision, end in zip(decided, ends, strict=True):
        if decision.action in _WAITING and decision.reasons:
            reason, before = decision.reasons[0], found.get(decision.reasons[0].id)
            lasted = max(end - decision.at, timedelta()) + (before.lasted if before else timedelta())
            found[reason.id] = Wait(id=reason.id, text=reason.text, lasted=lasted)
    return sorted(found.values(), key=lambda one: one.lasted, reverse=True)


_WAITING = (Action.WAIT, Action.HOLD, Action.ASK, Action.RESTORING)

_SAYS: Mapping[Action, tuple[str, str]] = {
    Action.OBSERVE: ("Looked on, touched nothing.", "Looked on, touched nothing."),
    Action.WAIT: ("Decided to wait.", "Would have waited."),
    Action.START: ("Decided to start a copy.", "Would have started a copy."),
    Action.RESTORING: ("Waited for the copy.", "Would have waited for the copy."),
    Action.HOLD: ("Held the copy.", "Would have held the copy."),
    Action.ASK: ("Asked for a human's yes to cut over.", "Would have asked for a human's yes to cut over."),
    Action.CUT_OVER: ("Decided to cut over to the copy.", "Would have cut over to the copy."),
    Action.SETTLE: ("Kept the copy for a while.", "Would have kept the copy for a while."),
    Action.STAND_DOWN: ("Decided to throw the copy away.", "Would have thrown the copy away."),
    Action.DONE: ("Applications run on the copy.", "Applications would be running on the copy."),
}
"""What a decision is in a story: taken to be carried out, and in shadow mode."""


def _of_outage(outage: outages.Outage) -> Iterable[Line]:
    where = regions.display(outage.region)
    who = "We suspect it ourselves" if outage.ours else "Azure calls it"
    yield Line(at=outage.impact_start, kind="outage", text=f"The impact on {where} began. {who}: {outage.title}.")
    late = durations.show(outage.heard_at - outage.impact_start)
    yield Line(at=outage.heard_at, kind="outage", text=f"We first heard of it, {late} after its beginning.")
    if outage.resolved_at is not None:
        over = "The suspicion has ended." if outage.ours else "By Azure's last word it was over."
        yield Line(at=outage.resolved_at, kind="outage", text=over)


def _of_probes(name: str, known: silences.Silences) -> Iterable[Line]:
    for silence in known:
        before = f"; the last answer was at {silence.answered_at:%H:%M:%S}" if silence.answered_at else ""
        never = "" if silence.answered_at else "; it never had answered from here"
        yield Line(at=silence.since, kind="probe", text=f"{name} did not answer our probe any more{before}{never}.")
        if silence.until is not None:
            span = durations.show(silence.until - silence.since)
            yield Line(at=silence.until, kind="probe", text=f"{name} answered again, after {span} of silence.")


def _of_decisions(decided: Sequence[decisions.Decision]) -> Iterable[Line]:
    clocks: tuple[datetime | None, datetime | None] = (None, None)
    for decision in decided:
        said = _SAYS[decision.action][decision.shadow]
        shadow = " Shadow: nothing was started." if decision.shadow else ""
        reasons = " ".join(reason.text for reason in decision.reasons)
        told = _clocks(decision) if (decision.start_by, decision.cut_over_at) != clocks else ""
        clocks = (decision.start_by, decision.cut_over_at)
        yield Line(at=decision.at, kind="decision", text=f"{said}{shadow} {reasons}{told}")


def _clocks(decision: decisions.Decision) -> str:
    if decision.start_by is None or decision.cut_over_at is None:
        return ""
    start, cut = (durations.moment(at, decision.at) for at in (decision.start_by, decision.cut_over_at))
    if decision.start_by <= decision.at:
        start = "now: its last safe moment is over"
    return f" Its clocks: start a copy by {start}; cut over at {cut}."


def _of_run(run: runs.Run, records: Mapping[str, runs.StepRecord], said: Sequence[runs.Signal]) -> Iterable[Line]:
    by = "" if run.created_by == "responder" else f" by {run.created_by}"
    book = run.playbook
    yield Line(at=run.created_at, kind="run", text=f"Playbook {book.name} was started{by}: {book.title}.")
    for step in run.playbook.steps:
        record = records.get(step.id)
        if record is not None and record.state is not runs.StepState.SKIPPED:
            yield from _of_step(step.id, record)
    for signal in said:
        if signal.topic is not runs.Topic.DECISION:
            yield Line(at=signal.at, kind="word", text=_word(signal))
    if run.ended_at is not None:
        why = f": {run.why}" if run.why else ""
        yield Line(at=run.ended_at, kind="run", text=f"The run ended, {run.state.value}{why}.")


def _of_step(step_id: str, record: runs.StepRecord) -> Iterable[Line]:
    if record.started_at is None:
        return
    tries = f", at attempt {record.attempts}" if record.attempts > 1 else ""
    why = f": {record.why}" if record.why else ""
    if record.ended_at is None:
        text = f"Step {step_id} began; it is {record.state.value}{tries}{why}."
        yield Line(at=record.started_at, kind="run", text=text)
        return
    took = durations.show(record.ended_at - record.started_at)
    text = f"Step {step_id} is {record.state.value} after {took}{tries}{why}.{_loss(record)}"
    yield Line(at=record.ended_at, kind="run", text=text)


def _loss(record: runs.StepRecord) -> str:
    lost = record.output.get("data_loss_s")
    if lost is None:
        return ""
    span = durations.show(timedelta(seconds=float(lost)))
    moved = record.output.get("verdict") == "cut-over"
    return f" Data lost: {span}." if moved else f" Cutting over would lose {span} of the newest data."


def _word(signal: runs.Signal) -> str:
    reason = str(signal.payload.get("reason") or "")
    accepted = signal.payload.get("loss_accepted_s")
    signed = f", signing for the loss of {durations.show(timedelta(seconds=float(accepted)))}" if accepted else ""
    return f"{signal.by} said {signal.topic.value}{signed}" + (f": {reason}" if reason else "") + "."
