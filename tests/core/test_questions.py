"""Open questions: which runs lack a yes, at which price, and how many people it takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from responder.core import approvals, decisions, outages, playbooks, questions, runs, servers, tolerances
from responder.core.questions import Kind

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SERVER = servers.ServerId("/subscriptions/s/resourcegroups/g/providers/x/flexibleservers/orders")
OUTAGE = outages.OutageId("ABCD-123@eastus2")
BOOK = playbooks.Playbook(
    name="geo-restore",
    title="T",
    purpose="P",
    steps=tuple(
        playbooks.Step(id=kind.replace("_", "-"), kind=kind) for kind in ("restore", "verify", "hold", "cut_over")
    ),
)
POLICY, TWO = approvals.Policy(), approvals.Policy(two_people=True)


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


def record(id_: str, **output: Any) -> runs.StepRecord:
    return runs.StepRecord(id=id_, state=runs.StepState.DONE, started_at=at(0), ended_at=at(9), output=output)


READY = {"restore": record("restore", copy="c"), "verify": record("verify", sql=True)}


def word(topic: runs.Topic = runs.Topic.APPROVE, by: str = "ana", minutes: float = 30, **payload: Any) -> runs.Signal:
    return runs.Signal(run_id=runs.RunId("r"), topic=topic, by=by, at=at(minutes), payload=payload)


def facts(
    *words: runs.Signal,
    action: decisions.Action = decisions.Action.ASK,
    needed: bool = True,
    loss: timedelta | None = 20 * MINUTE,
    rpo: timedelta | None = 60 * MINUTE,
    **of_run: Any,
) -> questions.Facts:
    run = runs.Run(
        id=runs.RunId("r"), server_id=SERVER, outage_id=OUTAGE, playbook=BOOK, params={}, state=runs.State.WAITING,
        step="hold", created_at=NOON, created_by="responder",
    )  # fmt: skip
    decision = decisions.Decision(
        server=SERVER, outage=OUTAGE, at=at(20), action=action, playbook="geo-restore", reasons=(), review_at=at(21),
        data_loss_bound=loss, consent_needed=needed, must_serve_by=at(120),
    )  # fmt: skip
    run = replace(run, **of_run)
    return questions.Facts(
        run=run, records=READY, words=words, ask=None, decision=decision if run.outage_id else None,
        tolerance=tolerances.Tolerance(rto=120 * MINUTE, rpo=rpo),
    )  # fmt: skip


def found(known: questions.Facts, policy: approvals.Policy = POLICY) -> questions.Question:
    question = questions.of(known, policy)
    assert question is not None
    return question


def test_a_cut_over_that_is_due_and_lacks_a_yes_is_open_with_its_price_and_its_last_moment():
    question = found(facts())
    assert (question.kind, question.price and question.price.loss) == (Kind.ASKED, 20 * MINUTE)
    assert question.answer_by == at(105), "fifteen minutes before it must serve"
    assert (question.signatures, question.to_sign) == (1, None)


def test_before_it_is_due_it_is_early_as_long_as_there_is_a_copy_that_could_take_over():
    early = facts(action=decisions.Action.HOLD)
    assert found(early).kind is Kind.EARLY
    assert questions.of(replace(early, records={}), POLICY) is None
    assert questions.of(facts(action=decisions.Action.HOLD, needed=False), POLICY) is None


@pytest.mark.parametrize(
    ("words", "is_open"),
    [
        ((), True),
        ((word(),), False),
        ((word(runs.Topic.DECLINE),), False),
        ((word(runs.Topic.HOLD),), True),
        ((word(minutes=10),), True),
    ],
    ids=["nobody", "yes", "no", "hold", "a yes that the decision knows and still asks"],
)
def test_an_answer_closes_it_and_a_hold_does_not(words: tuple[runs.Signal, ...], is_open: bool):
    assert (questions.of(facts(*words), POLICY) is not None) is is_open


def test_a_declared_no_leaves_it_open_for_whoever_wakes_up_to_it():
    assert questions.of(facts(word(runs.Topic.DECLINE, by=approvals.NOBODY)), POLICY) is not None


def test_a_yes_without_a_signature_for_the_loss_leaves_it_open_and_says_what_is_missing():
    known = facts(word(), rpo=5 * MINUTE, loss=timedelta(minutes=20, seconds=1))
    assert found(known).to_sign == 21 * MINUTE, "whole minutes, never less than the loss"
    assert "--accept-loss" in found(known).missing
    assert questions.of(replace(known, words=(word(loss_accepted_s=21 * 60),)), POLICY) is None


def test_an_unknown_loss_is_signed_for_by_a_day():
    assert found(facts(loss=None)).to_sign == timedelta(days=1)


def test_where_two_people_are_demanded_the_first_signature_leaves_it_open():
    known = facts(rpo=5 * MINUTE)
    assert found(known, TWO).signatures == 2
    first = replace(known, words=(word(loss_accepted_s=1800, two_people=True),))
    assert "somebody else" in found(first, TWO).missing
    both = (*first.words, word(by="bob", loss_accepted_s=1800, two_people=True))
    assert questions.of(replace(first, words=both), TWO) is None


def test_who_asked_for_a_run_is_named_as_who_may_not_approve_it():
    assert "not kim, who started it" in questions.who_may(found(facts(created_by="kim"), TWO), TWO)
    assert "not" not in questions.who_may(found(facts(created_by="kim")), POLICY)
    assert "not" not in questions.who_may(found(facts(), TWO), TWO), "the daemon is nobody who could"


def test_a_run_without_an_outage_is_open_while_it_waits_for_a_word():
    waits = facts(outage_id=None, waiting_for=questions.WORDS, created_by="kim")
    assert (found(waits).kind, found(waits).price) == (Kind.BY_HAND, None)
    assert questions.of(facts(outage_id=None, waiting_for="operation"), POLICY) is None


@pytest.mark.parametrize("state", [state for state in runs.State if state.ended])
def test_a_run_that_has_ended_asks_nothing(state: runs.State):
    assert questions.of(facts(state=state), POLICY) is None


def test_what_must_be_answered_first_comes_first_and_what_is_early_last():
    soon, later = found(facts()), found(facts())
    later = replace(later, price=replace(later.price, answer_by=at(300)) if later.price else None)
    without = replace(soon, price=None)
    early = replace(soon, kind=Kind.EARLY)
    ordered = sorted([early, without, later, soon], key=lambda question: question.urgency)
    assert ordered == [soon, later, without, early]
