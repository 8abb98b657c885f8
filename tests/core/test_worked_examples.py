"""The worked examples of the decision rule, with the percentile they were worked with (90), to their own rounding.

The rule's own start times leave the margin of ten minutes out in the first, and have it in the others; so do these.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from responder.core import deadlines, decisions, restore_times, servers, ways
from responder.core.decisions import Action
from tests.core import cases
from tests.core.cases import at, hours, outage, ready, tolerance

HOUR = timedelta(hours=1)
NINETY = replace(cases.POLICY, timing=replace(cases.POLICY.timing, quantile=0.9), blocked=deadlines.Blocked(share=0))
SMALL = cases.server(storage_gb=64)


def decide(hour: float, policy: decisions.Policy = NINETY, **changes: Any) -> decisions.Decision:
    return decisions.decide(cases.facts(at(hour), **changes), policy, at(hour))


def promises(found: decisions.Decision) -> tuple[float, float, float, float]:
    """P(meeting the RTO) acting and waiting, expected downtime acting and waiting in hours."""
    seen = found.outlook
    assert seen is not None
    down = seen.expected_downtime / HOUR, seen.expected_downtime_waiting / HOUR
    return (seen.p_meet_rto, seen.p_meet_rto_waiting, *down)


def test_example_1_an_rto_of_12_hours_heard_of_after_half_an_hour():
    without = replace(NINETY, timing=replace(NINETY.timing, margin=timedelta()))
    assert hours(decide(0.5, without).start_by) == pytest.approx(0.87, abs=0.01)
    found = decide(0.5)
    assert hours(found.cut_over_at) == pytest.approx(11.58, abs=0.01)
    assert promises(found) == pytest.approx((0.994, 0.937, 4.1, 5.5), abs=0.35)
    assert promises(found)[:2] == pytest.approx((0.994, 0.937), abs=0.002)


def test_example_1b_and_1c_a_ready_copy_is_held_at_6_hours_and_used_at_11_6():
    held, used = (decide(hour, copy=ready(started=0.5, done=4)) for hour in (6, 11.6))
    assert (held.action, used.action) == (Action.HOLD, Action.CUT_OVER)
    assert promises(held)[1] == pytest.approx(0.76, abs=0.01)
    assert promises(used)[1] == pytest.approx(0.12, abs=0.03)


def test_example_2_a_small_server_with_an_rto_of_24_hours_waits():
    found = decide(1, server=SMALL, tolerance=tolerance(24))
    assert found.action is Action.WAIT
    assert hours(found.start_by) == pytest.approx(20.3, abs=0.1)
    assert promises(found)[:2] == pytest.approx((0.999, 0.956), abs=0.004)


def test_example_3_an_rto_of_one_hour_cannot_be_met_by_a_backup_in_the_pair():
    found = decide(0.5, server=SMALL, tolerance=tolerance(1, 5 / 60))
    assert (found.action, found.consent_needed, found.data_loss_bound) == (Action.START, True, HOUR)
    assert found.restore_p50 is not None
    assert 0.5 * HOUR + found.restore_p50 + timedelta(minutes=15) == 1.5 * HOUR
    assert promises(found)[:2] == pytest.approx((0.31, 0.18), abs=0.01)


def test_example_4_the_same_with_a_replica_that_is_20_seconds_behind():
    replica = ways.Replica(
        id=servers.ServerId("/r"), region=cases.regions.RegionName("centralus"), lag=timedelta(seconds=20)
    )
    found = decide(0.5, server=SMALL, tolerance=tolerance(1, 5 / 60), replicas=(replica,))
    assert (found.way, found.consent_needed, found.data_loss_bound) == (
        "promote-replica",
        False,
        timedelta(seconds=20),
    )
    assert hours(found.cut_over_at) == pytest.approx(0.58, abs=0.01)
    assert promises(found)[0] == 1.0


@pytest.mark.parametrize(("hour", "more"), [pytest.param(4, 8, id="5"), pytest.param(7.6, 1.5, id="5b")])
def test_example_5_an_estimate_beyond_the_rto_cuts_over_now_and_never_extends_it(hour: float, more: float):
    expected = outage(expected_end=at(hour + more))
    assert decide(hour, tolerance=tolerance(8), outage=expected, copy=ready()).action is Action.CUT_OVER


def test_example_6_three_rehearsals_of_about_half_an_hour_buy_hours_of_waiting():
    taken = [restore_times.Sample(took=hour * HOUR) for hour in (0.4, 0.5, 0.45)]
    drilled = {"middle": NINETY.beliefs["middle"].updated(taken)}
    found = decide(0.5, replace(NINETY, beliefs=drilled), tolerance=tolerance(8))
    assert hours(found.start_by) == pytest.approx(3.3, abs=0.05)
    without = replace(NINETY, timing=replace(NINETY.timing, margin=timedelta()))
    assert hours(decide(0.5, without, tolerance=tolerance(8)).start_by) == pytest.approx(-3.1, abs=0.05)


def test_example_10_a_zone_is_down_and_the_backup_lies_in_another():
    server = cases.server(storage_gb=64, zone="1", high_availability="ZoneRedundant")
    found = decide(0.3, server=server, tolerance=tolerance(4), zonal=True)
    assert (found.way, found.data_loss_bound) == ("point-in-time-restore", timedelta(minutes=5))
    assert hours(found.start_by) == pytest.approx(0.3, abs=0.1)


def test_example_11_declared_costs_break_even_after_20_hours():
    found = decide(1, tolerance=tolerance(24, cost_per_hour=1000.0, cost_of_loss=20_000.0))
    assert hours(found.must_serve_by) == 20
    assert hours(found.cut_over_at) == pytest.approx(19.6, abs=0.02)
