"""Brakes, questions and budgets as rows: whoever asks later, or elsewhere, finds what was said."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from responder.core import approvals, brakes, decisions, errors, playbooks, runs, throttles
from responder.core.brakes import Freeze, Kind, Place, Scope
from responder.store import stores
from tests.contracts import samples
from tests.contracts.samples import at

EAST = Scope(kind=Kind.REGION, name="eastus")


def freeze(
    scope: Scope = brakes.EVERYTHING, minutes: float = 0, *, by: str = "ana", until: float | None = None
) -> Freeze:
    end = None if until is None else at(until)
    return Freeze(scope=scope, by=by, reason="a change", since=at(minutes), until=end)


# freezes


async def test_a_freeze_stands_until_it_is_lifted(store: stores.Store) -> None:
    assert await store.brakes.freeze(freeze(), [samples.announcement("frozen")])
    assert await store.brakes.standing(at(999)) == [freeze()]
    assert await store.brakes.lift([brakes.EVERYTHING], by="bob", why="done", at=at(5)) == 1
    assert await store.brakes.standing(at(6)) == []
    assert await store.brakes.let_go_at(brakes.EVERYTHING) == at(5)
    assert await store.brakes.lift([brakes.EVERYTHING], by="bob", why="done", at=at(7)) == 0


async def test_a_second_freeze_of_a_scope_replaces_the_first_and_others_stand(store: stores.Store) -> None:
    await store.brakes.freeze(freeze(EAST))
    await store.brakes.freeze(freeze())
    again = freeze(EAST, 1, by="bob", until=60)
    await store.brakes.freeze(again)
    assert await store.brakes.standing(at(2)) == [freeze(), again]


async def test_a_halt_of_our_own_does_not_replace_one_that_stands(store: stores.Store) -> None:
    await store.brakes.freeze(freeze(EAST))
    assert not await store.brakes.freeze(freeze(EAST, 1, by=brakes.OURSELVES))
    assert await store.brakes.standing(at(2)) == [freeze(EAST)]


async def test_a_freeze_runs_out(store: stores.Store) -> None:
    await store.brakes.freeze(freeze(until=10))
    assert (await store.brakes.standing(at(9)), await store.brakes.run_out(at(9))) == ([freeze(until=10)], [])
    assert (await store.brakes.standing(at(10)), await store.brakes.run_out(at(10))) == ([], [freeze(until=10)])


async def test_lifting_makes_the_runs_due_that_wait_for_it_and_no_others(store: stores.Store) -> None:
    for name, topic in (("a", "freeze"), ("b", "decision")):
        await store.runs.submit(samples.run(name))
        run = await store.runs.claim(at(0), only=runs.RunId(name))
        assert run is not None
        await store.runs.write(replace(run, state=runs.State.WAITING, wake_at=at(99), waiting_for=topic), None)
    await store.brakes.freeze(freeze())
    await store.brakes.lift([brakes.EVERYTHING], by="bob", why="done", at=at(5))
    found = await store.runs.claim(at(5))
    assert found is not None
    assert (found.id, await store.runs.claim(at(5), excluding=["a"])) == ("a", None)


# places under the caps


async def test_places_are_taken_up_to_the_caps_and_given_back_with_the_outcome(store: stores.Store) -> None:
    caps, held = brakes.Caps(per_subscription=9, per_region=1), {}
    for name in "ab":
        await store.runs.submit(samples.run(name))
        run = await store.runs.claim(at(0), only=runs.RunId(name))
        assert run is not None
        held[name] = run
    place = {name: Place(server=run.server_id, region=samples.EAST) for name, run in held.items()}
    assert await store.brakes.take_place(held["a"], place["a"], caps, at(0)) == ""
    assert await store.brakes.take_place(held["a"], place["a"], caps, at(0)) == "", "again is once"
    assert "region" in await store.brakes.take_place(held["b"], place["b"], caps, at(0))
    acting = samples.record(state=runs.StepState.WAITING, saved={"copy": "c"})
    await store.runs.write(held["a"], acting)
    assert await store.brakes.under_way() == {"eastus": 1}, "in the middle of the step nobody knows yet"
    polled = replace(held["a"], state=runs.State.WAITING, wake_at=at(1))
    await store.runs.write(polled, replace(acting, saved={"token": "t"}))
    assert await store.brakes.under_way() == {"eastus": 1}
    await store.runs.write(replace(polled, state=runs.State.READY), samples.record(state=runs.StepState.DONE))
    assert await store.brakes.under_way() == {}
    assert await store.brakes.take_place(held["b"], place["b"], caps, at(0)) == ""


async def test_under_an_old_fence_no_place_is_taken(store: stores.Store) -> None:
    await store.runs.submit(samples.run("a"))
    old = await store.runs.claim(at(0))
    await store.runs.claim(at(0))
    assert old is not None
    await store.brakes.take_place(old, Place(server=old.server_id, region=samples.EAST), brakes.Caps(), at(0))
    assert await store.brakes.under_way() == {}


async def test_runs_that_acted_and_ended_are_remembered_for_the_cooldown(store: stores.Store) -> None:
    acted = samples.record(state=runs.StepState.FAILED)
    looked = samples.record("verify", runs.StepState.FAILED)
    planned = samples.record("plan", runs.StepState.FAILED)
    spared = samples.record("promote", runs.StepState.DONE, output={"verdict": "not-needed"})
    kinds = {"plan": "plan_failback", "promote": "promote_replica"}
    for name, record in (("a", acted), ("b", looked), ("c", planned), ("d", spared)):
        run = samples.run(name)
        steps = (*run.playbook.steps, *(playbooks.Step(id=id_, kind=kind) for id_, kind in kinds.items()))
        await store.runs.submit(replace(run, playbook=replace(run.playbook, steps=steps)))
        run = await store.runs.claim(at(0), only=runs.RunId(name))
        assert run is not None
        state = runs.State.DONE if record is spared else runs.State.FAILED
        await store.runs.write(replace(run, state=state, step=None, wake_at=None, ended_at=at(5)), record)
    past = {
        samples.server_id(name): [
            brakes.Past(run_id=runs.RunId(name), ended_at=at(5), failed=name == "a", cut_over=False)
        ]
        for name in "ad"
    }
    only_look = ("verify", "plan_failback")
    assert await store.brakes.past(at(4), only_look) == past
    assert await store.brakes.past(at(5), only_look) == {}


# runs that go on after a failure


async def failed(store: stores.Store, name: str = "a") -> runs.Run:
    await store.runs.submit(samples.run(name))
    run = await store.runs.claim(at(0), only=runs.RunId(name))
    assert run is not None
    ended = replace(run, state=runs.State.FAILED, step=None, wake_at=None, ended_at=at(1), why="restore: no quota")
    await store.runs.write(ended, samples.record(state=runs.StepState.FAILED))
    return ended


async def test_a_failed_run_is_ready_again_under_a_new_fence_and_its_former_owner_can_do_nothing(
    store: stores.Store,
) -> None:
    ended = await failed(store)
    word = samples.signal("a", runs.Topic.RETRY, minutes=2)
    await store.runs.revive(word, "restore")
    found = await store.runs.get(ended.id)
    assert found is not None
    assert (found.state, found.step, found.why, found.ended_at) == (runs.State.READY, "restore", "", None)
    assert found.fence > ended.fence
    assert not await store.runs.write(ended, None)
    assert await store.runs.signals(ended.id) == [word]
    with pytest.raises(errors.RefusedError, match=r"run\.not-failed"):
        await store.runs.revive(word, "restore")


async def test_beside_another_run_of_its_server_it_stays_failed(store: stores.Store) -> None:
    ended = await failed(store)
    await store.runs.submit(samples.run("b", server="a"))
    with pytest.raises(errors.RefusedError, match=r"run\.busy"):
        await store.runs.revive(samples.signal("a", runs.Topic.RETRY), "restore")
    assert await store.runs.get(ended.id) == ended
    assert await store.runs.signals(ended.id) == []


async def test_a_word_with_a_key_is_kept_once(store: stores.Store) -> None:
    await store.runs.submit(samples.run("a"))
    for _ in range(2):
        await store.runs.signal(replace(samples.signal("a"), key="k"))
        await store.runs.signal(samples.signal("a"))
    assert [word.key for word in await store.runs.signals(runs.RunId("a"))] == ["k", None, None]


# what holds runs back, for people and metrics


async def test_runs_are_counted_by_what_they_wait_for_and_by_who_has_them_in_hand(store: stores.Store) -> None:
    for name in ("due", "asks", "frozen", "ended"):
        await store.runs.submit(samples.run(name))
    for name, state, waits in (
        ("asks", runs.State.WAITING, "approval"), ("frozen", runs.State.WAITING, "freeze"),
        ("ended", runs.State.DONE, None),
    ):  # fmt: skip
        run = await store.runs.claim(at(1), only=runs.RunId(name))
        assert run is not None
        assert sum((await store.register.in_hand()).values()) == 1
        await store.runs.write(replace(run, state=state, waiting_for=waits), None, leave=True)
    assert await store.brakes.waiting() == {"approval": 1, "freeze": 1, "nothing": 1}
    assert [run.id for run in await store.runs.list(waiting_for="freeze")] == ["frozen"]
    assert await store.register.in_hand() == {}


async def test_what_is_under_way_is_counted_by_subscription_too(store: stores.Store) -> None:
    await store.runs.submit(samples.run("a"))
    run = await store.runs.claim(at(1))
    assert run is not None
    place = Place(server=samples.server_id("a"), region=samples.EAST)
    assert await store.brakes.take_place(run, place, brakes.Caps(), at(1)) == ""
    assert (await store.brakes.under_way(), await store.brakes.under_way_of()) == ({"eastus": 1}, {"sub-1": 1})


async def test_runs_that_somebody_paused_or_held_are_found(store: stores.Store) -> None:
    for name, topic in (("a", runs.Topic.PAUSE), ("b", runs.Topic.HOLD), ("c", runs.Topic.APPROVE)):
        await store.runs.submit(samples.run(name))
        await store.runs.signal(samples.signal(name, topic))
    assert await store.brakes.told() == ["a", "b"]


async def test_a_word_said_for_a_time_is_found_when_it_is_over_and_ended_once(store: stores.Store) -> None:
    await store.runs.submit(samples.run("a"))
    pause = replace(samples.signal("a", runs.Topic.PAUSE), until=at(60))
    await store.runs.signal(pause)
    assert await store.runs.lapsing(at(59)) == []
    (word,) = await store.runs.lapsing(at(60))
    assert word == pause
    ending = replace(samples.signal("a", runs.Topic.RESUME), key="lapse")
    for _ in range(2):  # by two instances, or after a commit whose answer was lost
        await store.runs.lapse(word, ending)
    assert [one.topic for one in await store.runs.signals(runs.RunId("a"))] == ["pause", "resume"]
    assert await store.runs.lapsing(at(99)) == []
    told = [line.kind for line in await store.audit.after(0)]
    assert told == ["run.submitted", "pause", "resume"], "and it is recorded, once"


# questions


def ask(number: int = 1) -> approvals.Ask:
    price = approvals.Price(
        copy="c", loss=timedelta(minutes=20), measured=True, downtime=timedelta(hours=1), downtime_waiting=None,
        p_meet_rto=0.5, p_meet_rto_waiting=None, answer_by=at(30),
    )  # fmt: skip
    return approvals.Ask(run_id=runs.RunId("a"), number=number, asked_at=at(1), expires_at=at(9), price=price)


async def test_a_question_is_kept_with_its_price_and_settled_once(store: stores.Store) -> None:
    await store.runs.submit(samples.run("a"))
    assert await store.asks.newest([runs.RunId("a")]) == {}
    for number in (1, 2):
        await store.asks.put([ask(number)], [samples.announcement(f"asked {number}")])
    assert await store.asks.newest([runs.RunId("a"), runs.RunId("b")]) == {"a": ask(2)}
    word = replace(samples.signal("a", runs.Topic.DECLINE), key="default/2")
    for _ in range(2):  # a commit whose answer was lost is done again
        await store.asks.settle([ask(2)], [word], [samples.announcement("over")], at(9))
    assert await store.asks.newest([runs.RunId("a")]) == {"a": approvals.settled(ask(2), at(9))}
    assert await store.runs.signals(runs.RunId("a")) == [word]
    told = [line for line in await store.audit.after(0) if line.kind.startswith("approval.")]
    assert [line.kind for line in told] == ["approval.asked", "approval.asked", "approval.expired"], "each once"
    assert json.loads(told[0].body)["price"]["loss"] == "PT20M", "with the price that was shown"


@pytest.mark.parametrize(
    ("topic", "minutes"),
    [(runs.Topic.APPROVE, 2), (runs.Topic.APPROVE, 10), (runs.Topic.DECLINE, 10), (runs.Topic.HOLD, 10)],
)
async def test_no_silence_speaks_after_somebody_who_has_answered_meanwhile(
    store: stores.Store, topic: runs.Topic, minutes: float
) -> None:
    for name in "ab":
        await store.runs.submit(samples.run(name))
    asks = [ask(), replace(ask(), run_id=runs.RunId("b"))]
    await store.asks.put(asks, [samples.announcement("asked")])
    answer = replace(samples.signal("a", topic), at=at(minutes))
    await store.runs.signal(answer)  # before it was looked at, or after the rows were read that showed a silence
    words = [
        replace(samples.signal(name, runs.Topic.APPROVE), by=approvals.NOBODY, at=at(9), key="default/1")
        for name in "ab"
    ]
    told = [replace(samples.announcement(f"over {name}"), facts={"run": name}) for name in "ab"]
    for _ in range(2):
        await store.asks.settle(asks, words, told, at(9))
    assert await store.runs.signals(runs.RunId("a")) == [answer]
    assert await store.runs.signals(runs.RunId("b")) == [words[1]]
    assert [row["announcement"].key for row in await store.outbox.list()] == ["over b", "asked"]


async def test_a_question_asked_again_by_a_lost_answer_is_recorded_once(store: stores.Store) -> None:
    await store.runs.submit(samples.run("a"))
    for _ in range(2):
        await store.asks.put([ask()], [samples.announcement("asked")])
    assert [line.kind for line in await store.audit.after(0) if line.kind != "run.submitted"] == ["approval.asked"]


async def test_runs_that_may_lack_a_yes_are_found_without_reading_the_others(store: stores.Store) -> None:
    outage = samples.outage()
    await store.outages.put([outage])
    for name in ("asked", "early", "calm", "done"):
        await store.runs.submit(samples.run(name, server=name, outage_id=outage.id))
    await store.runs.submit(samples.run("by-hand", server="by-hand"))
    await store.outages.put_decisions(
        [
            samples.decided("asked", action=decisions.Action.ASK),
            _needing(samples.decided("early", action=decisions.Action.HOLD)),
            samples.decided("calm", action=decisions.Action.HOLD),
            samples.decided("done", action=decisions.Action.ASK),
        ]
    )
    for name, state, waits in (("by-hand", runs.State.WAITING, "approval"), ("done", runs.State.DONE, None)):
        run = await store.runs.claim(at(1), only=runs.RunId(name))
        assert run is not None
        await store.runs.write(replace(run, state=state, waiting_for=waits), None, leave=True)
    assert [one.run for one in await store.asks.lacking(early=False, limit=9)] == ["asked", "by-hand"]
    assert [one.run for one in await store.asks.lacking(early=True, limit=9)] == ["asked", "early", "by-hand"]
    assert len(await store.asks.lacking(early=True, limit=1)) == 1


def _needing(
    decided: tuple[decisions.Decision, decisions.Facts],
) -> tuple[decisions.Decision, decisions.Facts]:
    return replace(decided[0], consent_needed=True), decided[1]


# Azure's budgets


async def test_the_newest_count_and_the_latest_refusal_are_kept(store: stores.Store) -> None:
    key = ("sub-1", throttles.Kind.READS)
    first = throttles.Bucket(seen_at=at(1), remaining=90, blocked_until=at(8))
    await store.throttles.put({key: first})
    await store.throttles.put({key: throttles.Bucket(seen_at=at(2), remaining=80)})
    await store.throttles.put({key: throttles.Bucket(seen_at=at(1.5), remaining=85)})
    newest = throttles.Bucket(seen_at=at(2), remaining=80, blocked_until=at(8))
    assert await store.throttles.since(at(0)) == {key: newest}
    assert await store.throttles.since(at(2)) == {}


async def test_runs_going_on_come_by_pages_with_those_that_need_somebody_first(store: stores.Store) -> None:
    waits = {"a": "decision", "b": "approval", "c": "operation", "d": "quarantine", "e": None, "f": "approval"}
    for name in (*waits, "ended", "due"):
        await store.runs.submit(samples.run(name))
    for name, topic in (*waits.items(), ("ended", None)):
        run = await store.runs.claim(at(1), only=runs.RunId(name))
        assert run is not None
        state = runs.State.DONE if name == "ended" else runs.State.WAITING
        await store.runs.write(replace(run, state=state, waiting_for=topic), None, leave=True)
    assert [run.id for run in await store.runs.going_on(20)] == ["d", "b", "f", "c", "e", "due", "a"]
    assert [run.id for run in await store.runs.going_on(2, 1)] == ["b", "f"]
    assert [run.id for run in await store.runs.going_on(1, 1, waits="approval")] == ["f"]
    found = {topic: [run.id for run in await store.runs.going_on(9, waits=topic)] for topic in ("time", "nothing")}
    assert found == {"time": ["e"], "nothing": ["due"]}
