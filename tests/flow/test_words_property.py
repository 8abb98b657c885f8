"""Whatever people say, freeze and let go, however often the process dies: each effect once, and one owner a run."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from responder import clock
from responder import steps as kinds
from responder.core import controls, errors, playbooks, runs, tolerances
from responder.flow import act, braking, requests, wakes
from responder.steps import doors
from responder.store import sqlite, stores
from tests.contracts import samples
from tests.flow import steps

STEPS = tuple(playbooks.Step(id=f"s{n}", kind=kind) for n, kind in enumerate(["make", "make", "cut_over", "make"]))
BOOK = playbooks.Playbook(name="book", title="Book", purpose="Try it.", steps=STEPS)


class Died(BaseException):
    """The process ended here."""


@dataclasses.dataclass
class World:
    """What the steps have done out there, and where the next one dies."""

    done: list[str] = dataclasses.field(default_factory=list)
    dies: str = ""


class Make:
    """An effect that must happen once; found again by looking."""

    EFFECT = "once"

    def __init__(self, world: World) -> None:
        self._world = world

    async def execute(self, ctx: doors.Context) -> runs.Outcome:
        self._die("before")
        self._world.done.append(ctx.step.id)
        self._die("after")
        return runs.Done(output={"verdict": "cut-over"} if ctx.step.kind == "cut_over" else {})

    async def reconcile(self, ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
        return runs.Done() if ctx.step.id in self._world.done else runs.NotStarted()

    def _die(self, where: str) -> None:
        if self._world.dies == where:
            self._world.dies = ""
            raise Died


ACTIONS = st.one_of(
    st.tuples(st.just("say"), st.sampled_from(controls.WORDS)),
    st.tuples(st.just("carry on"), st.sampled_from(["", "", "before", "after"])),
    st.tuples(st.sampled_from(["freeze", "lift", "pass"]), st.just("")),
)


async def _play(folder: Path, actions: list[tuple[str, Any]], now: list[Any]) -> None:
    store, world = await sqlite.open_store(folder / "store.db"), World()
    try:
        await store.estate.put_servers([samples.server("r")])
        await store.runs.submit(dataclasses.replace(samples.run("r"), playbook=BOOK, step="s0"))
        registry = kinds.Registry(kinds={"make": Make(world), "cut_over": Make(world)}, declared={})
        stage = act.Act(
            store, steps.Stage().context("restore").doors, tolerances.Tolerance(),
            wake=wakes.Wake(), assess=wakes.Wake(), registry=registry,
        )  # fmt: skip
        frozen = False
        for what, detail in actions:
            before = list(world.done)
            frozen = await _one(store, stage, world, (what, detail, frozen), now)
            assert len(set(world.done)) == len(world.done), "each effect once"
            assert not frozen or world.done == before, "frozen, nothing begins"
            run = await store.runs.get(runs.RunId("r"))
            records = await store.runs.steps(runs.RunId("r"))
            assert run is not None
            skipped = {id_ for id_, one in records.items() if one.state is runs.StepState.SKIPPED}
            if run.state is runs.State.DONE:
                assert {*world.done, *skipped} == {step.id for step in STEPS}, "nothing is left out unsaid"
                assert "s2" not in skipped, "past a cut-over that was passed over there is no way"
    finally:
        await store.close()


async def _one(
    store: stores.Store, stage: act.Act, world: World, action: tuple[str, Any, bool], now: list[Any]
) -> bool:
    what, detail, frozen = action
    if what == "say":
        try:
            await requests.say(store, "r", requests.Word(topic=detail, by="ana", reason="x"), now[0])
        except errors.RefusedError:
            pass
    elif what == "carry on":
        world.dies = detail
        try:
            for _ in range(10):
                run = await store.runs.claim(now[0])
                if run is None:
                    break
                await stage.carry_on(run)
        except Died:
            await store.runs.recover()  # the next process
        world.dies = ""
    elif what == "pass":
        now[0] += timedelta(minutes=10)
    else:
        asked = braking.Asked(by="bob", reason="x")
        await (braking.freeze if what == "freeze" else braking.lift)(store, asked, now[0])
        return what == "freeze"
    return frozen


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(ACTIONS, min_size=3, max_size=25))
def test_each_effect_happens_once_whatever_is_said(
    actions: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [samples.at(0)]
    monkeypatch.setattr(clock, "now", lambda: now[0])
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_play(Path(folder), actions, now))
