"""`restore`: asked for once; whatever is lost on the way is found again, and nothing that is not ours is touched."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from responder.core import decisions, errors, networks, regions, restores, runs
from responder.steps import restore
from tests.flow import steps

OURS = "geo-restore.orders.QX3L-7PG@eastus2"
TOKEN = {"number": 1, "token": "token-1"}


@pytest.fixture
def stage() -> steps.Stage:
    made = steps.Stage()
    made.decided(decisions.Action.START)
    return made


async def test_the_handle_is_saved_before_anything_else_happens(stage: steps.Stage):
    outcome = await restore.execute(stage.context("restore"))
    assert stage.azure.asked == ["save", "restore", "save"]
    asked_for, saved = stage.saved
    assert asked_for["copy"] == saved["copy"]
    assert "token" not in asked_for
    assert saved["token"] == "token-1"
    assert saved["copy"] == stage.azure.requests[0].target_id
    assert outcome == runs.Wait(until=steps.NOW, topic="operation")


async def test_the_copy_goes_into_the_pair_with_this_runs_tag_and_a_name_of_its_own(stage: steps.Stage):
    await restore.execute(stage.context("restore"))
    (request,) = stage.azure.requests
    assert (request.target_region, request.tags) == ("centralus", {restore.TAG_RUN: OURS})
    assert "/resourcegroups/rg-recovery/" in request.target_id
    assert request.target_id.rpartition("/")[2].startswith("orders-geo-")
    again = steps.Stage()
    again.decided(decisions.Action.START)
    await restore.execute(again.context("restore"))
    assert again.azure.requests[0].target_id == request.target_id


async def test_the_owners_group_goes_before_the_settings(stage: steps.Stage):
    stage.facts = steps.cases.facts(steps.NOW, server=steps.server(), tolerance=steps.tolerance(target_group="theirs"))
    await restore.execute(stage.context("restore"))
    assert "/resourcegroups/theirs/" in stage.azure.requests[0].target_id


@pytest.mark.parametrize("action", [decisions.Action.WAIT, decisions.Action.OBSERVE, decisions.Action.STAND_DOWN])
async def test_a_region_that_came_back_meanwhile_needs_no_copy(stage: steps.Stage, action: decisions.Action):
    stage.decided(action)
    assert await restore.execute(stage.context("restore")) == runs.Done(output={"verdict": "not-needed"})
    assert stage.azure.asked == []


async def test_a_human_asks_no_decision(stage: steps.Stage):
    stage.by, stage.decision = "ana@laptop", None
    await restore.execute(stage.context("restore"))
    assert "restore" in stage.azure.asked


async def test_without_a_group_in_the_pair_it_fails_with_the_setting_to_make(stage: steps.Stage):
    stage.groups = {}
    outcome = await restore.execute(stage.context("restore"))
    assert isinstance(outcome, runs.Fail)
    assert "restore.resource_groups.centralus" in outcome.why
    assert stage.azure.asked == []


# Servers in a virtual network.

NETWORK = networks.Network(
    region=regions.RegionName("centralus"),
    subnet=f"/subscriptions/{steps.cases.SUBSCRIPTION}/resourceGroups/n/providers/Microsoft.Network/virtualNetworks/v"
    "/subnets/s",
    dns_zone="/zone",
)


def private(stage: steps.Stage) -> None:
    stage.facts = steps.cases.facts(steps.NOW, server=steps.server(subnet="/subnets/old"))


async def test_a_private_server_goes_into_the_network_that_was_prepared_and_stays_with_it(stage: steps.Stage):
    private(stage)
    stage.policy = dataclasses.replace(stage.policy, networks={"a": NETWORK})
    await restore.execute(stage.context("restore"))
    assert stage.azure.requests[0].network == NETWORK
    assert stage.saved[0]["network"] == [NETWORK.subnet, NETWORK.dns_zone]
    stage.policy = dataclasses.replace(stage.policy, networks={})  # the settings have changed since
    stage.azure.found = None
    await restore.execute(stage.context("restore", saved=stage.saved[0]))
    assert [request.network for request in stage.azure.requests] == [NETWORK, NETWORK]


async def test_a_private_server_with_no_network_prepared_fails_with_what_to_prepare(stage: steps.Stage):
    private(stage)
    outcome = await restore.execute(stage.context("restore"))
    assert isinstance(outcome, runs.Fail)
    assert "restore.networks" in outcome.why
    assert stage.azure.asked == []


async def test_a_region_without_a_pair_fails(stage: steps.Stage):
    stage.facts = steps.cases.facts(steps.NOW, server=steps.server(region="qatarcentral"))
    outcome = await restore.execute(stage.context("restore"))
    assert isinstance(outcome, runs.Fail)
    assert "no paired region" in outcome.why


@pytest.mark.parametrize("code", ["OfferRestricted", "QuotaExceeded", "TooManyRequests", "Unreachable"])
async def test_a_refusal_is_tried_again_later_without_looking(stage: steps.Stage, code: str):
    stage.azure.restored = steps.azure_error(code, status=400)
    outcome = await restore.execute(stage.context("restore"))
    assert isinstance(outcome, runs.Retry)
    assert outcome.after == steps.RETRY
    assert stage.azure.asked == ["save", "restore"]


@pytest.mark.parametrize("code", ["Ambiguous", "ServerNameAlreadyExists", "Conflict"])
async def test_after_an_answer_that_was_lost_the_copy_is_looked_for_and_adopted(stage: steps.Stage, code: str):
    stage.azure.restored = steps.azure_error(code)
    stage.azure.found = steps.found(run=OURS)
    outcome = await restore.execute(stage.context("restore"))
    assert stage.azure.asked == ["save", "restore", "find"]
    assert isinstance(outcome, runs.Wait)
    assert outcome.saved is not None
    assert outcome.saved["adopted"] is True


async def test_an_ambiguous_write_that_left_nothing_is_tried_again(stage: steps.Stage):
    stage.azure.restored = steps.azure_error("Ambiguous")
    assert isinstance(await restore.execute(stage.context("restore")), runs.Retry)


@pytest.mark.parametrize("tag", [None, "geo-restore.orders.someone-else"])
async def test_a_server_of_that_name_that_is_not_of_this_run_is_left_alone(stage: steps.Stage, tag: str | None):
    stage.azure.restored = steps.azure_error("ServerNameAlreadyExists")
    stage.azure.found = steps.found(run=tag)
    outcome = await restore.execute(stage.context("restore"))
    assert isinstance(outcome, runs.Fail)
    assert "left alone" in outcome.why


async def test_what_was_asked_for_once_is_never_asked_for_again_without_looking(stage: steps.Stage):
    """The answer was lost, and so was the look after it: the next try looks before anything else."""
    stage.azure.restored = steps.azure_error("Ambiguous")
    stage.azure.found = steps.azure_error("Unreachable", retryable=True)
    first = await restore.execute(stage.context("restore"))
    assert isinstance(first, runs.Retry)
    assert first.saved is not None

    stage.azure.asked.clear()
    blind = await restore.execute(stage.context("restore", saved=first.saved))
    assert stage.azure.asked == ["find"]
    assert not isinstance(blind, runs.Done)

    stage.azure.found = steps.found(run=OURS)
    adopted = await restore.execute(stage.context("restore", saved=first.saved))
    assert stage.azure.asked == ["find", "find"]
    assert isinstance(adopted, runs.Wait)


async def test_a_tag_or_setting_that_changes_meanwhile_moves_nothing(stage: steps.Stage):
    await restore.execute(stage.context("restore"))
    intent, handle = stage.saved
    stage.facts = steps.cases.facts(steps.NOW, server=steps.server(), tolerance=steps.tolerance(target_group="other"))
    stage.groups = {}

    await restore.execute(stage.context("restore", saved=handle))

    assert stage.azure.requests[-1].target_id == intent["copy"]


# Going on with an operation.


@pytest.mark.parametrize(("asked", "after"), [(None, steps.POLL), (timedelta(seconds=7), timedelta(seconds=7))])
async def test_an_operation_is_looked_at_again_when_azure_says(
    stage: steps.Stage, asked: timedelta | None, after: timedelta
):
    stage.azure.progress = restores.InProgress(retry_after=asked)
    outcome = await restore.execute(stage.context("restore", saved=TOKEN))
    assert outcome == runs.Wait(until=steps.NOW + after, topic="operation")
    assert stage.azure.asked == ["poll token-1"]


async def test_success_is_believed_when_the_copy_is_there(stage: steps.Stage):
    stage.azure.progress, stage.azure.found = restores.Succeeded(), steps.found()
    outcome = await restore.execute(stage.context("restore", saved=TOKEN))
    assert isinstance(outcome, runs.Done)
    assert (outcome.output["verdict"], outcome.output["fqdn"]) == ("restored", steps.FQDN)


async def test_a_copy_that_is_not_ready_yet_is_waited_for(stage: steps.Stage):
    stage.azure.progress, stage.azure.found = restores.Succeeded(), steps.found(ready=False)
    outcome = await restore.execute(stage.context("restore", saved=TOKEN))
    assert outcome == runs.Wait(until=steps.NOW + steps.POLL, topic="operation")


@pytest.mark.parametrize("state", ["Disabled", "Stopped", "Inaccessible"])
async def test_a_copy_that_will_not_become_ready_by_itself_is_told_and_not_waited_for_for_ever(
    stage: steps.Stage, state: str
):
    stage.azure.progress = restores.Succeeded()
    stage.azure.found = dataclasses.replace(steps.found(ready=False), state=state)
    outcome = await restore.execute(stage.context("restore", saved=TOKEN))
    assert isinstance(outcome, runs.Retry)
    assert state in outcome.why
    assert outcome.saved is None, "its handle is kept"


async def test_a_failed_operation_is_tried_anew_under_another_name(stage: steps.Stage):
    stage.azure.progress = restores.OperationFailed(code="InternalServerError", message="oh")
    outcome = await restore.execute(stage.context("restore", saved=TOKEN))
    assert isinstance(outcome, runs.Retry)
    assert outcome.why.startswith("InternalServerError: oh (look whether /subscriptions/")
    assert outcome.saved == {"number": 2}
    second = steps.Stage()
    second.decided(decisions.Action.START)
    await restore.execute(second.context("restore", saved={"number": 2}))
    assert second.azure.requests[0].target_id != stage.azure.requests[0].target_id


async def test_a_lost_token_falls_back_to_looking_at_the_copy(stage: steps.Stage):
    stage.azure.progress = restores.Lost(why="404")
    outcome = await restore.execute(stage.context("restore", saved=TOKEN))
    assert isinstance(outcome, runs.Wait)
    assert outcome.saved is not None
    stage.azure.found = steps.found()
    done = await restore.execute(stage.context("restore", saved=outcome.saved))
    assert isinstance(done, runs.Done)
    assert "restore" not in stage.azure.asked


async def test_a_look_without_an_answer_is_no_failed_attempt(stage: steps.Stage):
    stage.azure.progress = steps.azure_error("TimedOut", retryable=True)
    assert isinstance(await restore.execute(stage.context("restore", saved=TOKEN)), runs.Wait)
    stage.azure.progress = steps.azure_error("AuthorizationFailed", status=403)
    with pytest.raises(errors.AzureError):
        await restore.execute(stage.context("restore", saved=TOKEN))


# After a crash.


async def test_after_a_crash_a_copy_that_is_there_is_adopted(stage: steps.Stage):
    stage.azure.found = steps.found(run=OURS)
    outcome = await restore.reconcile(stage.context("restore"))
    assert isinstance(outcome, runs.Wait)
    assert stage.azure.asked == ["find"]


async def test_after_a_crash_without_a_copy_nothing_had_begun(stage: steps.Stage):
    assert isinstance(await restore.reconcile(stage.context("restore")), runs.NotStarted)


@pytest.mark.parametrize("saved", [TOKEN, {"number": 1, "adopted": True}])
async def test_after_a_crash_a_saved_handle_is_gone_on_with(stage: steps.Stage, saved: dict[str, object]):
    assert isinstance(await restore.reconcile(stage.context("restore", saved=saved)), runs.NotStarted)
    assert stage.azure.asked == []


async def test_after_a_crash_a_foreign_server_of_that_name_is_left_alone(stage: steps.Stage):
    stage.azure.found = steps.found(run="another")
    assert isinstance(await restore.reconcile(stage.context("restore")), runs.Fail)
