"""When who is looked at: spread out in peace, first in trouble, never faster than the cap, and nobody forgotten."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from responder.core import schedules, servers

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PACE = schedules.Pace(peace=timedelta(minutes=1), outage=timedelta(seconds=15), concurrency=100, per_second=10)


def ids(count: int, of: str = "s") -> list[servers.ServerId]:
    return [servers.ServerId(f"{of}{number}") for number in range(count)]


def planned(pace: schedules.Pace, known: list[servers.ServerId]) -> schedules.Schedule:
    found = schedules.Schedule(pace, random.Random(1).random)
    for id_ in known:
        found.put(id_, NOON, sharp=False)
    return found


def looked(
    schedule: schedules.Schedule,
    pace: schedules.Pace,
    seconds: int,
    *,
    start: datetime = NOON,
    sharp: frozenset[str] = frozenset(),
) -> list[list[servers.ServerId]]:
    """Second by second: who is looked at, and planned again at once."""
    count, found, known = len(schedule), [], set[str]()
    for second in range(seconds):
        now = start + second * SECOND
        taken = schedule.take(now, round(pace.per_second))
        for id_ in taken:
            schedule.after(id_, now, sharp=id_ in sharp, count=count, first=id_ not in known)
        known.update(taken)
        found.append(taken)
    return found


def test_an_interval_is_stretched_only_as_far_as_the_cap_demands() -> None:
    assert PACE.interval(100) == PACE.peace
    assert PACE.interval(9000) == timedelta(seconds=1000)


def test_a_large_estate_is_looked_at_evenly_and_never_faster_than_the_cap() -> None:
    known = ids(3000)
    rounds = looked(planned(PACE, known), PACE, 1200)
    assert max(len(taken) for taken in rounds) <= PACE.per_second
    times = Counter(id_ for taken in rounds for id_ in taken)
    assert set(times) == set(known)
    assert set(times.values()) <= {3, 4, 5}
    minutes = [sum(len(taken) for taken in rounds[first : first + 60]) for first in range(0, 1200, 60)]
    assert min(minutes) >= 60 * PACE.per_second / 4, "no minute without looks, once they are drawn apart"


def test_who_is_in_trouble_is_looked_at_first_and_often_while_the_others_keep_a_tenth() -> None:
    known, hit = ids(1000), ids(400, "hit")
    schedule = planned(PACE, [*known, *hit])
    looked(schedule, PACE, 200)
    then = NOON + 200 * SECOND
    schedule.sharpen(hit, then)
    rounds = looked(schedule, PACE, 60, start=then, sharp=frozenset(hit))
    assert all(len([id_ for id_ in taken if id_.startswith("hit")]) >= 9 for taken in rounds[:40])
    others = [id_ for taken in rounds for id_ in taken if id_.startswith("s")]
    assert len(others) >= 55


def test_sharpening_makes_due_at_once_and_leaves_alone_who_is_sharp_or_under_way() -> None:
    schedule = schedules.Schedule(PACE, lambda: 0.0)
    later, soon = ids(2)
    schedule.put(later, NOON + timedelta(minutes=1), sharp=False)
    schedule.put(soon, NOON + timedelta(seconds=10), sharp=True)
    schedule.sharpen([later, soon, servers.ServerId("under way")], NOON)
    assert schedule.take(NOON, 9) == [later]
    assert schedule.take(NOON + timedelta(seconds=10), 9) == [soon]
    assert len(schedule) == 0


def test_who_is_forgotten_is_not_looked_at() -> None:
    schedule = planned(PACE, ids(3))
    schedule.forget(ids(2))
    assert schedule.take(NOON, 9) == ids(3)[2:]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 20), st.booleans())), st.integers(0, 12))
def test_nobody_is_taken_twice_or_before_the_time_or_beyond_the_number(
    puts: list[tuple[int, int, bool]], most: int
) -> None:
    schedule = schedules.Schedule(PACE, lambda: 0.5)
    due: dict[servers.ServerId, int] = {}
    for number, second, sharp in puts:
        id_ = servers.ServerId(str(number))
        schedule.put(id_, NOON + second * SECOND, sharp=sharp)
        due[id_] = second
    taken = schedule.take(NOON + 10 * SECOND, most)
    ready = {id_ for id_, second in due.items() if second <= 10}
    assert len(taken) == len(set(taken)) == min(most, len(ready))
    assert set(taken) <= ready
    assert len(schedule) == len(due) - len(taken)


def test_half_of_what_may_go_deep_is_kept_for_trouble():
    allowance = schedules.Allowance(10)
    calm = sum(allowance.take(0, urgent=False) for _ in range(30))
    urgent = sum(allowance.take(0, urgent=True) for _ in range(30))
    assert (calm, urgent) == (10, 10)
    assert sum(allowance.take(1, urgent=True) for _ in range(30)) == 10


def test_a_slow_allowance_still_lets_one_go_deep_now_and_then():
    allowance = schedules.Allowance(0.1)
    assert [allowance.take(at, urgent=False) for at in (0, 1, 11, 22, 23)] == [True, False, True, True, False]
