"""What a run is made of: where it and its steps are, what a step answers, and what people say to it. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NewType

from responder.core import outages, playbooks, servers

RunId = NewType("RunId", str)


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

    @property
    def taken(self) -> bool:
        """Whether Azure has taken what it asked for. Executing the step only looks, then.

        By what steps save: `token` is the handle of an operation, `adopted` a target that is being made.
        """
        return "token" in self.saved or "adopted" in self.saved


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
