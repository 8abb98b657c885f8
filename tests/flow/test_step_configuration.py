"""`copy_firewall_rules` and `copy_parameters`: only what is missing is written, once, and from what was captured."""

from __future__ import annotations

import pytest

from responder.core import changes, configurations, restores, runs, servers
from responder.steps import copy_firewall_rules, copy_parameters
from tests.flow import steps

COPY = servers.server_id(steps.COPY)
OFFICE = configurations.Rule(name="office", start="10.0.0.1", end="10.0.0.9")
VPN = configurations.Rule(name="vpn", start="10.1.0.1", end="10.1.0.1")
MEMORY = configurations.Parameter(name="work_mem", value="8192")
MANY = configurations.Parameter(name="max_connections", value="400", static=True)


@pytest.fixture
def stage() -> steps.Stage:
    made = steps.Stage()
    made.records.capture = configurations.Captured(
        at=steps.NOW, configuration=configurations.Configuration(rules=(VPN, OFFICE), parameters=(MEMORY, MANY))
    )
    return made


async def test_without_a_capture_there_is_nothing_to_copy_and_nobody_is_asked(stage: steps.Stage):
    stage.records.capture = None
    outcome = await copy_firewall_rules.execute(stage.context("rules"))
    assert isinstance(outcome, runs.Done)
    assert outcome.output["verdict"] == "not-captured"
    assert stage.azure.asked == []


async def test_the_first_missing_rule_is_written_and_its_handle_saved(stage: steps.Stage):
    stage.azure.configured = configurations.Configuration(rules=(VPN,))
    outcome = await copy_firewall_rules.execute(stage.context("rules"))
    assert isinstance(outcome, runs.Wait)
    assert stage.azure.asked == ["configuration", "change", "save"]
    assert stage.azure.changed == [
        changes.FirewallRule(server_id=COPY, name="office", start="10.0.0.1", end="10.0.0.9")
    ]


async def test_a_change_under_way_is_gone_on_with_after_a_restart(stage: steps.Stage):
    await copy_firewall_rules.execute(stage.context("rules"))
    stage.azure.progress = restores.Succeeded()
    outcome = await copy_firewall_rules.execute(stage.context("rules", saved=stage.saved[-1]))
    assert stage.azure.changed[0] == stage.azure.changed[1]
    assert outcome == runs.Wait(until=steps.NOW, topic="operation", saved={"written": 1, "asked": {"office": 1}})


async def test_when_nothing_is_missing_it_is_done(stage: steps.Stage):
    stage.azure.configured = configurations.Configuration(rules=(OFFICE, VPN))
    outcome = await copy_firewall_rules.execute(stage.context("rules", saved={"written": 2}))
    told = "Firewall rules are set."
    assert outcome == runs.Done(output={"verdict": "copied", "told": told, "written": 2, "refused": {}})


@pytest.mark.parametrize("code", ["ServerIsBusy", "Ambiguous"])
async def test_a_busy_copy_is_waited_for_and_that_is_no_failed_attempt(stage: steps.Stage, code: str):
    stage.azure.accepted = steps.azure_error(code, status=409)
    assert isinstance(await copy_firewall_rules.execute(stage.context("rules")), runs.Wait)


async def test_what_azure_refuses_is_left_out_and_named(stage: steps.Stage):
    stage.azure.accepted = steps.azure_error("InvalidParameterValue", status=400)
    outcome = await copy_parameters.execute(stage.context("parameters"))
    assert isinstance(outcome, runs.Wait)
    assert outcome.saved is not None
    assert list(outcome.saved["refused"]) == ["max_connections"]
    stage.azure.configured = configurations.Configuration(parameters=(MEMORY,))
    done = await copy_parameters.execute(stage.context("parameters", saved=outcome.saved))
    assert isinstance(done, runs.Done)
    assert done.output["verdict"] == "incomplete"


async def test_a_parameter_that_counts_after_a_restart_gets_one_when_all_are_set(stage: steps.Stage):
    stage.azure.configured = configurations.Configuration(parameters=(MEMORY,), restart_pending=True)
    await copy_parameters.execute(stage.context("parameters"))
    stage.azure.configured = configurations.Configuration(parameters=(MEMORY, MANY), restart_pending=True)
    await copy_parameters.execute(stage.context("parameters"))
    assert [type(change) for change in stage.azure.changed] == [changes.Parameter, changes.Restart]
    stage.azure.configured = configurations.Configuration(parameters=(MEMORY, MANY))
    assert isinstance(await copy_parameters.execute(stage.context("parameters")), runs.Done)


async def test_a_look_that_gets_no_answer_is_no_failed_attempt(stage: steps.Stage):
    stage.azure.configured = steps.azure_error("TimedOut", retryable=True)
    assert isinstance(await copy_parameters.execute(stage.context("parameters")), runs.Wait)


@pytest.mark.parametrize("shown", [configurations.Configuration(), configurations.Configuration(restart_pending=True)])
async def test_what_azure_takes_and_never_shows_does_not_hold_the_copy_up_for_ever(
    stage: steps.Stage, shown: configurations.Configuration
):
    stage.azure.configured, stage.azure.progress = shown, restores.Succeeded()
    saved: dict[str, object] = {}
    for _ in range(40):
        outcome = await copy_parameters.execute(stage.context("parameters", saved=saved))
        if isinstance(outcome, runs.Done):
            break
        assert isinstance(outcome, runs.Wait)
        saved = dict(stage.saved[-1] if outcome.saved is None else outcome.saved)
    assert isinstance(outcome, runs.Done)
    assert outcome.output["verdict"] == "incomplete"
    assert {"max_connections", "work_mem"} <= outcome.output["refused"].keys()
