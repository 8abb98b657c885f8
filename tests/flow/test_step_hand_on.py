"""`hand_on_tags` and `take_back`: who is the live server, and that the next outage finds it declared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from responder import playbook_files
from responder import steps as kinds
from responder.core import changes, decisions, playbooks, restores, runs, servers, successions
from responder.steps import cut_over, doors, guard, hand_on_tags, take_back
from tests.core import cases
from tests.flow import steps

RUN = "geo-restore.orders.QX3L-7PG@eastus2"
SENT = {**steps.RESTORED, "cut-over": {"verdict": "cut-over", "copy": steps.COPY}}
TAGS = {
    "outage-rto": "4h",
    "Outage-DNS": "db.contoso.example/orders",
    "outage-owner": "team-orders",
    "outage-target-group": "rg-recovery",
    "outage-run": "a run that made the source",
    "team": "orders",
}
SOURCE = cases.server().id
INSTEAD = {restores.INSTEAD_TAG: SOURCE}
OTHER = successions.Succession(
    server=SOURCE, by=servers.server_id(steps.COPY), run=runs.RunId("other"), since=cases.BEGAN
)  # fmt: skip


@pytest.fixture
def stage() -> steps.Stage:
    made = steps.Stage()
    made.facts = cases.facts(steps.NOW, server=steps.server(tags=TAGS), tolerance=steps.tolerance())
    made.azure.found = steps.found(run=RUN)
    return made


def there(stage: steps.Stage, **tags: str) -> None:
    stage.azure.found = replace(steps.found(run=RUN), tags={**steps.found(run=RUN).tags, **tags})


def outputs(outcome: object) -> dict[str, object]:
    assert isinstance(outcome, runs.Done)
    return dict(outcome.output)


# hand_on_tags


async def test_the_copy_gets_what_it_lacks_of_the_declaration_and_keeps_its_own_tags(stage: steps.Stage):
    there(stage, **{"created-by": "responder", "OUTAGE-OWNER": "team-night", "cost": "7"})
    outcome = await hand_on_tags.execute(stage.context("hand-on", outputs=SENT))
    assert isinstance(outcome, runs.Wait)
    (asked,) = stage.azure.changed
    assert asked == changes.Tags(
        server_id=servers.server_id(steps.COPY),
        tags={
            "outage-run": RUN,
            "created-by": "responder",
            "OUTAGE-OWNER": "team-night",
            "cost": "7",
            "outage-rto": "4h",
            "outage-dns": "db.contoso.example/orders",
            **INSTEAD,
        },
    )


async def test_what_has_all_of_them_is_asked_for_nothing_and_told(stage: steps.Stage):
    there(stage, **{"outage-rto": "8h", "outage-dns": "x/y", "outage-owner": "team-orders"}, **INSTEAD)
    output = outputs(await hand_on_tags.execute(stage.context("hand-on", outputs=SENT)))
    assert stage.azure.changed == []
    assert (output["verdict"], output["kept"]) == ("handed-on", ["outage-dns", "outage-rto"])
    assert output["left_out"] == ["outage-target-group"]
    assert "Set on it otherwise, and kept: outage-dns, outage-rto." in str(output["told"])


async def test_after_a_crash_it_is_looked_at_first(stage: steps.Stage):
    ctx = stage.context("hand-on", outputs=SENT)
    assert isinstance(await hand_on_tags.reconcile(ctx), runs.NotStarted)
    there(stage, **{name.lower(): value for name, value in TAGS.items() if name != "outage-run"}, **INSTEAD)
    assert outputs(await hand_on_tags.execute(ctx))["tags"] == []


async def test_a_change_under_way_is_polled_and_then_the_copy_is_looked_at_again(stage: steps.Stage):
    saved = {"token": "token-3", "copy": steps.COPY, "times": 1, "given": ["outage-rto"]}
    waits = await hand_on_tags.execute(stage.context("hand-on", outputs=SENT, saved=saved))
    assert waits == runs.Wait(until=steps.NOW + steps.POLL, topic="operation")
    stage.azure.progress = restores.Succeeded()
    again = await hand_on_tags.execute(stage.context("hand-on", outputs=SENT, saved=saved))
    assert again == runs.Wait(until=steps.NOW, topic="operation", saved={"times": 1, "given": ["outage-rto"]})
    assert "find" not in stage.azure.asked


@pytest.mark.parametrize("code", ["Ambiguous", "ServerIsBusy", "Conflict"])
async def test_an_answer_that_says_little_is_no_failed_attempt(stage: steps.Stage, code: str):
    stage.azure.accepted = steps.azure_error(code)
    outcome = await hand_on_tags.execute(stage.context("hand-on", outputs=SENT))
    assert isinstance(outcome, runs.Wait)
    assert "token" not in outcome.saved


async def test_what_azure_refuses_for_good_ends_the_step(stage: steps.Stage):
    stage.azure.accepted = steps.azure_error("RequestDisallowedByPolicy", status=403)
    assert isinstance(await hand_on_tags.execute(stage.context("hand-on", outputs=SENT)), runs.Fail)


async def test_tags_that_somebody_takes_away_again_and_again_are_given_up(stage: steps.Stage):
    outcome = await hand_on_tags.execute(stage.context("hand-on", outputs=SENT, saved={"times": 10}))
    assert isinstance(outcome, runs.Fail)
    assert stage.azure.changed == []


@pytest.mark.parametrize(
    ("found", "outputs"),
    [
        (steps.found(run=RUN), steps.RESTORED),
        (steps.found(run=RUN), {**steps.RESTORED, "cut-over": {"verdict": "not-needed"}}),
        (replace(steps.found(run="another"), tags={"created-by": "responder", "outage-run": "another"}), SENT),
        (replace(steps.found(run=RUN), replica=True), SENT),
        (None, SENT),
    ],
    ids=["held", "not needed", "of another run", "a replica still", "gone"],
)
async def test_only_what_applications_were_sent_to_by_this_run_is_changed(stage: steps.Stage, found, outputs):
    stage.azure.found = found
    assert isinstance(await hand_on_tags.execute(stage.context("hand-on", outputs=outputs)), runs.Fail)
    assert stage.azure.changed == []


async def test_the_source_itself_is_never_written_to(stage: steps.Stage):
    stage.azure.found = replace(steps.found(run=RUN), id=SOURCE)
    assert isinstance(await hand_on_tags.execute(stage.context("hand-on", outputs=SENT)), runs.Fail)
    assert stage.azure.changed == []


async def test_the_copy_of_a_rehearsal_gets_no_tags_even_if_a_playbook_says_so(stage: steps.Stage):
    drill = playbook_files.load_all(None, kinds.KINDS)["drill"]
    own = playbooks.Step(id="hand-on", kind="hand_on_tags")
    stage.playbook = replace(drill, steps=(*drill.steps, own))
    assert isinstance(await hand_on_tags.execute(stage.context("hand-on")), runs.Fail)


async def test_a_copy_that_took_its_sources_place_is_a_server_like_others():
    ours = {"created-by": "responder"}
    assert (restores.unused_copy(ours), restores.unused_copy({**ours, **INSTEAD})) == (True, False)
    assert restores.unused_copy({}) is False


# the guard


async def test_nothing_is_cut_over_from_a_server_that_another_run_has_cut_away_from(stage: steps.Stage):
    stage.decided(decisions.Action.CUT_OVER)
    ctx = stage.context("cut-over")
    stage.records.instead = OTHER
    outcome = await guard.obstacle(ctx, cases.BEGAN)
    assert isinstance(outcome, runs.Fail)
    assert "failback-done" in outcome.why
    assert isinstance(await cut_over.execute(ctx), runs.Fail)
    assert stage.azure.pointed == []
    stage.records.instead = replace(OTHER, run=ctx.run.id)
    assert not isinstance(await guard.obstacle(ctx, cases.BEGAN), runs.Fail)


# take_back


def back(stage: steps.Stage) -> doors.Context:
    stage.playbook = playbook_files.load_all(None, kinds.KINDS)["failback-done"]
    return stage.context("take-back", outputs={})


async def test_it_is_taken_back_when_the_record_leads_to_it(stage: steps.Stage):
    stage.records.instead = OTHER
    assert outputs(await take_back.execute(back(stage))) == {
        "verdict": "taken-back", "copy": OTHER.by, "name": "copy",
    }  # fmt: skip
    assert isinstance(await take_back.reconcile(back(stage)), runs.NotStarted)


async def test_it_is_not_taken_back_while_applications_are_sent_elsewhere(stage: steps.Stage):
    stage.records.instead, stage.azure.cname = OTHER, steps.FQDN
    outcome = await take_back.execute(back(stage))
    assert isinstance(outcome, runs.Fail)
    assert steps.FQDN in outcome.why


async def test_without_a_record_nobody_can_tell_and_the_human_is_believed(stage: steps.Stage):
    stage.records.instead, stage.azure.cname, stage.zones = OTHER, steps.FQDN, {}
    assert outputs(await take_back.execute(back(stage)))["verdict"] == "taken-back"


async def test_a_server_that_was_never_cut_away_from_has_nothing_to_take_back(stage: steps.Stage):
    assert outputs(await take_back.execute(back(stage)))["verdict"] == "nothing-to-take-back"
