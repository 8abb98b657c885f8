"""The table of transitions: total, and what each row says happens."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.core import correlations, decisions, events, outages, regions, services, transitions
from tests.core import cases
from tests.core.cases import BEGAN, EASTUS2, SUBSCRIPTION, at, event, resolution

WESTUS = regions.RegionName("westus")
POSTGRESQL, DEPENDENCY = services.Relation.POSTGRESQL, services.Relation.DEPENDENCY
UNRELATED = services.Relation.UNRELATED
NAMES = {POSTGRESQL: cases.FLEXIBLE, DEPENDENCY: "Virtual Machines", UNRELATED: "App Service"}


def listed(minute: float, where: dict[str, services.Relation], **changes: Any) -> events.HealthEvent:
    """An update with Azure's whole list: which sort of service in which regions."""
    status = changes.get("status", events.Status.ACTIVE)
    impacts = tuple(
        events.Impact(service=NAMES[relation], relation=relation, region=regions.RegionName(region), status=status)
        for region, relation in where.items()
    )
    ours = tuple(impact for impact in impacts if impact.relation is not UNRELATED)
    values: dict[str, Any] = {
        "impacts": impacts,
        "impacts_listed": True,
        "regions": tuple(impact.region for impact in ours or impacts if impact.region),
        "relation": services.strongest(impact.relation for impact in impacts),
        "services": tuple(impact.service for impact in impacts),
    }
    return event(minute, **(values | changes))


def over(minute: float, where: dict[str, services.Relation], **changes: Any) -> events.HealthEvent:
    return listed(minute, where, **({"status": events.Status.RESOLVED, "stage": "Resolved"} | changes))


def told(*said: events.HealthEvent) -> dict[regions.RegionName, outages.Outage]:
    """What is known of every region after these events, in the order given."""
    known: dict[regions.RegionName, outages.Outage] = {}
    for each in said:
        known |= correlations.correlate_all(known, each, at(24 * 60))
    return known


BOTH = {"eastus2": POSTGRESQL, "westus": POSTGRESQL}
WEST = {"westus": POSTGRESQL}


# --- the table itself


def test_every_state_word_and_age_stands_in_exactly_one_row():
    for state, word, age in itertools.product(transitions.State, transitions.Word, transitions.Age):
        rows = [row for row in transitions.TABLE if state in row.given and word is row.word and age in row.ages]
        assert len(rows) == 1, (state, word, age)
        assert transitions.find(state, word, age) is rows[0]


def test_every_row_has_a_sentence_and_shows_in_the_printed_table():
    printed = transitions.markdown()
    for row in transitions.TABLE:
        assert row.sentence.endswith(".")
        assert row.sentence in printed
        assert "|" not in row.sentence


def test_states_are_the_statuses_of_an_outage_and_unheard():
    assert {state.value for state in transitions.State} - {"unheard"} == {status.value for status in outages.Status}


@pytest.mark.parametrize("row", transitions.TABLE, ids=lambda row: row.name)
def test_only_words_that_something_goes_on_lead_to_active_or_count_as_reopened(row: transitions.Transition):
    if row.then is transitions.State.ACTIVE or row.effect is transitions.Effect.REOPEN:
        assert row.word in (transitions.Word.GOES_ON, transitions.Word.WENT_ON)


# --- it shrinks


def test_a_region_that_a_newer_update_leaves_out_is_dropped_and_not_recovered():
    known = told(listed(15, BOTH), listed(60, WEST))
    assert known[EASTUS2].status is outages.Status.DROPPED
    assert known[EASTUS2].resolved_at is None
    assert known[WESTUS].active


def test_an_event_that_names_single_services_only_leaves_nothing_out():
    """`service` and `region` name one of several; so does a list nobody could read."""
    assert told(listed(15, BOTH), listed(60, WEST, impacts_listed=False))[EASTUS2].active


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"stage": "RCA"}, id="a review"),
        pytest.param({"synthetic": True}, id="a test"),
        pytest.param({"status": events.Status.UPDATED}, id="news without a state"),
        pytest.param({"channel": events.Channel.EMERGING_ISSUE}, id="the public status page"),
        pytest.param({"subscription_id": cases.OTHER_SUBSCRIPTION}, id="told to another subscription"),
    ],
)
def test_what_does_not_speak_to_us_of_the_outage_drops_nothing(changes: dict[str, Any]):
    assert told(listed(15, BOTH), listed(60, WEST, **changes))[EASTUS2].active


