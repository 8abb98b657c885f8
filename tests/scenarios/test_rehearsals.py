"""A night of one's own, recorded: told server by server, scored, and replayed with another policy."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import Any

import pytest

from responder.core import decisions, rehearsals, scorecards
from responder.flow import recordings, scores, telling
from tests.scenarios import night as nights
from tests.scenarios.conftest import Fall

Action = decisions.Action
TAKES = timedelta(minutes=15)


async def recorded(night: nights.Night) -> tuple[rehearsals.Recording, dict[str, Any]]:
    """The night as a file, read again."""
    outage = await night.store.outages.get(nights.OUTAGE_ID)
    rules = (night.config.policy(), night.config.tolerance())
    document = await recordings.gather(night.store, outage, rules, night.clock.now())
    return recordings.read(json.dumps(document), "here"), document


async def scored(night: nights.Night) -> dict[str, scorecards.Score]:
    outage = await night.store.outages.get(nights.OUTAGE_ID)
    found = await scores.of_outage(night.store, outage, TAKES, night.clock.now())
    return {score.case.name: score for score in found}


async def told(night: nights.Night, name: str = "orders") -> dict[str, Any]:
    outage = await night.store.outages.get(nights.OUTAGE_ID)
    return await telling.story(night.store, outage, name, TAKES, night.clock.now())


def said(steps: Any) -> list[Action]:
    found = [step.action for step in steps]
    return [action for i, action in enumerate(found) if i == 0 or action is not found[i - 1]]


async def the_night(fall: Fall, **changes: Any) -> nights.Night:
    """One that is cut over, one that is undeclared, one that has time; the region comes back after nine hours."""
    estate = (nights.declared("orders"), nights.a_server("wiki"), nights.declared("archive", rto="2d"))
    night = await fall(*estate, **changes)
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"))
    await night.passes_to((await night.decision()).cut_over_at)
    await night.passes("5h")
    await night.region_up()
    await night.tell(status="Resolved")
    await night.passes("2h20m")
    await night.turn()
    return night


@pytest.fixture
async def night(fall: Fall) -> nights.Night:
    return await the_night(fall)


async def test_a_night_is_scored_told_and_replayed(night: nights.Night) -> None:
    """One night, as a night takes its time: every way to look back at it."""
    found = await scored(night)
    assert {name: score.verdict.value for name, score in found.items()} == {
        "orders": "worth-it",
        "wiki": "undeclared",
        "archive": "waited",
    }
    assert (found["orders"].missed, found["orders"].missed_waiting) == (False, True)
    assert found["orders"].down < timedelta(hours=4) < found["orders"].down_waiting

    story = await told(night)
    text = " ".join(line["text"] for line in story["lines"])
    assert [line["at"] for line in story["lines"]] == sorted(line["at"] for line in story["lines"])
    for part in ("did not answer our probe", "Decided to start a copy", "Held the copy", "Step cut-over is done"):
        assert part in text
    assert "The copy is ready. Cutting over loses data" in story["why"]
    assert "Why" in (await told(night, "wiki"))["score"]

    # Every decision of that night is taken again from its own facts.
    policy = dataclasses.replace(night.config.policy(), playbooks=frozenset(night.daemon.parts.playbooks))
    stored = await night.store.history.decided(nights.OUTAGE_ID)
    assert len(stored) >= 10
    for decision, facts in stored:
        assert decisions.decide(facts, policy, decision.at) == decision

    # Under the policy of that night the replay decides what was decided.
    recording, document = await recorded(night)
    assert document["runs"][0]["playbook"]
    again = {one.recorded.name: one for one in rehearsals.rehearse(recording, recording.policy, recording.defaults)}
    for one in recording.servers:
        # A restore that is over at once is never seen under way by the daemon.
        then = [action for action in said([decision for decision, _ in one.decided]) if action is not Action.RESTORING]
        now = [action for action in said(again[one.name].steps) if action is not Action.RESTORING]
        assert now == then, one.name
    assert again["orders"].after.verdict is scorecards.Verdict.WORTH_IT
    assert again["orders"].recorded.restore_took is not None
    assert rehearsals.rehearse(recording, recording.policy, recording.defaults) == list(again.values())

    # With other defaults the undeclared server would have been moved; with another margin, sooner.
    defaults = night.config.model_copy(
        update={"tolerance_defaults": night.config.tolerance_defaults.model_copy(
            update={"rto": timedelta(hours=6), "rpo": timedelta(hours=1), "cutover": "auto"}
        )}
    ).tolerance()  # fmt: skip
    other = {one.recorded.name: one for one in rehearsals.rehearse(recording, recording.policy, defaults)}
    assert other["wiki"].before.verdict is scorecards.Verdict.UNDECLARED
    assert other["wiki"].after.verdict is scorecards.Verdict.WORTH_IT
    assert other["orders"].after == again["orders"].after


async def test_shadow_mode_has_a_scorecard_of_what_it_would_have_done(fall: Fall) -> None:
    night = await fall(nights.declared("orders"), mode="shadow")
    await night.the_region_fails()
    await night.passes_until(lambda: at(night, Action.HOLD), step="10m")
    await night.passes_to((await night.decision()).cut_over_at)
    await night.passes("1h")
    await night.region_up()
    await night.tell(status="Resolved")
    await night.passes("2h20m")
    await night.turn()
    score = (await scored(night))["orders"]
    assert (score.verdict, score.case.course.supposed) == (scorecards.Verdict.WORTH_IT, True)
    assert "would have been cut over" in scorecards.words(score)
    assert "Shadow: nothing was started." in " ".join(line["text"] for line in (await told(night))["lines"])
    assert night.writes() == []


async def at(night: nights.Night, action: Action) -> bool:
    return (await night.decision()).action is action
