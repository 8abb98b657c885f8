"""Words to runs: one table that has an answer for every phase and word, and what all of them amount to."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from responder.core import controls, errors, runs
from responder.core.controls import Effect, Phase
from responder.core.runs import State, StepRecord, StepState, Topic
from tests.core.cases import at
from tests.core.test_runs import RESTORE, begun, new

LIVE = [Phase.DUE, Phase.OPERATION, Phase.WAITING, Phase.BACK_OFF, Phase.PAUSED, Phase.QUARANTINED]


def word(topic: Topic, minute: float = 1, *, by: str = "ana", step: str = "restore", **payload: Any) -> runs.Signal:
    return runs.Signal(run_id=runs.RunId("r"), topic=topic, by=by, at=at(minute), payload={"step": step, **payload})


def test_every_phase_has_an_answer_to_every_word_and_a_sentence():
    assert set(controls.TABLE) == set(itertools.product(Phase, controls.WORDS))
    assert not [field for field, answer in controls.TABLE.items() if not answer.sentence]


def test_people_cannot_speak_for_a_decision():
    assert Topic.DECISION not in controls.WORDS


@pytest.mark.parametrize(
    ("topic", "kept"),
    [
        (Topic.APPROVE, {*LIVE}),
        (Topic.DECLINE, {*LIVE}),
        (Topic.HOLD, {*LIVE}),
        (Topic.CANCEL, {*LIVE}),
        (Topic.SKIP, {*LIVE}),
        (Topic.PAUSE, {*LIVE} - {Phase.PAUSED}),
        (Topic.RESUME, {Phase.PAUSED}),
        (Topic.RETRY, {Phase.BACK_OFF, Phase.QUARANTINED}),
        (Topic.GO_NOW, {*LIVE} - {Phase.PAUSED, Phase.QUARANTINED}),
    ],
)
def test_which_words_a_phase_keeps(topic: Topic, kept: set[Phase]):
    assert {phase for phase in Phase if controls.TABLE[phase, topic].effect is Effect.KEEP} == kept


def test_only_a_failed_run_is_revived_and_only_by_retry_and_skip():
    revived = {field for field, answer in controls.TABLE.items() if answer.effect is Effect.REVIVE}
    assert revived == {(Phase.FAILED, Topic.RETRY), (Phase.FAILED, Topic.SKIP)}


@pytest.mark.parametrize(
    ("phase", "topic"),
    [
        (Phase.PAUSED, Topic.PAUSE),
        (Phase.WAITING, Topic.RESUME),
        (Phase.CANCELLED, Topic.CANCEL),
        (Phase.DUE, Topic.RETRY),
    ],
)
def test_saying_what_is_so_already_changes_nothing(phase: Phase, topic: Topic):
    assert controls.TABLE[phase, topic].effect is Effect.ALREADY


SAID = controls.Standing()
PAUSED = controls.Standing(paused=word(Topic.PAUSE))
TOKEN = {"token": "t"}


@pytest.mark.parametrize(
    ("run", "record", "said", "phase"),
    [
        (new(), None, SAID, Phase.DUE),
        (new(state=State.WAITING, waiting_for="decision"), None, SAID, Phase.WAITING),
        (new(state=State.WAITING, waiting_for="retry"), begun(new(), state=StepState.RETRYING), SAID, Phase.BACK_OFF),
        (new(state=State.WAITING), begun(new(), state=StepState.WAITING, saved=TOKEN), SAID, Phase.OPERATION),
        (new(), begun(new()), SAID, Phase.OPERATION),
        (new(state=State.WAITING), begun(new(), state=StepState.WAITING, saved=TOKEN), PAUSED, Phase.PAUSED),
        (new(state=State.WAITING, waiting_for=controls.QUARANTINE), None, PAUSED, Phase.QUARANTINED),
        (new(state=State.FAILED), None, PAUSED, Phase.FAILED),
        (new(state=State.DONE), None, SAID, Phase.DONE),
    ],
)
def test_the_phase_of_a_run(run: runs.Run, record: StepRecord | None, said: controls.Standing, phase: Phase):
    assert controls.phase(run, record, said) is phase


def test_a_refusal_says_what_to_say_instead():
    with pytest.raises(errors.RefusedError) as raised:
        controls.answer(new(state=State.FAILED), None, [], Topic.APPROVE)
    assert raised.value.error_id == "run.ended"
    assert "responder runs retry" in raised.value.remedy
    with pytest.raises(errors.RefusedError, match=r"resume.*\[run\.paused\]"):
        controls.answer(new(), None, [word(Topic.PAUSE)], Topic.GO_NOW)


# What all words together amount to.


def test_nobody_has_said_anything():
    assert controls.standing([]) == controls.Standing()


def test_resume_ends_a_pause_and_the_first_of_two_pauses_counts():
    first = word(Topic.PAUSE, 1, by="ana")
    assert controls.standing([first, word(Topic.PAUSE, 2, by="bob")]).paused == first
    assert controls.standing([first, word(Topic.RESUME, 2)]).paused is None


@pytest.mark.parametrize("topic", [Topic.APPROVE, Topic.GO_NOW])
def test_a_hold_ends_with_a_yes_and_with_go_now(topic: Topic):
    hold = word(Topic.HOLD)
    assert controls.standing([hold]).held == hold
    assert controls.standing([hold, word(topic, 2)]).held is None
    assert controls.standing([word(topic, 0), hold]).held == hold


def test_a_hold_takes_back_an_earlier_go_now():
    assert controls.standing([word(Topic.GO_NOW, step="hold"), word(Topic.HOLD, 2)]).hurried == {}


def test_a_word_about_one_step_never_counts_for_another():
    said = controls.standing([word(Topic.SKIP, step="verify"), word(Topic.GO_NOW, step="hold")])
    assert (set(said.skips), set(said.hurried)) == ({"verify"}, {"hold"})
    assert controls.hurries([word(Topic.GO_NOW, step="restore")], "restore")
    assert not controls.hurries([word(Topic.GO_NOW, step="restore")], "verify")


def test_whoever_revives_a_run_takes_an_older_cancel_back():
    cancel = word(Topic.CANCEL)
    assert controls.standing([cancel]).cancelled == cancel
    assert controls.standing([cancel, word(Topic.RETRY, 2)]).cancelled == cancel
    assert controls.standing([cancel, word(Topic.RETRY, 2, revived=True)]).cancelled is None
    assert controls.standing([word(Topic.RETRY, 0, revived=True), cancel]).cancelled == cancel


def test_hearing_every_word_twice_changes_nothing():
    said = [word(t, i) for i, t in enumerate([Topic.PAUSE, Topic.HOLD, Topic.SKIP, Topic.RESUME, Topic.GO_NOW])]
    twice = [one for each in said for one in (each, each)]
    assert controls.standing(twice) == controls.standing(said)


# The records of a run that somebody makes go on.


def test_a_failed_step_that_is_tried_again_has_all_its_attempts_and_what_it_saved():
    failed = begun(new(), 3, state=StepState.FAILED, saved={"number": 2}, ended_at=at(3))
    again = runs.anew(RESTORE, failed, at(9))
    assert (again.state, again.attempts, again.saved, again.ended_at) == (StepState.RETRYING, 0, {"number": 2}, None)


def test_the_step_that_a_failed_run_stopped_at_is_the_last_that_failed():
    tell = StepRecord(id="tell", state=StepState.FAILED, ended_at=at(2))
    verify = StepRecord(id="verify", state=StepState.FAILED, ended_at=at(5))
    failed = new(state=State.FAILED, step=None)
    assert runs.failed_step(failed, {"tell": tell, "verify": verify}) == "verify"
    assert runs.failed_step(replace(failed, state=State.DONE), {"tell": tell}) is None


@pytest.mark.parametrize(
    ("state", "saved", "under_way"),
    [
        (StepState.BEGUN, {}, True),
        (StepState.WAITING, {"token": "t"}, True),
        (StepState.WAITING, {"adopted": True}, True),
        (StepState.WAITING, {"copy": "c"}, False),
        (StepState.RETRYING, {"token": "t"}, False),
        (StepState.DONE, {"token": "t"}, False),
    ],
)
def test_what_counts_as_under_way(state: StepState, saved: dict[str, Any], under_way: bool):
    assert runs.under_way(begun(new(), state=state, saved=saved)) is under_way
    assert not runs.under_way(None)
