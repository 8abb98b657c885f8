"""Brakes: what a freeze reaches, what a cap allows, whom a cooldown keeps off, when a wave is halted."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from responder.core import brakes, outages, regions, runs
from responder.core.brakes import Freeze, Kind, Past, Place, Scope
from tests.core import cases

EAST, WEST = regions.RegionName("eastus2"), regions.RegionName("westus")
WAVE = outages.OutageId("QX3L-7PG@eastus2")
HERE = Place(server=cases.server().id, region=EAST, outage=WAVE)
HOUR = timedelta(hours=1)


def at(minutes: float) -> datetime:
    return cases.BEGAN + timedelta(minutes=minutes)


def freeze(kind: Kind = Kind.ALL, name: str = "", *, until: float | None = None) -> Freeze:
    end = None if until is None else at(until)
    return Freeze(scope=Scope(kind=kind, name=name), by="ana", reason="a change", since=at(0), until=end)


@pytest.mark.parametrize(
    ("held", "holds"),
    [
        (freeze(), True),
        (freeze(Kind.REGION, EAST), True),
        (freeze(Kind.REGION, WEST), False),
        (freeze(Kind.SERVER, HERE.server), True),
        (freeze(Kind.SERVER, "another"), False),
        (freeze(Kind.WAVE, WAVE), True),
        (freeze(Kind.WAVE, "another"), False),
        (freeze(until=5), True),
        (freeze(until=1), False),
    ],
    ids=str,
)
def test_what_a_freeze_holds(held: Freeze, holds: bool):
    assert (brakes.freeze_on([held], HERE, at(1), kind="restore") is not None) is holds


def test_the_widest_freeze_is_the_one_that_is_told():
    everything = freeze()
    assert brakes.freeze_on([freeze(Kind.SERVER, HERE.server), everything], HERE, at(1)) == everything


@pytest.mark.parametrize(
    "kind", ["copy_firewall_rules", "copy_parameters", "cut_over", "promote_replica", "discard_copy"]
)
def test_a_halted_wave_holds_restores_and_lets_copies_that_exist_be_made_ready_and_used(kind: str):
    halted = freeze(Kind.WAVE, WAVE)
    assert brakes.freeze_on([halted], HERE, at(1), kind=kind) is None
    assert brakes.freeze_on([halted], HERE, at(1), kind="restore") == halted
    assert brakes.freeze_on([halted], HERE, at(1)) == halted, "no run is started"


def test_a_freeze_says_who_what_why_until_when_and_how_it_is_lifted():
    error = brakes.frozen(freeze(Kind.REGION, EAST, until=120), "Nothing is started")
    assert error.error_id == "brake.frozen"
    for word in ("ana", "East US 2", "a change", f"{at(120):%H:%M} UTC"):
        assert word in error.message
    assert "responder unfreeze --region eastus2" in error.remedy


@pytest.mark.parametrize(
    ("asked", "standing", "lifts"),
    [
        (Scope(), Scope(), True),
        (Scope(), Scope(kind=Kind.REGION, name=EAST), False),
        (Scope(), Scope(kind=Kind.WAVE, name=WAVE), True),
        (Scope(kind=Kind.REGION, name=EAST), Scope(kind=Kind.WAVE, name=WAVE), True),
        (Scope(kind=Kind.REGION, name=WEST), Scope(kind=Kind.WAVE, name=WAVE), False),
        (Scope(kind=Kind.WAVE, name=WAVE), Scope(kind=Kind.WAVE, name=WAVE), True),
        (Scope(kind=Kind.SERVER, name="a"), Scope(), False),
    ],
)
def test_lifting_a_scope_lifts_it_and_the_halted_waves_inside_and_nothing_else(
    asked: Scope, standing: Scope, lifts: bool
):
    assert brakes.lifts(asked, standing, EAST) is lifts


@pytest.mark.parametrize(
    ("subscription", "region", "room"), [(0, 0, True), (1, 2, True), (2, 0, False), (0, 3, False), (9, 9, False)]
)
def test_a_cap_is_reached_when_as_many_as_allowed_are_under_way(subscription: int, region: int, room: bool):
    caps = brakes.Caps(per_subscription=2, per_region=3)
    counted = brakes.Counted(in_subscription=subscription, in_region=region)
    assert (brakes.full(counted, caps) == "") is room


def past(minute: float, *, failed: bool = False, cut_over: bool = False) -> Past:
    return Past(run_id=runs.RunId(f"r{minute}"), ended_at=at(minute), failed=failed, cut_over=cut_over)


@pytest.mark.parametrize(
    ("ended", "until"),
    [
        ([], None),
        ([past(0)], None),
        ([past(0, failed=True)], 60),
        ([past(0, cut_over=True)], 60),
        ([past(-31, failed=True)], None),
        ([past(-20, failed=True), past(5, cut_over=True), past(9)], 65),
    ],
)
def test_after_a_failure_and_after_a_cut_over_nothing_starts_by_itself_for_a_while(
    ended: list[Past], until: float | None
):
    found = brakes.cooling(ended, HOUR, at(30))
    assert (found[1] if found else None) == (None if until is None else at(until))


@pytest.mark.parametrize(
    ("failed", "is_spent"),
    [
        ([], False),
        ([True] * 3, False),
        ([True] * 4, True),
        ([True, False, True, False, True, False, True], True),
        ([False] * 7 + [True] * 4, False),
    ],
)
def test_a_wave_is_halted_when_more_than_so_many_of_its_newest_restores_failed(failed: list[bool], is_spent: bool):
    assert (brakes.spent(failed, brakes.Budget(failures=3, of=10)) != "") is is_spent


@pytest.mark.parametrize(
    ("state", "attempts", "counts"),
    [
        (runs.StepState.FAILED, 1, True),
        (runs.StepState.RETRYING, 3, True),
        (runs.StepState.RETRYING, 2, False),
        (runs.StepState.DONE, 9, False),
        (runs.StepState.WAITING, 9, False),
    ],
)
def test_a_restore_that_failed_three_times_counts_before_it_gives_up(
    state: runs.StepState, attempts: int, counts: bool
):
    assert brakes.is_failure(runs.StepRecord(id="restore", state=state, attempts=attempts)) is counts
