"""A run is claimed by one owner at a time and written only under the newest fence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from responder.core import errors, outages, runs
from responder.store import runs as stored
from responder.store import sqlite
from tests.contracts import samples

OUTAGE = outages.OutageId("X@eastus")


def waiting(run: runs.Run, *, minutes: float | None, topic: str = "time") -> runs.Run:
    wake = None if minutes is None else samples.at(minutes)
    return replace(run, state=runs.State.WAITING, wake_at=wake, waiting_for=topic)


async def claimed(store: sqlite.Store, name: str) -> runs.Run:
    """A new run in the caller's hand."""
    assert await store.runs.submit(samples.run(name)) is stored.Submitted.CREATED
    run = await store.runs.claim(samples.NOON)
    assert run is not None
    assert run.id == name
    return run


async def asleep(store: sqlite.Store, name: str, *, minutes: float | None = 60) -> runs.Run:
    """A new run that waits."""
    run = waiting(await claimed(store, name), minutes=minutes)
    assert await store.runs.write(run, None)
    return run


# submitting


async def test_a_submitted_run_comes_back_as_it_was(store: sqlite.Store) -> None:
    run = samples.run("a", outage_id=OUTAGE)

    assert await store.runs.submit(run) is stored.Submitted.CREATED
    assert await store.runs.get(run.id) == run
    assert await store.runs.get(runs.RunId("nobody")) is None
    assert (await store.runs.steps(run.id), await store.runs.journal(run.id)) == ({}, [])


async def test_submitting_the_same_run_again_changes_nothing(store: sqlite.Store) -> None:
    run = await asleep(store, "a")

    assert await store.runs.submit(samples.run("a", minutes=30)) is stored.Submitted.EXISTS
    assert await store.runs.get(run.id) == run


async def test_a_server_has_one_run_that_has_not_ended(store: sqlite.Store) -> None:
    first = await claimed(store, "a")
    assert await store.runs.submit(samples.run("b", server="a")) is stored.Submitted.BUSY
    assert await store.runs.get(runs.RunId("b")) is None

    await store.runs.write(runs.cancelled(first, "enough", samples.at(1)), None)

    assert await store.runs.submit(samples.run("b", server="a")) is stored.Submitted.CREATED
    assert await store.runs.submit(samples.run("a")) is stored.Submitted.EXISTS


async def test_an_ended_run_cannot_go_on_beside_the_next_one(store: sqlite.Store) -> None:
    first = await claimed(store, "a")
    await store.runs.write(runs.cancelled(first, "enough", samples.at(1)), None)
    await store.runs.submit(samples.run("b", server="a"))

    with pytest.raises(errors.RefusedError, match=r"run\.busy"):
        await store.runs.write(first, samples.record())

    assert await store.runs.steps(first.id) == {}


# claiming


async def test_a_claim_raises_the_fence_for_good(store: sqlite.Store) -> None:
    run = await claimed(store, "a")
    again = await store.runs.claim(samples.NOON)

    assert again == replace(run, fence=2, strikes=2)
    assert await store.runs.get(run.id) == again


async def test_a_ready_run_is_due_whatever_the_clock_says(store: sqlite.Store) -> None:
    await store.runs.submit(samples.run("a", minutes=30))

    assert await store.runs.claim(samples.NOON) is not None


@pytest.mark.parametrize(
    ("minutes", "due"),
    [
        pytest.param(-1, True, id="past"),
        pytest.param(0, True, id="on the very moment"),
        pytest.param(0.001, False, id="just before"),
        pytest.param(None, False, id="never"),
    ],
)
async def test_a_waiting_run_is_due_when_it_wakes(store: sqlite.Store, minutes: float | None, due: bool) -> None:
    await asleep(store, "a", minutes=minutes)

    assert (await store.runs.claim(samples.NOON) is not None) is due


async def test_the_run_that_has_been_due_longest_is_claimed_first(store: sqlite.Store) -> None:
    await asleep(store, "second", minutes=2)
    await store.runs.submit(samples.run("third", minutes=3))
    await asleep(store, "first", minutes=1)
    await asleep(store, "fourth", minutes=500)
    await store.runs.signal(samples.signal("fourth", minutes=4))
    await asleep(store, "later", minutes=60)

    order: list[runs.RunId] = []
    while run := await store.runs.claim(samples.at(10), excluding=order):
        order.append(run.id)

    assert order == ["first", "second", "third", "fourth"]


async def test_runs_in_the_callers_hand_are_not_claimed_again(store: sqlite.Store) -> None:
    await claimed(store, "a")

    assert await store.runs.claim(samples.NOON, excluding={runs.RunId("a")}) is None


