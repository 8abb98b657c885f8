"""What a playbook's expressions do to a run: requirements, conditions, settings, time limits, notices."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from responder import playbook_files
from responder import steps as kinds
from responder.core import announcements, errors, playbooks, runs, tolerances
from responder.flow import act, views, wakes
from responder.steps import doors
from responder.store import sqlite
from tests.contracts import samples
from tests.flow import steps

TOP = "title: T\npurpose: P\n"


class Echo:
    """A step kind that answers what it is told to, and notes the settings it was given."""

    EFFECT = "idempotent"
    SETTINGS = (
        playbooks.Setting(name="text", about="words"),
        playbooks.Setting(name="count", type=playbooks.Type.NUMBER, default=3, about="a number"),
    )
    OUTPUTS = (
        playbooks.Output(name="verdict", about="a word"),
        playbooks.Output(name="left", type=playbooks.Type.NUMBER, about="what it never says"),
        playbooks.Output(name="loss_s", type=playbooks.Type.DURATION, about="how much"),
    )

    def __init__(self) -> None:
        self.answers: list[runs.Outcome | Exception] = []
        self.settings: list[dict[str, Any]] = []

    async def execute(self, ctx: doors.Context) -> runs.Outcome:
        self.settings.append(dict(ctx.step.settings))
        answer = self.answers.pop(0) if self.answers else runs.Done(output={"verdict": "good", "loss_s": 90.0})
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def reconcile(self, ctx: doors.Context) -> runs.NotStarted:
        return runs.NotStarted()


@pytest.fixture
def echo() -> Echo:
    return Echo()


class Night:
    """A store, a stage of runs, and a clock."""

    def __init__(self, store: sqlite.Store, echo: Echo, time: Any) -> None:
        self.store, self.time = store, time
        self.registry = kinds.registry({**kinds.KINDS, "echo": echo})
        self.speech = playbook_files.language(self.registry.kinds)
        self.stage = act.Act(
            store, dataclasses.replace(steps.Stage().context("restore").doors, outbox=store.outbox),
            tolerances.Tolerance(), wake=wakes.Wake(), assess=wakes.Wake(), registry=self.registry,
        )  # fmt: skip

    async def start(self, text: str, **changes: Any) -> runs.Run:
        examined = playbook_files.examine_text(TOP + text, name="night", place="night.yaml", speech=self.speech)
        assert not examined.problems
        assert examined.playbook is not None
        first = dataclasses.replace(
            samples.run("r"), playbook=examined.playbook, step=examined.playbook.steps[0].id, wake_at=self.time.now
        )
        await self.store.runs.submit(dataclasses.replace(first, **changes))
        return await self.carry_on()

    async def carry_on(self) -> runs.Run:
        claimed = await self.store.runs.claim(self.time.now)
        assert claimed is not None
        return await self.stage.carry_on(claimed)

    async def record(self, step: str) -> runs.StepRecord:
        return (await self.store.runs.steps(runs.RunId("r")))[step]

    async def told(self) -> list[announcements.Announcement]:
        return [told for _, told, _ in await self.store.outbox.due(self.time.now + timedelta(days=1))]


@pytest.fixture
async def night(store: sqlite.Store, echo: Echo, time: Any) -> Night:
    await store.estate.put_servers([samples.server("r")])
    return Night(store, echo, time)


async def test_a_condition_sees_what_earlier_steps_left(night: Night):
    ended = await night.start(
        """
steps:
  - {id: one-step, do: echo}
  - {id: short, do: echo, when: steps.one_step.loss < duration("2m") && steps.one_step.state == "done"}
  - {id: long, do: echo, when: steps.one_step.loss > duration("2m")}
  - {id: after, do: echo, when: steps.long.verdict == null && steps.long.state == "skipped"}
"""
    )
    assert ended.state is runs.State.DONE
    found = await night.store.runs.steps(ended.id)
    assert {id_: record.state.value for id_, record in found.items()} == {
        "one-step": "done",
        "short": "done",
        "long": "skipped",
        "after": "done",
    }
    assert found["long"].why == "its condition does not hold"


async def test_what_cannot_be_told_does_not_hold_and_says_why(night: Night):
    await night.start(
        """
