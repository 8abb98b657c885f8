"""How deep a look got, and what follows: a gateway that answers is not the server behind it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core import answers, evidence
from responder.core.answers import Depth
from responder.core.evidence import Verdict
from tests.core.cases import BEGAN

POLICY = evidence.Policy()
ALIVE = ("served", "password", "no-database", "full", "short")
"""Only the server itself can have said these."""
BEHIND = ("login-silent", "query-silent", "starting", "ended", "cut-off", "ailing")
AT_THE_DOOR = ("door", "no-tls", "certificate", "tls", "refused", "other")


def look(minute: float, said: str) -> evidence.Probe:
    at = BEGAN + timedelta(minutes=minute)
    return evidence.Probe(at=at, answered=said not in ("silent", "no-postgresql"), said=said)


def seen(*looks: tuple[float, str]) -> evidence.Health:
    health = evidence.Health()
    for minute, said in looks:
        health = evidence.observe(health, look(minute, said))
    return health


def verdict(health: evidence.Health, minute: float) -> Verdict:
    return evidence.weigh(health, POLICY, BEGAN + timedelta(minutes=minute))


def lasting(said: str, first: float = 1, last: float = 7) -> list[tuple[float, str]]:
    return [(first + step, said) for step in range(int(last - first) + 1)]


@pytest.mark.parametrize("before", ALIVE)
@pytest.mark.parametrize("failure", BEHIND)
def test_a_server_that_spoke_before_is_down_when_only_its_gateway_answers(before: str, failure: str):
    assert verdict(seen((0, before), *lasting(failure)), 7) is Verdict.DOWN


@pytest.mark.parametrize("before", AT_THE_DOOR)
@pytest.mark.parametrize("failure", BEHIND)
def test_a_server_that_never_spoke_proves_nothing_by_not_answering_the_login(before: str, failure: str):
    assert verdict(seen((0, before), *lasting(failure)), 7) is Verdict.UP


@pytest.mark.parametrize("alive", [*ALIVE, *AT_THE_DOOR])
def test_wrong_logins_full_servers_and_bad_certificates_are_no_outage(alive: str):
    assert verdict(seen((0, "served"), *lasting(alive)), 7) is Verdict.UP


def test_encryption_that_broke_counts_where_it_was_agreed_on_before():
    assert verdict(seen((0, "tls"), *lasting("tls-broken")), 7) is Verdict.DOWN
    assert verdict(seen((0, "door"), *lasting("tls-broken")), 7) is Verdict.UP


def test_silence_at_the_door_counts_whatever_was_reached():
    for before in (*ALIVE, *AT_THE_DOOR):
        assert verdict(seen((0, before), *lasting("silent")), 7) is Verdict.DOWN
    assert verdict(seen(*lasting("silent")), 7) is Verdict.UNPROVEN


def test_an_answer_at_the_door_does_not_end_a_silence_behind_it():
    health = seen((0, "served"), *lasting("login-silent"), (7.2, "door"), (7.4, "tls"), (8, "login-silent"))
    assert verdict(health, 8) is Verdict.DOWN
    assert health.failing_since == BEGAN + timedelta(minutes=1)


def test_the_gateway_that_comes_back_first_is_not_the_server():
    health = seen((0, "served"), *lasting("silent"), (7.5, "login-silent"), (8, "login-silent"))
    assert verdict(health, 8) is Verdict.DOWN
    assert verdict(evidence.observe(health, look(8.5, "served")), 8.5) is Verdict.UP


def test_a_handshake_counts_again_when_nobody_looks_deeper_any_more():
    gone = seen((0, "served"), *lasting("login-silent"), (10, "tls"))
    assert verdict(gone, 10) is Verdict.UP


def test_what_was_reached_is_remembered_over_a_gap():
    health = seen((0, "served"))
    late = evidence.observe(health, look(90, "login-silent"), longest_gap=timedelta(minutes=2))
    assert late.failing_since == BEGAN + timedelta(minutes=90)
    assert late.spoke_at == BEGAN


def together(*vantages: evidence.Health, minute: float = 7) -> Verdict:
    now = BEGAN + timedelta(minutes=minute)
    return evidence.weigh(evidence.combined(vantages, POLICY, now), POLICY, now)


def test_a_place_that_sees_only_the_gateway_says_nothing_against_one_that_saw_the_server():
    deep, shallow = seen((0, "served"), *lasting("login-silent")), seen((0, "tls"), *lasting("tls"))
    assert together(deep, shallow) is Verdict.DOWN
    assert len(evidence.seeing_of([deep, shallow], POLICY, BEGAN + timedelta(minutes=7))) == 1


def test_a_place_that_still_reaches_the_server_does():
    deep, other = seen((0, "served"), *lasting("login-silent")), seen((0, "served"), *lasting("served"))
    assert together(deep, other) is Verdict.UP


def test_a_place_whose_way_is_cut_proves_nothing_against_one_that_reaches_the_gateway():
    cut, shallow = seen((0, "served"), *lasting("silent")), seen((0, "tls"), *lasting("tls"))
    assert together(cut, shallow) is Verdict.UP


def test_all_places_that_ever_got_so_deep_failing_is_down():
    one, other = seen((0, "served"), *lasting("login-silent")), seen((0, "served"), *lasting("silent"))
    shallow = seen((0, "door"), *lasting("door"))
    assert together(one, other, shallow) is Verdict.DOWN


@given(st.lists(st.sampled_from(sorted(answers.ANSWERS)), max_size=12))
def test_only_a_server_that_spoke_or_a_door_that_answered_can_fall_silent(said: list[str]):
    health = seen(*enumerate(said))
    if verdict(health, len(said)) in (Verdict.DOWN, Verdict.FAILING):
        reached = [depth for one in said if (depth := answers.ANSWERS[one].reached) is not None]
        assert health.last is not None
        assert max(reached) >= health.last.stands_at


def test_the_table_is_whole():
    for said, answer in answers.ANSWERS.items():
        assert answer.text.endswith("."), said
        if answer.reached is not None and answer.failed is not None:
            assert answer.failed is Depth(answer.reached + 1), said
    assert {said for said, answer in answers.ANSWERS.items() if answer.reached is Depth.SERVER} == set(ALIVE)


def test_a_look_of_older_times_counts_as_a_handshake():
    assert evidence.Probe(at=BEGAN, answered=True).outcome is answers.ANSWERS["door"]
    assert evidence.Probe(at=BEGAN, answered=False).outcome is answers.ANSWERS["silent"]