def test_global_leaves_no_region_out():
    said = listed(60, WEST)
    everywhere = events.Impact(service=cases.FLEXIBLE, relation=POSTGRESQL, region=None, status=events.Status.ACTIVE)
    worldwide = listed(60, WEST, impacts=(*said.impacts, everywhere), global_scope=True)
    assert told(listed(15, BOTH), worldwide)[EASTUS2].active


def test_a_region_with_nothing_left_in_it_that_concerns_us_is_dropped():
    known = told(listed(15, BOTH), listed(60, {"eastus2": UNRELATED, "westus": POSTGRESQL}))
    assert known[EASTUS2].status is outages.Status.DROPPED


def test_when_postgresql_is_taken_off_the_list_the_rest_is_only_a_suspicion():
    known = told(listed(15, BOTH), listed(60, {"eastus2": DEPENDENCY, "westus": POSTGRESQL}))
    assert known[EASTUS2].active
    assert known[EASTUS2].concern(cases.server()) is outages.Concern.SUSPECTED


def test_a_region_named_again_is_active_again():
    known = told(listed(15, BOTH), listed(60, WEST), listed(90, BOTH))
    assert known[EASTUS2].active
    assert known[EASTUS2].goes_on_for(cases.server())


def test_a_region_dropped_for_one_subscription_goes_on_for_the_other():
    other = {"subscription_id": cases.OTHER_SUBSCRIPTION}
    found = told(listed(15, BOTH), listed(15, BOTH, **other), listed(60, WEST))[EASTUS2]
    assert found.active
    assert not found.goes_on_for(cases.server())
    assert found.goes_on_for(cases.server(subscription_id=cases.OTHER_SUBSCRIPTION))


def test_a_resolution_that_leaves_the_region_out_does_not_resolve_it():
    assert told(listed(15, BOTH), over(60, WEST))[EASTUS2].status is outages.Status.DROPPED


# --- it grows


def test_a_region_added_is_an_outage_of_its_own_with_the_start_told_then():
    known = told(listed(15, WEST), listed(60, BOTH, impact_start=at(0.5)))
    assert known[EASTUS2].impact_start == at(0.5)
    assert known[EASTUS2].active


def test_a_service_added_turns_a_suspicion_into_a_named_outage():
    known = told(listed(15, {"eastus2": DEPENDENCY}), listed(30, {"eastus2": POSTGRESQL}))
    assert known[EASTUS2].concern(cases.server()) is outages.Concern.NAMED


def test_every_subscription_that_a_polled_event_lists_was_told():
    """One tenant-wide event of REST names many, and belongs to none of them."""
    polled = listed(15, BOTH, subscription_id=None, impacted_subscriptions=(SUBSCRIPTION.upper(), "other"))
    found = told(polled)[EASTUS2]
    assert found.subscriptions == (SUBSCRIPTION, "other")
    assert found.concern(cases.server()) is outages.Concern.NAMED


# --- channels repeat and contradict each other


def test_a_poll_that_repeats_a_push_changes_nothing():
    """REST has no communication id, so it comes under another identity; its update time says that it is the same."""
    pushed = listed(15, BOTH, communication_id="11000011712536")
    polled = listed(15, BOTH, channel=events.Channel.REST_EVENT)
    assert pushed.identity != polled.identity
    assert correlations.correlate_all(told(pushed), polled, at(24 * 60)) == {}


def test_a_poll_that_repeats_what_was_said_before_the_end_reopens_nothing():
    known = told(listed(15, BOTH), over(60, BOTH))
    polled = listed(15, BOTH, channel=events.Channel.REST_EVENT)
    assert correlations.correlate_all(known, polled, at(24 * 60)) == {}


def test_the_same_update_two_seconds_apart_for_two_subscriptions_is_one_outage_told_to_both():
    """Azure sends one copy to each subscription, identical but for every timestamp."""
    late = listed(15 + 2 / 60, BOTH, subscription_id=cases.OTHER_SUBSCRIPTION)
    (found,) = {outage.id for region, outage in told(listed(15, BOTH), late).items() if region == EASTUS2}
    assert told(listed(15, BOTH), late)[EASTUS2].subscriptions == (SUBSCRIPTION, cases.OTHER_SUBSCRIPTION)
    assert found == "QX3L-7PG@eastus2"


def test_of_channels_that_contradict_each_other_at_one_moment_the_end_counts_and_a_withdrawal_before_it():
    withdrawn = listed(60, BOTH, false_positive=True)
    for said in itertools.permutations([listed(60, BOTH), over(60, BOTH), withdrawn]):
        assert told(*said)[EASTUS2].status is outages.Status.WITHDRAWN


