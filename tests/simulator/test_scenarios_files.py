"""What a scenario file may say, and what it is told when it may not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from responder.simulator import estates, publisher, scenarios

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


def one_step(step: str) -> str:
    return f"title: One step\nsteps:\n  - {step}\n"


def bulletin(fields: str = "") -> str:
    return f"{{tracking_id: LWT0-4XB, title: Outage, regions: [East US 2]{fields}}}"


def published(fields: str, **landmarks: datetime) -> Any:
    text = one_step("{at: 0, region_down: eastus2}\n") + "  - {at: 0, region_up: eastus2}\n"
    text += f"  - {{at: 0, bulletin: {bulletin(fields)}, channels: [rest]}}\n"
    told = scenarios.parse(text).steps[-1].bulletin
    assert told is not None
    (found,) = told.published(NOW, subscription_ids=("s-1",), landmarks=landmarks)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        pytest.param("-PT2S", NOW - timedelta(seconds=2), id="before it is published"),
        pytest.param("P5DT4H", NOW + timedelta(days=5, hours=4), id="after it is published"),
        pytest.param("-90", NOW - timedelta(seconds=90), id="in seconds"),
        pytest.param("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), id="written out"),
        pytest.param("region_down", NOW - timedelta(minutes=9), id="when the region went down"),
        pytest.param("region_up", NOW - timedelta(minutes=1), id="when the region came back"),
    ],
)
def test_a_moment_is_relative_or_written_out_or_a_landmark(written: str, meant: datetime):
    found = published(
        f", impact_start: {written}",
        region_down=NOW - timedelta(minutes=9),
        region_up=NOW - timedelta(minutes=1),
    )
    assert found.impact_start == meant
    assert found.updated_at == NOW


def test_a_bulletin_without_a_subscription_goes_to_each_one_of_the_estate():
    step = scenarios.parse(one_step(f"{{at: 0, bulletin: {bulletin()}, channels: [rest]}}")).steps[0]
    assert step.bulletin is not None
    told = step.bulletin.published(NOW, subscription_ids=("s-1", "s-2"), landmarks={})
    assert [b.subscription_id for b in told] == ["s-1", "s-2"]
    assert told[0].communication_id == told[1].communication_id


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        pytest.param("{at: 0}", "a step has exactly one of .* this has none", id="nothing happens"),
        pytest.param("{at: 0, region_down: eastus2, end: true}", "exactly one of", id="two things at once"),
        pytest.param("{at: 0, region_down: Eastus9}", "'Eastus9' is not an Azure region", id="no such region"),
        pytest.param("{at: -1, end: true}", "steps.0.at", id="before the start"),
        pytest.param(f"{{at: 0, bulletin: {bulletin()}}}", "both or neither", id="a bulletin for nobody"),
        pytest.param(
            f"{{at: 0, bulletin: {bulletin()}, channels: [fax]}}",
            "'fax' is no channel; use hub:NAME",
            id="no such channel",
        ),
        pytest.param("{at: 0, end: true, times: 2}", "`times` repeats the delivery", id="times of nothing"),
        pytest.param(
            f"{{at: 0, bulletin: {bulletin(', stage: Planned')}, channels: [rest]}}",
            "incident has no stage 'Planned'",
            id="a stage of another kind",
        ),
        pytest.param(
            f"{{at: 0, bulletin: {bulletin(', impact_start: region_down')}, channels: [rest]}}",
            "no step above it has `region_down`",
            id="a landmark that has not been passed",
        ),
        pytest.param(
            f"{{at: 0, bulletin: {bulletin(', colour: red')}, channels: [rest]}}",
            "bulletin.colour: Extra inputs are not permitted; remove it",
            id="an unknown field",
        ),
        pytest.param(
            f"{{at: 0, bulletin: {bulletin(', updated_at: 2026-01-01T00:00:00')}, channels: [rest]}}",
            "timezone",
            id="a time without a zone",
        ),
    ],
)
def test_a_step_that_makes_no_sense_is_refused_with_its_place_and_the_remedy(step: str, complaint: str):
    with pytest.raises(scenarios.ScenarioError, match=complaint) as refusal:
        scenarios.parse(one_step(step), source="mine.yaml")
    assert str(refusal.value).startswith("mine.yaml: ")


def test_steps_stand_in_the_order_in_which_they_happen_and_the_end_is_last():
    with pytest.raises(scenarios.ScenarioError, match=r"steps.1: it happens before the step above"):
        scenarios.parse(one_step("{at: 5, region_down: eastus2}\n  - {at: 4, end: true}"))
    with pytest.raises(scenarios.ScenarioError, match=r"steps.1: nothing happens after the end"):
        scenarios.parse(one_step("{at: 5, end: true}\n  - {at: 6, end: true}"))


def test_a_file_that_is_not_there_and_one_that_is_not_yaml_are_told_apart(tmp_path: Path):
    with pytest.raises(scenarios.ScenarioError, match=r"nothing\.yaml: cannot be read .*give the path"):
        scenarios.load(tmp_path / "nothing.yaml")
    odd = tmp_path / "odd.yaml"
    odd.write_text("{")
    with pytest.raises(scenarios.ScenarioError, match=r"odd\.yaml: not YAML"):
        scenarios.load(odd)


def test_an_unknown_shipped_scenario_is_answered_with_those_there_are():
    with pytest.raises(scenarios.ScenarioError, match=r"choose one of: .*noise.*region-outage"):
        scenarios.load_shipped("doomsday")


@pytest.mark.parametrize("name", ["region-outage", "noise"])
def test_a_shipped_scenario_ends_and_fits_the_small_estate(name: str):
    scenario = scenarios.load_shipped(name)
    estate = estates.load_shipped("small")
    assert scenario.steps[-1].end
    assert scenario.hubs <= {hub.name for hub in estate.hubs}
    channels = {channel for step in scenario.steps for channel in step.channels}
    assert {"hub:health-events", "webhook"} <= channels
    assert all(publisher.check_channel(channel) for channel in channels)


def test_the_shipped_outage_hits_a_region_of_the_small_estate_and_is_resolved_after_its_return():
    steps = scenarios.load_shipped("region-outage").steps
    homes = {server.region for server in estates.load_shipped("small").servers}
    down = next(step for step in steps if step.region_down)
    up = next(step for step in steps if step.region_up)
    assert down.region_down == up.region_up
    assert down.region_down in homes
    told = [step for step in steps if step.bulletin]
    assert len({step.bulletin.tracking_id for step in told if step.bulletin}) == 1
    assert told[-1].bulletin is not None
    assert told[-1].bulletin.status == "Resolved"
    assert down.at < told[0].at < up.at < told[-1].at


def test_the_shipped_noise_takes_no_region_down_and_brings_every_kind_of_message_that_starts_nothing():
    steps = scenarios.load_shipped("noise").steps
    assert not any(step.region_down or step.fault for step in steps)
    told = [step.bulletin for step in steps if step.bulletin]
    assert any(b.synthetic for b in told)
    assert any(b.portal_test for b in told)
    assert {b.kind for b in told} == {"incident", "maintenance", "advisory"}
    assert any(b.stage == "RCA" for b in told)
    assert any("PostgreSQL" not in service for b in told for service in b.services)
    homes = {server.region for server in estates.load_shipped("small").servers}
    elsewhere = [b for b in told if b.regions == ("Japan East",)]
    assert elsewhere
    assert "japaneast" not in homes
