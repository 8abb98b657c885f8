"""The replay says the same for the same seed, and its policies differ by nothing but their deadlines."""

from __future__ import annotations

import pytest

from responder.cli.replay import history
from responder.core import deadlines, replays, restore_times
from responder.core.replays import Policy


def rows(**changes: object) -> dict[tuple[Policy, float], replays.Row]:
    values: dict[str, object] = {
        "beliefs": restore_times.DEFAULTS,
        "timing": deadlines.Timing(),
        "notices_min": history.NOTICES_MIN,
        "size_classes": (restore_times.MIDDLE,),
        "servers": 60,
        "resamples": 0,
    }
    found = replays.replay(history.load(None), replays.Setup(**(values | changes)))  # type: ignore[arg-type]
    return {(row.policy, row.rto_h): row for row in found}


@pytest.fixture(scope="module")
def shipped() -> dict[tuple[Policy, float], replays.Row]:
    return rows()


def test_the_shipped_history_has_the_41_outages_that_could_take_a_server_down():
    assert len(history.load(None)) == 41


@pytest.mark.parametrize("rto_h", [4, 8, 12, 24])
@pytest.mark.parametrize("hedge", [Policy.HEDGE_EAGER, Policy.HEDGE_LAZY])
def test_the_hedge_misses_no_more_than_restoring_at_once_within_the_noise(
    shipped: dict[tuple[Policy, float], replays.Row], hedge: Policy, rto_h: float
):
    at_once = shipped[Policy.RESTORE_AT_ONCE, rto_h]
    assert shipped[hedge, rto_h].missed_pct <= at_once.missed_pct + 0.6


def test_at_12_hours_the_hedge_loses_data_for_nothing_in_under_one_per_cent(
    shipped: dict[tuple[Policy, float], replays.Row],
):
    assert shipped[Policy.HEDGE_LAZY, 12].needless_pct < 1
    assert shipped[Policy.RESTORE_AT_ONCE, 12].needless_pct > 20


def test_an_eager_hedge_never_misses_where_restoring_at_once_does_not():
    """The copy is started at the same moment or the RTO cannot be met anyway, and cut over no later than the RTO."""
    timing = deadlines.Timing(grace=deadlines.timedelta(0))
    found = rows(timing=timing)
    for rto_h in (4, 8, 12, 24):
        assert found[Policy.HEDGE_EAGER, rto_h].missed_pct == found[Policy.RESTORE_AT_ONCE, rto_h].missed_pct


def test_who_always_waits_makes_no_copy_and_loses_nothing(shipped: dict[tuple[Policy, float], replays.Row]):
    waiting = [row for (policy, _), row in shipped.items() if policy is Policy.ALWAYS_WAIT]
    assert all(row.copies_pct == row.needless_pct == row.cutovers_pct == 0 for row in waiting)


def test_the_same_seed_gives_the_same_rows_and_another_one_others():
    assert rows(seed=7) == rows(seed=7)
    assert rows(seed=7) != rows(seed=8)


def test_a_longer_rto_is_never_missed_more_often(shipped: dict[tuple[Policy, float], replays.Row]):
    for policy in Policy:
        missed = [shipped[policy, rto_h].missed_pct for rto_h in (1, 4, 8, 12, 24)]
        assert missed == sorted(missed, reverse=True)


def test_intervals_hold_the_figure_they_belong_to():
    row = rows(resamples=50)[Policy.ALWAYS_WAIT, 12]
    assert row.missed_95 is not None
    assert row.missed_95[0] <= row.missed_pct <= row.missed_95[1]
