"""A run by hand: one run and no other, and its server is looked at meanwhile, because no daemon does."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from responder import clock
from responder.core import evidence, playbooks, runs, servers, tolerances
from responder.flow import act, by_hand, wakes
from responder.store import sqlite
from tests.contracts import samples
from tests.flow import steps

HOLDS = dataclasses.replace(samples.PLAYBOOK, steps=(playbooks.Step(id="hold", kind="hold"),))


async def silence(server: servers.Server) -> evidence.Probe:
    return evidence.Probe(at=clock.now(), answered=False)


@pytest.fixture
def hand(store: sqlite.Store) -> by_hand.ByHand:
    doors = steps.Stage().context("hold").doors
    stage = act.Act(store, doors, tolerances.Tolerance(), wake=wakes.Wake(), assess=wakes.Wake())
    looks = by_hand.Looks(probe=silence, every=timedelta(seconds=15), longest_gap=timedelta(minutes=2))
    return by_hand.ByHand(store, stage, looks, wakes.Wake())


async def submitted(store: sqlite.Store, name: str) -> runs.RunId:
    await store.estate.put_servers([dataclasses.replace(samples.server(name), fqdn=f"{name}.example")])
    run = dataclasses.replace(samples.run(name), playbook=HOLDS, step="hold")
    await store.runs.submit(run)
    return run.id


async def failing_since(store: sqlite.Store, name: str) -> Any:
    return (await store.estate.health())[samples.server_id(name)].failing_since


async def test_only_the_run_that_was_asked_for_is_carried_out(store: sqlite.Store, hand: by_hand.ByHand, time: Any):
    other, asked = await submitted(store, "other"), await submitted(store, "asked")
    assert {run.id async for run in hand.carry_out(asked)} == {asked}
    untouched = await store.runs.get(other)
    assert untouched is not None
    assert (untouched.state, untouched.fence) == (runs.State.READY, 0)


async def test_a_run_that_waits_for_a_word_is_left(store: sqlite.Store, hand: by_hand.ByHand, time: Any):
    asked = await submitted(store, "a")
    states = [run.state async for run in hand.carry_out(asked)]
    assert states == [runs.State.WAITING]


@pytest.mark.parametrize(
    ("minutes", "counts"), [pytest.param(1, True, id="seen on"), pytest.param(10, False, id="seen at its ends only")]
)
async def test_a_silence_that_nobody_looked_at_in_between_begins_anew(
    store: sqlite.Store, hand: by_hand.ByHand, time: Any, minutes: float, counts: bool
):
    asked = await submitted(store, "a")
    first = time.now
    assert [run async for run in hand.carry_out(asked)]
    time.pass_(minutes=minutes)
    async for _ in hand.carry_out(asked):
        pass
    assert await failing_since(store, "a") == (first if counts else time.now)
