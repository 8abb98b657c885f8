"""Azure's budgets as heard: what is left by now, what waits, and what two instances know together."""

from __future__ import annotations

from datetime import timedelta

import pytest

from responder.core import throttles
from responder.core.throttles import Bucket, Kind
from tests.core.cases import BEGAN

SECOND = timedelta(seconds=1)


def at(seconds: float):
    return BEGAN + seconds * SECOND


@pytest.mark.parametrize(
    ("method", "kind"),
    [("GET", Kind.READS), ("HEAD", Kind.READS), ("PUT", Kind.WRITES), ("POST", Kind.WRITES), ("DELETE", Kind.DELETES)],
)
def test_the_kind_of_a_request(method: str, kind: Kind):
    assert throttles.kind_of(method) is kind


@pytest.mark.parametrize(("remaining", "later", "left"), [(0, 0, 0), (0, 2, 50), (1090, 9, 1100), (None, 0, 1100)])
def test_a_bucket_fills_again_up_to_its_size(remaining: int | None, later: float, left: float):
    assert throttles.left(Bucket(seen_at=at(0), remaining=remaining), Kind.READS, at(later)) == left


@pytest.mark.parametrize(
    ("remaining", "reserve", "seconds"), [(60, 50, 0), (50, 50, 0), (25, 50, 1), (0, 50, 2), (0, 0, 0), (49, 50, 1)]
)
def test_what_can_wait_leaves_a_reserve_and_what_is_urgent_does_not(remaining: int, reserve: int, seconds: float):
    bucket = Bucket(seen_at=at(0), remaining=remaining)
    assert throttles.wait(bucket, Kind.READS, at(0), reserve=reserve) == seconds * SECOND


def test_after_a_refusal_everything_waits_as_long_as_azure_said():
    bucket = throttles.heard(None, None, 17 * SECOND, at(0))
    assert bucket.remaining == 0
    assert throttles.wait(bucket, Kind.WRITES, at(2), reserve=0) == 15 * SECOND
    assert throttles.wait(bucket, Kind.WRITES, at(17), reserve=0) == timedelta()


def test_nothing_heard_nothing_waits():
    assert throttles.wait(None, Kind.READS, at(0), reserve=50) == timedelta()


def test_two_instances_know_the_newer_count_and_the_later_refusal():
    mine = Bucket(seen_at=at(5), remaining=100, blocked_until=at(30))
    theirs = Bucket(seen_at=at(6), remaining=90, blocked_until=at(20))
    both = Bucket(seen_at=at(6), remaining=90, blocked_until=at(30))
    assert throttles.merged(mine, theirs, at(6)) == throttles.merged(theirs, mine, at(6)) == both
    assert throttles.merged(None, theirs, at(6)) == theirs


def test_a_refusal_heard_before_the_clock_was_stepped_back_holds_nothing_up():
    refused = throttles.heard(None, None, 30 * SECOND, at(3600))
    assert throttles.wait(refused, Kind.WRITES, at(3600), reserve=0) == 30 * SECOND
    assert throttles.wait(refused, Kind.WRITES, at(0), reserve=0) == timedelta()
    anew = throttles.heard(refused, 150, None, at(0))
    assert throttles.wait(anew, Kind.WRITES, at(0), reserve=0) == timedelta()


def test_what_others_heard_before_the_clock_was_stepped_back_hides_nothing_that_is_heard_now():
    theirs = Bucket(seen_at=at(3600), remaining=100, blocked_until=at(3700))
    mine = throttles.heard(None, None, 30 * SECOND, at(0))
    assert throttles.merged(mine, theirs, at(1)) == throttles.merged(theirs, mine, at(1)) == mine
    assert throttles.merged(None, theirs, at(1)) is None
