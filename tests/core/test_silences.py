"""The record of a silence: where it began and ended, how long it was, and what probes had shown at any moment of it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core import evidence, silences
from responder.core.silences import Silence
from tests.core import cases
from tests.core.cases import BEGAN, at

SPELL = Silence(since=at(0.1), answered_at=at(-0.1), until=at(2))
AGAIN = Silence(since=at(3), answered_at=at(2.9))


def seen(*looks: tuple[float, bool]) -> silences.Silences:
    """The record after these looks, each so many hours after the impact start."""
    health, known = evidence.Health(), ()
    for hour, answered in looks:
        health = evidence.observe(health, evidence.Probe(at=at(hour), answered=answered))
        known = silences.observe(known, health)
    return known


def test_a_server_that_always_answers_has_no_record():
    assert seen((0, True), (1, True), (2, True)) == ()


def test_each_silence_is_kept_with_its_beginning_and_its_end():
    looks = [(-0.1, True), (0.1, False), (1, False), (2, True), (2.9, True), (3, False), (4, False)]
    assert seen(*looks) == (SPELL, AGAIN)


def test_the_same_object_comes_back_when_nothing_changed():
    known = seen((0, True), (1, False))
    health = evidence.Health(last=evidence.Probe(at=at(2), answered=False), failing_since=at(1))
    assert silences.observe(known, health) is known
    assert silences.observe((), evidence.Health()) == ()


@pytest.mark.parametrize(
    ("silence", "hour"),
    [
        pytest.param(Silence(since=at(0.1), answered_at=at(-0.1)), 0, id="it answered before the impact"),
        pytest.param(Silence(since=at(1), answered_at=at(0.9)), 0.9, id="it answered during the impact"),
        pytest.param(Silence(since=at(-1), answered_at=at(-1.1)), -1, id="it was silent before"),
        pytest.param(Silence(since=at(0.5)), 0, id="it was never reached"),
    ],
)
def test_a_server_is_away_since_the_impact_unless_it_answered_after_that(silence: Silence, hour: float):
    assert silences.began(silence, BEGAN) == at(hour)


def test_downtime_adds_up_over_silences_and_ends_where_it_is_told_to():
    known = (SPELL, AGAIN)
    assert silences.downtime(known, BEGAN, at(1)) == timedelta(hours=1)
    assert silences.downtime(known, BEGAN, at(2.5)) == timedelta(hours=2)
    assert silences.downtime(known, BEGAN, at(4)) == timedelta(hours=2 + 1.1)


def test_the_return_is_the_end_of_the_silence_of_that_moment():
    assert silences.returned_after((SPELL, AGAIN), at(1)) == at(2)
    assert silences.returned_after((SPELL, AGAIN), at(2.5)) is None
    assert silences.returned_after((), at(1)) is None


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_what_probes_had_shown_can_be_told_from_the_record(answers: list[bool]):
    """Every look of a course of looks is found again: the verdict, and since when it is silent."""
    health, known = evidence.Health(), ()
    looks: list[tuple[datetime, evidence.Health]] = []
    for i, answered in enumerate([True, *answers]):
        moment = at(i / 60)
        health = evidence.observe(health, evidence.Probe(at=moment, answered=answered))
        known = silences.observe(known, health)
        looks.append((moment, health))
    for moment, shown in looks:
        told = silences.health_at(known, moment, first_answer=at(0))
        policy = cases.POLICY.evidence
        assert evidence.weigh(told, policy, moment) is evidence.weigh(shown, policy, moment)
        assert told.failing_since == shown.failing_since
        assert told.last_answer_at == shown.last_answer_at
