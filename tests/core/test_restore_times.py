"""How long a restore takes, as a belief."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core import restore_times, student
from responder.core.restore_times import DEFAULTS, LARGE, MIDDLE, SMALL, Belief

HOUR = timedelta(hours=1)
beliefs = st.builds(
    lambda p50, ratio, surge: Belief(p50=timedelta(minutes=p50), p95=timedelta(minutes=p50 * ratio), surge=surge),
    st.floats(1, 2_000),
    st.floats(1, 20),
    st.floats(1, 3),
)


@pytest.mark.parametrize(
    ("p", "quantile"), [(0.95, 2.131847), (0.9, 1.533206), (0.8, 0.940965), (0.5, 0.0), (0.05, -2.131847)]
)
def test_student_t_with_four_degrees_of_freedom_agrees_with_the_tables(p: float, quantile: float):
    assert student.quantile(p, 4) == pytest.approx(quantile, abs=1e-5)
    assert student.cdf(quantile, 4) == pytest.approx(p, abs=1e-5)


@given(st.floats(0.001, 0.999))
def test_quantile_and_distribution_are_inverses(p: float):
    assert student.cdf(student.quantile(p, 4), 4) == pytest.approx(p, abs=1e-6)


@pytest.mark.parametrize(
    ("size", "p50", "p80", "p90", "p95"),
    [(SMALL, 0.5, 1.3, 2.2, 4), (MIDDLE, 2, 4.4, 7.3, 12), (LARGE, 6, 11.1, 16.3, 24)],
)
def test_the_defaults_put_the_95th_percentile_where_azure_does(
    size: str, p50: float, p80: float, p90: float, p95: float
):
    """Hours on a calm day, before the surge. `ERT < 12 h` is taken for the 95th percentile of a middle-sized server."""
    belief = DEFAULTS[size]
    calm = Belief(p50=belief.p50, p95=belief.p95, surge=1)
    found = [calm.quantile(p) / HOUR for p in (0.5, 0.8, 0.9, 0.95)]
    assert found == pytest.approx([p50, p80, p90, p95], rel=0.04)


@pytest.mark.parametrize(("size", "p50", "p90"), [(SMALL, 0.75, 3.3), (MIDDLE, 3.0, 10.9), (LARGE, 9.0, 24.4)])
def test_a_region_wide_surge_stretches_every_quantile(size: str, p50: float, p90: float):
    found = [DEFAULTS[size].quantile(p) / HOUR for p in (0.5, 0.9)]
    assert found == pytest.approx([p50, p90], rel=0.02)


@pytest.mark.parametrize(
    ("storage_gb", "size"),
    [
        pytest.param(None, MIDDLE, id="unknown is not small"),
        pytest.param(32, SMALL, id="small"),
        pytest.param(128, SMALL, id="still small"),
        pytest.param(129, MIDDLE, id="middle"),
        pytest.param(1024, MIDDLE, id="still middle"),
        pytest.param(1025, LARGE, id="large"),
    ],
)
def test_a_server_is_classed_by_its_storage(storage_gb: int | None, size: str):
    assert restore_times.size_class(storage_gb) == size


@given(beliefs, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_greater_share_takes_longer(belief: Belief, p: float, q: float):
    assert (belief.quantile(p) <= belief.quantile(q)) == (p <= q) or belief.quantile(p) == belief.quantile(q)


@given(beliefs, st.floats(0.02, 0.98))
def test_within_a_quantile_its_share_is_done(belief: Belief, p: float):
    if belief.p95 > belief.p50 * 1.01:
        assert belief.done_within(belief.quantile(p)) == pytest.approx(p, abs=1e-3)


@given(beliefs, st.floats(-10, 1_000), st.floats(0, 1_000), st.floats(0, 1_000))
def test_probabilities_are_probabilities_and_grow_with_time(belief: Belief, a: float, b: float, running: float):
    early, late = sorted((a * HOUR, b * HOUR))
    for chance in (belief.done_within, lambda t: belief.done_within_given(t, running * HOUR)):
        assert 0 <= chance(early) <= chance(late) + 1e-9 <= 1 + 1e-9


def test_a_restore_that_has_run_long_will_probably_run_longer():
    """The tail is heavy: after 12 hours without an end, the next hour is less likely to bring it than the third was."""
    belief = DEFAULTS[MIDDLE]
    third = belief.done_within_given(3 * HOUR, 2 * HOUR)
    thirteenth = belief.done_within_given(13 * HOUR, 12 * HOUR)
    assert thirteenth < third
    assert belief.done_within_given(12 * HOUR, 12 * HOUR) == 0


def test_a_belief_without_spread_is_a_fixed_time():
    belief = Belief(p50=HOUR, p95=HOUR, surge=1)
    assert belief.quantile(0.99) == pytest.approx(HOUR, abs=timedelta(seconds=1))
    assert (belief.done_within(0.9 * HOUR), belief.done_within(1.1 * HOUR)) == (0.0, 1.0)
    assert belief.done_within_given(3 * HOUR, 2 * HOUR) == 1.0


# --- what restores teach


def taught(*hours: float, size: str = MIDDLE, **changes: bool) -> Belief:
    return DEFAULTS[size].updated([restore_times.Sample(took=hour * HOUR, **changes) for hour in hours])


@pytest.mark.parametrize(
    ("hours", "p50", "p95"),
    [
        pytest.param((0.4, 0.5, 0.45), 0.82, 4.4, id="three of about half an hour"),
        pytest.param((0.5,) * 5, 0.73, 3.1, id="five of half an hour"),
        pytest.param((0.6,) * 10, 0.72, 2.0, id="ten of about half an hour"),
        pytest.param((3.5,), 2.4, 10.9, id="one of three and a half"),
    ],
)
def test_rehearsals_move_the_belief_as_the_conjugate_update_says(hours: tuple[float, ...], p50: float, p95: float):
    found = taught(*hours)
    assert (found.p50 / HOUR, found.p95 / HOUR) == pytest.approx((p50, p95), rel=0.025)


def test_the_order_and_the_grouping_of_samples_do_not_matter():
    one, two = [restore_times.Sample(took=hour * HOUR) for hour in (0.5, 4.0)]
    assert DEFAULTS[SMALL].updated([one]).updated([two]) == DEFAULTS[SMALL].updated([one, two])
    assert DEFAULTS[SMALL].updated([]) == DEFAULTS[SMALL]


def test_a_restore_in_an_outage_has_the_surge_in_it_already():
    assert taught(1.5, real=True).p50 == taught(1.0).p50


def test_a_failed_restore_counts_as_one_that_takes_longer_than_it_was_given():
    failed, done = taught(0.5, 6.0, failed=True), taught(0.5, 6.0)
    assert failed.p50 > done.p50
    assert taught(0.01, failed=True).p50 / HOUR == pytest.approx(DEFAULTS[MIDDLE].p50 / HOUR, rel=0.05)


def test_the_quantile_to_plan_with_is_the_believed_one_unless_an_outlier_widened_it():
    same, outlier = taught(0.5, 0.5, 0.5), taught(0.001, 0.5, 0.5)
    assert same.planning(0.95) == pytest.approx(same.quantile(0.95), rel=0.01)
    assert outlier.quantile(0.95) > 2 * same.quantile(0.95)
    assert outlier.planning(0.95) <= same.planning(0.95)
    assert DEFAULTS[MIDDLE].planning(0.95) == DEFAULTS[MIDDLE].quantile(0.95)


@pytest.mark.parametrize(
    ("nu", "p", "t"), [(1, 0.975, 12.7062), (5, 0.95, 2.01505), (7, 0.9, 1.41492), (14, 0.99, 2.62449)]
)
def test_student_t_agrees_with_the_tables_for_other_degrees_of_freedom(nu: float, p: float, t: float):
    assert student.quantile(p, nu) == pytest.approx(t, abs=1e-4)
    assert student.quantile(1 - p, nu) == pytest.approx(-t, abs=1e-4)
    assert student.cdf(t, nu) == pytest.approx(p, abs=1e-6)
