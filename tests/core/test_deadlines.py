"""The two clocks: when the copy is started, and when applications are sent to it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core import deadlines, outage_lengths, restore_times, tolerances
from responder.core.tolerances import Cutover, Hedge
from tests.core.cases import BEGAN, HEARD, at, hours, tolerance

HOUR = timedelta(hours=1)
TIMING = deadlines.Timing()
SMALL, MIDDLE = restore_times.DEFAULTS[restore_times.SMALL], restore_times.DEFAULTS[restore_times.MIDDLE]


def compute(declared: tolerances.Tolerance, **changes: Any) -> deadlines.Deadlines:
    values: dict[str, Any] = {
        "impact_start": BEGAN,
        "notice": HEARD,
        "expected_end": None,
        "tolerance": declared,
        "belief": MIDDLE,
        "timing": TIMING,
    }
    return deadlines.compute(**(values | changes))


def test_the_cut_over_is_as_late_as_the_rto_allows():
    """RTO less 15 minutes of switching and 10 of margin: the region has until then to come back."""
    found = compute(tolerance(12))
    assert hours(found.must_serve_by) == 12
    assert hours(found.cut_over_at) == pytest.approx(11.583, abs=0.001)


def test_the_clock_starts_at_the_impact_not_at_the_notice():
    assert compute(tolerance(12), notice=at(3)).cut_over_at == compute(tolerance(12)).cut_over_at


def test_where_a_human_must_be_asked_there_is_time_to_ask():
    automatic, asked = compute(tolerance(12)), compute(tolerance(12, cutover=Cutover.ASK))
    assert automatic.cut_over_at - asked.cut_over_at == TIMING.approval


def test_the_copy_is_started_so_that_it_is_ready_with_high_probability():
    found = compute(tolerance(24), belief=SMALL)
    assert found.cut_over_at - found.start_by == SMALL.quantile(0.95)
    assert found.start_at == found.start_by


def test_drills_buy_waiting_time():
    """RTO 8 h, middle-sized: by default at once, after three drills of about half an hour there is time to wait."""
    untried = compute(tolerance(8))
    # The posterior of drills of 0.4, 0.5 and 0.45 h: P50 0.82 h, P95 4.4 h, surge apart.
    drilled = compute(tolerance(8), belief=restore_times.Belief(p50=0.82 * HOUR, p95=4.4 * HOUR))
    assert untried.start_by < BEGAN
    # The reference has 3.3 h: it plans with p90 where we plan with p95.
    assert hours(drilled.start_by) == pytest.approx(1.0, abs=0.1)
    p90 = compute(
        tolerance(8),
        belief=restore_times.Belief(p50=0.82 * HOUR, p95=4.4 * HOUR),
        timing=deadlines.Timing(quantile=0.9, margin=timedelta()),
    )
    assert hours(p90.start_by) == pytest.approx(3.3, abs=0.4)


@pytest.mark.parametrize(
    ("rto", "notice", "start_at"),
    [
        pytest.param(24, 0.5, 1.0, id="not before the hour that replication lags"),
        pytest.param(24, 3.0, 3.0, id="not before the notice"),
        pytest.param(6.5, 0.0, 0.083, id="earlier when the deadline demands it"),
    ],
)
def test_an_eager_copy_is_started_early_but_not_too_early(rto: float, notice: float, start_at: float):
    found = compute(tolerance(rto, hedge=Hedge.EAGER), belief=SMALL, notice=at(notice))
    assert hours(found.start_at) == pytest.approx(start_at, abs=0.001)


def test_an_eager_copy_changes_nothing_about_the_cut_over():
    eager, lazy = compute(tolerance(24, hedge=Hedge.EAGER)), compute(tolerance(24))
    assert eager.cut_over_at == lazy.cut_over_at


@pytest.mark.parametrize(
    ("expected_end", "cut_over_at"),
    [
        pytest.param(None, 7.583, id="no estimate"),
        pytest.param(3, 7.583, id="it should be over long before"),
        pytest.param(8, 7.583, id="just in time"),
        pytest.param(12, 4.0, id="too late: no use in waiting to the end"),
        pytest.param(-5, 7.583, id="an estimate that has passed"),
    ],
)
def test_an_estimate_brings_a_cut_over_forward_and_never_pushes_it_back(expected_end: float | None, cut_over_at: float):
    end = None if expected_end is None else at(expected_end)
    assert hours(compute(tolerance(8), expected_end=end).cut_over_at) == pytest.approx(cut_over_at, abs=0.001)


def test_an_rto_shorter_than_any_cut_over_is_due_at_once_and_not_an_error():
    found = compute(tolerance(0.1, cutover=Cutover.ASK))
    assert found.start_by < found.cut_over_at < BEGAN


@given(
    st.floats(0.05, 200),
    st.sampled_from(Cutover),
    st.sampled_from(Hedge),
    st.none() | st.floats(-100, 500).map(at),
    st.floats(0, 100).map(at),
)
def test_the_deadlines_are_in_order(
    rto: float, cutover: Cutover, hedge: Hedge, expected_end: datetime | None, notice: datetime
):
    found = compute(tolerance(rto, cutover=cutover, hedge=hedge), expected_end=expected_end, notice=notice)
    assert found.start_by < found.cut_over_at < found.must_serve_by
    assert found.start_at <= max(found.start_by, notice)
    assert found.cut_over_at <= compute(tolerance(rto, cutover=cutover), notice=notice).cut_over_at


# --- the outlook


def outlook(*, now: float, rto: float, belief: restore_times.Belief = MIDDLE, **changes: Any) -> deadlines.Outlook:
    values: dict[str, Any] = {
        "elapsed": now * HOUR,
        "rto": rto * HOUR,
        "start": now * HOUR,
        "ready": False,
        "cut_over": rto * HOUR - TIMING.cutover - TIMING.margin,
        "takes": TIMING.cutover,
    }
    return deadlines.outlook(deadlines.Plan(**(values | changes)), belief, outage_lengths.DEFAULT)


def test_a_ready_copy_makes_the_rto_certain():
    found = outlook(now=6, rto=12, ready=True)
    assert found.p_meet_rto == 1
    assert found.expected_downtime < found.expected_downtime_waiting


def test_an_rto_that_has_passed_is_missed_either_way():
    found = outlook(now=13, rto=12, ready=True)
    assert (found.p_meet_rto, found.p_meet_rto_waiting) == (0, 0)


def test_a_restore_that_has_been_running_is_nearer_to_its_end():
    """For the first hours; after that the heavy tail says that something is wrong with it."""
    just_begun, under_way = outlook(now=4, rto=8), outlook(now=4, rto=8, start=3 * HOUR)
    overdue = outlook(now=4, rto=8, start=-8 * HOUR)
    assert overdue.p_meet_rto < just_begun.p_meet_rto < under_way.p_meet_rto


@given(st.floats(0, 100), st.floats(0.1, 100), st.booleans(), st.floats(-50, 50))
def test_acting_is_never_worse_than_waiting(now: float, rto: float, ready: bool, earlier: float):
    """For downtime and for the RTO, that is; the price is the data, which the tolerance puts a figure on."""
    found = outlook(now=now, rto=rto, ready=ready, start=(now - earlier) * HOUR)
    assert 0 <= found.p_meet_rto_waiting <= found.p_meet_rto + 1e-9 <= 1 + 1e-9
    assert now * HOUR <= found.expected_downtime <= found.expected_downtime_waiting + timedelta(seconds=1)
