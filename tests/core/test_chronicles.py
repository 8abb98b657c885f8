"""Whatever order a story arrives in, it ends as if it had been heard in the order in which Azure told it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.core import chronicles, events, outages, regions, services
from tests.core import cases
from tests.core.cases import EASTUS2, at, event, resolution

WESTUS = regions.RegionName("westus")
HEARD_AT = at(24 * 60)
Known = dict[regions.RegionName, outages.Outage]


def heard(*arrived: events.HealthEvent) -> Known:
    """What is known after these, each folded as it came, as whoever reads arrivals does."""
    known: Known = {}
    story: list[chronicles.Heard] = []
    for one in arrived:
        if one.key in {before.event.key for before in story}:
            continue
        story.append(chronicles.Heard(one, HEARD_AT))
        after = outages.correlate_all(known, one, HEARD_AT)
        if chronicles.is_late(known, story[-1]):
            after = chronicles.retold(story, known, after)
        known |= after
    return known


def every_order(*story: events.HealthEvent) -> list[Known]:
    return [heard(*arrived) for arrived in itertools.permutations(story)]


def the_same(*story: events.HealthEvent) -> outages.Outage:
    """What every order of arrival ends in."""
    ends = every_order(*story)
    assert all(end == ends[0] for end in ends)
    return ends[0][EASTUS2]


def listed(minute: float, *where: regions.RegionName, **changes: Any) -> events.HealthEvent:
    relation = services.Relation.POSTGRESQL
    status = changes.get("status", events.Status.ACTIVE)
    impacts = tuple(events.Impact(service=cases.FLEXIBLE, relation=relation, region=r, status=status) for r in where)
    return event(minute, impacts=impacts, impacts_listed=True, regions=where, **changes)


def test_when_it_ended_is_what_the_newest_resolution_says():
    mitigated = resolution(60, impact_end=at(0.5), communication_id="a")

    assert the_same(event(15), mitigated, resolution(90, impact_end=at(0.75))).resolved_at == at(0.75)
    assert the_same(event(15), mitigated, resolution(90)).resolved_at == at(0.5)


def test_reopened_after_mitigation_is_counted_in_any_order():
    found = the_same(event(15), resolution(60), event(120, title="Again"))

    assert (found.active, found.reopened, found.title) == (True, 1, "Again")


def test_of_two_channels_that_differ_at_one_moment_the_earlier_start_counts():
    push = event(15, impact_start=at(-1), communication_id="a")
    poll = event(15, impact_start=at(0.1), channel=events.Channel.REST_EVENT, communication_id=None)

    assert the_same(push, poll).impact_start == at(-1)


def test_a_region_that_was_left_out_before_we_heard_of_it_is_dropped():
    first, without = listed(15, EASTUS2, WESTUS), listed(60, WESTUS)

    for end in every_order(first, without):
        assert end[EASTUS2].status is outages.Status.DROPPED
        assert end[WESTUS].active


def test_a_late_update_does_not_bring_back_a_title_or_an_estimate():
    found = the_same(event(15, title="Old", impact_end=at(100)), event(60, title="New", impact_end=at(50)))

    assert (found.title, found.expected_end) == ("New", at(50))


@pytest.mark.parametrize("minutes", [-10, 0, 5])
def test_a_word_withdraws_the_number_for_every_subscription_in_any_order(minutes: float):
    number = event(15, level=None, unrated=True, communication_id="a")
    other = replace(number, subscription_id=cases.OTHER_SUBSCRIPTION)
    word = event(15 + minutes, level="informational", communication_id="b")

    for end in every_order(number, other, word):
        assert EASTUS2 not in end or end[EASTUS2].status is outages.Status.WITHDRAWN


def test_a_copy_for_another_subscription_tells_nothing_again():
    """A storm of copies must not cost the square of their number."""
    story = [chronicles.Heard(event(15), HEARD_AT), chronicles.Heard(event(60), HEARD_AT)]
    copied = replace(story[0].event, subscription_id=cases.OTHER_SUBSCRIPTION)
    copied = replace(copied, updated_at=(copied.updated_at or HEARD_AT) + timedelta(seconds=2))
    alone: Known = {EASTUS2: cases.outage()}

    assert chronicles.retold([*story, chronicles.Heard(copied, HEARD_AT)], {}, alone) is not alone
    assert chronicles.retold([*story, chronicles.Heard(copied, HEARD_AT)], {}, alone) == alone


def test_a_copy_is_known_by_what_it_says_and_when():
    recent = chronicles.Recent(most=2)
    first = chronicles.Heard(event(15), HEARD_AT)
    copied = chronicles.Heard(replace(first.event, subscription_id=cases.OTHER_SUBSCRIPTION), HEARD_AT)

    assert [recent.copied(one) for one in (first, copied)] == [False, True]
    assert not recent.copied(chronicles.Heard(event(60), HEARD_AT)), "the same words, and another update"
    assert not recent.copied(chronicles.Heard(event(60, title="Else"), HEARD_AT))
    for number in range(2):
        recent.copied(chronicles.Heard(event(70 + number, title=str(number)), HEARD_AT))
    assert not recent.copied(copied), "forgotten"


def test_a_copy_of_a_number_that_a_word_has_settled_is_not_folded_alone():
    number = chronicles.Heard(event(15, level=None, unrated=True), HEARD_AT)
    withdrawn = cases.outage(status=outages.Status.WITHDRAWN)

    assert not chronicles.adds_only_who({}, number)
    assert not chronicles.adds_only_who({EASTUS2: withdrawn}, number)
    assert chronicles.adds_only_who({EASTUS2: cases.outage()}, number)
    assert chronicles.adds_only_who({EASTUS2: withdrawn}, chronicles.Heard(event(15), HEARD_AT))


def test_of_a_story_that_is_not_whole_only_the_late_event_is_folded():
    """What was heard long ago is pruned some day."""
    known = {EASTUS2: cases.outage(heard_at=HEARD_AT - timedelta(days=200))}
    story = [chronicles.Heard(resolution(60), HEARD_AT), chronicles.Heard(event(15), HEARD_AT)]

    assert chronicles.retold(story, known, {}) == {}


def test_what_is_ours_of_an_outage_outlives_a_story_told_again():
    known = {EASTUS2: replace(cases.outage(), heard_at=HEARD_AT, merged_into=outages.OutageId("other"))}
    story = [chronicles.Heard(resolution(60), HEARD_AT), chronicles.Heard(event(15, title="x"), HEARD_AT)]

    assert chronicles.retold(story, known, {})[EASTUS2].merged_into == "other"


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[events.HealthEvent], list[events.HealthEvent]]:
    """Updates of several channels and subscriptions, some at one moment, and the same as they arrived."""
    story = []
    for number, minute in enumerate(draw(st.lists(st.sampled_from([10, 20, 60, 300, 310]), min_size=1, max_size=5))):
        sort: dict[str, Any] = {
            "communication_id": str(number),
            "status": draw(st.sampled_from([events.Status.ACTIVE, events.Status.ACTIVE, events.Status.RESOLVED])),
            "impact_start": draw(st.sampled_from([None, at(-2), at(-1), at(0.1)])),
            "impact_end": draw(st.sampled_from([None, at(0.1), at(0.5), at(50), at(100)])),
            "title": draw(st.sampled_from(["a", "b", ""])),
            "level": draw(st.sampled_from(["error", "warning"])),
            "subscription_id": draw(st.sampled_from([cases.SUBSCRIPTION, cases.OTHER_SUBSCRIPTION])),
            "false_positive": draw(st.integers(0, 7)) == 0,
        }
        story.append(event(minute, **sort))
    return story, draw(st.permutations(story + draw(st.lists(st.sampled_from(story), max_size=2))))


@settings(max_examples=150, deadline=None)
@given(stories())
def test_any_order_of_arrival_ends_in_the_same_outage_to_the_last_field(
    told: tuple[list[events.HealthEvent], list[events.HealthEvent]],
):
    story, arrived = told
    assert heard(*arrived) == heard(*story)
