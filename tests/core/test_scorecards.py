"""Was it right? Every verdict on a case that is just that, and the sums in the owners' own rate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core import scorecards, silences, tolerances
from responder.core.scorecards import Course, Verdict
from tests.core.cases import BEGAN, at

HOUR = timedelta(hours=1)


def case(back: float | None = 3, *, rto: float | None = 4, as_of: float = 24, **course: Any) -> scorecards.Case:
    """Away from the impact until `back` (None: still away); what was done, in hours after the impact."""
    declared = {name: course.pop(name) for name in ("cost_per_hour", "cost_of_loss") if name in course}
    times = {name: at(value) if isinstance(value, int | float) else value for name, value in course.items()}
    spell = silences.Silence(
        since=at(0.1), answered_at=at(-0.1), until=at(back) if back is not None and back <= as_of else None
    )
    return scorecards.Case(
        server="/orders",
        name="orders",
        outage="QX3L-7PG@eastus2",
        impact_start=BEGAN,
        tolerance=tolerances.Tolerance(rto=None if rto is None else rto * HOUR, **declared),
        silences=(spell,),
        course=Course(**times),
        as_of=at(as_of),
        takes=HOUR / 4,
    )


MOVED = {"started_at": 0.5, "ready_at": 2.0, "moved_at": 3.5, "loss": HOUR / 2}


@pytest.mark.parametrize(
    ("judged", "verdict", "words"),
    [
        pytest.param(case(3), Verdict.WAITED, "Nothing was lost", id="waited and met"),
        pytest.param(case(9, why="No geo-backup."), Verdict.MISSED, "No geo-backup.", id="waited and missed"),
        pytest.param(case(3, started_at=1, dropped_at=5), Verdict.SPARED, "thrown away", id="a copy not needed"),
        pytest.param(case(9, **MOVED), Verdict.WORTH_IT, "3 h 30 m of downtime", id="moved in time"),
        pytest.param(case(None, **MOVED), Verdict.WORTH_IT, "not back after 1 d", id="moved, never back"),
        pytest.param(case(9, **MOVED | {"moved_at": 5.0}), Verdict.LATE, "too late", id="moved too late"),
        pytest.param(case(3.9, **MOVED), Verdict.NEEDLESS, "needlessly", id="moved for nothing"),
        pytest.param(case(9, rto=None), Verdict.UNDECLARED, "No tolerance", id="undeclared"),
        pytest.param(case(None, as_of=2), Verdict.OPEN, "still away", id="not over"),
        pytest.param(case(9, asked_at=3), Verdict.MISSED, "was not given in time", id="nobody said yes"),
    ],
)
def test_every_verdict_is_told_in_words(judged: scorecards.Case, verdict: Verdict, words: str):
    score = scorecards.judge(judged)
    assert score.verdict is verdict
    assert words in scorecards.words(score)


def test_a_server_that_always_answered_is_not_counted():
    score = scorecards.judge(scorecards.Case(**_fields(case()) | {"silences": ()}))
    assert score.verdict is Verdict.NOT_AWAY
    assert scorecards.total([score]).servers == 0


def test_a_cut_over_costs_as_much_as_the_rto_in_downtime():
    moved, waited = scorecards.judge(case(9, **MOVED)), scorecards.judge(case(9))
    assert moved.cost == (3.5 + 4) * HOUR
    assert moved.cost_waiting == waited.cost == 9 * HOUR


def test_declared_costs_are_the_rate_where_there_are_any():
    moved = scorecards.judge(case(9, **MOVED, cost_per_hour=1000.0, cost_of_loss=2500.0))
    assert moved.cost == (3.5 + 2.5) * HOUR


def test_what_is_only_supposed_needs_its_time_to_serve_and_is_told_so():
    score = scorecards.judge(case(9, **MOVED, supposed=True))
    assert score.down == 3.75 * HOUR
    assert "would have been cut over" in scorecards.words(score)


def test_an_undeclared_server_has_no_rate():
    score = scorecards.judge(case(9, rto=None))
    assert (score.cost, score.cost_waiting, score.missed) == (None, None, False)


def test_the_sum_tells_what_was_done_from_what_would_have_been():
    scores = [
        scorecards.judge(one)
        for one in (case(3), case(9), case(9, **MOVED), case(3.9, **MOVED, supposed=True), case(9, rto=None))
    ]
    found = scorecards.by_mode(scores)
    assert (found["act"].servers, found["act"].missed, found["act"].missed_waiting) == (4, 1, 2)
    assert (found["act"].needless, found["shadow"].needless) == (0, 1)
    assert found["act"].cost == (3 + 9 + 7.5) * HOUR
    assert "4 servers were away, 3 of them with a declared RTO." in scorecards.summary(found["act"])
    assert scorecards.summary(scorecards.total([])) == ("No server was away.",)


@given(
    back=st.none() | st.floats(0.2, 30),
    rto=st.none() | st.floats(0.1, 30),
    moved=st.none() | st.floats(0.2, 30),
    asked=st.none() | st.floats(0.2, 30),
    supposed=st.booleans(),
)
def test_any_case_is_judged_and_told(
    back: float | None, rto: float | None, moved: float | None, asked: float | None, supposed: bool
):
    score = scorecards.judge(case(back, rto=rto, moved_at=moved, asked_at=asked, supposed=supposed))
    assert scorecards.words(score)
    assert timedelta() <= score.down <= score.down_waiting
    assert not (score.needless and score.missed_waiting)
    assert not score.needless or moved is not None


def _fields(value: scorecards.Case) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
