"""`check_tools`, `create_server`, `dump_restore`, `compare_rows`, `plan_failback`: nothing is made on a guess."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from datetime import timedelta

import pytest

from responder import playbook_files
from responder import steps as kinds
from responder.core import changes, dumping, errors, restores, runs, servers
from responder.postgres import counts
from responder.steps import check_tools, compare_rows, create_server, doors, dump_restore, plan_failback
from tests.core import cases
from tests.flow import steps

BOOKS = playbook_files.load_all(None, kinds.KINDS)
NEW = servers.server_id(steps.COPY)
CREATED = {"create": {"verdict": "created", "copy": NEW, "fqdn": steps.FQDN, "region": "eastus2"}}
OLD = "orders.postgres.database.azure.com"


@pytest.fixture
def stage() -> steps.Stage:
    made = steps.Stage()
    made.playbook, made.by, made.facts = BOOKS["migrate-to-geo-redundant"], "ana", None
    return made


async def test_without_the_tools_nothing_is_begun(stage: steps.Stage):
    stage.dumps.found = dumping.Tools(why="There is no pg_dump on the path.")
    assert await check_tools.execute(stage.context("tools", outputs={})) == runs.Fail(
        why="There is no pg_dump on the path."
    )
    assert stage.azure.asked == []


# create_server


async def test_a_new_server_is_written_down_before_it_is_asked_for(stage: steps.Stage):
    outcome = await create_server.execute(stage.context("create", outputs={}))
    assert isinstance(outcome, runs.Wait)
    assert stage.azure.asked == ["save", "change", "save"]
    (asked,) = stage.azure.changed
    assert isinstance(asked, changes.Creation)
    assert asked.server_id == stage.saved[0]["copy"]
    assert "/resourcegroups/shop/" in asked.server_id
    assert asked.server_id.rpartition("/")[2].startswith("orders-new-")
    assert asked.all_tags()[restores.SOURCE_TAG] == steps.server().id


async def test_after_a_lost_answer_it_is_looked_for_and_adopted(stage: steps.Stage):
    stage.azure.accepted = steps.azure_error("Ambiguous")
    first = await create_server.execute(stage.context("create", outputs={}))
    assert isinstance(first, runs.Retry)
    stage.azure.asked.clear()
    stage.azure.found = steps.found(run=stage.run().id)
    done = await create_server.execute(stage.context("create", outputs={}, saved=first.saved))
    assert isinstance(done, runs.Done)
    assert stage.azure.asked == ["find"]


async def test_a_server_of_that_name_that_is_not_of_this_run_is_left_alone(stage: steps.Stage):
    stage.azure.found = steps.found(run="another")
    outcome = await create_server.execute(stage.context("create", outputs={}, saved={"number": 1, "copy": NEW}))
    assert isinstance(outcome, runs.Fail)
    assert "change" not in stage.azure.asked


@pytest.mark.parametrize("progress", [restores.Succeeded(), restores.Lost(why="404")])
async def test_the_server_itself_tells_that_it_is_there(stage: steps.Stage, progress: restores.Progress):
    stage.azure.progress = progress
    saved = {"number": 1, "copy": NEW}
    looked = await create_server.execute(stage.context("create", outputs={}, saved={**saved, "token": "t"}))
    assert looked == runs.Wait(until=steps.NOW, topic="operation", saved=saved)


async def test_a_failed_creation_is_tried_anew_under_another_name(stage: steps.Stage):
    stage.azure.progress = restores.OperationFailed(code="InternalServerError", message="oh")
    saved = {"number": 1, "copy": NEW, "token": "t"}
    outcome = await create_server.execute(stage.context("create", outputs={}, saved=saved))
    assert isinstance(outcome, runs.Retry)
    assert outcome.saved == {"number": 2}


# dump_restore


async def test_databases_are_copied_one_after_the_other_and_each_is_looked_at_again(stage: steps.Stage):
    stage.dumps.names, stage.azure.found = ["app", "crm"], steps.found(run=stage.run().id)
    listed = await dump_restore.execute(stage.context("copy", outputs=CREATED))
    assert isinstance(listed, runs.Wait)
    begun = await dump_restore.execute(stage.context("copy", outputs=CREATED, saved=listed.saved))
    assert isinstance(begun, runs.Wait)
    (job,) = stage.dumps.begun
    assert (job.source, job.target, job.database) == (OLD, steps.FQDN, "app")
    stage.dumps.at = dumping.Progress(ended=True)
    ended = await dump_restore.execute(stage.context("copy", outputs=CREATED, saved=listed.saved))
    assert isinstance(ended, runs.Wait)
    assert ended.saved == {"databases": ["app", "crm"], "done": ["app"]}
    done = await dump_restore.execute(
        stage.context("copy", outputs=CREATED, saved={"databases": ["app"], "done": ["app"]})
    )
    assert done == runs.Done(output={"verdict": "copied", "databases": ["app"]})


async def test_a_server_that_this_run_has_not_made_is_not_written_to(stage: steps.Stage):
    stage.azure.found = steps.found(run="another")
    outcome = await dump_restore.execute(
        stage.context("copy", outputs=CREATED, saved={"databases": ["app"], "done": []})
    )
    assert isinstance(outcome, runs.Fail)
    assert stage.dumps.begun == []


async def test_a_new_server_that_will_not_become_ready_by_itself_is_told(stage: steps.Stage):
    stage.azure.found = dataclasses.replace(steps.found(run=stage.run().id, ready=False), state="Inaccessible")
    outcome = await create_server.execute(stage.context("create", outputs={}, saved={"number": 1, "copy": NEW}))
    assert isinstance(outcome, runs.Retry)
    assert "Inaccessible" in outcome.why


class Lost(Exception):
    """The run may be somebody else's by now."""


