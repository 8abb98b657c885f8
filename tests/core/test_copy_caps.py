"""Copies cost money: where their number is capped, the least important are given up first, and nobody's in vain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from responder.core import copy_caps, regions, servers, waves

NOW = datetime(2026, 3, 4, 5, tzinfo=UTC)
EAST, PAIR = regions.RegionName("eastus2"), regions.RegionName("centralus")


def job(name: str, priority: int, **changes: Any) -> waves.Job:
    values: dict[str, Any] = {
        "server": servers.ServerId(name), "group": (EAST, "flexible", PAIR), "subscription": "sub",
        "priority": priority, "takes": timedelta(hours=1), "deadline": NOW + timedelta(hours=12),
    }  # fmt: skip
    return waves.Job(**(values | changes))


def kept(name: str, priority: int, **changes: Any) -> copy_caps.Kept:
    values: dict[str, Any] = {"server": servers.ServerId(name), "target": PAIR, "priority": priority, "held": True}
    return copy_caps.Kept(**(values | changes))


def test_without_a_cap_everybody_has_a_copy() -> None:
    assert copy_caps.share([job("a", 1)], [kept("b", 5)], None) == copy_caps.Shares()


def test_the_least_important_of_those_that_are_held_goes_first() -> None:
    there = [kept("four", 4), kept("five", 5), kept("two", 2)]
    found = copy_caps.share([job("one", 1)], there, 3)
    assert (found.no_room, found.given_up) == ({"one"}, {"five"}), "it waits until that is gone"
    assert copy_caps.share([job("one", 1)], [there[0], there[2]], 3) == copy_caps.Shares()


def test_a_copy_of_a_server_that_answers_again_goes_before_all_others() -> None:
    there = [kept("five", 5), kept("back", 1, settling=True)]
    assert copy_caps.share([job("three", 3)], there, 2).given_up == {"back"}


def test_nobody_gives_way_to_an_equal_nor_what_is_being_made_or_due() -> None:
    assert copy_caps.share([job("new", 3)], [kept("old", 3)], 1) == copy_caps.Shares(no_room=frozenset({"new"}))
    assert not copy_caps.share([job("new", 1)], [kept("old", 5, held=False)], 1).given_up


def test_where_there_is_room_for_some_the_most_important_have_it() -> None:
    found = copy_caps.share([job("c", 3), job("a", 1), job("b", 2)], [], 2)
    assert (found.no_room, found.given_up) == ({"c"}, set())


def test_a_newer_copy_of_a_server_that_has_one_takes_nobodys() -> None:
    found = copy_caps.share([job("again", waves.AFTER_ALL)], [kept("x", 5, settling=True)], 1)
    assert (found.no_room, found.given_up) == ({"again"}, set())


@given(
    st.lists(st.integers(1, 5), max_size=8),
    st.lists(st.tuples(st.integers(1, 5), st.booleans(), st.booleans()), max_size=8),
    st.integers(1, 6),
)
def test_who_is_given_up_is_never_more_important_than_one_who_waits_for_it(
    wanted: list[int], there: list[tuple[int, bool, bool]], cap: int
) -> None:
    jobs = [job(f"w{n}", priority) for n, priority in enumerate(wanted)]
    copies = [kept(f"k{n}", p, held=held or back, settling=back) for n, (p, held, back) in enumerate(there)]
    found = copy_caps.share(jobs, copies, cap)
    beginning = [one for one in jobs if one.server not in found.no_room]
    assert len(copies) + len(beginning) <= max(cap, len(copies)), "no copy is begun beyond the cap"
    waiting = sorted(one.priority for one in jobs if one.server in found.no_room)
    gone = [one for one in copies if one.server in found.given_up]
    assert len(gone) <= len(waiting)
    for one in gone:
        assert one.settling or (one.held and waiting[0] < one.priority)
    assert max((one.priority for one in beginning), default=0) <= min(waiting, default=5)
