"""A server that applications were sent away from is not acted for, whatever its tags say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from responder import playbook_files
from responder import steps as kinds
from responder.core import copies, decisions, runs, servers, successions
from tests.core import cases

BOOKS = playbook_files.load_all(None, kinds.KINDS)
COPY = servers.server_id(
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.DBforPostgreSQL/flexibleServers/orders-geo-1"
)
BY = successions.Succession(
    server=cases.server().id, by=COPY, run=runs.RunId("geo-restore.orders.1"), since=cases.BEGAN
)


def told(playbook: str, step: str, records: dict[str, dict[str, object]]) -> object:
    run = runs.new(
        id_=runs.RunId("r"), server=cases.server(), outage_id=None, playbook=BOOKS[playbook], params={}, by="ada",
        now=cases.BEGAN,
    )  # fmt: skip
    done = {
        id_: runs.StepRecord(
            id=id_, state=runs.StepState.DONE, attempts=1, started_at=cases.BEGAN, ended_at=cases.at(1), output=output
        )
        for id_, output in records.items()
    }
    return successions.told(run, done, done[step], cases.at(2))


@pytest.mark.parametrize("hours", [0.5, 2, 6, 30])
@pytest.mark.parametrize("health", [cases.down, cases.up])
def test_nothing_is_started_for_a_superseded_server_and_the_reason_names_what_took_its_place(hours, health):
    now = cases.at(hours)
    facts = cases.facts(now, health=health(now), superseded=BY)
    decision = decisions.decide(facts, cases.POLICY, now)
    assert (decision.action, decision.playbook) == (decisions.Action.OBSERVE, None)
    assert decision.reasons[0].id == "superseded"
    assert "orders-geo-1" in decision.reasons[0].text
    assert "failback-done" in decision.reasons[0].text


def test_a_copy_of_a_superseded_server_is_held_and_never_cut_over():
    now = cases.at(9)
    facts = cases.facts(now, copy=cases.ready(), tolerance=cases.tolerance(4, 2))
    free = decisions.decide(facts, cases.POLICY, now)
    held = decisions.decide(replace(facts, superseded=BY), cases.POLICY, now)
    assert free.action is decisions.Action.CUT_OVER
    assert held.action is decisions.Action.HOLD


def test_in_the_outage_of_its_own_cut_over_it_is_done():
    facts = cases.facts(cases.at(6), copy=replace(cases.ready(), state=copies.State.PROMOTED), superseded=BY)
    assert decisions.decide(facts, cases.POLICY, cases.at(6)).action is decisions.Action.DONE


def test_a_cut_over_tells_who_took_the_place_and_how_far_it_goes():
    found = told(
        "geo-restore",
        "cut-over",
        {
            "restore": {"verdict": "restored", "copy": COPY},
            "verify": {"sql": True, "recovery_point": cases.BEGAN.isoformat()},
            "cut-over": {"verdict": "cut-over", "copy": COPY.upper(), "at": cases.at(3).isoformat()},
        },
    )
    assert found == successions.Succession(
        server=cases.server().id, by=COPY, run=runs.RunId("r"), since=cases.at(3), recovery_point=cases.BEGAN
    )


def test_a_promotion_counts_until_the_server_came_back_before_applications_were_sent():
    measured = {"measure": {"verdict": "measured", "copy": COPY}, "promote": {"verdict": "promoted", "copy": COPY}}
    assert isinstance(told("promote-replica", "promote", measured), successions.Succession)
    in_vain = {**measured, "cut-over": {"verdict": "not-needed"}}
    assert told("promote-replica", "cut-over", in_vain) == successions.Withdrawn(run=runs.RunId("r"))


def test_after_a_move_the_new_server_counts_when_people_say_that_they_have_switched():
    made = {"create": {"verdict": "created", "copy": COPY}, "hold": {"verdict": "cut-over"}}
    found = told("migrate-to-geo-redundant", "hold", made)
    assert isinstance(found, successions.Succession)
    assert found.by == COPY
    assert told("migrate-to-geo-redundant", "hold", {**made, "hold": {"verdict": "not-needed"}}) is None


def test_a_rehearsal_and_a_hold_before_the_cut_over_tell_nothing():
    assert (
        told("drill", "discard", {"restore": {"copy": COPY}, "discard": {"verdict": "discarded", "copy": COPY}}) is None
    )
    held = {"restore": {"verdict": "restored", "copy": COPY}, "verify": {}, "hold": {"verdict": "cut-over"}}
    assert told("geo-restore", "hold", held) is None