def test_a_withdrawal_withdraws_the_regions_it_names_and_leaves_the_others_out():
    known = told(listed(15, BOTH), listed(60, WEST, false_positive=True))
    assert known[WESTUS].status is outages.Status.WITHDRAWN
    assert known[EASTUS2].status is outages.Status.DROPPED


# --- order


WORDS = st.sampled_from([events.Status.ACTIVE, events.Status.ACTIVE, events.Status.RESOLVED])
PLACES = st.dictionaries(
    st.sampled_from(["eastus2", "westus", "northeurope"]), st.sampled_from([POSTGRESQL, DEPENDENCY]), min_size=1
)


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[events.HealthEvent], list[events.HealthEvent]]:
    """Updates that name now these regions and now others, as told and as they arrived."""
    minutes = sorted(draw(st.sets(st.integers(1, 600), min_size=1, max_size=5)))
    story = []
    for minute in minutes:
        sort: dict[str, Any] = {"status": draw(WORDS), "false_positive": draw(st.integers(0, 7)) == 0}
        sort["subscription_id"] = draw(st.sampled_from([SUBSCRIPTION, cases.OTHER_SUBSCRIPTION]))
        story.append(listed(minute, draw(PLACES), **sort))
    repeated = draw(st.lists(st.sampled_from(story), max_size=3))
    return story, draw(st.permutations(story + repeated))


@settings(max_examples=60)
@given(stories())
def test_where_regions_come_and_go_any_order_of_arrival_ends_in_the_same_outages(
    story: tuple[list[events.HealthEvent], list[events.HealthEvent]],
):
    in_order, arrived = story
    assert essence(told(*arrived)) == essence(told(*in_order))


def essence(known: dict[regions.RegionName, outages.Outage]) -> dict[str, object]:
    servers = [cases.server(), cases.server(subscription_id=cases.OTHER_SUBSCRIPTION)]
    return {
        region: (
            found.status,
            found.impact_start,
            found.subscriptions,
            [(found.goes_on_for(s), dataclasses.replace(found, region=EASTUS2).concern(s)) for s in servers],
        )
        for region, found in known.items()
    }


# --- what follows for a server


def decided(known: outages.Outage, hour: float = 6, **changes: Any) -> decisions.Decision:
    return cases.decide(hour, outage=known, **changes)


def test_a_dropped_region_starts_a_copy_only_where_postgresql_had_been_named():
    """The server is proven down; being left out does not bring it back."""
    named = told(listed(15, BOTH), listed(60, WEST))[EASTUS2]
    decision = decided(named)
    assert decision.action is decisions.Action.START
    assert "dropped-named" in cases.ids(decision)

    suspected = told(listed(15, {"eastus2": DEPENDENCY, "westus": POSTGRESQL}), listed(60, WEST))[EASTUS2]
    assert decided(suspected).action is decisions.Action.OBSERVE
    assert cases.ids(decided(suspected))[0] == "dropped"


def test_a_copy_of_a_dropped_region_is_held_and_used_only_with_a_humans_yes():
    dropped = told(listed(15, BOTH), listed(60, WEST))[EASTUS2]
    held = decided(dropped, 5, copy=cases.ready())
    due = decided(dropped, 11.9, copy=cases.ready())
    signed = decided(dropped, 11.9, copy=cases.ready(), consent=cases.yes())
    assert held.action is decisions.Action.HOLD
    assert (due.action, cases.ids(due)) == (decisions.Action.ASK, ["cutover.dropped"])
    assert signed.action is decisions.Action.CUT_OVER


def test_a_withdrawn_outage_starts_nothing_for_a_server_that_is_down():
    withdrawn = told(listed(15, BOTH), listed(60, BOTH, false_positive=True))[EASTUS2]
    assert cases.ids(decided(withdrawn))[0] == "withdrawn"
    assert decided(withdrawn).action is decisions.Action.OBSERVE


def test_a_copy_of_a_withdrawn_outage_is_kept_and_used_only_with_a_humans_yes():
    withdrawn = told(listed(15, BOTH), listed(60, BOTH, false_positive=True))[EASTUS2]
    due = decided(withdrawn, 11.9, copy=cases.ready())
    assert (due.action, cases.ids(due)) == (decisions.Action.ASK, ["cutover.withdrawn"])


def test_an_outage_that_is_over_or_left_out_says_since_when():
    assert told(listed(15, BOTH), listed(60, WEST))[EASTUS2].quiet_since == at(1)
    assert told(listed(15, BOTH), resolution(90, impact_end=at(1)))[EASTUS2].quiet_since == at(1)
    assert told(listed(15, BOTH))[EASTUS2].quiet_since == BEGAN + timedelta(minutes=15)
