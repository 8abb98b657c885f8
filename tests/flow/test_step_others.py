"""`hold`, `watch`, `verify`, `notify`, `discard_copy`: each does its one thing through its doors."""

from __future__ import annotations

from datetime import timedelta

import pytest

from responder.core import decisions, restores, runs
from responder.postgres import verification
from responder.steps import discard_copy, hold, notify, verify, watch
from tests.core import cases
from tests.flow import steps

OURS = "geo-restore.orders.QX3L-7PG@eastus2"


@pytest.fixture
def stage() -> steps.Stage:
    return steps.Stage()


def verdict(outcome: runs.Outcome) -> object:
    return outcome.output["verdict"] if isinstance(outcome, runs.Done) else outcome


# hold


@pytest.mark.parametrize(
    ("action", "said"),
    [(decisions.Action.CUT_OVER, "cut-over"), (decisions.Action.STAND_DOWN, "not-needed")],
)
async def test_hold_ends_as_the_decision_says(stage: steps.Stage, action: decisions.Action, said: str):
    stage.decided(action)
    assert verdict(await hold.execute(stage.context("hold"))) == said


@pytest.mark.parametrize(
    ("action", "topic"),
    [
        (decisions.Action.HOLD, "decision"),
        (decisions.Action.SETTLE, "decision"),
        (decisions.Action.ASK, "approval"),
    ],
)
async def test_hold_waits_for_who_has_to_speak(stage: steps.Stage, action: decisions.Action, topic: str):
    stage.decided(action)
    outcome = await hold.execute(stage.context("hold"))
    assert isinstance(outcome, runs.Wait)
    assert outcome.topic == topic
    assert outcome.until > steps.NOW


async def test_hold_without_a_decision_waits_for_one(stage: steps.Stage):
    outcome = await hold.execute(stage.context("hold"))
    assert isinstance(outcome, runs.Wait)
    assert outcome.topic == "decision"


@pytest.mark.parametrize(("topic", "said"), [(runs.Topic.APPROVE, "cut-over"), (runs.Topic.DECLINE, "not-needed")])
async def test_in_a_run_by_hand_without_an_outage_the_humans_word_counts(
    stage: steps.Stage, topic: runs.Topic, said: str
):
    stage.by, stage.facts = "ana@laptop", None
    stage.said(topic)
    assert verdict(await hold.execute(stage.context("hold"))) == said


async def test_in_a_run_by_hand_a_yes_counts_at_once_and_after_a_no_the_copy_is_kept(stage: steps.Stage):
    stage.by = "ana@laptop"
    stage.decided(decisions.Action.HOLD)
    stage.said(runs.Topic.APPROVE)
    assert verdict(await hold.execute(stage.context("hold"))) == "cut-over"
    stage.said(runs.Topic.DECLINE)
    assert isinstance(await hold.execute(stage.context("hold")), runs.Wait)


async def test_in_a_run_of_ours_a_humans_word_goes_through_the_decision(stage: steps.Stage):
    stage.decided(decisions.Action.HOLD)
    stage.said(runs.Topic.APPROVE)
    assert isinstance(await hold.execute(stage.context("hold")), runs.Wait)


async def test_by_hand_without_an_outage_hold_waits_for_the_human(stage: steps.Stage):
    stage.facts, stage.by = None, "ana@laptop"
    outcome = await hold.execute(stage.context("hold"))
    assert isinstance(outcome, runs.Wait)
    assert outcome.topic == "approval"


# watch


async def test_watch_hands_over_when_a_geo_restore_is_due(stage: steps.Stage):
    stage.decided(decisions.Action.START)
    assert verdict(await watch.execute(stage.context("hold"))) == "handed-over"


async def test_watch_ends_when_the_outage_is_over_and_the_server_is_not_down(stage: steps.Stage):
    stage.facts = cases.facts(steps.NOW, outage=cases.resolved(5), health=cases.up(steps.NOW))
    stage.decided(decisions.Action.OBSERVE)
    assert verdict(await watch.execute(stage.context("hold"))) == "over"


@pytest.mark.parametrize("action", [decisions.Action.WAIT, decisions.Action.OBSERVE])
async def test_watch_goes_on_while_the_outage_does(stage: steps.Stage, action: decisions.Action):
    stage.decided(action)
    outcome = await watch.execute(stage.context("hold"))
    assert isinstance(outcome, runs.Wait)
    assert (outcome.topic, outcome.until > steps.NOW) == ("decision", True)


async def test_watch_without_an_outage_has_nothing_to_wait_for(stage: steps.Stage):
    stage.facts = None
    assert verdict(await watch.execute(stage.context("hold"))) == "over"


# verify


