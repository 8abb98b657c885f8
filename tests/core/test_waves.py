"""The wave: by priority, in time before late, the longest left out, one sent ahead, and never more than the caps."""

from __future__ import annotations

import dataclasses
import heapq
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core import regions, restore_times, servers, waves

NOW = datetime(2026, 3, 4, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
EAST, PAIR, WEST = (regions.RegionName(name) for name in ("eastus2", "centralus", "westus"))
GROUP: waves.Group = (EAST, "flexible", PAIR)
NO_CANARY = waves.Policy(canary_above=10_000)


def job(name: str, *, takes: float = 1, due: float = 12, priority: int = 3, **changes: Any) -> waves.Job:
    """A restore of so many hours that must be done in so many."""
    values: dict[str, Any] = {
        "server": servers.ServerId(name),
        "group": GROUP,
        "subscription": "sub",
        "priority": priority,
        "takes": takes * HOUR,
        "deadline": NOW + due * HOUR,
    }
    return waves.Job(**(values | changes))


def running(name: str, left: float = 1, **changes: Any) -> waves.UnderWay:
    values: dict[str, Any] = {
        "server": servers.ServerId(name), "group": GROUP, "subscription": "sub", "left": left * HOUR,
    }  # fmt: skip
    return waves.UnderWay(**(values | changes))


def names(jobs: Sequence[waves.Job]) -> list[str]:
    return [one.server for one in jobs]


def test_priority_comes_before_everything() -> None:
    jobs = [job("third", priority=3, due=1), job("first", priority=1, due=48), job("second", priority=2)]
    assert names(waves.order(jobs, 1, NOW)) == ["first", "second", "third"]


def test_inside_a_priority_those_in_time_go_by_their_deadline() -> None:
    jobs = [job("late", due=9), job("early", due=3), job("between", due=6)]
    assert names(waves.order(jobs, 1, NOW)) == ["early", "between", "late"]


def test_when_not_all_can_be_in_time_the_longest_is_left_out_and_goes_last() -> None:
    """Moore's own kind of example: by deadline alone, the long first one would make all others late."""
    jobs = [job("long", takes=5, due=6), job("a", takes=2, due=7), job("b", takes=2, due=7), job("c", takes=2, due=8)]
    assert names(waves.order(jobs, 1, NOW)) == ["a", "b", "c", "long"]


def test_what_cannot_be_in_time_even_at_once_comes_last_of_all() -> None:
    jobs = [job("hopeless", takes=3, due=2), job("left out", takes=5, due=6), job("a", takes=4, due=5)]
    assert names(waves.order(jobs, 1, NOW)) == ["a", "left out", "hopeless"]


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 12)), min_size=1, max_size=7))
def test_one_at_a_time_no_order_has_fewer_late_ones(drawn: list[tuple[int, int]]) -> None:
    import itertools

    jobs = [job(str(n), takes=takes, due=due) for n, (takes, due) in enumerate(drawn)]

    def late(queue: Sequence[waves.Job]) -> int:
        at, count = NOW, 0
        for one in queue:
            at += one.takes
            count += at > one.deadline
        return count

    assert late(waves.order(jobs, 1, NOW)) == min(late(queue) for queue in itertools.permutations(jobs))


def test_no_more_go_than_the_region_takes_and_the_others_know_their_turn() -> None:
    jobs = [job(f"{n:02}", takes=1) for n in range(15)]
    found = waves.plan(jobs, [running("x", 0.5)], [], dataclasses.replace(NO_CANARY, per_target=10), NOW)
    assert len(found.go) == 9
    turns = [found.held[one.server] for one in jobs if one.server in found.held]
    assert [held.before for held in turns] == [0, 1, 2, 3, 4, 5]
    assert all(not held.canary and NOW < held.about < NOW + 2 * HOUR for held in turns)
    assert [held.about for held in turns] == sorted(held.about for held in turns)


def test_each_region_has_its_own_places_and_a_subscription_shares_its_own() -> None:
    policy = dataclasses.replace(NO_CANARY, per_target=2, per_subscription=3)
    there: waves.Group = (WEST, "flexible", EAST)
    jobs = [job(f"a{n}") for n in range(3)] + [job(f"b{n}", group=there) for n in range(3)]
    found = waves.plan(jobs, [], [], policy, NOW)
    assert Counter(id_[0] for id_ in found.go) == {"a": 2, "b": 1}


def test_one_is_sent_ahead_until_a_copy_was_verified() -> None:
    jobs = [job(f"{n}", takes=0.5) for n in range(8)]
    first = waves.plan(jobs, [], [], waves.Policy(), NOW)
    assert first.go == ("0",)
    assert all(held.canary for held in first.held.values())
    under_way = waves.plan(jobs[1:], [running("0")], [], waves.Policy(), NOW)
    assert under_way.go == ()
    proven = waves.plan(jobs[1:], [], [GROUP], waves.Policy(), NOW)
    assert len(proven.go) == 7


def test_each_region_and_product_sends_its_own_ahead() -> None:
    single: waves.Group = (EAST, "single", PAIR)
    jobs = [job(f"f{n}") for n in range(5)] + [job(f"s{n}", group=single) for n in range(5)]
    assert sorted(waves.plan(jobs, [], [], waves.Policy(), NOW).go) == ["f0", "s0"]


def test_where_waiting_for_one_would_make_others_late_a_few_are_sent_ahead() -> None:
    jobs = [job(f"{n}", takes=2, due=3) for n in range(8)]
    assert len(waves.plan(jobs, [], [], waves.Policy(few=3), NOW).go) == 3


