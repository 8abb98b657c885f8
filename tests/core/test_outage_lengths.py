"""How long outages last."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core.outage_lengths import DEFAULT, Survival

HOUR = timedelta(hours=1)
hours = st.floats(0, 5_000).map(lambda value: value * HOUR)


@pytest.mark.parametrize(
    ("hour", "share"), [(0, 1), (0.5, 0.85), (1, 0.70), (2, 0.48), (4, 0.30), (8, 0.13), (12, 0.05)]
)
def test_the_default_curve_is_the_mixture_of_the_two_histories(hour: float, share: float):
    assert DEFAULT.beyond(hour * HOUR) == pytest.approx(share, abs=0.005)


@given(hours, hours)
def test_the_longer_the_fewer(a: timedelta, b: timedelta):
    early, late = sorted((a, b))
    assert 0 <= DEFAULT.beyond(late) <= DEFAULT.beyond(early) <= 1


@given(hours, hours)
def test_given_what_has_lasted_the_share_is_never_less_than_without(t: timedelta, elapsed: timedelta):
    assert DEFAULT.beyond(t) - 1e-12 <= DEFAULT.beyond_given(t, elapsed) <= 1


def test_what_has_lasted_has_lasted():
    assert DEFAULT.beyond_given(4 * HOUR, 4 * HOUR) == 1
    assert DEFAULT.beyond_given(3 * HOUR, 4 * HOUR) == 1


def test_after_twelve_hours_most_outages_last_much_longer():
    """In the recorded incidents, recovery comes within twelve hours or takes hands and parts."""
    assert DEFAULT.beyond_given(16 * HOUR, 12 * HOUR) > 0.8
    assert DEFAULT.beyond_given(8 * HOUR, 4 * HOUR) < 0.5


@pytest.mark.parametrize("elapsed", [timedelta(days=5), timedelta(days=4_000)])
def test_an_outage_beyond_all_history_still_has_a_share(elapsed: timedelta):
    """A steep curve of ordinary outages meets an outage of days: a quotient of two zeros would be no decision."""
    steep = Survival(((0.5 * HOUR, 0.01),))
    assert 0 <= steep.beyond_given(elapsed + HOUR, elapsed) < 1
    assert steep.beyond_given(elapsed, elapsed) == 1


@pytest.mark.parametrize(
    "points",
    [
        pytest.param((), id="none"),
        pytest.param(((0 * HOUR, 1.0),), id="at the beginning"),
        pytest.param(((2 * HOUR, 0.5), (1 * HOUR, 0.4)), id="times that fall"),
        pytest.param(((1 * HOUR, 0.5), (1 * HOUR, 0.4)), id="one time twice"),
        pytest.param(((1 * HOUR, 0.5), (2 * HOUR, 0.6)), id="shares that rise"),
        pytest.param(((1 * HOUR, 1.2),), id="more than all"),
        pytest.param(((1 * HOUR, 0.0),), id="none left"),
    ],
)
def test_a_curve_that_is_none_is_refused(points: tuple[tuple[timedelta, float], ...]):
    with pytest.raises(ValueError, match="survival curve"):
        Survival(points)