def lost(ctx: doors.Context) -> doors.Context:
    """What a process is given that was frozen, while another instance took the run over."""

    def check() -> None:
        raise Lost

    return dataclasses.replace(ctx, check=check)


async def test_whoever_lost_the_run_creates_nothing(stage: steps.Stage):
    with pytest.raises(Lost):
        await create_server.execute(lost(stage.context("create", outputs={})))
    assert stage.azure.changed == []


async def test_whoever_lost_the_run_empties_no_database_that_another_instance_fills(stage: steps.Stage):
    stage.azure.found = steps.found(run=stage.run().id)
    ctx = stage.context("copy", outputs=CREATED, saved={"databases": ["app"], "done": []})
    with pytest.raises(Lost):
        await dump_restore.execute(lost(ctx))
    assert stage.dumps.begun == []


async def test_a_copy_that_fails_is_tried_again(stage: steps.Stage):
    stage.dumps.at = dumping.Progress(ended=True, why="pg_restore ended with status 1")
    outcome = await dump_restore.execute(
        stage.context("copy", outputs=CREATED, saved={"databases": ["app"], "done": []})
    )
    assert isinstance(outcome, runs.Retry)
    assert "pg_restore ended" in outcome.why


# compare_rows


@pytest.mark.parametrize(("here", "verdict"), [(7, "equal"), (6, "differs")])
async def test_rows_are_compared_table_by_table(stage: steps.Stage, here: int, verdict: str):
    stage.databases.counted = {OLD: counts.Counts(rows={"a": 7}), steps.FQDN: counts.Counts(rows={"a": here})}
    outcome = await compare_rows.execute(stage.context("compare", outputs=CREATED))
    assert isinstance(outcome, runs.Done)
    assert outcome.output["verdict"] == verdict


async def test_what_cannot_be_asked_is_not_called_equal(stage: steps.Stage):
    outcome = await compare_rows.execute(stage.context("compare", outputs=CREATED))
    assert isinstance(outcome, runs.Done)
    assert outcome.output["verdict"] == "unknown"


# plan_failback


async def test_the_plan_names_the_rows_that_only_the_old_server_has(stage: steps.Stage):
    stage.playbook = BOOKS["failback-plan"]
    point = cases.BEGAN - timedelta(minutes=1)
    stage.records.used = [doors.InUse(server_id=NEW, run_id="r", at=steps.NOW, recovery_point=point)]
    stage.databases.counted = {OLD: counts.Counts(rows={"orders": 3, "notes": 0}, uncounted=("logs",))}
    outcome = await plan_failback.execute(stage.context("plan", outputs={}))
    assert isinstance(outcome, runs.Done)
    assert (outcome.output["only_there"], outcome.output["tables"]) == (3, {"orders": 3})
    report = outcome.output["report"]
    assert "3 in orders" in report
    assert "Not counted, for want of a time of writing or of time: logs." in report
    assert stage.azure.asked == []


async def test_an_old_server_that_does_not_answer_is_said_and_not_taken_for_empty(stage: steps.Stage):
    stage.playbook = BOOKS["failback-plan"]
    stage.records.used = [doors.InUse(server_id=NEW, run_id="r", at=None, recovery_point=cases.BEGAN)]
    outcome = await plan_failback.execute(stage.context("plan", outputs={}))
    assert isinstance(outcome, runs.Done)
    assert outcome.output["only_there"] is None
    assert "could not be asked" in outcome.output["report"]


async def test_the_login_cannot_be_left_out(stage: steps.Stage):
    stage.azure.accepted = errors.InputError("azure.no-login", "no login is configured")
    with pytest.raises(errors.InputError):
        await create_server.execute(replace(stage.context("create", outputs={})))
