"""Runs against a model in memory: any order of submit, claim, write, signal and crash ends in the same place."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from responder.core import errors, runs
from responder.store import due, sqlite
from responder.store import runs as stored
from tests.contracts import models, postgresql_backend, postgresql_server, samples, sqlite_backend

T = TypeVar("T")
NAMES = st.sampled_from("abcdefg")
SERVERS = st.sampled_from("xyz")
MINUTES = st.integers(0, 9)
STATES = st.sampled_from([*runs.State, *[runs.State.WAITING] * 5, *[runs.State.READY] * 2])  # most do not end


@dataclass
class Known:
    """What the model knows of one run."""

    run: runs.Run
    steps: dict[str, runs.StepRecord] = field(default_factory=dict)
    writes: int = 0
    sent: list[runs.Signal] = field(default_factory=list)
    untaken: list[runs.Signal] = field(default_factory=list)
    unsettled: list[runs.Signal] = field(default_factory=list)
    taken_by: int | None = None
    """The fence under which the unsettled were taken."""

    def due_since(self, now: datetime) -> datetime | None:
        run, since = self.run, [signal.at for signal in (*self.unsettled, *self.untaken)]
        if run.state.ended:
            return None
        if run.wake_at is not None and (run.state is runs.State.READY or run.wake_at <= now):
            since = [run.wake_at] if run.state is runs.State.READY else [*since, run.wake_at]
        return min(since, default=None)


class RunsModel(RuleBasedStateMachine):
    """The model, and the store beside it."""

    held = Bundle("held")  # claimed runs; sooner or later most of them are under an old fence

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.directory = tempfile.TemporaryDirectory()
        self.known: dict[runs.RunId, Known] = {}
        self.backend = self.made()
        self.store: sqlite.Store = self.wait(self.opened(self.backend.open()))
        for name, server in zip("abc", "xyz", strict=True):
            self.submit(name, server, 5)

    def teardown(self) -> None:
        self.wait(self.backend.close())
        self.runner.close()
        self.directory.cleanup()

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def made(self) -> Any:
        return sqlite_backend.Backend(Path(self.directory.name))

    async def opened(self, opening: Coroutine[Any, Any, sqlite.Store]) -> sqlite.Store:
        store = await opening
        if store.database.KIND == "sqlite":  # power is lost by copying files, so flushing only costs
            await store.database.rows("PRAGMA synchronous = OFF")
        return store

    @rule(name=NAMES, server=SERVERS, minutes=MINUTES)
    def submit(self, name: str, server: str, minutes: int) -> None:
        run = samples.run(name, server=server, minutes=minutes)
        active = {known.run.server_id for known in self.known.values() if not known.run.state.ended}
        expected = stored.Submitted.BUSY if run.server_id in active else stored.Submitted.CREATED
        if run.id in self.known:
            expected = stored.Submitted.EXISTS
        assert self.wait(self.store.runs.submit(run)) is expected
        if expected is stored.Submitted.CREATED:
            self.known[run.id] = Known(run)

    @rule(target=held, minutes=MINUTES, excluding=st.sets(NAMES, max_size=1), calm=st.sampled_from([due.ANY, 1, 3]))
    def claim(self, minutes: int, excluding: set[str], calm: int) -> Any:
        now = samples.at(minutes)
        since = {
            name: known.due_since(now)
            for name, known in self.known.items()
            if name not in excluding and known.run.strikes < calm
        }
        oldest = min((at for at in since.values() if at is not None), default=None)
        left_out = {runs.RunId(name) for name in excluding}
        claimed = self.wait(self.store.runs.claim(now, excluding=left_out, calm=calm))
        if claimed is None:
            assert oldest is None
            return multiple()
        assert since[claimed.id] == oldest
        known = self.known[claimed.id]
        known.run = replace(known.run, fence=known.run.fence + 1, strikes=known.run.strikes + 1)
        assert claimed == known.run
        return claimed

    @rule(run=held, state=STATES, step=st.sampled_from(["restore", "verify"]), minutes=st.none() | MINUTES)
    def write(self, run: runs.Run, state: runs.State, step: str, minutes: int | None) -> None:
        if state.ended:
            ended = replace(run, state=state, step=None, wake_at=None, ended_at=samples.at(9))
            self.check_write(ended, None)
            return
        wake = None if minutes is None and state is runs.State.WAITING else samples.at(minutes or 0)
        record = samples.record(step, runs.StepState.DONE if state is runs.State.READY else runs.StepState.WAITING)
        self.check_write(replace(run, state=state, step=step, wake_at=wake), record)

    def check_write(self, run: runs.Run, record: runs.StepRecord | None) -> None:
        known = self.known[run.id]
        if known.run.state.ended:
            return  # going on after the end may meet another active run; a rule of its own in the contract
        stands = run.fence == known.run.fence
        assert self.wait(self.store.runs.write(run, record)) is stands
        if stands:
            known.run, known.writes, known.unsettled = run, known.writes + 1, []
            known.steps |= {record.id: record} if record else {}

    @rule(name=NAMES, topic=st.sampled_from(runs.Topic), minutes=MINUTES)
    def signal(self, name: str, topic: runs.Topic, minutes: int) -> None:
        if known := self.known.get(runs.RunId(name)):
            signal = samples.signal(name, topic, minutes=minutes)
            self.wait(self.store.runs.signal(signal))
            known.sent.append(signal)
            known.untaken.append(signal)

    @rule(name=NAMES, topic=st.sampled_from([runs.Topic.RETRY, runs.Topic.SKIP]), minutes=MINUTES)
    def revive(self, name: str, topic: runs.Topic, minutes: int) -> None:
        """A human makes a failed run go on: never beside another run of its server, and always under a new fence."""
        known = self.known.get(runs.RunId(name))
        if known is None:
            return
        word = samples.signal(name, topic, minutes=minutes)
        active = {one.run.server_id for one in self.known.values() if not one.run.state.ended}
        if known.run.state is not runs.State.FAILED or known.run.server_id in active:
            with pytest.raises(errors.RefusedError):
                self.wait(self.store.runs.revive(word, "restore"))
            return
        self.wait(self.store.runs.revive(word, "restore"))
        known.run = replace(
            known.run, state=runs.State.READY, step="restore", wake_at=word.at, waiting_for=None, ended_at=None, why="",
            strikes=0, fence=known.run.fence + 1,
        )  # fmt: skip
        known.writes += 1
        known.sent.append(word)
        known.untaken.append(word)

    @rule(name=NAMES, minutes=MINUTES)
    def say_it_twice(self, name: str, minutes: int) -> None:
        """The same word sent again, because an answer was lost, is kept once."""
        known = self.known.get(runs.RunId(name))
        if known is None:
            return
        word = replace(samples.signal(name, runs.Topic.GO_NOW, minutes=minutes), key=f"{len(known.sent)}")
        self.wait(self.store.runs.signal(word))
        self.wait(self.store.runs.signal(word))
        known.sent.append(word)
        known.untaken.append(word)

    @invariant()
    def one_run_a_server(self) -> None:
        active = [run.server_id for run in self.wait(self.store.runs.list(active_only=True))]
        assert len(active) == len(set(active))

    @rule(run=held)
    def take_signals(self, run: runs.Run) -> None:
        known = self.known[run.id]
        if run.fence != known.run.fence:
            assert self.wait(self.store.runs.take_signals(run.id, run.fence)) == []
            return
        left = known.untaken if known.taken_by == run.fence else [*known.unsettled, *known.untaken]
        assert self.wait(self.store.runs.take_signals(run.id, run.fence)) == left
        if left:
            known.unsettled, known.untaken, known.taken_by = [*known.unsettled, *known.untaken], [], run.fence

    @rule(name=NAMES, minutes=MINUTES, before_commit=st.booleans())
    def lose_power(self, name: str, minutes: int, before_commit: bool) -> None:
        """While a signal is written. What was taken and not settled is offered again."""
        interrupted = self.known.get(runs.RunId(name))
        if interrupted is None:
            return
        signal = samples.signal(name, minutes=minutes)
        self.backend.lose_power(self.store, before_commit=before_commit)
        with contextlib.suppress(sqlite_backend.PowerLost):
            self.wait(self.store.runs.signal(signal))
        self.wait(self.store.close())
        self.store = self.wait(self.opened(self.backend.restart()))
        for known in self.known.values():
            known.untaken, known.unsettled, known.taken_by = [*known.unsettled, *known.untaken], [], None
        if not before_commit:
            interrupted.sent.append(signal)
            interrupted.untaken.append(signal)

    @invariant()
    def agree(self) -> None:
        asked = self.store.runs
        assert {run.id: run for run in self.wait(asked.list())} == {i: known.run for i, known in self.known.items()}
        wakes = [known.run.wake_at for known in self.known.values() if not known.run.state.ended]
        assert self.wait(asked.next_wake()) == min((wake for wake in wakes if wake), default=None)
        for id_, known in self.known.items():
            assert self.wait(asked.steps(id_)) == known.steps
            assert self.wait(asked.signals(id_)) == known.sent
            assert len(self.wait(asked.journal(id_))) == known.writes


class OnPostgresql(RunsModel):
    """The same over the shared store. A power cut is the death of the instance, and its lease running out."""

    server: ClassVar[postgresql_server.Server]

    def made(self) -> Any:
        return postgresql_backend.Backend(self.server)


@pytest.fixture(scope="module", autouse=True)
def _where(server: postgresql_server.Server) -> None:
    OnPostgresql.server = server


TestRunsAgainstTheModel = RunsModel.TestCase
TestRunsAgainstTheModel.settings = settings(models.PATIENT, max_examples=25 * models.MANY, stateful_step_count=40)

TestRunsOnPostgresql = OnPostgresql.TestCase
TestRunsOnPostgresql.settings = settings(
    TestRunsAgainstTheModel.settings, max_examples=5 * models.MANY, stateful_step_count=25
)
