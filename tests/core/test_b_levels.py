"""A level written as a number: no outage is missed for it, and nothing is cut over for it."""

from __future__ import annotations

import copy
import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from responder.core import correlations, events, outages, payloads, servers
from tests.core import cases

ALERT = json.loads((Path(__file__).parent / "payloads" / "common-incident.json").read_text(encoding="utf-8"))
AT = datetime(2026, 2, 11, 3, tzinfo=UTC)


def event(level: Any) -> events.HealthEvent:
    alert = copy.deepcopy(ALERT)
    alert["data"]["alertContext"]["level"] = level
    (found,) = payloads.parse(json.dumps(alert).encode()).events
    return replace(found, updated_at=AT)


UNRATED, ERROR, INFORMATIONAL = event(3), event("Error"), event("Informational")
REGION = UNRATED.regions[0]


def server() -> servers.Server:
    return replace(cases.server(), region=REGION, subscription_id=UNRATED.subscription_id or "")


def fold(*said: events.HealthEvent) -> outages.Outage | None:
    found: outages.Outage | None = None
    for one in said:
        found = correlations.correlate(found, one, REGION, AT + timedelta(hours=1))
    return found


def at(one: events.HealthEvent, minutes: float) -> events.HealthEvent:
    return replace(one, updated_at=AT + timedelta(minutes=minutes))


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5, "3", 3.0, None, {}])
def test_a_number_in_the_place_of_the_level_hides_no_outage_and_makes_it_a_suspicion(level: Any) -> None:
    found = event(level)
    outage = fold(found)

    assert (found.level, found.unrated, found.actionable) == (None, True, True)
    assert outage is not None
    assert outage.active
    assert outage.concern(server()) is outages.Concern.SUSPECTED


def test_a_word_beside_the_number_is_the_level() -> None:
    alert = copy.deepcopy(ALERT)
    alert["data"]["alertContext"]["level"] = 3
    alert["data"]["alertContext"]["properties"]["eventLevel"] = "Informational"
    (found,) = payloads.parse(json.dumps(alert).encode()).events

    assert (found.level, found.unrated, found.actionable) == ("informational", False, False)


@pytest.mark.parametrize("said", list(itertools.permutations([UNRATED, ERROR])))
def test_another_channel_that_says_error_makes_it_certain_in_any_order(said: list[events.HealthEvent]) -> None:
    outage = fold(*said)

    assert outage is not None
    assert outage.concern(server()) is outages.Concern.NAMED


@pytest.mark.parametrize("minutes", [-10, 0, 30])
def test_another_channel_that_says_informational_takes_the_suspicion_back(minutes: float) -> None:
    outage = fold(UNRATED, at(INFORMATIONAL, minutes))

    assert outage is not None
    assert outage.status is outages.Status.WITHDRAWN


def test_an_informational_word_about_an_earlier_update_takes_nothing_back() -> None:
    outage = fold(UNRATED, at(INFORMATIONAL, -60))

    assert outage is not None
    assert outage.active


def test_what_was_told_in_words_before_is_not_taken_back_by_an_informational_copy() -> None:
    outage = fold(ERROR, UNRATED, at(INFORMATIONAL, 1))

    assert outage is not None
    assert outage.active


def test_what_was_taken_back_opens_again_when_a_newer_word_says_that_it_is_more() -> None:
    outage = fold(UNRATED, INFORMATIONAL, at(ERROR, 1))

    assert outage is not None
    assert outage.active
    assert outage.concern(server()) is outages.Concern.NAMED


def test_what_was_taken_back_is_a_suspicion_again_when_a_newer_number_comes() -> None:
    outage = fold(UNRATED, INFORMATIONAL, at(UNRATED, 30))

    assert outage is not None
    assert outage.active
    assert outage.concern(server()) is outages.Concern.SUSPECTED


@pytest.mark.parametrize(
    ("name", "holder", "field"), [("records-incident", "records", "level"), ("rest-events", "value", "eventLevel")]
)
def test_a_number_is_no_level_on_any_other_channel_either(name: str, holder: str, field: str) -> None:
    whole = json.loads((Path(__file__).parent / "payloads" / f"{name}.json").read_text(encoding="utf-8"))
    one = whole[holder][0]
    inside = one if field in one else one["properties"]
    inside[field] = 2
    (found,) = payloads.parse(json.dumps(one).encode()).events

    assert (found.level, found.unrated, found.actionable) == (None, True, True)


def test_only_service_health_incidents_are_unrated() -> None:
    alert = copy.deepcopy(ALERT)
    alert["data"]["alertContext"]["level"] = 3
    alert["data"]["alertContext"]["properties"]["incidentType"] = "Maintenance"
    (found,) = payloads.parse(json.dumps(alert).encode()).events

    assert not found.unrated