async def test_one_run_can_be_claimed_and_no_other(store: sqlite.Store) -> None:
    asked, nobody = runs.RunId("asked"), runs.RunId("nobody")
    await asleep(store, asked, minutes=3)
    await store.runs.submit(samples.run("longest", minutes=-5))

    assert await store.runs.claim(samples.NOON, only=asked) is None, "it is not due, whatever else is"
    await store.runs.signal(samples.signal("asked", minutes=1))
    assert await store.runs.claim(samples.NOON, only=asked, excluding=[asked]) is None
    found = await store.runs.claim(samples.NOON, only=asked)
    assert found is not None
    assert (found.id, found.fence) == (asked, 2)
    await store.runs.take_signals(asked, found.fence)
    assert await store.runs.write(found, None)
    assert await store.runs.claim(samples.NOON, only=asked) is None
    assert await store.runs.claim(samples.at(3), only=asked) is not None
    assert await store.runs.claim(samples.at(3), only=nobody) is None


@pytest.mark.parametrize("state", [runs.State.DONE, runs.State.FAILED, runs.State.CANCELLED])
async def test_an_ended_run_is_never_due(store: sqlite.Store, state: runs.State) -> None:
    run = await claimed(store, "a")
    await store.runs.write(replace(run, state=state, step=None, ended_at=samples.at(1)), None)
    await store.runs.signal(samples.signal("a"))

    assert await store.runs.claim(samples.at(999)) is None
    assert await store.runs.claim(samples.at(999), only=run.id) is None
    assert await store.runs.next_wake() is None
    assert await store.runs.active_for(run.server_id) is None


# writing


async def test_a_write_keeps_run_and_step_and_adds_to_the_journal(store: sqlite.Store) -> None:
    run = await claimed(store, "a")
    begun = samples.record()
    done = samples.record(state=runs.StepState.DONE, output={"copy": "id", "sizes": [1, 2]}, ended_at=samples.at(4))
    after = waiting(replace(run, step="verify"), minutes=9, topic="approve")

    assert await store.runs.write(run, begun)
    assert await store.runs.write(after, done)

    assert await store.runs.get(run.id) == after
    assert await store.runs.steps(run.id) == {"restore": done}
    journal = await store.runs.journal(run.id)
    assert [(line["step"], line["state"], line["attempt"], line["fence"]) for line in journal] == [
        ("restore", "begun", 1, 1),
        ("restore", "done", 1, 1),
    ]
    assert [line["record"] for line in journal] == [begun, done]
    assert [line["run_state"] for line in journal] == ["ready", "waiting"]


async def test_a_write_without_a_step_is_journalled_too(store: sqlite.Store) -> None:
    run = await asleep(store, "a")

    (line,) = await store.runs.journal(run.id)
    assert (line["run_state"], line["step"], line["state"], line["record"]) == ("waiting", "restore", None, None)
    assert line["at"].tzinfo is not None


async def test_steps_are_listed_in_the_order_they_were_begun(store: sqlite.Store) -> None:
    run = await claimed(store, "a")
    for record in (samples.record("z"), samples.record("a"), samples.record("z", runs.StepState.DONE)):
        await store.runs.write(run, record)

    assert list(await store.runs.steps(run.id)) == ["z", "a"]


async def test_the_write_of_an_old_owner_is_refused_and_changes_nothing(store: sqlite.Store) -> None:
    zombie = await claimed(store, "a")
    owner = await store.runs.claim(samples.NOON)
    assert owner is not None
    await store.runs.write(waiting(owner, minutes=5), samples.record())
    await store.runs.signal(samples.signal("a"))
    before = await everything_about(store, owner.id)

    assert not await store.runs.write(runs.cancelled(zombie, "I was frozen", samples.at(1)), samples.record("verify"))
    assert await store.runs.take_signals(zombie.id, zombie.fence) == []

    assert await everything_about(store, owner.id) == before
    assert await store.runs.take_signals(owner.id, owner.fence) == [samples.signal("a")]


async def everything_about(store: sqlite.Store, run_id: runs.RunId) -> list[object]:
    asked = store.runs
    return [
        await asked.get(run_id),
        await asked.steps(run_id),
        await asked.journal(run_id),
        await asked.signals(run_id),
    ]


async def test_who_has_claimed_a_run_again_begins_no_effect_under_the_old_fence(store: sqlite.Store) -> None:
    await store.runs.submit(samples.run("a"))
    first, second = await store.runs.claim(samples.NOON), await store.runs.claim(samples.NOON)
    assert first is not None
    assert second is not None

    assert (store.runs.ours(first), store.runs.ours(second)) == (False, True)


async def test_a_run_nobody_submitted_cannot_be_written(store: sqlite.Store) -> None:
    assert not await store.runs.write(samples.run("ghost"), samples.record())
    assert await store.runs.steps(runs.RunId("ghost")) == {}


