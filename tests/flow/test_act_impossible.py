"""A step that cannot even be begun is put off, not spun on, and what it may have done before is not forgotten."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from responder import steps as kinds
from responder.core import errors, playbooks, runs, tolerances
from responder.flow import act, parking, wakes
from responder.store import apart, sqlite
from tests.contracts import samples
from tests.flow import steps


@pytest.fixture
def stage(store: sqlite.Store) -> act.Act:
    doors = steps.Stage().context("restore").doors
    return act.Act(store, doors, tolerances.Tolerance(), wake=wakes.Wake(), assess=wakes.Wake())


async def claimed(store: sqlite.Store, time: Any, run: runs.Run) -> runs.Run:
    await store.runs.submit(run)
    found = await store.runs.claim(time.now)
    assert found is not None
    return found


async def test_while_its_server_is_not_in_the_inventory_a_run_waits(store: sqlite.Store, stage: act.Act, time: Any):
    left = await stage.carry_on(await claimed(store, time, samples.run("r")))
    assert (left.state, left.waiting_for) == (runs.State.WAITING, "retry")
    assert left.wake_at == time.now + steps.RETRY
    record = (await store.runs.steps(left.id))["restore"]
    assert (record.state, record.attempts) == (runs.StepState.BEGUN, 1)
    assert "is not in the inventory" in record.why
    assert await store.runs.claim(time.now) is None


async def test_a_step_kind_that_is_gone_is_told_and_not_spun_on(store: sqlite.Store, stage: act.Act, time: Any):
    await store.estate.put_servers([samples.server("r")])
    old = dataclasses.replace(samples.PLAYBOOK, steps=(playbooks.Step(id="restore", kind="of-last-year"),))
    left = await stage.carry_on(await claimed(store, time, dataclasses.replace(samples.run("r"), playbook=old)))
    assert left.state is runs.State.WAITING
    assert "no step kind 'of-last-year'" in (await store.runs.steps(left.id))["restore"].why
    for _ in range(2):
        assert [row["announcement"].kind for row in await store.outbox.list()] == ["step.not-possible"], "once"
        time.pass_(hours=1)
        again = await store.runs.claim(time.now)
        assert again is not None
        await stage.carry_on(again)


class Odd:
    """A step kind of somebody else."""

    EFFECT = "once"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def execute(self, ctx: Any) -> Any:
        return self.answer

    reconcile = execute


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("done", "answered 'done', which is none of Done"),
        (runs.Done(output={"a": object()}), "answered what cannot be kept"),
    ],
    ids=["no outcome", "no JSON"],
)
async def test_a_step_kind_that_answers_nonsense_has_failed_and_is_not_tried_again(
    store: sqlite.Store, time: Any, answer: Any, why: str
):
    await store.estate.put_servers([samples.server("r")])
    doors = steps.Stage().context("restore").doors
    registry = kinds.registry({**kinds.KINDS, "odd": Odd(answer)})
    stage = act.Act(
        store, doors, tolerances.Tolerance(), wake=wakes.Wake(), assess=wakes.Wake(), registry=registry
    )  # fmt: skip
    book = dataclasses.replace(samples.PLAYBOOK, steps=(playbooks.Step(id="restore", kind="odd"),))
    left = await stage.carry_on(await claimed(store, time, dataclasses.replace(samples.run("r"), playbook=book)))
    assert (left.state, left.strikes) == (runs.State.FAILED, 0)
    assert f"restore: The step kind odd {why}" in left.why


async def test_an_interrupted_step_is_still_to_be_reconciled_when_its_server_is_back(
    store: sqlite.Store, stage: act.Act, time: Any
):
    run = await claimed(store, time, samples.run("r"))
    await store.runs.write(run, samples.record(state=runs.StepState.BEGUN))
    await stage.carry_on(run)
    assert (await store.runs.steps(run.id))["restore"].state is runs.StepState.BEGUN


async def test_what_the_store_did_is_forgiven_a_run_and_what_it_did_itself_is_not(store: sqlite.Store, time: Any):
    run, parked = await claimed(store, time, samples.run("r")), parking.Parking(store)
    counted = []
    full, unreadable = errors.StoreError("store.full", "no space"), errors.StoreError(apart.UNREADABLE, "a row")
    for error in (full, RuntimeError("a defect"), unreadable):
        await parked.park(run, error)
        counted.append(parked.strikes(run))
        run = dataclasses.replace(run, strikes=run.strikes + 1)
    assert counted == [0, 1, 2]
