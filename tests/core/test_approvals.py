"""Approvals: what a yes is bound to, how many people it takes, and what a silence leads to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from responder.core import approvals, cutovers, decisions, errors, runs, tolerances
from responder.core.approvals import Default
from responder.core.runs import Topic
from tests.core import cases
from tests.core.cases import at
from tests.core.test_runs import new

MINUTE = timedelta(minutes=1)


def word(topic: Topic, by: str = "ana", hour: float = 1, **payload: Any) -> runs.Signal:
    return runs.Signal(run_id=runs.RunId("r"), topic=topic, by=by, at=at(hour), payload=payload)


def yes(by: str = "ana", minutes: float | None = None, **payload: Any) -> runs.Signal:
    accepted = {} if minutes is None else {"loss_accepted_s": minutes * 60}
    return word(Topic.APPROVE, by, **accepted, **payload)


def given(*words: runs.Signal, requester: str = "responder") -> cutovers.Consent | None:
    return approvals.consent(words, requester=requester)


def test_silence_is_no_answer():
    assert given() is None
    assert given(word(Topic.PAUSE), word(Topic.CANCEL)) is None


def test_the_newest_word_counts():
    for words, granted in (([yes(), word(Topic.DECLINE)], False), ([word(Topic.DECLINE), yes()], True)):
        consent = given(*words)
        assert consent is not None
        assert consent.granted is granted


def test_a_hold_outweighs_an_earlier_yes_and_a_later_go_now_gives_it_back():
    held = given(yes(), word(Topic.HOLD, "bob"))
    assert held is not None
    assert (held.granted, held.held, held.by) == (False, True, "bob")
    assert given(yes(), word(Topic.HOLD), word(Topic.GO_NOW)) == given(yes())


@pytest.mark.parametrize(
    ("words", "minutes"),
    [
        ([yes("ana", 60)], None),
        ([yes("ana", 60), yes("ana", 90)], None),
        ([yes("ana", 60), yes("bob", 90)], 60),
        ([yes("ana", 60), yes("bob")], None),
        ([yes("ana", 60), yes("req", 90)], None),
        ([yes("ana", 60), yes("bob", 90), yes("cyn", 80)], 80),
        ([yes("ana", 60), word(Topic.DECLINE, "cyn"), yes("bob", 90)], None),
    ],
)
def test_where_two_people_are_demanded_a_loss_is_signed_as_far_as_two_others_did(
    words: list[runs.Signal], minutes: float | None
):
    both = [replace(w, payload={**w.payload, "two_people": True}) for w in words]
    consent = given(*both, requester="req")
    assert consent is not None
    assert consent.loss_accepted == (None if minutes is None else minutes * MINUTE)


def test_what_is_missing_after_the_first_of_two_signatures_is_said():
    first = yes("ana", 60, two_people=True)
    assert "somebody else" in approvals.missing_signature([first], "responder")
    assert approvals.missing_signature([first, yes("bob", 60, two_people=True)], "responder") == ""
    assert approvals.missing_signature([yes("ana", 60)], "responder") == ""


def test_where_two_people_are_demanded_nobody_approves_their_own_run():
    run = new(created_by="ana")
    approvals.refuse_same_person(run, "ana", approvals.Policy())
    approvals.refuse_same_person(run, "bob", approvals.Policy(two_people=True))
    with pytest.raises(errors.RefusedError, match=r"approval\.same-person"):
        approvals.refuse_same_person(run, "ana", approvals.Policy(two_people=True))


# A yes is bound to what it was said about.


def request(loss: float, consent: cutovers.Consent | None, *, copy: str | None = None) -> cutovers.Request:
    facts = cases.facts(at(11.6), copy=cases.ready(), tolerance=cases.tolerance(12, 1, cutover=tolerances.Cutover.ASK))
    asked = decisions.cut_over_request(facts, cases.POLICY, at(11.6))
    known = asked.copy if copy is None else replace(asked.copy, server_id=copy)
    return replace(asked, loss=loss * MINUTE, consent=consent, copy=known)


@pytest.mark.parametrize(
    ("shown", "signed", "loss", "counts"),
    [
        (20, None, 20, True),
        (20, None, 5, True),
        (20, None, 21, False),
        (20, 120, 90, True),
        (20, 120, 121, False),
        (None, None, 59, True),
    ],
)
def test_a_yes_does_not_count_for_more_loss_than_was_shown_or_signed(
    shown: float | None, signed: float | None, loss: float, counts: bool
):
    consent = given(yes("ana", signed, **({} if shown is None else {"loss_shown_s": shown * 60})))
    found = [refusal.id for refusal in cutovers.refusals(request(loss, consent))]
    assert (found == []) is counts
    assert counts or found[0] == "cutover.outgrown"


def test_a_yes_about_another_copy_does_not_count():
    consent = given(yes(copy="/copy/1", loss_shown_s=3600))
    assert cutovers.refusals(request(20, consent, copy="/copy/1")) == ()
    refused = cutovers.refusals(request(20, consent, copy="/copy/2"))
    assert (refused[0].id, refused[0].signable) == ("cutover.outgrown", True)


# The question and its price.


def shown(loss: float = 20, copy: str = "/copy/1", default: Default = Default.WAIT) -> approvals.Price:
    return approvals.Price(
        copy=copy,
        loss=loss * MINUTE,
        measured=True,
        downtime=timedelta(hours=12),
        downtime_waiting=timedelta(hours=20),
        p_meet_rto=0.98,
        p_meet_rto_waiting=0.2,
        answer_by=at(11.75),
        default=default,
    )


def ask(price: approvals.Price | None = None) -> approvals.Ask:
    found = approvals.asked(None, new(), price or shown(), approvals.Policy(), at(11))
    assert found is not None
    return found


def test_the_price_is_on_the_question():
    said = approvals.sentences(ask())
    for part in ("up to 20 m", "(measured)", "12 h", "20 h", "98%", "20%", f"by {at(11.75):%H:%M} UTC", "it is held"):
        assert part in said


@pytest.mark.parametrize(
    ("price", "again"), [(shown(20), False), (shown(5), False), (shown(25), True), (shown(20, "/copy/2"), True)]
)
def test_it_is_asked_again_when_the_price_has_risen(price: approvals.Price, again: bool):
    known = ask()
    question = approvals.asked(known, new(), price, approvals.Policy(), at(12))
    assert (question is not None) is again
    assert question is None or question.number == 2


def test_no_silence_can_be_declared_to_be_a_yes():
    assert set(Default) == {Default.WAIT, Default.DECLINE}


def test_a_declared_default_is_taken_once_when_the_time_is_over():
    known = ask(shown(default=Default.DECLINE))
    assert not approvals.expired(known, known.expires_at - MINUTE)
    assert approvals.expired(known, known.expires_at)
    assert not approvals.expired(approvals.settled(known, known.expires_at), known.expires_at)
    assert not approvals.expired(None, at(99))


@pytest.mark.parametrize(
    ("words", "answered"),
    [
        ((), False),
        ((word(Topic.APPROVE, hour=9),), False),
        ((word(Topic.APPROVE, hour=13),), True),
        ((word(Topic.DECLINE, hour=9),), True),
        ((word(Topic.HOLD, hour=9),), True),
        ((word(Topic.DECLINE, approvals.NOBODY, hour=13),), False),
    ],
    ids=["silence", "a yes before it was asked", "a yes since", "a no", "a hold", "a declared no"],
)
def test_the_default_is_not_taken_over_somebody_who_has_answered(words: tuple[runs.Signal, ...], answered: bool):
    """A yes that lacks a second signature is undone by no silence."""
    assert approvals.answered(ask(shown()), given(*words)) is answered


@pytest.mark.parametrize(("default", "topic"), [(Default.WAIT, None), (Default.DECLINE, Topic.DECLINE)])
def test_a_declared_default_is_a_word_under_its_own_name_and_signs_for_no_loss(default: Default, topic: Topic | None):
    said = approvals.declared(ask(shown(default=default)), at(15))
    assert (said.topic if said else None) is topic
    if said is not None:
        assert (said.by, "loss_accepted_s" in said.payload) == (approvals.NOBODY, False)