def test_a_small_wave_sends_none_ahead() -> None:
    assert len(waves.plan([job("a"), job("b"), job("c")], [], [], waves.Policy(canary_above=3), NOW).go) == 3


def test_what_is_less_urgent_waits_for_all_that_is_more_urgent() -> None:
    jobs = [job(f"{n}", takes=1, priority=1 if n < 10 else 5) for n in range(40)]
    found = waves.plan(jobs, [], [], dataclasses.replace(NO_CANARY, per_target=5), NOW)
    assert timedelta() < found.wait(PAIR, 1) < found.wait(PAIR, 5)
    assert found.wait(PAIR, 1) == found.wait(PAIR, 4)
    assert found.wait(EAST, 1) == found.wait(None, 1) == timedelta()


def test_where_there_is_room_nobody_waits() -> None:
    assert waves.plan([job("a")], [running("b", 30)], [], waves.Policy(), NOW).wait(PAIR, 5) == timedelta()


@given(
    st.lists(st.tuples(st.floats(0.1, 20), st.floats(0.1, 48), st.integers(1, 5), st.sampled_from([EAST, WEST]))),
    st.integers(0, 12),
    st.booleans(),
)
def test_no_cap_is_ever_exceeded_and_nobody_is_lost(
    drawn: list[tuple[float, float, int, regions.RegionName]], busy: int, proven: bool
) -> None:
    policy = waves.Policy(per_target=4, per_subscription=6)
    jobs = [
        job(str(n), takes=takes, due=due, priority=priority, group=(source, "flexible", PAIR))
        for n, (takes, due, priority, source) in enumerate(drawn)
    ]
    under_way = [running(f"busy{n}") for n in range(busy)]
    found = waves.plan(jobs, under_way, {one.group for one in jobs} if proven else [], policy, NOW)
    assert {*found.go, *found.held} == {one.server for one in jobs}
    assert not {*found.go} & {*found.held}
    assert len(found.go) <= max(0, policy.per_target - busy)
    if jobs and not under_way:
        assert found.go, "somebody goes"


# 200 servers, the region stays down: the orders compared --------------------------------------------------------------

Rule = Callable[[Sequence[waves.Job], int, datetime, Sequence[timedelta]], list[waves.Job]]

RULES: dict[str, Rule] = {
    "arrival": lambda jobs, *_: sorted(jobs, key=lambda one: int(one.server)),
    "earliest deadline": lambda jobs, *_: sorted(jobs, key=lambda one: one.deadline),
    "least laxity": lambda jobs, *_: sorted(jobs, key=lambda one: one.deadline - one.takes),
    "ours": lambda jobs, slots, now, left: waves.order(jobs, slots, now, left=left),
}


def night(rng: random.Random) -> list[tuple[waves.Job, timedelta]]:
    """200 servers of all sizes and tolerances; with each how long its restore takes in truth."""
    found = []
    for number in range(200):
        belief = restore_times.DEFAULTS[rng.choices(["small", "middle", "large"], [6, 3, 1])[0]]
        luck = min(max(rng.random(), 1e-4), 1 - 1e-4)
        rto = rng.choice([4, 8, 12, 24])
        known = job(str(number), takes=belief.quantile(0.5) / HOUR, due=rto - 1)  # heard of after 45 m; 15 m to switch
        found.append((known, belief.quantile(luck)))
    return found


def missed(servers_: list[tuple[waves.Job, timedelta]], rule: Rule, slots: int) -> float:
    """Per cent that are late when whoever is first in the rule's order gets every slot that falls free."""
    real = {known.server: takes for known, takes in servers_}
    queue, now, late = [known for known, _ in servers_], NOW, 0
    at_work: list[tuple[datetime, int, waves.Job, datetime]] = []
    while queue:
        while len(at_work) >= slots:
            now = heapq.heappop(at_work)[0]
        left = [waves.still(one.takes, now - began) for _, _, one, began in at_work]
        for one in rule(queue, slots, now, left)[: slots - len(at_work)]:
            queue.remove(one)
            end = now + real[one.server]
            heapq.heappush(at_work, (end, int(one.server), one, now))
            late += end > one.deadline
    return 100 * late / len(servers_)


@pytest.fixture(scope="module")
def table() -> dict[int, dict[str, float]]:
    nights = [night(random.Random(seed)) for seed in range(3)]
    return {
        slots: {name: fmean(missed(one, rule, slots) for one in nights) for name, rule in RULES.items()}
        for slots in (10, 25, 50)
    }


def test_at_ten_at_a_time_ours_misses_fewest_by_far_and_laxity_most(table: dict[int, dict[str, float]]) -> None:
    ten = table[10]
    assert ten["ours"] < 60 < ten["arrival"] < ten["earliest deadline"] < ten["least laxity"]
    assert ten["ours"] < ten["arrival"] - 20


def test_at_twenty_five_ours_is_still_the_best(table: dict[int, dict[str, float]]) -> None:
    assert all(table[25]["ours"] < table[25][other] - 15 for other in RULES if other != "ours")


def test_with_room_for_many_the_order_hardly_matters_but_for_arrival(table: dict[int, dict[str, float]]) -> None:
    fifty = table[50]
    assert fifty["ours"] < fifty["arrival"] - 5
    assert abs(fifty["ours"] - min(fifty.values())) < 5
