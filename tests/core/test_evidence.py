"""What probes prove. Silence is proof only after it has lasted, and only where there once was an answer."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core import evidence
from responder.core.evidence import Verdict
from tests.core.cases import BEGAN, down, never_reached, up

POLICY = evidence.Policy()


def minutes(value: float) -> timedelta:
    return timedelta(minutes=value)


def seen(*probes: tuple[float, bool]) -> evidence.Health:
    health = evidence.Health()
    for minute, answered in probes:
        health = evidence.observe(health, evidence.Probe(at=BEGAN + minutes(minute), answered=answered))
    return health


def weigh(health: evidence.Health, minute: float) -> Verdict:
    return evidence.weigh(health, POLICY, BEGAN + minutes(minute))


@pytest.mark.parametrize(
    ("probes", "now", "verdict"),
    [
        pytest.param([], 0, Verdict.UNKNOWN, id="never probed"),
        pytest.param([(0, True)], 1, Verdict.UP, id="answered a minute ago"),
        pytest.param([(0, True)], 2, Verdict.UP, id="just fresh"),
        pytest.param([(0, True)], 2.1, Verdict.UNKNOWN, id="an old answer proves nothing"),
        pytest.param([(0, True), (1, False)], 1, Verdict.FAILING, id="one failed probe"),
        pytest.param([(0, True), (1, False), (5.9, False)], 6, Verdict.FAILING, id="a moment short of proof"),
        pytest.param([(0, True), (1, False), (6, False)], 6, Verdict.DOWN, id="silent for the confirmation time"),
        pytest.param([(0, True), (1, False)], 3, Verdict.FAILING, id="time passing is not silence"),
        pytest.param([(0, True), (1, False), (9, False)], 12, Verdict.UNKNOWN, id="old silence proves nothing"),
        pytest.param(
            [(0, True), (1, False), (5, True), (6, False)], 6, Verdict.FAILING, id="one answer starts it anew"
        ),
        pytest.param([(0, False), (60, False)], 60, Verdict.UNPROVEN, id="never an answer: a firewall looks the same"),
    ],
)
def test_the_verdict(probes: list[tuple[float, bool]], now: float, verdict: Verdict):
    assert weigh(seen(*probes), now) is verdict


def test_a_probe_that_comes_late_changes_nothing():
    known = seen((0, True), (5, False))
    assert evidence.observe(known, evidence.Probe(at=BEGAN + minutes(4), answered=True)) == known


def test_silence_is_counted_from_its_first_probe():
    assert seen((0, True), (1, False), (2, False)).failing_since == BEGAN + minutes(1)


def test_the_cases_of_the_other_tests_are_what_they_say():
    now = BEGAN + timedelta(hours=1)
    assert evidence.weigh(down(now), POLICY, now) is Verdict.DOWN
    assert evidence.weigh(up(now), POLICY, now) is Verdict.UP
    assert evidence.weigh(never_reached(now), POLICY, now) is Verdict.UNPROVEN


@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=12), st.integers(0, 70))
def test_down_takes_an_earlier_answer_and_a_silence_as_long_as_the_confirmation_time(
    probes: list[tuple[int, bool]], now: int
):
    health = seen(*probes)
    verdict = weigh(health, now)
    in_order = [(minute, answered) for minute, answered in probes if minute <= now]
    if verdict is Verdict.DOWN:
        assert any(answered for _, answered in probes)
        assert health.failing_since is not None
        assert health.last is not None
        assert health.last.at - health.failing_since >= POLICY.confirm
    if verdict is Verdict.UP:
        assert health.last is not None
        assert health.last.answered
    if not in_order and not probes:
        assert verdict is Verdict.UNKNOWN


def test_a_silence_that_was_only_seen_at_its_two_ends_begins_anew():
    first = evidence.Probe(at=BEGAN, answered=False)
    second = evidence.Probe(at=first.at + timedelta(hours=2), answered=False)
    once = evidence.observe(evidence.Health(last_answer_at=first.at - timedelta(minutes=1)), first)

    found = evidence.observe(once, second, longest_gap=timedelta(minutes=2))

    assert found.failing_since == second.at
    assert found.last_answer_at == first.at - timedelta(minutes=1)
