"""Many servers silent together: an outage nobody has reported, or our own blindness. Mostly it is nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import pytest

from responder.core import decisions, evidence, outages, regions, servers, services, suspicions, witness
from tests.core import cases
from tests.core.cases import BEGAN, EASTUS2, at

EUROPE = regions.RegionName("northeurope")
POLICY = suspicions.Policy()
NOW = at(0.25)
NEVER = evidence.Health()


def server(name: str, region: regions.RegionName = EASTUS2, **changes: Any) -> servers.Server:
    return cases.server(id=servers.ServerId(f"/{region}/{name}"), name=name, region=region, **changes)


def sights(
    health: evidence.Health, count: int, region: regions.RegionName = EASTUS2, **more: Any
) -> list[suspicions.Sight]:
    """So many servers of one region that all look the same; their names tell them apart."""
    mark = id(health) + len(more)
    return [suspicions.Sight(server=server(f"s{mark}-{i}", region), health=health, **more) for i in range(count)]


def down(count: int, since: float = 0, region: regions.RegionName = EASTUS2) -> list[suspicions.Sight]:
    return sights(cases.down(NOW, since=at(since)), count, region)


def up(count: int, region: regions.RegionName = EASTUS2) -> list[suspicions.Sight]:
    return sights(cases.up(NOW, since=at(-9)), count, region)


def judge(seen: Iterable[suspicions.Sight], *known: outages.Outage) -> suspicions.Findings:
    return suspicions.judge(list(seen), known, POLICY, NOW)


def suspected(**changes: Any) -> outages.Outage:
    (found,) = judge([*down(4), *up(2, EUROPE)]).raised
    return dataclasses.replace(found, **changes)


# --- raised


def test_many_silent_servers_of_one_region_are_a_suspected_outage():
    (found,) = judge([*down(4), *up(1), *up(2, EUROPE)]).raised
    assert found.id == "SUSPECTED-EASTUS2-20260304@eastus2"
    assert (found.ours, found.active, found.impact_start, found.heard_at) == (True, True, BEGAN, NOW)
    assert found.title == "Suspected: 4 of 5 servers in East US 2 are silent"


def test_it_concerns_every_server_of_the_region_and_is_never_more_than_a_suspicion():
    found = suspected()
    assert found.concern(cases.server()) is outages.Concern.SUSPECTED
    assert found.concern(cases.server(region=EUROPE)) is outages.Concern.NONE


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param([*down(2), *up(2, EUROPE)], id="too few"),
        pytest.param([*down(3), *up(4), *up(2, EUROPE)], id="too small a share"),
        pytest.param([*down(2), *down(2, -1.1), *up(2, EUROPE)], id="not together"),
        pytest.param([*down(2), *down(2, region=EUROPE), *up(1)], id="spread over regions"),
        pytest.param([*sights(cases.never_reached(NOW), 9), *up(2, EUROPE)], id="never reached from here"),
        pytest.param([*sights(NEVER, 9), *up(2, EUROPE)], id="never looked at"),
        pytest.param([*sights(cases.down(NOW, since=at(0.2)), 9), *up(2, EUROPE)], id="silent for a moment only"),
        pytest.param(
            [*sights(cases.down(at(0.1), since=at(-2)), 9), *up(2, EUROPE)],
            id="not looked at lately",
        ),
        pytest.param(up(9), id="all well"),
        pytest.param([], id="no servers"),
    ],
)
def test_what_is_no_outage_raises_nothing(seen: list[suspicions.Sight]):
    found = judge(seen)
    assert (found.raised, found.blind) == ((), ())


def test_servers_that_were_stopped_count_for_nothing():
    gone = [suspicions.Sight(server=server(f"x{i}", state="Stopped"), health=cases.down(NOW)) for i in range(5)]
    assert judge([*gone, *up(2, EUROPE)]).raised == ()
    owned = witness.Statement(state=witness.State.UNAVAILABLE, cause=witness.Cause.USER, at=BEGAN)
    assert judge([*sights(cases.down(NOW), 5, said=owned), *up(2, EUROPE)]).raised == ()


def test_servers_dead_since_last_week_do_not_hide_the_others_and_do_not_make_the_outage_older():
    (found,) = judge([*down(3), *down(9, -170), *up(1, EUROPE)]).raised
    assert found.impact_start == BEGAN


# --- is it us?


def test_when_everything_is_silent_it_is_us_who_are_blind():
    found = judge([*down(5), *down(5, region=EUROPE)])
    assert found.raised == ()
    assert [view.region for view in found.blind] == [EASTUS2, EUROPE]


def test_an_estate_in_one_region_cannot_tell_its_outage_from_its_own_blindness():
    found = judge(down(8))
    assert (found.raised, len(found.blind)) == ((), 1)


def test_one_answer_in_the_same_region_shows_that_we_can_see_it():
    assert len(judge([*down(8), *up(1)]).raised) == 1


def test_resource_health_looks_from_elsewhere_so_we_are_not_blind():
    told = witness.Statement(state=witness.State.UNAVAILABLE, cause=witness.Cause.PLATFORM, at=BEGAN)
    found = judge(sights(cases.down(NOW), 4, said=told))
    assert (len(found.raised), found.blind) == (1, ())


def test_resource_health_of_servers_we_never_reached_is_enough_for_a_suspicion():
    told = witness.Statement(state=witness.State.UNAVAILABLE, cause=witness.Cause.PLATFORM, at=BEGAN)
    (found,) = judge([*sights(NEVER, 4, said=told), *up(1, EUROPE)]).raised
    assert found.impact_start == BEGAN


def test_the_silence_of_a_region_that_azure_speaks_of_is_not_our_blindness():
    assert judge(down(8), cases.outage()).blind == ()


def test_a_suspicion_stands_while_we_are_blind():
    found = judge([*down(4), *down(4, region=EUROPE)], suspected())
    assert (found.raised, found.ended) == ((), ())


# --- it ends, and begins again


def test_it_ends_when_the_servers_answer_again():
    (ended,) = judge([*up(3), *down(1), *up(2, EUROPE)], suspected()).ended
    assert (ended.status, ended.resolved_at) == (outages.Status.RESOLVED, NOW)


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param([*down(4), *up(2, EUROPE)], id="as it was"),
        pytest.param([*down(3), *up(6), *up(2, EUROPE)], id="some are back, too many are not"),
        pytest.param([*sights(cases.down(at(0.1), since=BEGAN), 4), *up(2, EUROPE)], id="nobody looked lately"),
    ],
)
def test_it_lasts_until_enough_of_them_answer(seen: list[suspicions.Sight]):
    found = judge(seen, suspected())
    assert (found.raised, found.ended) == ((), ())


def test_the_same_servers_silent_again_reopen_it():
    over = suspected(status=outages.Status.RESOLVED, resolved_at=at(0.2), id=outages.OutageId("yesterdays"))
    (again,) = judge([*down(4), *up(2, EUROPE)], over).raised
    assert (again.id, again.active, again.reopened, again.resolved_at) == ("yesterdays", True, 1, None)


# --- Azure speaks


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="PostgreSQL is named"),
        pytest.param({"relation": services.Relation.DEPENDENCY}, id="what PostgreSQL stands on"),
        pytest.param({"status": outages.Status.RESOLVED, "resolved_at": NOW}, id="told only when it was over"),
        pytest.param({"status": outages.Status.DROPPED}, id="left out meanwhile"),
    ],
)
def test_it_merges_into_the_outage_that_azure_reports(changes: dict[str, Any]):
    ours, azures = suspected(), cases.outage(**changes)
    found = judge([*down(4), *up(2, EUROPE)], ours, azures)
    assert found.merged == ((ours, azures),)
    assert (found.raised, found.ended) == ((), ())


def test_nothing_is_suspected_where_azure_has_spoken():
    assert judge([*down(4), *up(2, EUROPE)], cases.outage()).raised == ()


def test_a_withdrawn_outage_explains_nothing():
    """Azure says that there was no impact, and many servers are silent: that is news."""
    withdrawn = cases.outage(status=outages.Status.WITHDRAWN)
    assert len(judge([*down(4), *up(2, EUROPE)], withdrawn).raised) == 1


def test_an_outage_that_ended_before_does_not_hide_what_comes_after_it():
    """It is still open for one server that never came back; the silence of the others is news."""
    before = cases.outage(status=outages.Status.RESOLVED, resolved_at=at(-1))
    found = judge([*down(4), *up(2, EUROPE)], before)
    assert len(found.raised) == 1
    assert judge([*down(4), *up(2, EUROPE)], before, *found.raised).merged == ()


def test_of_several_it_merges_into_the_one_that_names_postgresql():
    other = cases.outage(id=outages.OutageId("A@eastus2"), relation=services.Relation.DEPENDENCY, heard_at=BEGAN)
    ((_, found),) = judge([*down(4), *up(2, EUROPE)], suspected(), other, cases.outage()).merged
    assert found == cases.outage()


# --- what follows for a server


def test_a_suspected_outage_may_start_a_copy_and_never_cuts_over_without_a_humans_yes():
    started = cases.decide(6, outage=suspected())
    due = cases.decide(11.9, outage=suspected(), copy=cases.ready())
    signed = cases.decide(11.9, outage=suspected(), copy=cases.ready(), consent=cases.yes())
    assert started.action is decisions.Action.START
    assert "suspected" in cases.ids(started)
    assert (due.action, cases.ids(due)) == (decisions.Action.ASK, ["cutover.suspected"])
    assert signed.action is decisions.Action.CUT_OVER