steps:
  - {id: one, do: echo, when: 'server.tags["team"] == "a"'}
  - {id: two, do: echo, when: '!(server.tags["team"] == "a")'}
  - {id: three, do: echo, when: 'server.tags["team"] == "a" || server.name != ""'}
"""
    )
    one, two, three = [await night.record(id_) for id_ in ("one", "two", "three")]
    assert one.state is two.state is runs.StepState.SKIPPED
    assert "cannot be told" in one.why
    assert three.state is runs.StepState.DONE


async def test_a_run_whose_requirements_do_not_hold_does_nothing_and_says_which(night: Night, echo: Echo):
    ended = await night.start(
        """
requires:
  - {that: server.name == "r", about: It is r.}
  - {that: server.name == "s", about: It is s.}
  - {that: 'server.tags["team"] == "a"', about: It is ours.}
steps:
  - {id: one, do: echo}
"""
    )
    assert (ended.state, echo.settings) == (runs.State.FAILED, [])
    assert "It is s. It is ours. (that cannot be told" in ended.why
    assert "It is r." not in ended.why
    assert await night.store.runs.steps(ended.id) == {}
    assert [told.kind for told in await night.told()] == ["run.failed"]


async def test_settings_are_filled_in_and_defaults_count(night: Night, echo: Echo):
    book = """
parameters: {many: {type: number, default: 7}}
steps:
  - {id: one, do: echo}
  - id: two
    do: echo
    with:
      text: "${{ server.name }} lost ${{ steps.one.loss }}, owner ${{ tolerance.owner }}, ${{ run.id }}"
      count: ${{ params.many + 1.0 }}
  - id: three
    do: echo
    with:
      count: "${{ steps.two.left }}"
"""
    await night.start(book, params={"many": 7})
    assert echo.settings == [
        {"count": 3},
        {"count": 8.0, "text": "r lost 1 m 30 s, owner not known, r"},
        {"count": 3},
    ]


async def test_settings_do_not_change_under_a_step_that_waits(night: Night, echo: Echo):
    echo.answers = [runs.Wait(until=night.time.now + timedelta(minutes=1))]
    await night.start('steps: [{id: one, do: echo, with: {text: "in ${{ server.region }}"}}]')
    await night.store.estate.put_servers([samples.server("r", region="westus")])
    night.time.now += timedelta(minutes=1)
    assert (await night.carry_on()).state is runs.State.DONE
    assert [given["text"] for given in echo.settings] == ["in eastus", "in eastus"]
    assert (await night.record("one")).given == {"text": "in eastus"}


async def test_a_value_that_cannot_be_told_fails_the_step_and_not_the_stage(night: Night, echo: Echo):
    ended = await night.start(
        """
steps:
  - {id: one, do: echo, with: {text: '${{ server.tags["team"] }}'}, on_failure: continue}
  - {id: two, do: echo}
"""
    )
    assert ended.state is runs.State.DONE
    assert "cannot be told" in (await night.record("one")).why
    assert len(echo.settings) == 1


async def test_after_a_failure_a_run_may_go_on_at_a_later_step(night: Night, echo: Echo):
    echo.answers = [runs.Fail(why="no")]
    ended = await night.start(
        """
steps:
  - {id: one, do: echo, on_failure: step:mend}
  - {id: two, do: echo}
  - {id: mend, do: echo, when: steps.one.state == "failed" && steps.two.state == "skipped"}
