"""An instance whose lease runs out, or whose run is taken from it, at any moment of a step: no effect, and no write."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from responder import steps as kinds
from responder.core import playbooks, runs, tolerances
from responder.flow import act, wakes
from responder.store import sqlite
from tests.contracts import samples
from tests.flow import steps

BOOK = dataclasses.replace(samples.PLAYBOOK, steps=(playbooks.Step(id="restore", kind="once"),))


class Once:
    """A step kind with an effect that is seen. What happens before it may be told to take some time."""

    EFFECT = "once"

    def __init__(self) -> None:
        self.effects: list[str] = []
        self.reconciled = 0

    async def meanwhile(self, where: str) -> None:
        """Replaced by what happens there."""

    async def execute(self, ctx: Any) -> Any:
        await self.meanwhile("before it saves")
        await ctx.save({"number": 1})
        await self.meanwhile("before it looks")
        ctx.check()
        self.effects.append(ctx.run.id)
        await self.meanwhile("after the effect")
        return runs.Done(output={})

    async def reconcile(self, ctx: Any) -> Any:
        self.reconciled += 1
        await self.meanwhile("while it reconciles")
        return runs.Done(output={}) if self.effects else runs.NotStarted()


class Scene:
    """One run that is begun, and what happens to its instance."""

    def __init__(self, store: sqlite.Store, time: Any) -> None:
        self.store, self.time, self.kind, self.proven = store, time, Once(), True
        store.tenure.proven = lambda: self.proven  # type: ignore[method-assign]

    async def claimed(self) -> runs.Run:
        run = await self.store.runs.claim(self.time.now)
        assert run is not None
        return run

    async def carry_on(self, run: runs.Run) -> None:
        doors = steps.Stage().context("restore").doors
        stage = act.Act(
            self.store, doors, tolerances.Tolerance(), wake=wakes.Wake(), assess=wakes.Wake(),
            registry=kinds.registry({**kinds.KINDS, "once": self.kind}),
        )  # fmt: skip
        await stage.carry_on(run)

    def lapse(self) -> None:
        self.proven = False

    def at(self, place: str, happens: Any) -> None:
        async def meanwhile(where: str) -> None:
            if where == place:
                self.kind.meanwhile = Once.meanwhile.__get__(self.kind)  # type: ignore[method-assign]
                found = happens()
                if found is not None:
                    await found

        self.kind.meanwhile = meanwhile  # type: ignore[method-assign]


@pytest.fixture
async def scene(store: sqlite.Store, time: Any) -> Scene:
    await store.estate.put_servers([samples.server("r")])
    await store.runs.submit(dataclasses.replace(samples.run("r"), playbook=BOOK))
    return Scene(store, time)


async def ends_with_one_effect(scene: Scene) -> None:
    """Whoever comes next finds the intent, reconciles, and does what was not done."""
    scene.proven = True
    await scene.carry_on(await scene.claimed())
    run = await scene.store.runs.get(runs.RunId("r"))
    assert run is not None
    assert (run.state, scene.kind.effects) == (runs.State.DONE, ["r"])


async def test_who_has_lost_its_lease_before_a_step_does_not_execute_it(scene: Scene) -> None:
    run = await scene.claimed()
    scene.lapse()
    before = []
    scene.at("before it saves", lambda: before.append("executed"))
    await scene.carry_on(run)

    assert (before, scene.kind.effects) == ([], [])
    assert (await scene.store.runs.steps(run.id))["restore"].state is runs.StepState.BEGUN, "an intent, no outcome"
    await ends_with_one_effect(scene)
    assert scene.kind.reconciled == 1


async def test_who_loses_its_lease_while_it_reconciles_does_not_execute_afterwards(scene: Scene) -> None:
    run = await scene.claimed()
    await scene.store.runs.write(run, samples.record())
    before = []
    scene.at("while it reconciles", scene.lapse)
    original = scene.kind.execute

    async def executed(ctx: Any) -> Any:
        before.append("executed")
        return await original(ctx)

    scene.kind.execute = executed  # type: ignore[method-assign]
    await scene.carry_on(run)

    assert (before, scene.kind.effects) == ([], [])
    await ends_with_one_effect(scene)


@pytest.mark.parametrize("place", ["before it saves", "before it looks"])
@pytest.mark.parametrize("how", ["its lease runs out", "its run is taken over"])
async def test_who_is_overtaken_inside_a_step_has_no_effect(scene: Scene, place: str, how: str) -> None:
    run = await scene.claimed()
    scene.at(place, scene.lapse if how == "its lease runs out" else scene.claimed)
    await scene.carry_on(run)

    assert scene.kind.effects == []
    await ends_with_one_effect(scene)


async def test_what_a_zombie_writes_after_its_effect_is_refused(scene: Scene) -> None:
    run = await scene.claimed()
    scene.at("after the effect", scene.claimed)
    await scene.carry_on(run)

    left = await scene.store.runs.get(run.id)
    assert left is not None
    assert (left.state, left.fence) == (runs.State.READY, run.fence + 1)
    assert (await scene.store.runs.steps(run.id))["restore"].state is runs.StepState.WAITING, "as it was saved before"