async def test_verify_measures_what_would_be_lost(stage: steps.Stage):
    outcome = await verify.execute(stage.context("verify"))
    assert isinstance(outcome, runs.Done)
    assert stage.databases.looked_at == [steps.FQDN]
    point = cases.BEGAN - timedelta(minutes=20)
    assert outcome.output["recovery_point"] == point.isoformat()
    assert stage.facts is not None
    assert outcome.output["data_loss_s"] >= timedelta(minutes=19).total_seconds()


async def test_verify_without_sql_leaves_the_loss_unmeasured(stage: steps.Stage):
    stage.databases.seen = verification.Look(answers=True, sql=False, why="No login is configured.")
    outcome = await verify.execute(stage.context("verify"))
    assert isinstance(outcome, runs.Done)
    assert (outcome.output["sql"], outcome.output["recovery_point"], outcome.output["data_loss_s"]) == (
        False,
        None,
        None,
    )


async def test_a_copy_that_does_not_answer_yet_is_looked_at_again(stage: steps.Stage):
    stage.databases.seen = verification.Look(answers=False, sql=False, why="no answer")
    outcome = await verify.execute(stage.context("verify"))
    assert isinstance(outcome, runs.Retry)
    assert (outcome.after, outcome.why) == (steps.POLL, "no answer")


async def test_without_a_copy_there_is_nothing_to_verify(stage: steps.Stage):
    assert isinstance(await verify.execute(stage.context("verify", outputs={})), runs.Fail)


# notify


async def test_notify_fills_the_names_in_and_is_keyed_by_run_and_step(stage: steps.Stage):
    stage.decided(decisions.Action.HOLD)
    await notify.execute(stage.context("tell-ready"))
    (told,) = stage.outbox.told
    assert told.key == f"{OURS}/tell-ready"
    assert (told.kind, told.to) == ("copy.ready", "team-orders")
    assert "orders" in told.subject
    assert "20 m" in told.text
    assert f"responder runs approve {OURS}" in told.text
    assert "$" not in told.subject + told.text
    assert told.facts == {"server": steps.server().id, "run": OURS, "outage": "QX3L-7PG@eastus2"}


async def test_every_name_in_the_shipped_texts_is_known(stage: steps.Stage):
    for decided in (None, decisions.Action.HOLD):
        if decided is not None:
            stage.decided(decided)
        for step in steps.PLAYBOOK.steps:
            if step.kind == "notify":
                await notify.execute(stage.context(step.id, outputs={}))
    assert not [told.text for told in stage.outbox.told if "$" in told.subject + told.text]


# discard_copy


async def test_only_a_copy_with_this_runs_tag_is_deleted(stage: steps.Stage):
    stage.azure.found = steps.found(run="another")
    outcome = await discard_copy.execute(stage.context("discard"))
    assert isinstance(outcome, runs.Fail)
    assert stage.azure.asked == ["find"]


async def test_the_deletions_handle_is_saved_before_it_is_looked_at(stage: steps.Stage):
    stage.azure.found = steps.found(run=OURS)
    outcome = await discard_copy.execute(stage.context("discard"))
    assert stage.azure.asked[-2:] == [f"delete {steps.COPY}", "save"]
    assert stage.saved == [{"token": "token-2", "copy": steps.COPY}]
    assert isinstance(outcome, runs.Wait)


async def test_a_copy_that_is_gone_is_discarded(stage: steps.Stage):
    assert verdict(await discard_copy.execute(stage.context("discard"))) == "discarded"


async def test_without_a_copy_there_is_nothing_to_discard(stage: steps.Stage):
    assert verdict(await discard_copy.execute(stage.context("discard", outputs={}))) == "nothing-to-discard"
    assert stage.azure.asked == []


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (restores.InProgress(), runs.Wait(until=steps.NOW + steps.POLL, topic="operation")),
        (restores.Succeeded(), runs.Done(output={"verdict": "discarded", "copy": steps.COPY})),
        (restores.Lost(why="404"), runs.Wait(until=steps.NOW, topic="operation", saved={})),
        (
            restores.OperationFailed(code="Oh", message="no"),
            runs.Retry(after=steps.RETRY, why="Oh: no", saved={}),
        ),
    ],
)
async def test_a_deletion_is_followed_to_its_end(
    stage: steps.Stage, progress: restores.Progress, expected: runs.Outcome
):
    stage.azure.progress = progress
    assert await discard_copy.execute(stage.context("discard", saved={"token": "token-2"})) == expected


async def test_a_refused_deletion_is_tried_again(stage: steps.Stage):
    stage.azure.found, stage.azure.deleted = steps.found(run=OURS), steps.azure_error("ServerIsBusy", status=409)
    assert isinstance(await discard_copy.execute(stage.context("discard")), runs.Retry)


# All kinds.