"""
    )
    assert ended.state is runs.State.DONE
    found = await night.store.runs.steps(ended.id)
    assert {id_: record.state.value for id_, record in found.items()} == {"one": "failed", "mend": "done"}
    shown = views.of_run(ended, found)["steps"]
    assert [(step["id"], step["state"]) for step in shown] == [("one", "failed"), ("two", "skipped"), ("mend", "done")]


async def test_a_step_that_waits_longer_than_its_time_limit_fails_at_it(night: Night, echo: Echo):
    far = night.time.now + timedelta(days=9)
    echo.answers = [runs.Wait(until=far), runs.Wait(until=far)]
    began = night.time.now
    waiting = await night.start("steps: [{id: one, do: echo, timeout: 2h}]")
    assert (waiting.state, waiting.wake_at) == (runs.State.WAITING, began + timedelta(hours=2))
    night.time.now += timedelta(hours=2)
    ended = await night.carry_on()
    assert (ended.state, ended.why) == (runs.State.FAILED, "one: not done within 2 h")


async def test_a_step_that_is_done_at_its_time_limit_is_done(night: Night, echo: Echo):
    echo.answers = [runs.Wait(until=night.time.now + timedelta(days=9))]
    await night.start("steps: [{id: one, do: echo, timeout: 2h}]")
    night.time.now += timedelta(hours=3)
    assert (await night.carry_on()).state is runs.State.DONE


async def test_a_step_that_failed_before_is_not_tried_again_after_its_time_limit(night: Night, echo: Echo):
    echo.answers = [runs.Retry(after=timedelta(hours=5), why="busy")]
    await night.start("steps: [{id: one, do: echo, timeout: 2h}]")
    night.time.now += timedelta(hours=2)
    ended = await night.carry_on()
    assert (ended.state, ended.why) == (runs.State.FAILED, "one: not done within 2 h: busy")
    assert len(echo.settings) == 1


async def test_pauses_between_attempts_grow_as_the_playbook_says(night: Night, echo: Echo):
    echo.answers = [RuntimeError("oh")] * 3
    waiting = await night.start("steps: [{id: one, do: echo, retry: {attempts: 4, first: 1m, longest: 3m}}]")
    pauses = []
    while waiting.state is runs.State.WAITING:
        assert waiting.wake_at is not None
        pauses.append(waiting.wake_at - night.time.now)
        night.time.now = waiting.wake_at
        waiting = await night.carry_on()
    assert (pauses, waiting.state) == ([timedelta(minutes=m) for m in (1, 2, 3)], runs.State.DONE)


async def test_a_playbook_says_in_its_own_words_how_a_run_began_and_ended(night: Night, echo: Echo):
    echo.answers = [runs.Fail(why="no")]
    await night.start(
        """
notify:
  started: {subject: "${{ server.name }} begins", text: "by ${{ run.by }}"}
  failed: {subject: "${{ server.name }} needs a hand", text: Call the DBA., kind: page}
steps: [{id: one, do: echo}]
"""
    )
    first, last = await night.told()
    assert (first.kind, first.subject) == ("run.started", "r begins")
    assert (last.kind, last.subject) == ("page", "r needs a hand")
    assert last.text.startswith("Call the DBA. one: no")


async def test_a_run_of_an_earlier_version_goes_on_with_its_old_conditions(night: Night):
    holds, fails = [(playbooks.Condition(step="one", output="verdict", equals=(word,)),) for word in ("good", "bad")]
    old = (
        playbooks.Step(id="one", kind="echo"),
        playbooks.Step(id="two", kind="echo", when=holds),
        playbooks.Step(id="three", kind="echo", when=fails),
    )
    book = playbooks.Playbook(name="night", title="T", purpose="P", steps=old)
    await night.store.runs.submit(
        dataclasses.replace(samples.run("r"), playbook=book, step="one", wake_at=night.time.now)
    )
    assert (await night.carry_on()).state is runs.State.DONE
    found = await night.store.runs.steps(runs.RunId("r"))
    assert {id_: record.state.value for id_, record in found.items()} == {
        "one": "done",
        "two": "done",
        "three": "skipped",
    }


async def test_a_kind_that_cannot_be_used_any_more_says_why(night: Night, store: sqlite.Store, time: Any):
    await night.start("steps: [{id: one, do: echo, timeout: 1h}, {id: two, do: hold}]")
    off = errors.InputError("steps.broken", "Its package is broken.", remedy="Mend it.")
    registry = kinds.registry(unusable={"echo": off})
    with pytest.raises(errors.InputError, match="no step kind 'echo' that can be used: Its package is broken"):
        registry.get("echo")
    assert SimpleNamespace(**vars(registry.get("hold"))).EFFECT == "read"
