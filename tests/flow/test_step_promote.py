"""`measure_replica` and `promote_replica`: nothing is promoted on a guess, nothing twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from responder import playbook_files
from responder import steps as kinds
from responder.core import changes, copies, cutovers, decisions, errors, restores, runs, servers, tolerances
from responder.steps import cut_over, measure_replica, promote_replica, verify
from tests.core import cases
from tests.flow import steps

REPLICA = servers.server_id(steps.COPY)
MEASURED = {
    "measure": {"verdict": "measured", "copy": REPLICA, "fqdn": steps.FQDN, "region": "westus2", "data_loss_s": 60.0}
}
PROMOTED = {
    **MEASURED,
    "promote": {"verdict": "promoted", "copy": REPLICA, "fqdn": steps.FQDN, "region": "westus2", "data_loss_s": 60.0},
}
ASKED = {"copy": REPLICA, "fqdn": steps.FQDN, "region": "westus2"}
FOLLOWS = replace(steps.found(), replica=True)


@pytest.fixture
def stage() -> steps.Stage:
    made = steps.Stage()
    made.playbook = playbook_files.load_all(None, kinds.KINDS)["promote-replica"]
    made.decided(decisions.Action.CUT_OVER)
    made.azure.found = FOLLOWS
    made.databases.seen = replace(made.databases.seen, newest_row=cases.BEGAN - timedelta(minutes=1))
    return made


def replica(name: str, region: str = "westus2") -> servers.Server:
    id_ = servers.server_id(REPLICA.replace("/copy", f"/{name}"))
    return steps.server(id=id_, name=name, region=region, fqdn=f"{name}.example", replica_of=steps.server().id)


# measure_replica


async def test_the_replica_with_the_newest_row_in_another_region_is_chosen(stage: steps.Stage):
    stage.records.replicas = [replica("near", "eastus2"), replica("old"), replica("new")]
    rows = {"old.example": 5, "new.example": 1, "near.example": 0}

    async def look(fqdn: str):
        return replace(stage.databases.seen, newest_row=cases.BEGAN - timedelta(minutes=rows[fqdn]))

    stage.databases.look = look  # type: ignore[method-assign]
    outcome = await measure_replica.execute(stage.context("measure"))
    assert isinstance(outcome, runs.Done)
    assert outcome.output["copy"].endswith("/new")
    assert outcome.output["data_loss_s"] == 60.0


async def test_a_replica_can_be_named(stage: steps.Stage):
    stage.records.replicas, stage.params = [replica("one"), replica("two")], {"replica": "two"}
    outcome = await measure_replica.execute(stage.context("measure"))
    assert isinstance(outcome, runs.Done)
    assert outcome.output["copy"].endswith("/two")


async def test_without_a_replica_it_fails_and_says_so(stage: steps.Stage):
    outcome = await measure_replica.execute(stage.context("measure"))
    assert isinstance(outcome, runs.Fail)
    assert "no read replica" in outcome.why


async def test_replicas_that_do_not_answer_are_looked_at_again(stage: steps.Stage):
    stage.records.replicas = [replica("one")]
    stage.databases.seen = replace(stage.databases.seen, answers=False, why="silence")
    outcome = await measure_replica.execute(stage.context("measure"))
    assert isinstance(outcome, runs.Retry)
    assert "one: silence" in outcome.why


# promote_replica: the guard


def context(stage: steps.Stage, **saved: object):
    return stage.context("promote", saved=saved, outputs=MEASURED)


async def test_a_promotion_is_written_down_before_it_is_asked_for_and_its_handle_after(stage: steps.Stage):
    outcome = await promote_replica.execute(context(stage))
    assert isinstance(outcome, runs.Wait)
    assert stage.azure.asked == ["find", "save", "change", "save"]
    assert stage.azure.changed == [changes.Promotion(server_id=REPLICA, source_id=steps.server().id)]
    asked_for, handle = stage.saved
    assert "token" not in asked_for
    assert asked_for["data_loss_s"] == 60.0
    assert handle == {**asked_for, "token": "token-3"}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"tolerance": steps.tolerance(cutover=tolerances.Cutover.NEVER)}, id="never"),
        pytest.param({"tolerance": steps.tolerance(cutover=tolerances.Cutover.ASK)}, id="nobody said yes"),
        pytest.param({"tolerance": replace(steps.tolerance(), rpo=timedelta(seconds=30))}, id="beyond the RPO"),
    ],
)
async def test_what_is_not_agreed_is_not_promoted(stage: steps.Stage, change: dict[str, object]):
    assert stage.facts is not None
    stage.facts = replace(stage.facts, **change)
    assert isinstance(await promote_replica.execute(context(stage)), runs.Wait)
    assert "change" not in stage.azure.asked


async def test_a_server_that_answers_is_not_promoted_away_from(stage: steps.Stage):
    stage.databases.answered = True
    assert isinstance(await promote_replica.execute(context(stage)), runs.Wait)
    assert "change" not in stage.azure.asked


async def test_a_lag_that_nobody_knows_is_beyond_every_rpo_and_takes_a_signature(stage: steps.Stage):
    stage.databases.seen = replace(stage.databases.seen, newest_row=None)
    assert stage.facts is not None
    stage.facts = replace(stage.facts, tolerance=replace(steps.tolerance(), rpo=timedelta(days=9)))
    assert isinstance(await promote_replica.execute(context(stage)), runs.Wait)
    assert "change" not in stage.azure.asked
    signed = cutovers.Consent(granted=True, by="ana", at=steps.NOW, loss_accepted=timedelta(days=1))
    stage.facts = replace(stage.facts, consent=signed)
    await promote_replica.execute(context(stage))
    assert "change" in stage.azure.asked


@pytest.mark.parametrize(("accepted", "promoted"), [("3600", True), ("30", False)])
async def test_by_hand_without_an_outage_a_signature_covers_the_loss(stage: steps.Stage, accepted: str, promoted: bool):
    stage.by, stage.facts, stage.decision = "ana", None, None
    stage.databases.seen = replace(stage.databases.seen, newest_row=steps.NOW - timedelta(minutes=30))
    signal = runs.Signal(
        run_id=stage.run().id, topic=runs.Topic.APPROVE, by="ana", at=steps.NOW, payload={"loss_accepted_s": accepted}
    )
    stage.consent = signal
    monkey = steps.tolerance()
    assert monkey.rpo == timedelta(hours=1)
    context_ = context(stage)
    context_ = replace(
        context_, situation=replace(context_.situation, tolerance=replace(monkey, rpo=timedelta(seconds=1)))
    )
    await promote_replica.execute(context_)
    assert ("change" in stage.azure.asked) is promoted


async def test_a_region_that_came_back_needs_no_promotion(stage: steps.Stage):
    stage.decided(decisions.Action.STAND_DOWN)
    assert await promote_replica.execute(context(stage)) == runs.Done(output={"verdict": "not-needed"})


async def test_a_replica_that_somebody_else_promoted_is_left_alone(stage: steps.Stage):
    stage.azure.found = steps.found()
    outcome = await promote_replica.execute(context(stage))
    assert isinstance(outcome, runs.Fail)
    assert "left alone" in outcome.why


# promote_replica: going on


@pytest.mark.parametrize("progress", [restores.Succeeded(), restores.Lost(why="404")])
async def test_the_server_tells_whether_it_was_promoted(stage: steps.Stage, progress: restores.Progress):
    stage.azure.progress = progress
    looked = await promote_replica.execute(context(stage, **ASKED, token="token-3"))
    assert looked == runs.Wait(until=steps.NOW, topic="operation", saved=ASKED)
    stage.azure.found = steps.found()
    done = await promote_replica.execute(context(stage, **ASKED))
    assert isinstance(done, runs.Done)
    assert (done.output["verdict"], done.output["copy"]) == ("promoted", REPLICA)
    assert "change" not in stage.azure.asked


async def test_a_lost_answer_is_followed_by_a_look_before_anything_is_asked_again(stage: steps.Stage):
    stage.azure.accepted = steps.azure_error("Ambiguous")
    outcome = await promote_replica.execute(context(stage))
    assert isinstance(outcome, runs.Retry)
    assert outcome.saved is not None
    stage.azure.asked.clear()
    stage.azure.found = steps.found()
    assert isinstance(await promote_replica.execute(context(stage, **outcome.saved)), runs.Done)
    assert stage.azure.asked == ["find"]


async def test_after_a_crash_a_promotion_under_way_is_waited_for(stage: steps.Stage):
    stage.azure.found = steps.found(ready=False)
    assert isinstance(await promote_replica.reconcile(context(stage, **ASKED)), runs.Wait)


async def test_after_a_crash_before_anything_was_asked_nothing_had_begun(stage: steps.Stage):
    assert isinstance(await promote_replica.reconcile(context(stage)), runs.NotStarted)
    assert stage.azure.asked == []


async def test_a_replica_that_is_gone_is_an_error(stage: steps.Stage):
    stage.azure.found = None
    with pytest.raises(errors.AzureError, match="not there"):
        await promote_replica.execute(context(stage))


# What follows.


async def test_a_promoted_server_has_to_take_writes(stage: steps.Stage):
    stage.databases.seen = replace(stage.databases.seen, replica=True)
    assert isinstance(await verify.execute(stage.context("verify", outputs=PROMOTED)), runs.Retry)


async def test_after_the_promotion_the_record_follows_without_asking_again(stage: steps.Stage):
    stage.decided(decisions.Action.STAND_DOWN)
    outcome = await cut_over.execute(stage.context("cut-over", outputs=PROMOTED))
    assert isinstance(outcome, runs.Done)
    assert outcome.output["to"] == steps.FQDN


async def test_a_no_after_the_promotion_keeps_applications_where_they_are(stage: steps.Stage):
    stage.said(runs.Topic.DECLINE)
    outcome = await cut_over.execute(stage.context("cut-over", outputs=PROMOTED))
    assert isinstance(outcome, runs.Wait)
    assert outcome.topic == "approval"
    assert stage.azure.pointed == []


async def test_a_server_that_came_back_since_keeps_its_applications(stage: steps.Stage):
    stage.databases.answered = True
    outcome = await cut_over.execute(stage.context("cut-over", outputs=PROMOTED))
    assert isinstance(outcome, runs.Done)
    assert outcome.output["verdict"] == "not-needed"
    assert stage.azure.pointed == []


@pytest.mark.parametrize(
    ("reached", "state"),
    [
        ({}, copies.State.NONE),
        ({"measure": MEASURED["measure"]}, copies.State.READY),
        ({"measure": MEASURED["measure"], "promote": PROMOTED["promote"]}, copies.State.PROMOTED),
    ],
)
def test_a_replica_is_ready_when_measured_and_the_primary_when_promoted(
    stage: steps.Stage, reached: dict[str, dict[str, object]], state: copies.State
):
    done = {
        id_: runs.StepRecord(id=id_, state=runs.StepState.DONE, started_at=steps.NOW, output=output)
        for id_, output in reached.items()
    }
    assert runs.copy_of(stage.run(), done).state is state
