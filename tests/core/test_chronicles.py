"""Whatever order a story arrives in, it ends as if it had been heard in the order in which Azure told it."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.core import chronicles, correlations, events, outages, regions, services
from tests.core import cases
from tests.core.cases import EASTUS2, at, event, resolution

WESTUS = regions.RegionName("westus")
HEARD_AT = at(24 * 60)
DELAY = timedelta(seconds=2)
Known = dict[regions.RegionName, outages.Outage]


def heard(*arrived: events.HealthEvent) -> Known:
    """What is known after these, each folded as it came, as whoever reads arrivals does."""
    known: Known = {}
    story = chronicles.Chronicle()
    keys = set()
    for one in arrived:
        if one.key in keys:
            continue
        keys.add(one.key)
        last = chronicles.Heard(one, HEARD_AT)
        story = story.told([last])
        known |= chronicles.retold(story, last, known)
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


def test_a_copy_folds_nothing_again_but_the_update_that_it_repeats(monkeypatch: pytest.MonkeyPatch):
    """A storm of copies must not cost the square of their number."""
    folded: list[events.HealthEvent] = []
    fold = correlations.correlate_all

    def counting(known: Known, one: events.HealthEvent, at: Any) -> Known:
        folded.append(one)
        return fold(known, one, at)

    monkeypatch.setattr(correlations, "correlate_all", counting)
    first, second = event(15, title="First"), event(60, title="Second")
    story = chronicles.Chronicle().told([chronicles.Heard(first, HEARD_AT), chronicles.Heard(second, HEARD_AT)])
    folded.clear()
    for number in range(50):
        late = replace(second, communication_id=str(number), updated_at=second.updated_at and second.updated_at + DELAY)
        story = story.told([chronicles.Heard(late, HEARD_AT)])
    assert folded == []
    other = chronicles.Heard(replace(second, subscription_id=cases.OTHER_SUBSCRIPTION), HEARD_AT)
    assert story.told([other]).known[EASTUS2].subscriptions == (cases.SUBSCRIPTION, cases.OTHER_SUBSCRIPTION)
    assert [one.title for one in folded] == ["Second"]


def test_copies_are_one_update_for_two_minutes_whatever_order_they_come_in():
    copies = [replace(event(15), communication_id=str(n), updated_at=at(0.25) + n * DELAY) for n in range(0, 100, 20)]
    for order in itertools.permutations(copies):
        story = chronicles.Chronicle()
        for one in order:
            story = story.told([chronicles.Heard(one, HEARD_AT)])
        assert [update.heard.told_at - at(0.25) for update in story.updates] == [timedelta(), 80 * DELAY]


def test_of_a_story_that_is_not_whole_only_the_last_event_is_folded():
    """What was heard long ago is pruned some day."""
    known = {EASTUS2: cases.outage(heard_at=HEARD_AT - timedelta(days=200))}
    late = chronicles.Heard(event(15), HEARD_AT)
    story = chronicles.Chronicle().told([chronicles.Heard(resolution(60), HEARD_AT), late])

    assert chronicles.retold(story, late, known) == correlations.correlate_all(known, late.event, HEARD_AT)


def test_a_story_of_very_many_updates_is_no_longer_told_again_and_none_is_lost():
    known: Known = {}
    story = chronicles.Chronicle()
    for number in range(chronicles.MOST + 5):
        last = chronicles.Heard(event(number, title=str(number)), HEARD_AT)
        story = story.told([last])
        known |= chronicles.retold(story, last, known)
    assert not story.whole
    assert known[EASTUS2].title == str(chronicles.MOST + 4)


def test_what_is_ours_of_an_outage_outlives_a_story_told_again():
    known = {EASTUS2: replace(cases.outage(), heard_at=HEARD_AT, merged_into=outages.OutageId("other"))}
    late = chronicles.Heard(event(15, title="x"), HEARD_AT)
    story = chronicles.Chronicle().told([chronicles.Heard(resolution(60), HEARD_AT), late])

    assert chronicles.retold(story, late, known)[EASTUS2].merged_into == "other"


# --- stories that contradict themselves

POSTGRESQL, VM = services.Relation.POSTGRESQL, services.Relation.DEPENDENCY
APP, ARM = services.Relation.UNRELATED, services.Relation.CONTROL_PLANE
Place = tuple[regions.RegionName | None, services.Relation, events.Status]


def naming(minute: float, *places: Place, **changes: Any) -> events.HealthEvent:
    """An update with a list of impacts; no region: `Global`."""
    impacts = tuple(
        events.Impact(service=relation.value, relation=relation, region=region, status=status)
        for region, relation, status in places
    )
    ours = [impact for impact in impacts if impact.relation is not APP] or impacts
    values: dict[str, Any] = {
        "impacts": impacts,
        "impacts_listed": True,
        "regions": tuple(dict.fromkeys(impact.region for impact in ours if impact.region)),
        "global_scope": any(impact.region is None for impact in ours),
        "relation": services.strongest(impact.relation for impact in ours),
        "services": tuple(dict.fromkeys(impact.service for impact in impacts)),
    }
    return event(minute, **(values | changes))


ACTIVE, RESOLVED = events.Status.ACTIVE, events.Status.RESOLVED
NUMBER: dict[str, Any] = {"level": None, "unrated": True}


def test_a_copy_of_a_number_that_a_word_settled_while_another_region_was_known_opens_nothing():
    number = naming(10, (WESTUS, POSTGRESQL, ACTIVE), communication_id="a", **NUMBER)
    copied = replace(number, communication_id="b", subscription_id=cases.OTHER_SUBSCRIPTION)
    word = naming(10, (WESTUS, POSTGRESQL, ACTIVE), (EASTUS2, VM, RESOLVED), level="informational")

    for end in every_order(number, copied, word):
        assert EASTUS2 in end
        assert WESTUS not in end or end[WESTUS].status is outages.Status.WITHDRAWN


def test_a_region_that_an_informational_update_left_out_before_anybody_knew_it_is_dropped():
    named = naming(22, (EASTUS2, POSTGRESQL, ACTIVE))
    without = naming(25, (WESTUS, POSTGRESQL, ACTIVE), level="informational")
    over = naming(10, (WESTUS, POSTGRESQL, RESOLVED), status=RESOLVED)

    for end in every_order(named, without, over):
        assert end[EASTUS2].status is outages.Status.DROPPED


@st.composite
def contradictions(draw: st.DrawFn) -> list[events.HealthEvent]:
    """Updates of several channels, subscriptions and services in several regions or none, levels in words and numbers,
    and copies of them, many at one moment."""
    rest = draw(st.lists(st.booleans(), min_size=2, max_size=4))
    story = [draw(_contradiction(str(number), polled)) for number, polled in enumerate(rest)]
    copied = draw(st.sampled_from(story))
    late = timedelta(seconds=draw(st.sampled_from([0, 2, 100, 200])))
    other = {"subscription_id": cases.OTHER_SUBSCRIPTION, "communication_id": "copy"}
    copied = replace(copied, updated_at=copied.updated_at and copied.updated_at + late, **other)
    every = {one.key.replace("|unrated", "").rpartition("|")[0]: one for one in (*story, copied)}
    return list(every.values())


@st.composite
def _contradiction(draw: st.DrawFn, number: str, polled: bool) -> events.HealthEvent:
    status = draw(st.sampled_from([ACTIVE, ACTIVE, RESOLVED]))
    relation = st.sampled_from([POSTGRESQL, POSTGRESQL, VM, APP, ARM])
    where = draw(st.dictionaries(st.sampled_from([EASTUS2, WESTUS, None]), relation, min_size=1))
    there = st.sampled_from([status, RESOLVED]) if polled else st.just(status)
    level = draw(st.sampled_from(["error", "informational", None]))
    to = st.sampled_from([cases.SUBSCRIPTION, cases.OTHER_SUBSCRIPTION])
    return naming(
        draw(st.sampled_from([10, 10, 10 + 1 / 30, 20, 60, 60, 300])),
        *((region, what, draw(there)) for region, what in where.items()),
        status=status,
        channel=events.Channel.REST_EVENT if polled else events.Channel.COMMON_ALERT,
        communication_id=None if polled else number,
        stage=draw(st.sampled_from([None, None, "RCA"])),
        level=level,
        unrated=level is None,
        subscription_id=draw(st.one_of(st.none(), to)),
        impacted_subscriptions=tuple(sorted(draw(st.sets(to)))) if polled else (),
        impacts_listed=draw(st.integers(0, 4)) > 0,
        false_positive=draw(st.integers(0, 8)) == 0,
        synthetic=draw(st.integers(0, 20)) == 0,
        impact_start=draw(st.sampled_from([None, at(-1), at(0.1)])),
        impact_end=draw(st.sampled_from([None, at(0.5), at(50)])),
        title=draw(st.sampled_from(["a", "b"])),
    )


@settings(max_examples=80, deadline=None)
@given(contradictions(), st.randoms(use_true_random=False))
def test_however_regions_levels_and_addressees_contradict_each_other_any_order_ends_in_the_same(
    story: list[events.HealthEvent], chance: random.Random
):
    """What only a number spoke of, and a word took back, may be kept as withdrawn or not at all."""
    ends = []
    for _ in range(4):
        end = heard(*story)
        ends.append({region: one for region, one in end.items() if one.status is not outages.Status.WITHDRAWN})
        chance.shuffle(story)
    assert ends == [ends[0]] * len(ends)


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
