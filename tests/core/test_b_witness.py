"""Resource Health of one server: a second witness. It hastens proof, stops what an owner did, and proves no health."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest

from responder.core import decisions, events, evidence, services, witness
from tests.core import cases
from tests.core.cases import BEGAN, at

ID = cases.server().id
POLICY = evidence.Policy()


def said(state: str = "unavailable", minute: float = 1, cause: str = "platform") -> witness.Statement:
    when = BEGAN + timedelta(minutes=minute)
    return witness.Statement(state=witness.State(state), cause=witness.Cause(cause), at=when)


def message(minute: float = 1, /, **changes: Any) -> events.HealthEvent:
    values: dict[str, Any] = {
        "channel": events.Channel.DIAGNOSTIC_RECORD,
        "kind": events.Kind.RESOURCE_HEALTH,
        "status": events.Status.ACTIVE,
        "updated_at": BEGAN + timedelta(minutes=minute),
        "relation": services.Relation.POSTGRESQL,
        "resource_id": ID.upper(),
        "health": "unavailable",
        "cause": "platforminitiated",
    }
    return events.HealthEvent(**(values | changes))


def heard(*told: events.HealthEvent) -> witness.Statement | None:
    known: witness.Statement | None = None
    for each in told:
        found = witness.heard(known, each, at(100))
        if found is not None:
            assert found[0] == ID
            known = found[1]
    return known


def silent_for(minutes: float) -> tuple[evidence.Health, datetime]:
    """Silent since the impact start, and the moment so much later."""
    now = BEGAN + timedelta(minutes=minutes)
    return cases.down(now), now


# --- what was said


def test_the_newest_word_counts_whatever_the_order():
    assert heard(message(5), message(3, health="available")) == said("unavailable", 5)
    assert heard(message(3), message(5, health="available", cause=None)) == said("available", 5, "unknown")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"synthetic": True}, id="a test"),
        pytest.param({"kind": events.Kind.INCIDENT}, id="no Resource Health"),
        pytest.param({"resource_id": None}, id="of nothing"),
        pytest.param({"resource_id": "/subscriptions/s/resourcegroups/g/providers/microsoft.compute/vms/v"}, id="a VM"),
        pytest.param({"resource_id": f"{ID}/databases/app"}, id="part of a server"),
        pytest.param({"health": None}, id="without a state"),
        pytest.param({"health": None, "status": events.Status.UPDATED}, id="an annotation"),
        pytest.param({"health": "splendid"}, id="an unknown word"),
    ],
)
def test_what_says_nothing_of_a_server_is_no_statement(changes: dict[str, Any]):
    assert heard(message(1, **changes)) is None


def test_an_end_without_a_state_leaves_the_state_unknown():
    """Both statuses can be null. It is not health, and it supports nothing any more."""
    found = heard(message(1), message(9, health=None, status=events.Status.RESOLVED))
    assert found is not None
    assert found.state is witness.State.UNKNOWN


def test_a_clock_in_the_future_does_not_make_us_deaf():
    found = heard(message(1, updated_at=at(9999)))
    assert found is not None
    assert found.at == at(100)


# --- what it weighs


@pytest.mark.parametrize("state", ["unavailable", "degraded"])
def test_with_a_failing_probe_two_minutes_are_proof(state: str):
    health, now = silent_for(2)
    assert evidence.weigh(health, POLICY, now) is evidence.Verdict.FAILING
    assert evidence.weigh_with(health, said(state), POLICY, now) is evidence.Verdict.DOWN
    health, now = silent_for(1.9)
    assert evidence.weigh_with(health, said(state), POLICY, now) is evidence.Verdict.FAILING


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(said("available"), id="available"),
        pytest.param(said("unknown"), id="unknown"),
        pytest.param(said(cause="user"), id="its owner did it"),
        pytest.param(said(cause="unknown"), id="nobody knows who did it"),
        pytest.param(said(minute=-61), id="it is old, and answered since"),
        pytest.param(None, id="nothing"),
    ],
)
def test_anything_else_proves_nothing_sooner(told: witness.Statement | None):
    health, now = silent_for(4)
    assert evidence.weigh_with(health, told, POLICY, now) is evidence.Verdict.FAILING


def test_an_old_word_supports_nothing_for_its_end_may_never_have_been_sent():
    now = at(3)
    health = cases.down(now, since=now - timedelta(minutes=3))
    never_answered = dataclasses.replace(health, last_answer_at=BEGAN - timedelta(days=1))
    assert evidence.supports(never_answered, said(minute=121), POLICY, now)
    assert not evidence.supports(never_answered, said(minute=119), POLICY, now)


def test_it_proves_nothing_against_a_server_that_answers_or_was_never_reached():
    now = at(1)
    for health in (cases.up(now), cases.never_reached(now), evidence.Health()):
        told = said(minute=59)
        assert evidence.weigh_with(health, told, POLICY, now) is evidence.weigh(health, POLICY, now)


@pytest.mark.parametrize("minutes", range(0, 12))
def test_available_never_proves_health(minutes: int):
    health, now = silent_for(minutes)
    assert evidence.weigh_with(health, said("available"), POLICY, now) is evidence.weigh(health, POLICY, now)


# --- what follows


def test_a_silent_server_that_resource_health_calls_unavailable_gets_its_copy_sooner():
    now = BEGAN + timedelta(minutes=40)
    silent = cases.down(now, since=now - timedelta(minutes=3))
    alone = cases.facts(now, health=silent, tolerance=cases.tolerance(4))
    both = cases.facts(now, health=silent, tolerance=cases.tolerance(4), witness=said(minute=39))
    assert decisions.decide(alone, cases.POLICY, now).action is decisions.Action.OBSERVE
    decision = decisions.decide(both, cases.POLICY, now)
    assert decision.action is decisions.Action.START
    assert cases.ids(decision)[1:] == ["down", "one-vantage", "witnessed"]


def test_it_never_hastens_a_cut_over():
    """Two minutes of silence with a witness start a copy; sending applications away takes our own whole proof."""
    now = at(11.9)
    silent = cases.down(now, since=now - timedelta(minutes=3))
    told = witness.Statement(state=witness.State.UNAVAILABLE, cause=witness.Cause.PLATFORM, at=now)
    decision = cases.decide(11.9, health=silent, witness=told, copy=cases.ready(), consent=cases.yes(24))
    assert (decision.action, cases.ids(decision)) == (decisions.Action.HOLD, ["cutover.unproven", "stale"])


def test_a_server_that_its_owner_stopped_starts_nothing():
    decision = cases.decide(6, witness=said(cause="user"))
    assert decision.action is decisions.Action.OBSERVE
    assert cases.ids(decision)[0] == "by-its-owner"


def test_what_its_owner_did_is_history_once_the_server_has_answered_again():
    """A restart in the afternoon must not keep us from helping at night."""
    afternoon = said(minute=-600, cause="user")
    assert cases.decide(6, witness=afternoon).action is decisions.Action.START


def test_a_server_its_owner_restarts_in_the_outage_is_cut_over_only_with_a_humans_yes():
    decision = cases.decide(11.9, copy=cases.ready(), witness=said(cause="user"))
    assert (decision.action, cases.ids(decision)) == (decisions.Action.ASK, ["cutover.by-its-owner"])


def test_available_is_said_beside_the_silence_and_changes_nothing():
    told = cases.decide(6, witness=said("available"))
    alone = cases.decide(6)
    assert told.action is alone.action
    assert cases.ids(told) == [*cases.ids(alone), "contradicted"]
