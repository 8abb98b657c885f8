"""After a night, from its store alone: the scorecard, the story of one server, the export, and its replay."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from responder.core import copies, decisions, outages, servers, silences
from responder.store import sqlite
from tests.cli import terminal
from tests.cli.test_daemon_down import change
from tests.core import cases
from tests.core.cases import at

ID = outages.outage_id("QX3L-7PG", cases.EASTUS2)
OTHER = servers.server_id(cases.server().id.replace("orders", "wiki"))


def decided(hour: float, **changes: Any) -> tuple[decisions.Decision, decisions.Facts]:
    facts = cases.facts(at(hour), server=cases.server(tags=TAGS), shadow=True, **changes)
    return decisions.decide(facts, cases.POLICY, at(hour)), facts


TAGS = {"outage-rto": "12h", "outage-rpo": "1h", "outage-cutover": "auto"}


async def a_night(store: sqlite.Store) -> None:
    """In shadow mode `orders` would have been cut over; the undeclared `wiki` waited; both came back after 20 hours."""
    moved = copies.Copy(state=copies.State.PROMOTED, started_at=at(1), ready_at=at(4))
    steps = [
        decided(1),
        decided(1.1, copy=cases.restoring()),
        decided(4, copy=cases.ready(lacks_minutes=None)),
        decided(11.6, copy=cases.ready(lacks_minutes=None)),
        decided(11.7, copy=moved),
    ]
    undeclared = cases.facts(at(1), server=cases.server(id=OTHER, name="wiki"), tolerance=cases.tolerance(None))
    await store.estate.put_servers([cases.server(tags=TAGS), cases.server(id=OTHER, name="wiki")])
    await store.outages.put([cases.resolved(20, title="PostgreSQL down in East US 2")])
    await store.outages.put_decisions([*steps, (decisions.decide(undeclared, cases.POLICY, at(1)), undeclared)])
    spell = (silences.Silence(since=at(0.1), answered_at=at(-0.1), until=at(20)),)
    await store.history.put_silences(ID, {cases.server().id: spell, OTHER: spell})
    await store.outages.close(ID, at(22))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    change(tmp_path, a_night)
    return terminal.settings_file(tmp_path)


def test_the_scorecard_tells_each_server_and_the_sum(responder: terminal.Responder, config: Path):
    said = responder("scorecard", "--config", config, "--json")
    assert said.code == 0
    assert [(row["name"], row["mode"], row["verdict"]) for row in said.json["rows"]] == [
        ("orders", "shadow", "worth-it"),
        ("wiki", "act", "undeclared"),
    ]
    orders = said.json["rows"][0]
    assert (orders["missed"], orders["missed_waiting"], orders["needless"]) == (False, True, False)
    assert orders["cost_s"] == orders["down_s"] + 12 * 3600
    assert said.json["by_mode"].keys() == {"act", "shadow"}

    shown = responder("scorecard", "--config", config)
    assert "It would have been cut over 11 h 36 m after the impact" in shown.out
    assert "Shadow mode, what would have been done:" in shown.out


@pytest.mark.parametrize(("since", "rows"), [("2026-03-04", 2), ("2026-03-05T00:00:00Z", 0), ("1s", 0)])
def test_the_scorecard_can_begin_later(responder: terminal.Responder, config: Path, since: str, rows: int):
    said = responder("scorecard", "--config", config, "--since", since, "--json")
    assert len(said.json["rows"]) == rows


def test_an_outage_that_is_not_over_is_only_counted(responder: terminal.Responder, config: Path, tmp_path: Path):
    reopens: Callable[[sqlite.Store], Awaitable[Any]] = lambda store: store.outages.put(  # noqa: E731
        [cases.outage(updated_at=at(23))]
    )
    change(tmp_path, reopens)
    said = responder("scorecard", "--config", config, "--json")
    assert (said.json["rows"], said.json["not_over"]) == ([], 1)
    assert len(responder("scorecard", "--all", "--config", config, "--json").json["rows"]) == 2
    assert "Not over, and not counted: 1" in responder("scorecard", "--config", config).out


def test_why_did_mine_wait(responder: terminal.Responder, config: Path):
    shown = responder("incidents", "show", "QX3L", "--server", "wiki", "--config", config)
    assert "Why it waited: No tolerance is declared" in shown.out
    told = responder("incidents", "show", "QX3L", "--server", "orders", "--config", config, "--json").json
    assert "The copy is ready" in told["why"]
    spans = [one["for_s"] for one in told["waits"]]
    assert (spans == sorted(spans, reverse=True), told["waits"][0]["text"] in told["why"]) == (True, True)
    assert told["now"]["reasons"]
    assert [line["at"] for line in told["lines"]] == sorted(line["at"] for line in told["lines"])
    assert {line["kind"] for line in told["lines"]} == {"outage", "probe", "decision"}
    assert any("Would have cut over" in line["text"] for line in told["lines"])
    responder("incidents", "show", "QX3L", "--server", "nosuch", "--config", config).complains("server.unknown")


def test_in_shadow_mode_the_incident_says_that_nothing_was_started(responder: terminal.Responder, config: Path):
    assert "nothing was started" in responder("incidents", "show", "QX3L", "--config", config).out


def test_an_export_is_replayed_with_another_policy(responder: terminal.Responder, config: Path, tmp_path: Path):
    exported = responder("incidents", "export", "QX3L", "--config", config)
    file = tmp_path / "night.json"
    file.write_text(exported.out)

    same = responder("replay", "--incident", file, "--json").json
    assert [row["replayed"]["verdict"] for row in same["rows"]] == ["worth-it", "undeclared"]
    assert responder("replay", "--incident", file, "--json").json == same

    policy = terminal.settings_file(tmp_path, "tolerance_defaults: {rto: 21h, rpo: 2h, cutover: auto}", name="p.yaml")
    other = responder("replay", "--incident", file, "--policy", policy, "--json").json
    assert [row["happened"]["verdict"] for row in other["rows"]] == ["worth-it", "undeclared"]
    assert [row["replayed"]["verdict"] for row in other["rows"]] == ["worth-it", "spared"]
    assert other["happened"]["copies"] + 1 == other["replayed"]["copies"]
    shown = responder("replay", "--incident", file, "--policy", policy)
    assert "What would have:" in shown.out


def test_a_stored_decision_is_taken_again_from_its_facts_without_any_settings(
    responder: terminal.Responder, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("RESPONDER_CONFIG", raising=False)
    shown = responder("incidents", "show", "QX3L", "--config", config, "--json").json
    for server in shown["servers"]:
        file = tmp_path / "facts.json"
        file.write_text(json.dumps(server["decision"]))
        again = responder("decide", "--facts", file, "--json").json
        assert {name: again[name] for name in server["decision"]} == server["decision"]
        assert again["ways"]
        assert again["rule"]["quantile"] == 0.95


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "responder-incident/0"}', "no JSON"])
def test_what_is_no_export_is_refused(responder: terminal.Responder, tmp_path: Path, text: str):
    file = tmp_path / "night.json"
    file.write_text(text)
    responder("replay", "--incident", file).complains("incident.unreadable", str(file))
