"""Words and brakes where runs are carried on: nothing new begins against them, what is under way is watched."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from responder import steps as kinds
from responder.core import brakes, controls, errors, playbooks, runs, tolerances
from responder.flow import act, braking, requests, wakes
from responder.steps import doors
from responder.store import sqlite
from tests.contracts import samples
from tests.flow import steps

STEPS = (
    playbooks.Step(id="look", kind="look"),
    playbooks.Step(id="make", kind="make", attempts=5),
    playbooks.Step(id="switch", kind="cut_over"),
    playbooks.Step(id="after", kind="look"),
)
BOOK = playbooks.Playbook(name="book", title="Book", purpose="Try it.", steps=STEPS)
Topic = runs.Topic


class Kind:
    """A step kind that does as it is told and counts."""

    def __init__(self, effect: str) -> None:
        self.EFFECT = effect
        self.answers: list[runs.Outcome | Exception] = []
        self.executed = self.reconciled = 0
        self.found: runs.Outcome | runs.NotStarted = runs.NotStarted()

    async def execute(self, ctx: doors.Context) -> runs.Outcome:
        self.executed += 1
        answer = self.answers.pop(0) if self.answers else runs.Done()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def reconcile(self, ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
        self.reconciled += 1
        return self.found


class Scene:
    """One run, three step kinds, and whoever carries it on."""

    def __init__(self, store: sqlite.Store, time: Any, found: Mapping[str, Kind], stage: act.Act) -> None:
        self.store, self.time, self.kinds, self.stage = store, time, found, stage

    @property
    def make(self) -> Kind:
        return self.kinds["make"]

    async def carry_on(self) -> runs.Run | None:
        """Everything that is due at this moment."""
        left = None
        for _ in range(20):
            run = await self.store.runs.claim(self.time.now)
            if run is None:
                return left
            left = await self.stage.carry_on(run)
        raise AssertionError("a run is due again and again")

    async def say(self, topic: Topic, **changes: Any) -> requests.Noted:
        word = requests.Word(**{"topic": topic, "by": "ana", "reason": "because", **changes})
        return await requests.say(self.store, "r", word, self.time.now)

    async def run(self) -> runs.Run:
        found = await self.store.runs.get(runs.RunId("r"))
        assert found is not None
        return found

    async def step(self, id_: str) -> runs.StepRecord | None:
        return (await self.store.runs.steps(runs.RunId("r"))).get(id_)

    async def freeze(self, **changes: Any) -> brakes.Freeze:
        return await braking.freeze(self.store, braking.Asked(by="bob", reason="a change", **changes), self.time.now)

    async def lift(self, **changes: Any) -> list[brakes.Freeze]:
        return await braking.lift(self.store, braking.Asked(by="bob", reason="done", **changes), self.time.now)

    async def told(self) -> list[str]:
        return [row["announcement"].kind for row in reversed(await self.store.outbox.list())]


@pytest.fixture
async def scene(store: sqlite.Store, time: Any) -> Scene:
    found = {"look": Kind("read"), "make": Kind("once"), "cut_over": Kind("idempotent")}
    await store.estate.put_servers([samples.server("r")])
    run = dataclasses.replace(samples.run("r"), playbook=BOOK, step="look", wake_at=time.now, created_at=time.now)
    await store.runs.submit(run)
    policy = brakes.Policy(caps=brakes.Caps(per_subscription=2, per_region=1), quarantine_after=3)
    return Scene(store, time, found, stage_of(store, found, policy))


def stage_of(store: sqlite.Store, found: Mapping[str, Kind], policy: brakes.Policy) -> act.Act:
    registry = kinds.Registry(kinds=found, declared={})
    doors_ = steps.Stage().context("restore").doors
    return act.Act(
        store, doors_, tolerances.Tolerance(), wake=wakes.Wake(), assess=wakes.Wake(), policy=policy, registry=registry
    )


OPERATION = runs.Wait(until=samples.at(60 * 24 * 365), topic="operation", saved={"token": "t"})


async def under_way(scene: Scene) -> None:
    """`make` is polled in Azure."""
    scene.make.answers = [dataclasses.replace(OPERATION, until=scene.time.now + timedelta(minutes=1))]
    await scene.carry_on()


async def waits_for(scene: Scene) -> str | None:
    run = await scene.run()
    return run.waiting_for if run.state is runs.State.WAITING else run.state


# pause and resume


async def test_a_paused_run_begins_nothing_and_goes_on_when_it_is_resumed(scene: Scene):
    await scene.say(Topic.PAUSE)
    await scene.carry_on()
    assert (await waits_for(scene), await scene.step("look")) == (controls.PAUSE, None)
    assert await scene.store.runs.next_wake() is None, "it does not turn in circles"
    await scene.say(Topic.RESUME)
    await scene.carry_on()
    assert (await scene.run()).state is runs.State.DONE


async def test_what_is_under_way_is_watched_while_the_run_is_paused(scene: Scene):
    await under_way(scene)
    await scene.say(Topic.PAUSE)
    scene.make.answers = [runs.Done(output={"copy": "c"})]
    scene.time.pass_(minutes=2)
    await scene.carry_on()
    record = await scene.step("make")
    assert record is not None
    assert (record.state, record.output) == (runs.StepState.DONE, {"copy": "c"})
    assert (await waits_for(scene), scene.kinds["cut_over"].executed) == (controls.PAUSE, 0)


async def test_pausing_twice_stores_one_word(scene: Scene):
    await scene.say(Topic.PAUSE)
    assert (await scene.say(Topic.PAUSE)).answer.effect is controls.Effect.ALREADY
    assert len(await scene.store.runs.signals(runs.RunId("r"))) == 1


async def test_the_same_word_sent_twice_is_kept_once(scene: Scene):
    await scene.say(Topic.APPROVE, key="k")
    await scene.say(Topic.APPROVE, key="k")
    assert len(await scene.store.runs.signals(runs.RunId("r"))) == 1


async def test_a_pause_for_a_time_ends_by_itself_and_says_so(scene: Scene):
    await scene.say(Topic.PAUSE, lasts=timedelta(hours=2))
    await scene.carry_on()
    scene.time.pass_(hours=1)
    await braking.lapse(scene.store, scene.time.now)
    assert await waits_for(scene) == controls.PAUSE
    scene.time.pass_(hours=1)
    for _ in range(2):  # by two instances
        await braking.lapse(scene.store, scene.time.now)
    await scene.carry_on()
    assert (await scene.run()).state is runs.State.DONE
    words = await scene.store.runs.signals(runs.RunId("r"))
    assert [(word.topic, word.by) for word in words] == [("pause", "ana"), ("resume", controls.LAPSED)]


async def test_a_hold_for_a_time_ends_by_itself_and_only_if_nobody_ended_it_before(scene: Scene):
    await scene.say(Topic.HOLD, lasts=timedelta(hours=2))
    await scene.say(Topic.RELEASE)
    await scene.say(Topic.HOLD)
    scene.time.pass_(hours=3)
    await braking.lapse(scene.store, scene.time.now)
    said = controls.standing(await scene.store.runs.signals(runs.RunId("r")))
    assert said.held is not None, "the second hold was said without an end"
    assert await scene.store.runs.lapsing(scene.time.now) == [], "and the first is not looked at again"


@pytest.mark.parametrize("longest_first", [True, False])
@pytest.mark.parametrize("longest", [None, timedelta(hours=5)])
async def test_a_hold_for_a_shorter_time_does_not_end_a_longer_one(
    scene: Scene, longest: timedelta | None, longest_first: bool
):
    both = [longest, timedelta(hours=1)] if longest_first else [timedelta(hours=1), longest]
    for who, lasts in zip(("ana", "bob"), both, strict=True):
        await scene.say(Topic.HOLD, by=who, lasts=lasts)
        scene.time.pass_(seconds=1)
    for _ in range(2):
        scene.time.pass_(hours=2)
        await braking.lapse(scene.store, scene.time.now)
        said = controls.standing(await scene.store.runs.signals(runs.RunId("r")))
        assert said.held is not None
        assert said.held.by == ("ana" if longest_first else "bob")
    scene.time.pass_(hours=2)
    await braking.lapse(scene.store, scene.time.now)
    said = controls.standing(await scene.store.runs.signals(runs.RunId("r")))
    assert (said.held is None) is (longest is not None)


async def test_a_run_that_this_version_cannot_read_keeps_no_pause_of_another_from_ending(scene: Scene):
    await scene.store.runs.submit(dataclasses.replace(samples.run("x"), created_at=scene.time.now))
    await requests.say(
        scene.store,
        "x",
        requests.Word(topic=Topic.PAUSE, by="ana", reason="because", lasts=timedelta(hours=1)),
        scene.time.now,
    )
    await scene.say(Topic.PAUSE, lasts=timedelta(hours=1))
    await scene.store.database.execute_transaction(
        lambda c: c.execute("UPDATE runs SET playbook = ? WHERE id = ?", ('{"of": "a later version"}', "x"))
    )
    scene.time.pass_(hours=2)
    await braking.lapse(scene.store, scene.time.now)
    await scene.carry_on()
    assert (await scene.run()).state is runs.State.DONE


async def test_only_what_holds_a_run_back_may_be_said_for_a_time(scene: Scene):
    with pytest.raises(errors.InputError, match=r"signal\.no-end"):
        await scene.say(Topic.GO_NOW, lasts=timedelta(hours=2))
    with pytest.raises(errors.InputError, match=r"signal\.time"):
        await scene.say(Topic.HOLD, lasts=timedelta())
    await scene.say(Topic.PAUSE)
    with pytest.raises(errors.RefusedError, match=r"resume.*run\.paused"):
        await scene.say(Topic.PAUSE, lasts=timedelta(hours=2))


# cancel


async def test_cancel_is_heeded_before_the_next_effect_and_again_it_is_no_mistake(scene: Scene):
    await scene.say(Topic.CANCEL)
    await scene.carry_on()
    assert ((await scene.run()).state, scene.make.executed) == (runs.State.CANCELLED, 0)
    assert (await scene.say(Topic.CANCEL)).answer.effect is controls.Effect.ALREADY


# retry


async def test_a_failed_run_goes_on_at_its_failed_step_with_all_attempts(scene: Scene):
    scene.make.answers = [runs.Fail(why="no quota")]
    await scene.carry_on()
    assert (await scene.run()).state is runs.State.FAILED
    noted = await scene.say(Topic.RETRY)
    assert (noted.run.state, noted.run.step) == (runs.State.READY, "make")
    await scene.carry_on()
    assert (await scene.run()).state is runs.State.DONE
    record = await scene.step("make")
    assert record is not None
    assert record.attempts == 1


async def refused(scene: Scene) -> None:
    """A run that has failed before its first step, for what it requires."""
    run = await scene.store.runs.claim(scene.time.now)
    assert run is not None
    assert await scene.store.runs.write(runs.refused(run, "it requires what does not hold", scene.time.now), None)


async def test_a_run_that_was_refused_for_its_requirements_is_tried_again_from_its_beginning(scene: Scene):
    await refused(scene)
    noted = await scene.say(Topic.RETRY)
    assert (noted.run.state, noted.run.step) == (runs.State.READY, "look")
    await scene.carry_on()
    assert (await scene.run()).state is runs.State.DONE


async def test_what_a_run_requires_cannot_be_passed_over(scene: Scene):
    await refused(scene)
    with pytest.raises(errors.RefusedError, match=r"run\.requires"):
        await scene.say(Topic.SKIP)
    assert (await scene.run()).state is runs.State.FAILED


async def test_a_failed_run_is_not_revived_beside_another_of_its_server(scene: Scene):
    scene.make.answers = [runs.Fail(why="no quota")]
    await scene.carry_on()
    await scene.store.runs.submit(samples.run("other", server="r"))
    with pytest.raises(errors.RefusedError, match=r"other.*\[run\.busy\]"):
        await scene.say(Topic.RETRY)
    assert (await scene.run()).state is runs.State.FAILED
    assert await scene.store.runs.signals(runs.RunId("r")) == []


async def test_a_run_may_fail_be_retried_and_fail_again_and_that_is_told_each_time(scene: Scene):
    scene.make.answers = [runs.Fail(why="no quota")] * 2
    await scene.carry_on()
    await scene.say(Topic.RETRY)
    await scene.carry_on()
    assert (await scene.told()).count("run.failed") == 2


# skip


async def test_a_step_is_passed_over_in_somebodys_name(scene: Scene):
    await scene.say(Topic.SKIP, step="make")
    await scene.carry_on()
    record = await scene.step("make")
    assert record is not None
    assert (record.state, record.why) == (runs.StepState.SKIPPED, "passed over by ana: because")
    assert (scene.make.executed, (await scene.run()).state) == (0, runs.State.DONE)


async def test_a_failed_run_goes_on_behind_its_failed_step(scene: Scene):
    scene.make.answers = [runs.Fail(why="no quota")]
    await scene.carry_on()
    await scene.say(Topic.SKIP)
    await scene.carry_on()
    assert ((await scene.run()).state, scene.make.executed) == (runs.State.DONE, 1)


async def test_passing_over_a_cut_over_ends_the_run_without_one(scene: Scene):
    await scene.say(Topic.SKIP, step="switch")
    await scene.carry_on()
    run = await scene.run()
    assert (run.state, scene.kinds["cut_over"].executed) == (runs.State.CANCELLED, 0)
    assert "passed over by ana" in run.why
    assert "nothing was cut over" in run.why
    assert await scene.step("after") is None


async def test_a_step_that_the_run_does_not_have_cannot_be_passed_over(scene: Scene):
    with pytest.raises(errors.InputError, match=r"It has: look, make, switch, after\. \[run\.no-step\]"):
        await scene.say(Topic.SKIP, step="nosuch")


# go-now and hold


async def test_go_now_ends_one_back_off_and_not_the_next(scene: Scene):
    again = runs.Retry(after=timedelta(hours=1), why="busy")
    scene.make.answers = [again]
    await scene.carry_on()
    await scene.carry_on()
    assert scene.make.executed == 1
    scene.make.answers = [runs.Retry(after=timedelta(hours=1), why="busy")]
    await scene.say(Topic.GO_NOW)
    await scene.carry_on()
    assert scene.make.executed == 2
    scene.time.pass_(minutes=1)
    await scene.carry_on()
    assert (scene.make.executed, await waits_for(scene)) == (2, "retry")


async def test_a_decision_does_not_shorten_a_back_off(scene: Scene):
    scene.make.answers = [runs.Retry(after=timedelta(hours=1), why="busy")]
    await scene.carry_on()
    await scene.store.runs.signal(samples.signal("r", Topic.DECISION))
    await scene.carry_on()
    assert scene.make.executed == 1


async def test_looks_during_a_back_off_are_no_strikes(scene: Scene):
    scene.make.answers = [runs.Retry(after=timedelta(hours=1), why="busy")]
    await scene.carry_on()
    for _ in range(5):  # more than the policy's quarantine_after
        await scene.store.runs.signal(samples.signal("r", Topic.DECISION))
        await scene.carry_on()
    assert (await waits_for(scene), (await scene.run()).strikes) == ("retry", 0)
    scene.time.pass_(hours=2)
    await scene.carry_on()
    assert (await scene.run()).state is runs.State.DONE


# freeze


@pytest.mark.parametrize("scope", [{}, {"region": "East US"}, {"server": "r"}], ids=str)
async def test_frozen_no_effect_begins_and_lifting_it_lets_the_run_go_on_at_once(scene: Scene, scope: dict[str, str]):
    await scene.freeze(**scope)
    await scene.carry_on()
    assert (await waits_for(scene), scene.make.executed, scene.kinds["look"].executed) == (controls.FREEZE, 0, 1)
    assert await scene.lift(**scope)
    await scene.carry_on()
    assert (await scene.run()).state is runs.State.DONE
    assert await scene.told() == ["brake.frozen", "brake.lifted"]


async def test_a_freeze_elsewhere_holds_nothing_here(scene: Scene):
    await scene.freeze(region="westus")
    await scene.carry_on()
    assert (await scene.run()).state is runs.State.DONE


async def test_a_freeze_runs_out_and_that_is_told(scene: Scene):
    await scene.freeze(lasts=timedelta(hours=2))
    await scene.carry_on()
    scene.time.pass_(hours=2)
    await braking.run_out(scene.store, scene.time.now)
    await scene.carry_on()
    assert ((await scene.run()).state, await scene.told()) == (runs.State.DONE, ["brake.frozen", "brake.lifted"])


async def test_frozen_what_is_under_way_is_polled_to_its_end(scene: Scene):
    await under_way(scene)
    await scene.freeze()
    scene.time.pass_(minutes=2)
    await scene.carry_on()
    assert (scene.make.executed, await waits_for(scene)) == (2, controls.FREEZE)
    assert scene.kinds["cut_over"].executed == 0


async def test_frozen_an_interrupted_step_is_looked_at_and_not_done(scene: Scene):
    run = await scene.store.runs.claim(scene.time.now)
    assert run is not None
    at_make = dataclasses.replace(run, step="make")
    await scene.store.runs.write(at_make, runs.StepRecord(id="make", state=runs.StepState.BEGUN, attempts=1))
    await scene.freeze()
    await scene.carry_on()
    assert (scene.make.reconciled, scene.make.executed, await waits_for(scene)) == (1, 0, controls.FREEZE)
    await scene.lift()
    await scene.carry_on()
    assert (scene.make.executed, (await scene.run()).state) == (1, runs.State.DONE)


async def test_frozen_a_run_by_hand_is_refused_and_told_by_whom(scene: Scene):
    await scene.freeze(server="r")
    run = dataclasses.replace(samples.run("other", server="r"), created_at=scene.time.now)
    with pytest.raises(errors.RefusedError, match=r"bob froze server r.*a change.*unfreeze --server r") as raised:
        await requests.submit(scene.store, run)
    assert raised.value.error_id == "brake.frozen"


async def test_a_yes_after_the_last_step_that_could_cut_over_is_refused(scene: Scene) -> None:
    await scene.say(Topic.APPROVE)
    scene.kinds["look"].answers = [runs.Done(), runs.Wait(until=samples.at(60 * 24 * 365), topic="decision")]
    await scene.carry_on()
    assert (await scene.run()).step == "after"
    with pytest.raises(errors.RefusedError, match="past its cut-over") as refused:
        await scene.say(Topic.APPROVE, by="bob")
    assert refused.value.error_id == "run.too-late"
    assert [word.by for word in await scene.store.runs.signals(runs.RunId("r"))] == ["ana"]


@pytest.mark.parametrize("topic", [Topic.RETRY, Topic.SKIP, Topic.GO_NOW, Topic.APPROVE])
async def test_whoever_moves_a_frozen_run_on_is_told_that_it_is_frozen(scene: Scene, topic: Topic):
    await scene.freeze(region="eastus", lasts=timedelta(hours=2))
    noted = await scene.say(topic)
    assert "But nothing begins now: bob froze East US at" in noted.braked
    assert "until" in noted.braked
    assert "unfreeze --region eastus" in noted.braked
    await scene.lift(region="eastus")
    assert (await scene.say(topic)).braked == ""


async def test_a_brake_without_a_reason_is_refused(scene: Scene):
    with pytest.raises(errors.InputError, match=r"brake\.no-reason"):
        await braking.freeze(scene.store, braking.Asked(by="bob", reason=" "), scene.time.now)


# caps


async def test_a_cap_holds_the_next_effect_until_one_has_ended(scene: Scene):
    await scene.store.estate.put_servers([samples.server("s")])
    await under_way(scene)
    second = dataclasses.replace(samples.run("s"), playbook=BOOK, step="make", wake_at=scene.time.now)
    await scene.store.runs.submit(second)
    claimed = await scene.store.runs.claim(scene.time.now)
    assert claimed is not None
    left = await scene.stage.carry_on(claimed)
    assert (left.waiting_for, scene.make.executed) == (controls.TURN, 1)
    assert await scene.store.brakes.under_way() == {"eastus": 1}
    scene.time.pass_(minutes=2)
    await scene.carry_on()
    assert (await scene.run()).state is runs.State.DONE
    scene.time.pass_(minutes=2)
    await scene.carry_on()
    assert (await scene.store.brakes.under_way(), scene.make.executed) == ({}, 3)


# quarantine


async def test_a_run_that_never_leaves_an_outcome_is_left_to_a_human(scene: Scene):
    for _ in range(3):
        assert await scene.store.runs.claim(scene.time.now) is not None, "claimed, and the process died"
    await scene.carry_on()
    assert (await waits_for(scene), scene.kinds["look"].executed) == (controls.QUARANTINE, 0)
    assert await scene.told() == ["run.quarantined"]
    await scene.store.runs.signal(samples.signal("r", Topic.DECISION))
    await scene.carry_on()
    assert (await waits_for(scene), await scene.told()) == (controls.QUARANTINE, ["run.quarantined"])
    await scene.say(Topic.RETRY)
    await scene.carry_on()
    assert ((await scene.run()).state, (await scene.run()).strikes) == (runs.State.DONE, 0)


async def test_an_outcome_forgives_all_strikes(scene: Scene):
    for _ in range(2):
        await scene.store.runs.claim(scene.time.now)
    await under_way(scene)
    assert (await scene.run()).strikes == 0


async def test_runs_that_may_kill_the_process_are_carried_on_one_at_a_time(store: sqlite.Store, time: Any):
    for name in "abc":
        await store.runs.submit(samples.run(name))
    for _ in range(brakes.SUSPECT):
        while await store.runs.claim(time.now, calm=1 + _):
            pass
    assert await store.runs.claim(time.now, calm=brakes.SUSPECT) is None
    assert await store.runs.next_wake(calm=brakes.SUSPECT) is None
    assert await store.runs.claim(time.now) is not None


class Long(Kind):
    """Its steps take until somebody lets them go on."""

    def __init__(self, effect: str) -> None:
        super().__init__(effect)
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def execute(self, ctx: doors.Context) -> runs.Outcome:
        self.reached.set()
        await self.go.wait()
        return await super().execute(ctx)


async def test_an_outcome_clears_a_suspect_and_makes_room_for_the_next(scene: Scene):
    only = dataclasses.replace(BOOK, steps=STEPS[:1])
    made = dataclasses.replace(samples.run("s"), playbook=only, step="look", wake_at=scene.time.now)
    await scene.store.estate.put_servers([samples.server("s")])
    await scene.store.runs.submit(made)
    for name in "rs":
        for _ in range(brakes.SUSPECT):
            await scene.store.runs.claim(scene.time.now, only=runs.RunId(name))
    long = Long("once")
    stage = stage_of(scene.store, {**scene.kinds, "make": long}, brakes.Policy())
    task = asyncio.create_task(stage.run())
    try:
        async with asyncio.timeout(20):
            await long.reached.wait()  # `r` has left an outcome, and is long in its second step
            while (found := await scene.store.runs.get(made.id)) is None or not found.state.ended:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        long.go.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# the error budget


async def test_a_wave_whose_restores_fail_is_halted_until_a_human_lets_it_go(store: sqlite.Store, time: Any):
    outage = samples.outage()
    await store.outages.put([outage])
    budget = brakes.Budget(failures=1, of=3)
    for name in "ab":
        await store.runs.submit(samples.run(name, outage_id=outage.id))
        run = await store.runs.claim(time.now, only=runs.RunId(name))
        assert run is not None
        assert await braking.mind_the_wave(store, outage.id, budget, time.now) is None
        await store.runs.write(run, samples.record(state=runs.StepState.FAILED))
    halt = await braking.mind_the_wave(store, outage.id, budget, time.now)
    assert halt is not None
    assert "2 of its newest 2 restores failed" in halt.reason
    assert await braking.mind_the_wave(store, outage.id, budget, time.now) is None, "told once"
    time.pass_(minutes=1)
    asked = braking.Asked(by="ana", reason="quota raised", wave=outage.id)
    assert await braking.lift(store, asked, time.now) == [halt]
    assert [row["announcement"].kind for row in await store.outbox.list()] == ["brake.lifted", "brake.halted"]
    assert await store.brakes.standing(time.now) == []
    assert await braking.mind_the_wave(store, outage.id, budget, time.now) is None, "its budget begins anew"
