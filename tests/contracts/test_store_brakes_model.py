"""Brakes of one store against a model: freezes that are held, replaced, lifted and run out; places under the caps.

Whatever is done in whatever order, also by who was overtaken: no cap is exceeded, a place is given back when nothing is
under way any more and not before, and letting go wakes what a freeze holds.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from responder.core import brakes, regions, runs
from responder.store import stores
from tests.contracts import models, postgresql_backend, postgresql_server, samples, sqlite_backend

T = TypeVar("T")
NAMES = st.sampled_from("abcdef")
LATE = st.sampled_from([False, False, False, True])
MINUTES = st.integers(1, 60)
SCOPES = st.sampled_from(
    [brakes.EVERYTHING, brakes.Scope(kind=brakes.Kind.REGION, name="eastus"),
     brakes.Scope(kind=brakes.Kind.WAVE, name="an outage")]
)  # fmt: skip
CAPS = brakes.Caps(per_subscription=3, per_region=2)
HANDLE = {"token": "of an operation"}
WRITES: dict[str, tuple[runs.State, runs.StepRecord | None, bool]] = {
    "begins": (runs.State.READY, samples.record(), False),
    "saves a handle": (runs.State.READY, samples.record(state=runs.StepState.WAITING, saved=HANDLE), False),
    "saves something": (runs.State.READY, samples.record(state=runs.StepState.WAITING, saved={"number": 1}), False),
    "polls": (runs.State.WAITING, samples.record(state=runs.StepState.WAITING, saved=HANDLE), False),
    "waits with nothing under way": (runs.State.WAITING, samples.record(state=runs.StepState.WAITING), True),
    "tries again later": (runs.State.WAITING, samples.record(state=runs.StepState.RETRYING), True),
    "is done with the step": (runs.State.READY, samples.record(state=runs.StepState.DONE), True),
    "is held by a freeze": (runs.State.WAITING, None, False),
    "ends": (runs.State.FAILED, samples.record(state=runs.StepState.FAILED), True),
    "is cancelled": (runs.State.CANCELLED, None, True),
}
"""What is written, and whether the place is given back by it."""


@dataclass
class Known:
    """What the model knows of one run."""

    run: runs.Run
    under_way: bool = False
    hands: list[runs.Run] = field(default_factory=list)
    """As they were claimed, oldest first."""


def due(run: runs.Run) -> bool:
    """Some day, by itself: one that waits without an end waits for somebody's word."""
    return run.state is runs.State.READY or (run.state is runs.State.WAITING and run.wake_at is not None)


def place_of(run: runs.Run) -> brakes.Place:
    """Half of them are in each region."""
    return brakes.Place(server=run.server_id, region=regions.RegionName("eastus" if run.id < "d" else "westus"))


