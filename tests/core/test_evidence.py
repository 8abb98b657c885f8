"""What probes prove. Silence is proof only after it has lasted, and only where there once was an answer."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import example, given
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


# --- several vantage points, and what Azure says


def combined(*vantages: evidence.Health, minute: float) -> evidence.Health:
    return evidence.combined(vantages, POLICY, BEGAN + minutes(minute))


def test_a_server_is_down_only_if_every_vantage_point_fails_that_ever_reached_it():
    fails, answers = seen((-5, True), (0, False), (10, False)), seen((-5, True), (10, True))
    never, fails_later = seen((-5, False), (10, False)), seen((-5, True), (4, True), (5, False), (10, False))
    assert weigh(combined(fails, answers, minute=10), 10) is Verdict.UP
    assert weigh(combined(fails, never, minute=10), 10) is Verdict.DOWN
    both = combined(fails, fails_later, minute=10)
    assert (both.failing_since, both.last_answer_at) == (BEGAN + minutes(5), BEGAN + minutes(4))
    assert weigh(both, 10) is Verdict.DOWN
    assert weigh(combined(fails, seen((-5, True), (6, False), (10, False)), minute=10), 10) is Verdict.FAILING
    assert weigh(combined(never, never, minute=10), 10) is Verdict.UNPROVEN


def test_a_vantage_point_that_has_stopped_looking_says_nothing():
    fails, gone = seen((-5, True), (0, False), (10, False)), seen((-5, True), (3, True))
    assert weigh(combined(fails, gone, minute=10), 10) is Verdict.DOWN
    assert len(evidence.seeing_of([fails, gone], POLICY, BEGAN + minutes(10))) == 1
    assert weigh(combined(gone, gone, minute=10), 10) is Verdict.UNKNOWN


def test_one_that_reached_it_and_looks_no_more_does_not_vouch_for_one_that_never_did():
    reached_and_gone, never = seen((0, True)), seen((0, False), (9, False))
    together = combined(reached_and_gone, never, minute=10)
    assert weigh(together, 10) is Verdict.UNPROVEN


@example([[(0, True)], [(0, False), (5, False)]], 3)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=6), min_size=1, max_size=3),
    st.integers(0, 32),
)
def test_several_vantage_points_prove_no_more_than_the_least_of_those_that_reached_it(
    looks: list[list[tuple[int, bool]]], now: int
):
    vantages = [seen(*probes) for probes in looks]
    at = BEGAN + minutes(now)
    verdicts = [evidence.weigh(each, POLICY, at) for each in vantages]
    together = evidence.weigh(evidence.combined(vantages, POLICY, at), POLICY, at)
    if together is Verdict.DOWN:
        assert Verdict.UP not in verdicts
        assert Verdict.DOWN in verdicts
    if Verdict.UP in verdicts:
        assert together is Verdict.UP


def test_one_vantage_point_is_what_it_says_itself():
    for health in (seen(), seen((0, True)), seen((0, True), (1, False), (9, False)), seen((0, False))):
        assert weigh(combined(health, minute=9), 9) is weigh(health, 9)


def test_every_pair_of_what_we_see_and_what_azure_says_has_its_place_in_the_table():
    assert set(evidence.STANDINGS) == {(verdict, claim) for verdict in Verdict for claim in evidence.Claim}
    confirmed = [pair for pair, standing in evidence.STANDINGS.items() if standing is evidence.Standing.CONFIRMED]
    assert confirmed == [(Verdict.DOWN, evidence.Claim.NAMED)]


@pytest.mark.parametrize(
    ("probes", "unsettled"),
    [
        pytest.param([(0, True), (1, False), (7, True), (8, False)], 1, id="down, then one answer"),
        pytest.param([(0, True), (1, False), (7, True), (21, True), (21.5, False)], 1, id="answered for 14 minutes"),
        pytest.param([(0, True), (1, False), (7, True), (22, True), (23, False)], None, id="answered for 15"),
        pytest.param([(0, True), (1, False), (3, True), (4, False)], None, id="the first silence proved nothing"),
    ],
)
def test_a_short_spell_of_answers_after_a_proven_silence_is_no_recovery(
    probes: list[tuple[float, bool]], unsettled: float | None
):
    health, now = seen(*probes), BEGAN + minutes(probes[-1][0])
    assert health.unsettled_since == (None if unsettled is None else BEGAN + minutes(unsettled))
    assert evidence.weigh(health, POLICY, now) is Verdict.FAILING
    leaning = evidence.weigh_with(health, None, POLICY, now)
    assert leaning is (Verdict.FAILING if unsettled is None else Verdict.DOWN)
