"""Several vantage points: down only where all that ever reached a server fail, and who looks no more proves nothing."""

from __future__ import annotations

from datetime import timedelta

from responder.core import evidence, vantages
from tests.core import cases

NOW = cases.at(1)
POLICY = evidence.Policy()


def verdict(**looks: evidence.Health) -> evidence.Verdict:
    return evidence.weigh(vantages.combined(looks), POLICY, NOW)


def test_one_vantage_is_what_it_sees() -> None:
    for health in (cases.down(NOW), cases.up(NOW), cases.never_reached(NOW), evidence.Health()):
        assert vantages.combined({"here": health}) == health
    assert vantages.combined({}) == evidence.Health()


def test_a_server_that_answers_anywhere_is_up() -> None:
    assert verdict(here=cases.down(NOW), there=cases.up(NOW)) is evidence.Verdict.UP


def test_a_server_is_down_when_every_vantage_that_reached_it_fails() -> None:
    assert verdict(here=cases.down(NOW), there=cases.down(NOW)) is evidence.Verdict.DOWN


def test_a_vantage_that_never_reached_it_proves_nothing() -> None:
    assert verdict(here=cases.down(NOW), there=cases.never_reached(NOW)) is evidence.Verdict.DOWN
    assert verdict(here=cases.up(NOW), there=cases.never_reached(NOW)) is evidence.Verdict.UP
    assert verdict(here=cases.never_reached(NOW), there=cases.never_reached(NOW)) is evidence.Verdict.UNPROVEN


def test_a_vantage_that_has_stopped_looking_neither_hinders_nor_proves() -> None:
    """It may lie in the dead region itself."""
    long_ago = NOW - timedelta(minutes=11)
    assert verdict(here=cases.down(NOW), there=cases.up(long_ago)) is evidence.Verdict.DOWN
    assert verdict(here=cases.up(NOW), there=cases.down(long_ago)) is evidence.Verdict.UP


def test_the_silence_counts_from_when_the_last_of_them_lost_it() -> None:
    lost = NOW - timedelta(minutes=2)
    both = {"here": cases.down(NOW), "there": cases.down(NOW, since=lost)}
    assert vantages.combined(both).failing_since == lost
    assert verdict(**both) is evidence.Verdict.FAILING


def test_the_last_answer_anywhere_is_when_it_was_last_well() -> None:
    late = cases.down(NOW, since=NOW - timedelta(minutes=6))
    assert vantages.combined({"here": cases.down(NOW), "there": late}).last_answer_at == late.last_answer_at
