"""`cut_over`: everything is checked once more with a fresh probe, and nothing is written before."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from responder.core import decisions, errors, evidence, runs
from responder.steps import cut_over
from tests.core import cases
from tests.flow import steps


@pytest.fixture
def stage() -> steps.Stage:
    made = steps.Stage()
    made.decided(decisions.Action.CUT_OVER)
    return made


async def test_the_record_is_pointed_at_the_copy(stage: steps.Stage):
    outcome = await cut_over.execute(stage.context("cut-over"))
    assert stage.azure.pointed == [("db.contoso.example/orders", steps.FQDN)]
    assert isinstance(outcome, runs.Done)
    assert outcome.output == {
        "verdict": "cut-over",
        "record": "db.contoso.example/orders",
        "from": "orders.postgres.database.azure.com",
        "to": steps.FQDN,
        "at": steps.NOW.isoformat(),
        "copy": steps.COPY,
        "data_loss_s": 1200.0,
    }


async def test_a_server_that_answers_at_the_last_moment_stops_it(stage: steps.Stage):
    stage.databases.answered = True
    outcome = await cut_over.execute(stage.context("cut-over"))
    assert isinstance(outcome, runs.Wait)
    assert outcome.topic == "decision"
    assert "point" not in stage.azure.asked


async def test_a_silence_that_has_just_begun_is_no_proof(stage: steps.Stage):
    stage.facts = cases.facts(
        steps.NOW,
        server=steps.server(),
        tolerance=steps.tolerance(),
        copy=cases.ready(),
        health=cases.up(steps.NOW - timedelta(minutes=1)),
    )
    assert isinstance(await cut_over.execute(stage.context("cut-over")), runs.Wait)
    assert "point" not in stage.azure.asked


async def test_a_loss_beyond_the_rpo_stops_it_until_somebody_signs(stage: steps.Stage):
    copy = cases.ready(lacks_minutes=90)
    stage.facts = cases.facts(steps.NOW, server=steps.server(), tolerance=steps.tolerance(), copy=copy)
    assert isinstance(await cut_over.execute(stage.context("cut-over")), runs.Wait)
    stage.facts = cases.facts(
        steps.NOW, server=steps.server(), tolerance=steps.tolerance(), copy=copy, consent=cases.yes(2)
    )
    assert isinstance(await cut_over.execute(stage.context("cut-over")), runs.Done)


async def test_a_region_that_came_back_ends_it(stage: steps.Stage):
    stage.decided(decisions.Action.STAND_DOWN)
    assert await cut_over.execute(stage.context("cut-over")) == runs.Done(output={"verdict": "not-needed"})
    assert stage.azure.pointed == []


async def test_without_a_declared_record_it_is_done_and_says_so(stage: steps.Stage):
    stage.facts = cases.facts(steps.NOW, server=steps.server(), tolerance=steps.tolerance(dns=None), copy=cases.ready())
    outcome = await cut_over.execute(stage.context("cut-over"))
    assert isinstance(outcome, runs.Done)
    assert (outcome.output["verdict"], outcome.output["record"]) == ("cut-over", None)
    assert stage.azure.asked == []


async def test_a_zone_that_is_not_configured_is_told_with_the_setting_to_make(stage: steps.Stage):
    stage.zones = {}
    with pytest.raises(errors.InputError, match=r"dns_zones\.db\.contoso\.example"):
        await cut_over.execute(stage.context("cut-over"))


def by_hand(stage: steps.Stage, **payload: float) -> None:
    stage.facts, stage.decision, stage.by = None, None, "ana@laptop"
    stage.said(runs.Topic.APPROVE)
    assert stage.consent is not None
    stage.consent = dataclasses.replace(stage.consent, payload=payload)


async def test_by_hand_without_an_outage_a_human_signs_for_the_loss(stage: steps.Stage):
    by_hand(stage, loss_accepted_s=2 * 3600)
    assert isinstance(await cut_over.execute(stage.context("cut-over")), runs.Done)


async def test_by_hand_without_an_outage_a_loss_takes_as_many_signatures_as_everywhere(stage: steps.Stage):
    by_hand(stage, loss_accepted_s=2 * 3600, two_people=True)
    measured = {**steps.RESTORED, "verify": {"sql": True, "recovery_point": "2026-03-04T02:00:00+00:00"}}
    outcome = await cut_over.execute(stage.context("cut-over", outputs=measured))
    assert isinstance(outcome, runs.Wait)
    assert outcome.topic == "approval"
    assert stage.azure.pointed == []


async def test_by_hand_without_an_outage_a_no_after_the_yes_is_a_no(stage: steps.Stage):
    by_hand(stage)
    stage.said(runs.Topic.DECLINE)
    recent = {
        **steps.RESTORED,
        "verify": {"sql": True, "recovery_point": (steps.NOW - timedelta(minutes=1)).isoformat()},
    }
    outcome = await cut_over.execute(stage.context("cut-over", outputs=recent))
    assert isinstance(outcome, runs.Wait)
    assert outcome.topic == "approval"
    assert stage.azure.pointed == []


async def test_by_hand_without_an_outage_a_server_that_answers_is_not_left(stage: steps.Stage):
    by_hand(stage, loss_accepted_s=2 * 3600)
    stage.databases.answered = True
    outcome = await cut_over.execute(stage.context("cut-over"))
    assert isinstance(outcome, runs.Fail)
    assert "answers" in outcome.why
    assert stage.azure.pointed == []


def behind_its_gateway(stage: steps.Stage, *, spoke: bool) -> evidence.Health:
    """Its gateway answers and the login does not; `spoke`: the server itself once did."""
    stage.databases.answered, stage.databases.said = True, "login-silent"
    health = steps.cases.down(steps.NOW)
    return dataclasses.replace(health, tls_at=health.last_answer_at, spoke_at=health.last_answer_at if spoke else None)


@pytest.mark.parametrize("spoke", [True, False])
async def test_a_gateway_that_answers_keeps_nobody_from_leaving_a_server_that_spoke_before(
    stage: steps.Stage, spoke: bool
):
    assert stage.facts is not None
    stage.facts = dataclasses.replace(stage.facts, health=behind_its_gateway(stage, spoke=spoke))
    outcome = await cut_over.execute(stage.context("cut-over"))
    assert isinstance(outcome, runs.Done if spoke else runs.Wait)
    assert bool(stage.azure.pointed) is spoke


@pytest.mark.parametrize("spoke", [True, False])
async def test_by_hand_the_same_holds(stage: steps.Stage, spoke: bool):
    by_hand(stage, loss_accepted_s=2 * 3600)
    stage.health = behind_its_gateway(stage, spoke=spoke)
    outcome = await cut_over.execute(stage.context("cut-over"))
    assert isinstance(outcome, runs.Done if spoke else runs.Fail)
    assert bool(stage.azure.pointed) is spoke


async def test_by_hand_without_an_outage_an_unmeasured_loss_beyond_the_rpo_waits_for_a_signature(stage: steps.Stage):
    by_hand(stage)
    measured = {**steps.RESTORED, "verify": {"sql": True, "recovery_point": "2026-03-04T02:00:00+00:00"}}
    outcome = await cut_over.execute(stage.context("cut-over", outputs=measured))
    assert isinstance(outcome, runs.Wait)
    assert outcome.topic == "approval"


async def test_an_old_silence_and_one_failed_probe_are_no_proof(stage: steps.Stage):
    """We were away for hours: what the server did meanwhile is not known."""
    assert stage.facts is not None
    old = steps.cases.down(steps.NOW - timedelta(hours=1))
    stage.facts = dataclasses.replace(stage.facts, health=old)
    stage.decided(decisions.Action.CUT_OVER)
    assert isinstance(await cut_over.execute(stage.context("cut-over")), runs.Wait)
    assert stage.azure.pointed == []


async def test_the_spelling_of_a_name_does_not_hide_that_it_was_done(stage: steps.Stage):
    stage.azure.cname = steps.FQDN
    loud = {**steps.RESTORED, "restore": {**steps.RESTORED["restore"], "fqdn": steps.FQDN.upper()}}
    assert isinstance(await cut_over.reconcile(stage.context("cut-over", outputs=loud)), runs.Done)


async def test_after_a_crash_a_record_that_points_at_the_copy_was_written(stage: steps.Stage):
    stage.azure.cname = steps.FQDN
    stage.databases.answered = True  # whatever the region does now
    outcome = await cut_over.reconcile(stage.context("cut-over"))
    assert isinstance(outcome, runs.Done)
    assert outcome.output["verdict"] == "cut-over"
    assert stage.azure.pointed == []


async def test_after_a_crash_a_record_that_does_not_was_not(stage: steps.Stage):
    assert isinstance(await cut_over.reconcile(stage.context("cut-over")), runs.NotStarted)


async def test_a_record_that_leads_to_an_earlier_copy_is_left_alone(stage: steps.Stage):
    stage.azure.cname = "orders-geo-0123abcd.postgres.database.azure.com"
    outcome = await cut_over.execute(stage.context("cut-over"))
    assert isinstance(outcome, runs.Fail)
    assert "left alone" in outcome.why
    assert stage.azure.pointed == []