# signals


async def test_a_signal_wakes_a_waiting_run_until_it_is_taken_and_settled(store: sqlite.Store) -> None:
    await asleep(store, "a")
    await store.runs.signal(samples.signal("a"))

    run = await store.runs.claim(samples.NOON)
    assert run is not None
    assert await store.runs.take_signals(run.id, run.fence) == [samples.signal("a")]
    assert await store.runs.write(run, None)

    assert await store.runs.claim(samples.NOON) is None
    assert await store.runs.signals(run.id) == [samples.signal("a")]


async def test_a_signal_that_was_taken_by_somebody_whose_write_was_refused_is_heard_again(store: sqlite.Store) -> None:
    """A full disk between the two: the process lives on, and what a person said must not wait for its next start."""
    await asleep(store, "a")
    await store.runs.signal(samples.signal("a"))
    before = await store.runs.claim(samples.NOON)
    assert before is not None
    assert await store.runs.take_signals(before.id, before.fence) == [samples.signal("a")]

    again = await store.runs.claim(samples.NOON)
    assert again is not None
    assert await store.runs.take_signals(again.id, again.fence) == [samples.signal("a")]
    assert await store.runs.take_signals(before.id, before.fence) == []


async def test_a_signal_that_came_before_the_claim_is_not_lost(store: sqlite.Store) -> None:
    await store.runs.submit(samples.run("a"))
    await store.runs.signal(samples.signal("a"))
    run = await store.runs.claim(samples.NOON)
    assert run is not None

    assert await store.runs.take_signals(run.id, run.fence) == [samples.signal("a")]


async def test_a_signal_that_comes_while_a_run_is_in_hand_makes_it_due_again(store: sqlite.Store) -> None:
    run = await claimed(store, "a")
    await store.runs.signal(samples.signal("a"))
    await store.runs.write(waiting(run, minutes=60), None)

    again = await store.runs.claim(samples.NOON)
    assert again is not None
    assert await store.runs.take_signals(again.id, again.fence) == [samples.signal("a")]


async def test_signals_are_taken_once_and_in_order(store: sqlite.Store) -> None:
    run = await claimed(store, "a")
    sent = [samples.signal("a", topic, minutes=-i) for i, topic in enumerate(runs.Topic)]
    for signal in sent:
        await store.runs.signal(signal)

    assert await store.runs.take_signals(run.id, run.fence) == sent
    assert await store.runs.take_signals(run.id, run.fence) == []
    assert await store.runs.signals(run.id) == sent


async def test_a_signal_to_a_run_that_does_not_exist_is_refused(store: sqlite.Store) -> None:
    with pytest.raises(errors.RefusedError, match=r"run\.unknown"):
        await store.runs.signal(samples.signal("ghost"))


# asking


async def test_the_next_wake_is_the_earliest_of_those_not_in_hand(store: sqlite.Store) -> None:
    assert await store.runs.next_wake() is None
    await asleep(store, "later", minutes=9)
    await asleep(store, "sooner", minutes=4)
    await asleep(store, "never", minutes=None)
    await store.runs.submit(samples.run("ready", minutes=6))

    assert await store.runs.next_wake() == samples.at(4)
    assert await store.runs.next_wake(excluding=[runs.RunId("sooner")]) == samples.at(6)


async def test_runs_are_listed_newest_first(store: sqlite.Store) -> None:
    ended = await claimed(store, "a")
    await store.runs.write(runs.cancelled(ended, "enough", samples.at(1)), None)
    await store.runs.submit(samples.run("b", server="a", outage_id=OUTAGE))
    await store.runs.submit(samples.run("c", outage_id=OUTAGE))

    async def names(**wanted: object) -> list[str]:
        return [run.id for run in await store.runs.list(**wanted)]  # type: ignore[arg-type]

    assert await names() == ["c", "b", "a"]
    assert await names(limit=1) == ["c"]
    assert await names(active_only=True) == ["c", "b"]
    assert await names(outage_id=OUTAGE) == ["c", "b"]
    assert await names(outage_id=OUTAGE, active_only=True, limit=1) == ["c"]


async def test_the_runs_of_one_server_are_found(store: sqlite.Store) -> None:
    ended = await claimed(store, "a")
    await store.runs.write(runs.cancelled(ended, "enough", samples.at(1)), None)
    await store.runs.submit(samples.run("b", server="a", outage_id=OUTAGE))

    server = samples.server_id("a")
    active = await store.runs.active_for(server)
    assert active is not None
    assert active.id == "b"
    assert [run.id for run in await store.runs.of(server, OUTAGE)] == ["b"]
    assert [run.id for run in await store.runs.of(server, None)] == ["a"]
