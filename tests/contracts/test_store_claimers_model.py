"""Several claimers of one store against a model: leases that run out, take-over, old hands, early words, lost answers.

Whatever they do in whatever order: a run is in one living hand, who was overtaken writes nothing, and no word is lost.
Leases run out by the store's own time: time passes by moving what is written of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from responder.core import errors, runs
from responder.store import codec, instances, stores
from responder.store import runs as stored
from responder.store.postgresql import sessions
from tests.contracts import models, postgresql_backend, postgresql_server, samples, sqlite_backend

T = TypeVar("T")
LEASE = timedelta(hours=1)
WHO = st.sampled_from("pqr")
NAMES = st.sampled_from("abcde")
MINUTES = st.integers(0, 9)


class Claimer(instances.Alone):
    """One instance under one name; its lease is in the register."""

    def __init__(self, id: str) -> None:
        self.id = id  # type: ignore[misc]  # of the class, there


@dataclass
class Known:
    """What the model knows of one run."""

    run: runs.Run
    owner: str | None = None
    heard: list[runs.Signal] = field(default_factory=list)
    """Every word, oldest first."""
    open: list[tuple[runs.Signal, int | None]] = field(default_factory=list)
    """Words that no write has settled, and the fence they were taken under."""

    def due_since(self, now: datetime) -> datetime | None:
        run = self.run
        if run.state.ended:
            return None
        if run.state is runs.State.READY:
            return run.wake_at
        awake = [run.wake_at] if run.wake_at is not None and run.wake_at <= now else []
        return min([*awake, *(word.at for word, _ in self.open)], default=None)


class Claimers(RuleBasedStateMachine):
    """The model, the store, and whoever shares it."""

    held = Bundle("held")
    """(name of the claimer, run): sooner or later most of them have been overtaken."""

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.directory = tempfile.TemporaryDirectory()
        self.backend = self.made()
        self.store: stores.Store = self.wait(self.backend.open())
        if self.store.database.KIND == "postgresql":  # only we look after leases here
            self.wait(postgresql_backend.die(self.store))
        else:  # nobody pulls the plug here, so flushing only costs
            self.wait(self.store.database.rows("PRAGMA synchronous = OFF"))
        self.known: dict[str, Known] = {}
        self.left: dict[str, timedelta] = {}
        """What is left of the lease of each name in the register."""
        self.names: dict[str, str] = {}
        """The newest name of each claimer."""
        self.joined = 0
        for who, name in zip("pqr", "abc", strict=True):
            self.join(who)
            self.submit(name, lost=False)
            self.say(name, 1, lost=False)

    def teardown(self) -> None:
        self.wait(self.backend.close())
        self.runner.close()
        self.directory.cleanup()

    def made(self) -> Any:
        return sqlite_backend.Backend(Path(self.directory.name))

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def done(self, work: Any) -> Any:
        return self.wait(self.store.database.execute_transaction(work))

    def by(self, name: str) -> stored.Runs:
        return stored.Runs(self.store.database, Claimer(name))

    def twice_if(self, lost: bool, ask: Any) -> Any:
        """Ask; when the first answer is lost, ask again. Returns both answers or one."""
        if not lost:
            return [self.wait(ask())]
        first = self.lose_the_answer(ask)
        return [first, self.wait(ask())]

    def lose_the_answer(self, ask: Any) -> Any:
        """It is durable, and the caller is told that the store failed."""
        base, answers = self.store.database, []
        original = base.execute_transaction

        async def unheard(work: Any) -> Any:
            answers.append(await original(work))
            raise errors.StoreError("store.unavailable", "the answer was lost")

        base.execute_transaction = unheard  # type: ignore[method-assign]
        try:
            with contextlib.suppress(errors.StoreError):
                self.wait(ask())
        finally:
            base.execute_transaction = original  # type: ignore[method-assign]
        return answers[0] if answers else None

    # the register

    @rule(who=WHO)
    def join(self, who: str) -> None:
        """Under a new name, when the old one is spent."""
        if self.names.get(who) in self.left:
            return
        self.joined += 1
        name = self.names[who] = f"{who}{self.joined}"
        self.done(lambda c: instances.join(c, name, "here", LEASE, daemon=True))
        self.left[name] = LEASE

    @rule(who=WHO)
    def renew(self, who: str) -> None:
        name = self.names[who]
        stands = self.left.get(name, timedelta()) > timedelta()
        assert self.done(lambda c: instances.renew(c, name, LEASE)) is stands
        if stands:
            self.left[name] = LEASE

    @rule(spans=st.sampled_from([1, 2, 3]))
    def time_passes(self, spans: int) -> None:
        """Twenty minutes each, of an hour. In tests, a machine that stands still for twenty is no machine."""
        span = timedelta(minutes=20) * spans + timedelta(seconds=1)

        def passed(connection: Any) -> None:
            for row in connection.execute("SELECT id, lease_until FROM instances").fetchall():
                until = codec.stamp(codec.moment(row["lease_until"]) - span)
                connection.execute("UPDATE instances SET lease_until = ? WHERE id = ?", (until, row["id"]))

        self.done(passed)
        self.left = {name: left - span for name, left in self.left.items()}

    @rule()
    def sweep(self) -> None:
        """Whoever looks gives away what the dead had."""
        dead = {name for name, left in self.left.items() if left <= timedelta()}
        assert set(self.done(instances.sweep)) & set(self.left) == dead
        self.gone(dead)

    @rule(who=WHO)
    def leave(self, who: str) -> None:
        name = self.names[who]
        self.done(lambda c: instances.leave(c, name))
        self.gone({name})

    def gone(self, dead: set[str]) -> None:
        for name in dead:
            self.left.pop(name, None)
        for known in self.known.values():
            if known.owner in dead:
                known.owner, known.open = None, [(word, None) for word, _ in known.open]

    # runs

    @rule(name=NAMES, lost=st.booleans())
    def submit(self, name: str, lost: bool) -> None:
        run = samples.run(name)
        first, *again = self.twice_if(lost, lambda: self.by("anybody").submit(run))
        expected = stored.Submitted.EXISTS if name in self.known else stored.Submitted.CREATED
        assert (first if isinstance(first, stored.Submitted) else first[0]) is expected
        assert again in ([], [stored.Submitted.EXISTS])
        self.known.setdefault(name, Known(run))

    @rule(target=held, who=WHO, minutes=MINUTES, hears=st.booleans())
    def claim(self, who: str, minutes: int, hears: bool) -> Any:
        name, now = self.names[who], samples.at(minutes)
        free = {
            id_: since
            for id_, known in self.known.items()
            if known.owner in (None, name) and (since := known.due_since(now)) is not None
        }
        claimed = self.wait(self.by(name).claim(now))
        if name not in self.left or not free:
            assert claimed is None
            return multiple()
        assert claimed is not None
        assert free[claimed.id] == min(free.values())
        known = self.known[claimed.id]
        known.run = replace(known.run, fence=known.run.fence + 1, strikes=known.run.strikes + 1)
        known.owner = name
        assert claimed == known.run
        if hears:  # and perhaps never comes to a write
            self.take((name, claimed), lost=False)
        return name, claimed

    @rule(
        hand=held,
        state=st.sampled_from([runs.State.READY, runs.State.WAITING, runs.State.WAITING, runs.State.DONE]),
        minutes=MINUTES,
        leave=st.booleans(),
        lost=st.booleans(),
    )
    def write(self, hand: tuple[str, runs.Run], state: runs.State, minutes: int, leave: bool, lost: bool) -> None:
        """As act does. Of who was overtaken nothing is written, however often it tries."""
        name, run = hand
        known = self.known[run.id]
        if known.run.state.ended:
            return
        ended = samples.at(9) if state.ended else None
        wake = None if state.ended else samples.at(minutes)
        moved = replace(run, state=state, step=None if state.ended else "verify", wake_at=wake, ended_at=ended)
        record = samples.record("restore", runs.StepState.DONE)
        stands = run.fence == known.run.fence
        answers = self.twice_if(lost, lambda: self.by(name).write(moved, record, leave=leave))
        assert answers == [stands] * len(answers)
        if stands:
            known.run, known.open = moved, [pair for pair in known.open if pair[1] is None]
            known.owner = None if leave else known.owner

    @rule(hand=held, lost=st.booleans())
    def take(self, hand: tuple[str, runs.Run], lost: bool) -> None:
        name, run = hand
        known = self.known[run.id]
        stands = run.fence == known.run.fence
        expected = [word for word, fence in known.open if fence is None or fence < run.fence] if stands else []
        answers = self.twice_if(lost, lambda: self.by(name).take_signals(run.id, run.fence))
        assert answers[0] == expected
        if stands:
            known.open = [(word, run.fence) for word, _ in known.open]

    @rule(name=NAMES, minutes=MINUTES, lost=st.booleans())
    def say(self, name: str, minutes: int, lost: bool) -> None:
        """Whether or not anybody waits for it, and once, however often it is sent."""
        known = self.known.get(name)
        if known is None:
            return
        word = replace(samples.signal(name, minutes=minutes), key=f"{len(known.heard)}")
        self.twice_if(lost, lambda: self.by("anybody").signal(word))
        known.heard.append(word)
        known.open.append((word, None))

    # what holds at every moment

    @invariant()
    def agree(self) -> None:
        found = {run.id: run for run in self.wait(self.store.runs.list())}
        assert found == {known.run.id: known.run for known in self.known.values()}
        rows = self.wait(self.store.database.rows("SELECT id, owner FROM runs"))
        assert {row["id"]: row["owner"] for row in rows} == {name: known.owner for name, known in self.known.items()}
        for name, known in self.known.items():
            assert self.wait(self.store.runs.signals(runs.RunId(name))) == known.heard
        assert all(known.owner is None or known.owner in self.left for known in self.known.values())


class OnPostgresql(Claimers):
    """The same over the shared store, whose connections break now and then, before or after a COMMIT has arrived."""

    server: ClassVar[postgresql_server.Server]

    def made(self) -> Any:
        return postgresql_backend.Backend(self.server)

    @rule(name=NAMES, minutes=MINUTES, arrives=st.booleans())
    def say_while_the_connection_breaks(self, name: str, minutes: int, arrives: bool) -> None:
        """The driver finds out what became of its COMMIT: the word is kept once, and the caller hears nothing of it."""
        original, lost = sessions.Session.run_script, []

        def losing(session: Any, script: str) -> None:
            if script.endswith("COMMIT") and not lost:
                lost.append(script)
                if arrives:
                    original(session, script)
                raise ConnectionResetError("the answer was lost")
            original(session, script)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(sessions.Session, "run_script", losing)
            self.say(name, minutes, lost=False)


@pytest.fixture(scope="module", autouse=True)
def _where(server: postgresql_server.Server) -> None:
    OnPostgresql.server = server


TestClaimers = Claimers.TestCase
TestClaimers.settings = settings(models.PATIENT, max_examples=20 * models.MANY, stateful_step_count=40)

TestClaimersOnPostgresql = OnPostgresql.TestCase
TestClaimersOnPostgresql.settings = settings(
    TestClaimers.settings, max_examples=4 * models.MANY, stateful_step_count=30
)
