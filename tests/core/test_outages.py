"""Outages: many messages, in any order and more than once, about one tracking id in one region."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core import correlations, events, outages, regions, services
from tests.core import cases
from tests.core.cases import BEGAN, EASTUS2, at, event, fold, resolution

VIRTUAL_MACHINES = {"relation": services.Relation.DEPENDENCY, "services": ("Virtual Machines",)}
APP_SERVICE = {"relation": services.Relation.UNRELATED, "services": ("App Service",)}
WITHDRAWN = {"false_positive": True, "title": "No Impact - PostgreSQL - East US 2"}

# --- what opens an outage, and what does not


def test_an_actionable_event_opens_an_outage():
    found = fold(event(15), heard=at(0.5))
    assert found == outages.Outage(
        id=outages.OutageId("QX3L-7PG@eastus2"),
        tracking_id="QX3L-7PG",
        region=EASTUS2,
        status=outages.Status.ACTIVE,
        impact_start=BEGAN,
        start_told_at=at(0.25),
        heard_at=at(0.5),
        updated_at=at(0.25),
        subscriptions=(cases.SUBSCRIPTION,),
        services=(cases.FLEXIBLE,),
        relation=services.Relation.POSTGRESQL,
        title="PostgreSQL flexible servers - East US 2",
        told={cases.SUBSCRIPTION: outages.Told(named_at=at(0.25), postgresql_at=at(0.25))},
    )


NOT_ACTIONABLE = [
    pytest.param({"synthetic": True}, id="synthetic"),
    pytest.param({"kind": events.Kind.MAINTENANCE}, id="maintenance"),
    pytest.param({"kind": events.Kind.ADVISORY}, id="advisory"),
    pytest.param({"kind": events.Kind.SECURITY}, id="security"),
    pytest.param({"kind": events.Kind.RESOURCE_HEALTH, "health": "unavailable"}, id="Resource Health of one server"),
    pytest.param({"kind": events.Kind.OTHER}, id="another kind"),
    pytest.param({"status": events.Status.UPDATED}, id="news that changes nothing"),
    pytest.param({"status": events.Status.UNKNOWN}, id="an unknown status"),
    pytest.param({"level": "informational"}, id="informational"),
    pytest.param({"stage": "RCA"}, id="a review"),
    pytest.param(APP_SERVICE, id="a service that PostgreSQL does not stand on"),
    pytest.param({"tracking_id": None}, id="no tracking id"),
    pytest.param({"regions": (), "global_scope": True}, id="everywhere, that is, nowhere in particular"),
    pytest.param({"channel": events.Channel.EMERGING_ISSUE}, id="the public status page"),
]


@pytest.mark.parametrize("changes", NOT_ACTIONABLE)
def test_what_is_not_actionable_opens_nothing(changes: dict[str, Any]):
    assert fold(event(15, **changes)) is None


@pytest.mark.parametrize("changes", NOT_ACTIONABLE)
def test_what_is_not_actionable_reopens_nothing_and_adds_nothing(changes: dict[str, Any]):
    """A synthetic event that names PostgreSQL must not turn a suspicion into a certainty either."""
    over = fold(event(15, **VIRTUAL_MACHINES), resolution(60, **VIRTUAL_MACHINES))
    late = event(10_000, **({"subscription_id": cases.OTHER_SUBSCRIPTION} | changes))
    assert correlations.correlate(over, late, EASTUS2, at(300)) == over


@pytest.mark.parametrize("changes", NOT_ACTIONABLE)
def test_what_is_not_actionable_does_not_close_what_goes_on(changes: dict[str, Any]):
    known = fold(event(15), event(30, **changes))
    assert known is not None
    assert known.active
    assert known.updated_at == at(0.25)


# --- regions


def impact(
    region: str, service: str, relation: services.Relation, status: events.Status = events.Status.ACTIVE
) -> events.Impact:
    return events.Impact(service=service, relation=relation, region=regions.RegionName(region), status=status)


def test_postgresql_in_one_region_is_no_postgresql_outage_in_another():
    """PostgreSQL in West US and Virtual Machines in East US 2 are told in one event; ours is only a suspicion."""
    told = event(
        impacts=(
            impact("westus", cases.FLEXIBLE, services.Relation.POSTGRESQL),
            impact("eastus2", "Virtual Machines", services.Relation.DEPENDENCY),
        ),
        services=(cases.FLEXIBLE, "Virtual Machines"),
        regions=("westus", EASTUS2),
    )
    found = fold(told)
    assert found is not None
    assert (found.relation, found.services) == (services.Relation.DEPENDENCY, ("Virtual Machines",))
    assert found.concern(cases.server()) is outages.Concern.SUSPECTED


@pytest.mark.parametrize(
    "impacts",
    [
        pytest.param((impact("westus", cases.FLEXIBLE, services.Relation.POSTGRESQL),), id="only another region"),
        pytest.param(
            (
                impact("westus", cases.FLEXIBLE, services.Relation.POSTGRESQL),
                impact("eastus2", "App Service", services.Relation.UNRELATED),
            ),
            id="here, only App Service",
        ),
        pytest.param(
            (
                impact("westus", cases.FLEXIBLE, services.Relation.POSTGRESQL),
                impact("eastus2", "Backup", services.Relation.UNRELATED, events.Status.RESOLVED),
            ),
            id="here, App Service, and over",
        ),
    ],
)
def test_a_region_that_is_not_named_with_postgresql_or_what_it_stands_on_has_no_outage(
    impacts: tuple[events.Impact, ...],
):
    assert fold(event(impacts=impacts, regions=("westus", EASTUS2))) is None


def test_a_region_called_over_is_closed_while_the_event_goes_on_elsewhere():
    shrunk = event(
        90,
        impacts=(
            impact("westus", cases.FLEXIBLE, services.Relation.POSTGRESQL),
            impact("eastus2", cases.FLEXIBLE, services.Relation.POSTGRESQL, events.Status.RESOLVED),
        ),
        regions=("westus",),
    )
    found = fold(event(15), shrunk)
    assert found is not None
    assert not found.active


def test_a_resolution_of_another_service_does_not_close_ours():
    """App Service is back; nobody said so of PostgreSQL."""
    known = fold(event(15), resolution(60, **APP_SERVICE))
    assert known is not None
    assert known.active


def test_a_resolution_that_names_no_service_closes_the_whole_event():
    known = fold(event(15), resolution(60, relation=services.Relation.UNRELATED, services=()))
    assert known is not None
    assert not known.active


# --- closing and reopening


def test_a_resolution_closes_at_the_mitigation_time_that_azure_gives():
    found = fold(event(15), resolution(90, impact_end=at(1)))
    assert found is not None
    assert (found.status, found.resolved_at) == (outages.Status.RESOLVED, at(1))


def test_a_mitigation_time_in_the_future_is_not_when_it_ended():
    found = fold(event(15), resolution(90, impact_end=at(9)))
    assert found is not None
    assert found.resolved_at == at(1.5)


def test_a_mitigation_time_alone_ends_nothing():
    """Azure sends Active with a past mitigation time; only the status says that it is over."""
    found = fold(event(15), event(90, impact_end=at(1)))
    assert found is not None
    assert found.active
    assert found.expected_end is None


def test_a_withdrawal_closes():
    found = fold(event(15), event(90, **WITHDRAWN))
    assert found is not None
    assert not found.active


def test_a_newer_actionable_update_reopens_and_is_counted():
    found = fold(event(15), resolution(60), event(144))
    assert found is not None
    assert found.active
    assert found.resolved_at is None
    assert found.reopened == 1


def test_a_late_copy_of_an_old_active_update_does_not_reopen():
    """Retries, a second channel, a replayed hub: the old word comes again after the resolution."""
    over = fold(event(15), resolution(60))
    assert fold(event(15), resolution(60), event(15)) == over
    assert fold(event(15), resolution(60), event(30)) == over


def test_of_two_words_at_one_moment_the_resolution_counts():
    for told in itertools.permutations([event(60), resolution(60)]):
        found = fold(*told)
        assert found is not None
        assert not found.active


@pytest.mark.parametrize("days", [1, 27])
@pytest.mark.parametrize("status", [events.Status.ACTIVE, events.Status.UPDATED, events.Status.RESOLVED])
def test_a_review_weeks_later_never_reopens(status: events.Status, days: int):
    over = fold(event(15), resolution(60))
    found = fold(event(15), resolution(60), event(days * 1440, stage="RCA", status=status, title="PIR - PostgreSQL"))
    assert over is not None
    assert found is not None
    assert (found.status, found.reopened, found.impact_start) == (over.status, 0, over.impact_start)


def test_a_resolution_that_overtakes_its_outage_keeps_it_closed():
    """The Active message was stuck in a retry queue for an hour; nothing may be started for an outage that is over."""
    found = fold(resolution(60), event(15))
    assert found is not None
    assert (found.status, found.reopened) == (outages.Status.RESOLVED, 0)
    assert found.impact_start == BEGAN


def test_a_resolution_of_what_we_never_heard_of_makes_no_outage_that_goes_on():
    found = fold(resolution(60))
    assert found is not None
    assert not found.active


def test_news_that_overtakes_a_resolution_does_not_silence_it():
    """Minimal case of an old defect: any newer update, whatever it said, made us deaf for the resolution before it."""
    found = fold(event(15), event(90, status=events.Status.UPDATED), resolution(60))
    assert found is not None
    assert not found.active


def test_an_update_stamped_in_the_future_does_not_make_us_deaf():
    """One event with a clock in 2099 would otherwise outrank every resolution to come."""
    opened = correlations.correlate(None, event(updated_at=datetime(2099, 1, 1, tzinfo=BEGAN.tzinfo)), EASTUS2, at(0.5))
    closed = correlations.correlate(opened, resolution(60), EASTUS2, at(1.1))
    assert closed is not None
    assert not closed.active


# --- impact start and estimate


@pytest.mark.parametrize("revised", [pytest.param(-103, id="earlier"), pytest.param(20, id="later")])
def test_a_revised_impact_start_counts_and_the_old_one_coming_late_does_not(revised: float):
    news = event(90, impact_start=BEGAN + timedelta(minutes=revised))
    for told in itertools.permutations([event(15), event(30), news]):
        found = fold(*told)
        assert found is not None
        assert found.impact_start == BEGAN + timedelta(minutes=revised)


def test_an_impact_without_a_start_began_when_azure_first_spoke_of_it():
    for told in itertools.permutations([event(15, impact_start=None), event(40, impact_start=None)]):
        found = fold(*told)
        assert found is not None
        assert found.impact_start == at(0.25)


def test_an_update_without_a_start_does_not_move_the_one_we_know():
    for told in itertools.permutations([event(15), event(40, impact_start=None)]):
        found = fold(*told)
        assert found is not None
        assert found.impact_start == BEGAN


def test_an_impact_does_not_begin_after_azure_spoke_of_it():
    once = fold(event(15, impact_start=at(9)))
    assert once is not None
    assert once.impact_start == at(0.25)
    assert fold(event(15, impact_start=at(9)), event(15, impact_start=at(9))) == once


def test_an_estimate_is_kept_while_it_lies_ahead_and_dropped_with_the_outage():
    known = fold(event(15, impact_end=at(6)))
    assert known is not None
    assert known.expected_end == at(6)
    over = fold(event(15, impact_end=at(6)), resolution(60))
    assert over is not None
    assert over.expected_end is None


# --- whom it concerns


@pytest.mark.parametrize(
    ("changes", "concern"),
    [
        pytest.param({}, outages.Concern.NAMED, id="PostgreSQL, our region, our subscription"),
        pytest.param(
            {"subscriptions": (cases.OTHER_SUBSCRIPTION,)}, outages.Concern.SUSPECTED, id="told to another subscription"
        ),
        pytest.param({"subscriptions": ()}, outages.Concern.SUSPECTED, id="told to nobody"),
        pytest.param(
            {"relation": services.Relation.DEPENDENCY}, outages.Concern.SUSPECTED, id="what PostgreSQL stands on"
        ),
        pytest.param({"relation": services.Relation.UNRELATED}, outages.Concern.NONE, id="something else"),
        pytest.param({"region": regions.RegionName("centralus")}, outages.Concern.NONE, id="another region"),
    ],
)
def test_only_what_azure_named_counts_as_named(changes: dict[str, Any], concern: outages.Concern):
    assert cases.outage(**changes).concern(cases.server()) is concern


def test_subscriptions_are_compared_without_case():
    server = cases.server(subscription_id=cases.SUBSCRIPTION.upper())
    told = fold(event(subscription_id=cases.SUBSCRIPTION.upper()))
    assert told is not None
    assert told.concern(server) is outages.Concern.NAMED


def test_a_subscription_told_once_stays_told():
    told = fold(event(15), event(20, subscription_id=cases.OTHER_SUBSCRIPTION), event(60))
    assert told is not None
    assert told.subscriptions == (cases.SUBSCRIPTION, cases.OTHER_SUBSCRIPTION)


def test_tracking_ids_meet_in_any_case():
    assert outages.outage_id("qx3l-7pg", EASTUS2) == outages.outage_id("QX3L-7PG", EASTUS2)


# --- order and repetition

SORTS: list[dict[str, Any]] = [
    {},
    {},
    {"status": events.Status.RESOLVED, "stage": "Resolved"},
    {"status": events.Status.RESOLVED, "stage": "Resolved", "relation": services.Relation.UNRELATED, "services": ()},
    {"status": events.Status.RESOLVED, **APP_SERVICE},
    {"status": events.Status.UPDATED},
    {"status": events.Status.UNKNOWN},
    {"stage": "RCA"},
    {"level": "informational"},
    {"kind": events.Kind.ADVISORY},
    {"synthetic": True},
    VIRTUAL_MACHINES,
    APP_SERVICE,
    WITHDRAWN,
]
"""What a story is made of, plain updates most of all."""
CHANGES: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda sort, details: details | sort,
    st.sampled_from(SORTS),
    st.fixed_dictionaries(
        {},
        optional={
            "impact_start": st.sampled_from([None, at(-2), at(-1), at(1), at(30)]),
            "impact_end": st.sampled_from([None, at(0.1), at(100)]),
            "subscription_id": st.sampled_from([None, cases.SUBSCRIPTION, cases.OTHER_SUBSCRIPTION]),
        },
    ),
)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[events.HealthEvent], list[events.HealthEvent]]:
    """A story in the order it was told, and the same story as it arrived: shuffled, some of it more than once."""
    minutes = sorted(draw(st.sets(st.integers(1, 600), min_size=1, max_size=6)))
    story = [event(minute, **draw(CHANGES)) for minute in minutes]
    repeated = draw(st.lists(st.sampled_from(story), max_size=4))
    return story, draw(st.permutations(story + repeated))


def essence(known: outages.Outage | None) -> object:
    if known is None:
        return None
    return known.status, known.impact_start, known.subscriptions, known.relation, known.services


@given(deliveries())
def test_any_order_and_repetition_of_a_story_ends_in_the_same_outage(
    told: tuple[list[events.HealthEvent], list[events.HealthEvent]],
):
    story, arrived = told
    assert essence(fold(*arrived)) == essence(fold(*story))


@given(deliveries())
def test_no_story_without_an_actionable_event_has_an_outage_that_goes_on(
    told: tuple[list[events.HealthEvent], list[events.HealthEvent]],
):
    story, arrived = told
    found = fold(*arrived)
    if found is not None and found.active:
        newest = max(e.updated_at for e in story if e.actionable and e.updated_at)
        assert found.updated_at <= newest


@given(st.lists(CHANGES, max_size=5))
def test_synthetic_events_never_open_anything(changes: list[dict[str, Any]]):
    assert fold(*(event(i + 1, **(each | {"synthetic": True})) for i, each in enumerate(changes))) is None


@given(CHANGES, st.integers(100, 50_000))
def test_a_review_never_reopens_whatever_else_it_says(changes: dict[str, Any], minute: int):
    known = fold(event(15), resolution(60), event(minute, **(changes | {"stage": "RCA"})))
    assert known is not None
    assert not known.active


# --- Resource Manager


def of_manager(minute: float = 15, **changes: Any) -> events.HealthEvent:
    """Azure Resource Manager in East US 2, and nothing else."""
    relation = services.relation("Azure Resource Manager")
    named = events.Impact(
        service="Azure Resource Manager", relation=relation, region=cases.EASTUS2, status=events.Status.ACTIVE
    )
    return cases.event(minute, relation=relation, services=("Azure Resource Manager",), impacts=(named,), **changes)


def test_an_outage_of_resource_manager_is_followed_and_concerns_no_server():
    found = cases.fold(of_manager())
    assert found is not None
    assert (found.active, found.takes_servers) == (True, False)
    assert found.concern(cases.server()) is outages.Concern.NONE
    assert not of_manager().actionable


def test_what_is_said_of_resource_manager_later_changes_no_outage_of_servers():
    before, after = cases.fold(cases.event(15)), cases.fold(cases.event(15), of_manager(30))
    assert before is not None
    assert after is not None
    assert (after.relation, after.status, after.services) == (before.relation, before.status, before.services)