class Brakes(RuleBasedStateMachine):
    """The model, and the store beside it."""

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.directory = tempfile.TemporaryDirectory()
        self.backend = self.made()
        self.store: stores.Store = self.wait(self.backend.open())
        if self.store.database.KIND == "sqlite":  # nobody pulls the plug here, so flushing only costs
            self.wait(self.store.database.rows("PRAGMA synchronous = OFF"))
        self.minutes = 0
        self.known = {name: Known(samples.run(name)) for name in "abcdef"}
        self.wait(self.store.runs.submit_all([known.run for known in self.known.values()]))
        self.frozen: dict[brakes.Scope, brakes.Freeze] = {}
        """Those that nobody has lifted, run out or not."""

    def teardown(self) -> None:
        self.wait(self.backend.close())
        self.runner.close()
        self.directory.cleanup()

    def made(self) -> Any:
        return sqlite_backend.Backend(Path(self.directory.name))

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def now(self) -> Any:
        return samples.at(self.minutes)

    @rule(minutes=MINUTES)
    def time_passes(self, minutes: int) -> None:
        self.minutes += minutes

    # caps

    @rule(name=NAMES)
    def claim(self, name: str) -> None:
        """Again and again, as after take-overs."""
        run = self.wait(self.store.runs.claim(samples.at(100_000), only=runs.RunId(name)))
        known = self.known[name]
        assert (run is not None) is due(known.run)
        if run is not None:
            known.run = run
            known.hands.append(run)

    def hand(self, name: str, late: bool) -> runs.Run:
        """Who has the run now, or who had it before."""
        known = self.known[name]
        if not known.hands:
            self.claim(name)
        return known.hands[0 if late else -1]

    @rule(name=NAMES, late=LATE)
    def take_place(self, name: str, late: bool) -> None:
        run, known = self.hand(name, late), self.known[name]
        others = [place_of(each.run) for each in self.known.values() if each.under_way and each.run.id != run.id]
        here = place_of(run)
        counted = brakes.Counted(
            in_subscription=sum(each.subscription == here.subscription for each in others),
            in_region=sum(each.region == here.region for each in others),
        )
        stands = run.fence == known.run.fence
        expected = brakes.full(counted, CAPS) if stands else ""
        assert self.wait(self.store.brakes.take_place(run, here, CAPS, self.now())) == expected
        known.under_way |= stands and not expected

    @rule(name=NAMES, late=LATE, what=st.sampled_from(list(WRITES)))
    def write(self, name: str, late: bool, what: str) -> None:
        run, known = self.hand(name, late), self.known[name]
        if known.run.state.ended:
            return
        state, record, rests = WRITES[what]
        frozen = "freeze" if what == "is held by a freeze" else None
        ended = self.now() if state.ended else None
        wake = None if state is not runs.State.READY else run.wake_at or self.now()
        moved = replace(run, state=state, wake_at=wake, waiting_for=frozen, ended_at=ended)
        stands = run.fence == known.run.fence
        assert self.wait(self.store.runs.write(moved, record, leave=True)) is stands
        if stands:
            known.run, known.under_way = moved, known.under_way and not rests

    # freezes

    @rule(scope=SCOPES, ours=st.booleans(), lasts=st.none() | MINUTES)
    def freeze(self, scope: brakes.Scope, ours: bool, lasts: int | None) -> None:
        until = self.now() + timedelta(minutes=lasts) if lasts is not None else None
        by = brakes.OURSELVES if ours else "ada"
        freeze = brakes.Freeze(scope=scope, by=by, reason="because", since=self.now(), until=until)
        news = not (ours and scope in self.frozen)
        assert self.wait(self.store.brakes.freeze(freeze, [samples.announcement(f"{self.minutes}")])) is news
        if news:
            self.frozen.pop(scope, None)
            self.frozen[scope] = freeze

    @rule(scopes=st.lists(SCOPES, unique=True))
    def lift(self, scopes: list[brakes.Scope]) -> None:
        lifted = [scope for scope in scopes if self.frozen.pop(scope, None) is not None]
        assert self.wait(self.store.brakes.lift(scopes, by="bob", why="over", at=self.now())) == len(lifted)
        if lifted:
            for known in self.known.values():
                if known.run.waiting_for == "freeze":
                    known.run = replace(known.run, wake_at=self.now())

    # what holds at every moment

    @invariant()
    def agree(self) -> None:
        standing = [freeze for freeze in self.frozen.values() if freeze.stands(self.now())]
        assert self.wait(self.store.brakes.standing(self.now())) == standing
        over = [freeze for freeze in self.frozen.values() if not freeze.stands(self.now())]
        assert self.wait(self.store.brakes.run_out(self.now())) == over
        places = [place_of(known.run) for known in self.known.values() if known.under_way]
        by_region = Counter(str(place.region) for place in places)
        assert self.wait(self.store.brakes.under_way()) == dict(by_region)
        assert max(by_region.values(), default=0) <= CAPS.per_region
        assert len(places) <= CAPS.per_subscription
        found = {run.id: run for run in self.wait(self.store.runs.list())}
        assert found == {known.run.id: known.run for known in self.known.values()}


class OnPostgresql(Brakes):
    """The same over the shared store."""

    server: ClassVar[postgresql_server.Server]

    def made(self) -> Any:
        return postgresql_backend.Backend(self.server)


@pytest.fixture(scope="module", autouse=True)
def _where(server: postgresql_server.Server) -> None:
    OnPostgresql.server = server


TestBrakes = Brakes.TestCase
TestBrakes.settings = settings(models.PATIENT, max_examples=20 * models.MANY, stateful_step_count=40)

TestBrakesOnPostgresql = OnPostgresql.TestCase
TestBrakesOnPostgresql.settings = settings(TestBrakes.settings, max_examples=4 * models.MANY, stateful_step_count=30)
