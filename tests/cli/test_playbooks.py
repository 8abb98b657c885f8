"""`responder playbooks` and `responder run --plan`: without a daemon, without a cloud."""

from __future__ import annotations

import asyncio
import json
import shlex
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
import yaml

from responder.store import sqlite
from tests.cli import terminal
from tests.contracts import samples

ROOT = Path(__file__).parents[2]
GOOD = "title: Ours\npurpose: P\nsteps:\n  - {id: one, do: notify, with: {text: hello}}\n"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with settings, a store with one server, and playbooks of its own."""
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "geo-restore.yaml").write_text(GOOD)
    (tmp_path / "settings.yaml").write_text(
        f"store: {{path: {tmp_path}/store.db}}\nplaybooks: {tmp_path}/books\n"
        "restore: {resource_groups: {westus: rg-copies}}\n"
    )

    async def fill() -> None:
        store = await sqlite.open_store(tmp_path / "store.db")
        await store.estate.put_servers([samples.server("orders", geo_backup=True), samples.server("plain")])
        await store.close()

    asyncio.run(fill())
    return tmp_path


def test_the_list_says_where_each_comes_from_and_what_it_stands_before(responder: terminal.Responder, here: Path):
    said = responder("playbooks", "list", "--json", "--config", str(here / "settings.yaml"))
    found = {row["name"]: row for row in said.json["playbooks"]}
    assert (found["geo-restore"]["title"], found["geo-restore"]["shipped"]) == ("Ours", False)
    assert found["geo-restore"]["shadows"] == [str(ROOT / "playbooks" / "geo-restore.yaml")]
    assert (found["wait-it-out"]["shipped"], found["wait-it-out"]["shadows"]) == (True, [])
    told = responder("playbooks", "list", "--config", str(here / "settings.yaml"))
    assert "instead of the shipped one" in told.out


def test_a_playbook_whose_step_kind_is_switched_off_is_listed_as_unusable(responder: terminal.Responder, here: Path):
    (here / "books" / "ours.yaml").write_text(GOOD.replace("notify", "command").replace("text: hello", "program: /x"))
    said = responder("playbooks", "list", "--json", "--config", str(here / "settings.yaml"))
    (unusable,) = said.json["unusable"]
    assert (unusable["name"], unusable["error"]) == ("ours", "playbook.unusable-step")
    assert "steps.command.programs" in unusable["message"]
    responder("playbooks", "show", "ours", "--config", str(here / "settings.yaml")).complains("playbook.unusable-step")


def test_lint_tells_every_problem_of_every_file_and_fails(responder: terminal.Responder, tmp_path: Path):
    (tmp_path / "bad.yaml").write_text(GOOD.replace("do: notify", "do: notfy").replace("purpose: P\n", ""))
    (tmp_path / "worse.yaml").write_text("title: [")
    (tmp_path / "good.yaml").write_text(GOOD)
    said = responder("playbooks", "lint", str(tmp_path), "--json")
    assert said.code == 1
    assert len(said.json["files"]) == 3
    places = [(p["error"], Path(p["place"].partition(":")[0]).name) for p in said.json["problems"]]
    assert places == [
        ("playbook.missing", "bad.yaml"),
        ("playbook.unknown-step", "bad.yaml"),
        ("playbook.not-yaml", "worse.yaml"),
    ]
    told = responder("playbooks", "lint", str(tmp_path / "bad.yaml"))
    assert "bad.yaml:3:19: There is no step kind 'notfy'. Did you mean notify?" in told.out
    assert responder("playbooks", "lint", str(tmp_path / "good.yaml")).code == 0


def test_the_shipped_playbooks_have_no_problem(responder: terminal.Responder):
    assert responder("playbooks", "lint").code == 0


@pytest.mark.parametrize("path", sorted((ROOT / "playbooks").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_playbook_names_its_schema_and_is_read_aloud(responder: terminal.Responder, path: Path):
    assert path.read_text().startswith("# yaml-language-server: $schema=playbook.schema.json\n")
    told = responder("playbooks", "show", path.stem)
    assert told.code == 0
    assert "What happens, in this order:" in told.out
    assert all(len(line) <= 120 for line in told.out.splitlines())


@pytest.fixture(scope="module")
def schema() -> Any:
    return fastjsonschema.compile(json.loads((ROOT / "playbooks" / "playbook.schema.json").read_text()))


def test_the_shipped_schema_is_that_of_the_step_kinds_there_are(responder: terminal.Responder):
    """Write it anew with: responder playbooks schema > playbooks/playbook.schema.json"""
    assert (
        json.loads((ROOT / "playbooks" / "playbook.schema.json").read_text()) == responder("playbooks", "schema").json
    )


@pytest.mark.parametrize("path", sorted((ROOT / "playbooks").glob("*.yaml")), ids=lambda path: path.stem)
def test_an_editor_that_checks_by_the_schema_has_nothing_against_a_shipped_playbook(schema: Any, path: Path):
    schema(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    "mistake",
    [
        {"paramters": {}},
        {"steps": []},
        {"steps": [{"id": "a", "do": "verfy"}]},
        {"steps": [{"id": "A B", "do": "verify"}]},
        {"steps": [{"id": "a", "do": "verify", "with": {"nosuch": 1}}]},
        {"steps": [{"id": "a", "do": "verify", "retry": {"attempts": 0}}]},
        {"steps": [{"id": "a", "do": "verify", "on_failure": "explode"}]},
    ],
    ids=str,
)
def test_an_editor_that_checks_by_the_schema_marks_what_the_loader_would_refuse(schema: Any, mistake: dict[str, Any]):
    good = {"title": "T", "purpose": "P", "steps": [{"id": "a", "do": "verify"}]}
    schema(good)
    with pytest.raises(fastjsonschema.JsonSchemaException):
        schema(good | mistake)


# Plans.


@pytest.fixture
def plan(responder: terminal.Responder, here: Path) -> Any:
    (here / "books" / "geo-restore.yaml").unlink()

    def make(server: str = "orders", *more: str, book: str = "geo-restore") -> terminal.Said:
        return responder(
            "playbooks", "plan", book, "--server", server, *more, "--json", "--config", f"{here}/settings.yaml"
        )

    return make


def test_a_plan_says_what_is_created_deleted_and_pointed(plan: Any):
    found = plan().json
    steps = {step["id"]: step for step in found["steps"]}
    (copy,) = steps["restore"]["touches"]
    assert copy["verb"] == "creates"
    assert "/resourcegroups/rg-copies/" in copy["what"]
    assert (steps["restore"]["effect"], steps["verify"]["effect"], steps["verify"]["touches"]) == ("once", "read", [])
    assert steps["discard"]["touches"][0]["verb"] == "deletes"
    assert (steps["restore"]["holds"], steps["verify"]["holds"]) == (True, None)
    assert "orders" in steps["tell-ready"]["with"]["subject"]
    assert "${{ name_of(steps.restore.copy) }}" in steps["tell-ready"]["with"]["text"]
    assert found["possible"]


@pytest.mark.parametrize("book", sorted(path.stem for path in (ROOT / "playbooks").glob("*.yaml")))
def test_every_shipped_playbook_tells_beforehand_what_it_touches(plan: Any, book: str):
    said = plan("plain" if book == "migrate-to-geo-redundant" else "orders", book=book)
    assert said.code == 0
    assert [step["id"] for step in said.json["steps"] if step["touches"] is None] == []
    reading = [step for step in said.json["steps"] if step["effect"] == "read"]
    assert [step["id"] for step in reading if step["touches"]] == []


def test_planned_twice_it_is_the_same_plan(plan: Any):
    assert plan().json == plan().json


def test_what_is_required_and_does_not_hold_is_told_and_refused(plan: Any, responder: terminal.Responder, here: Path):
    said = plan("plain")
    assert (said.code, said.json["possible"]) == (1, False)
    assert [r["holds"] for r in said.json["requires"]] == [True, False]
    run = responder("run", "geo-restore", "--server", "plain", "--yes", "--config", f"{here}/settings.yaml")
    run.complains("run.requires", "keeps geo-redundant backups")


def test_what_would_fail_is_told_beforehand(plan: Any, here: Path):
    (here / "settings.yaml").write_text(f"store: {{path: {here}/store.db}}\n")
    assert "No resource group is configured" in plan().json["steps"][0]["obstacle"]


def test_a_run_by_plan_is_refused_when_something_is_different_now(plan: Any, responder: terminal.Responder, here: Path):
    agreed = plan().json["hash"]
    run = ("run", "geo-restore", "--server", "orders", "--yes", "--plan", agreed, "--config", f"{here}/settings.yaml")
    (here / "settings.yaml").write_text(
        f"store: {{path: {here}/store.db}}\nrestore: {{resource_groups: {{westus: other}}}}\n"
    )
    responder(*run).complains("run.plan-differs", "what is created, deleted or pointed")
    (here / "books" / "geo-restore.yaml").write_text(GOOD)
    (here / "settings.yaml").write_text(f"store: {{path: {here}/store.db}}\nplaybooks: {here}/books\n")
    responder(*run).complains("run.plan-differs", "the playbook (now geo-restore")
    responder(*run[:-4], "--plan", "abc", *run[-2:]).complains("run.plan-differs", "not one of this version's")


def test_the_command_that_a_plan_prints_does_exactly_that(responder: terminal.Responder, here: Path):
    more = "parameters: {n: {type: number, default: 5}, f: {type: flag, default: no}, s: {default: it's a b}}\n"
    (here / "books" / "geo-restore.yaml").write_text(GOOD + more)
    config = ("--config", f"{here}/settings.yaml")
    told = responder("playbooks", "plan", "geo-restore", "--server", "orders", *config).out
    line = told.partition("To do exactly this: ")[2].splitlines()[0]
    assert "'s=it'\"'\"'s a b'" in line
    assert responder(*shlex.split(line)[1:], "--yes", *config).code == 0


def test_a_plan_tells_that_the_daemon_has_loaded_another_version(responder: terminal.Responder, here: Path):
    more = ("--server", "orders", "--config", f"{here}/settings.yaml")
    assert responder("run", "geo-restore", "--yes", *more).code == 0, "which has loaded it"
    assert "has loaded another version" not in responder("playbooks", "plan", "geo-restore", *more).out
    (here / "books" / "geo-restore.yaml").write_text(GOOD.replace("hello", "goodbye"))
    assert "has loaded another version" in responder("playbooks", "plan", "geo-restore", *more).out


def test_a_run_by_plan_does_exactly_that(responder: terminal.Responder, here: Path):
    config = f"{here}/settings.yaml"
    plan = responder("playbooks", "plan", "geo-restore", "--server", "orders", "--json", "--config", config).json
    run = ("run", "geo-restore", "--server", "orders", "--yes", "--json", "--config", config, "--plan")
    done = responder(*run, plan["hash"])
    assert (done.code, done.json["id"], done.json["state"]) == (0, plan["run"], "done")
    # It is used up: another run has another name.
    responder(*run[:-4], *run[-3:], plan["hash"]).complains("run.plan-differs", "the run (now")
