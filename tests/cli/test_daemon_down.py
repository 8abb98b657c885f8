"""Every command while no daemon runs: rows from the store, JSON for programs, one line of trouble."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import os
import re
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from responder import clock
from responder.core import decisions, evidence, outages, playbooks, runs, throttles
from responder.flow import braking, requests
from responder.store import locks, retention, sqlite
from tests.cli import terminal
from tests.contracts import samples
from tests.core import cases

PAYLOADS = Path(__file__).parents[1] / "core" / "payloads"
RUN = "geo-restore.orders.ABCD-123@eastus"


async def _filled(store: sqlite.Store) -> None:
    now = clock.now()
    await store.estate.put_servers(
        [samples.server("orders"), samples.server("odd", tags={"outage-rto": "soon"}), samples.server("new")]
    )
    await store.estate.put_health(
        {samples.server_id("orders"): evidence.observe(evidence.Health(), evidence.Probe(at=now, answered=False))}
    )
    await store.outages.put([dataclasses.replace(samples.outage(), title="PostgreSQL [/] down in East US")])
    await store.outages.put_decisions([samples.decided("orders")])
    await store.runs.submit(samples.run(RUN, server="orders", outage_id=samples.outage().id))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with a server, an outage, a decision and a run in it, and nobody who holds it."""
    change(tmp_path, _filled)
    return tmp_path


@pytest.fixture
def config(folder: Path) -> Path:
    return terminal.settings_file(folder)


def change(folder: Path, work: Callable[[sqlite.Store], Awaitable[Any]]) -> Any:
    async def changed() -> Any:
        store = await sqlite.open_store(folder / "store.db")
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(changed())


# Looking.


def test_inventory(responder: terminal.Responder, config: Path):
    said = responder("inventory", "--config", config, "--json")
    assert (said.code, [row["name"] for row in said.json["servers"]]) == (0, ["new", "odd", "orders"])
    shown = responder("inventory", "--config", config)
    assert shown.code == 0
    assert re.search(r"silent, \d+ s ago", shown.out)  # a busy machine takes its time
    assert "odd: tag outage-rto: 'soon' is not a duration." in shown.err


def test_incidents_list(responder: terminal.Responder, config: Path):
    said = responder("incidents", "list", "--config", config, "--json")
    assert (said.code, [row["id"] for row in said.json["incidents"]]) == (0, ["ABCD-123@eastus"])
    # What Azure wrote is shown as it is, not as markup.
    assert "PostgreSQL [/] down in East US" in responder("incidents", "list", "--config", config).out


@pytest.mark.parametrize("name", ["ABCD-123@eastus", "abcd-123", "AB"])
def test_incidents_show(responder: terminal.Responder, config: Path, name: str):
    said = responder("incidents", "show", name, "--config", config, "--json")
    (row,) = said.json["servers"]
    assert (said.code, row["name"], row["decision"]["action"]) == (0, "orders", "wait")
    assert row["runs"][0]["id"] == RUN
    assert "There is time." in responder("incidents", "show", name, "--config", config).out


def test_runs_list(responder: terminal.Responder, config: Path):
    said = responder("runs", "list", "--config", config, "--json")
    assert (said.code, [row["id"] for row in said.json["runs"]]) == (0, [RUN])


def test_an_id_stays_in_one_piece_in_a_pipe(responder: terminal.Responder, config: Path):
    lines = responder("runs", "list", "--config", config).out.splitlines()
    assert [line for line in lines if RUN in line]


def test_runs_show(responder: terminal.Responder, config: Path):
    said = responder("runs", "show", RUN, "--config", config, "--json")
    assert (said.code, [step["state"] for step in said.json["steps"]]) == (0, ["pending", "pending"])
    assert f"{RUN}  ready" in responder("runs", "show", RUN, "--config", config).out


async def _asked(store: sqlite.Store) -> None:
    decision, facts = samples.decided("orders", action=decisions.Action.ASK)
    decision = dataclasses.replace(decision, consent_needed=True, data_loss_bound=timedelta(minutes=40))
    await store.outages.put_decisions([(decision, facts)])


def test_what_waits_for_a_yes_is_listed_with_its_price_and_what_to_type(
    responder: terminal.Responder, config: Path, folder: Path
):
    assert "Nothing waits for a yes" in responder("approvals", "--config", config).out
    assert responder("approvals", "--config", config, "--json").json == {"approvals": [], "more": False}
    change(folder, _asked)
    (one,) = responder("approvals", "--config", config, "--json").json["approvals"]
    assert (one["run"], one["why"], one["data_loss_s"], one["signatures"]) == (RUN, "asked", 2400.0, 1)
    shown = responder("approvals", "--config", config).out
    assert "Cutting over loses up to 40 m of the newest data" in shown
    assert f"Yes: responder runs approve {RUN} --accept-loss 40m" in shown
    assert f"No:  responder runs decline {RUN}" in shown
    assert responder("runs", "decline", RUN, "--reason", "we wait", "--config", config).code == 0
    assert "Nothing waits for a yes" in responder("approvals", "--early", "--config", config).out


async def _held_back(store: sqlite.Store) -> None:
    now = clock.now()
    await braking.freeze(store, braking.Asked(by="ana", reason="a change", region="westus3"), now)
    for topic, reason in ((runs.Topic.PAUSE, "let me look"), (runs.Topic.HOLD, "")):
        word = requests.Word(topic=topic, by="bob", reason=reason)
        await requests.say(store, RUN, word, now)
    bucket = throttles.Bucket(seen_at=now, remaining=7, blocked_until=now + timedelta(minutes=5))
    await store.throttles.put({("sub-1", throttles.Kind.WRITES): bucket})


def test_all_that_holds_something_back_is_listed_by_one_command(
    responder: terminal.Responder, config: Path, folder: Path
):
    assert responder("brakes", "--config", config).out == "Nothing is held back.\n"
    change(folder, _held_back)
    found = responder("brakes", "--config", config, "--json").json
    assert [one["scope"] for one in found["freezes"]] == ["region:westus3"]
    assert [(one["what"], one["by"], one["reason"]) for one in found["runs"]] == [
        ("pause", "bob", "let me look"), ("hold", "bob", ""),
    ]  # fmt: skip
    (bucket,) = found["azure"]
    assert (bucket["subscription"], bucket["kind"], bucket["told"]) == ("sub-1", "writes", 7)
    shown = responder("brakes", "--config", config).out
    assert "frozen: ana froze West US 3" in shown
    assert f"{RUN}: paused by bob" in shown
    assert "writes left" in shown
    assert "Azure takes more again in" in shown


def test_a_store_that_is_one_file_says_who_holds_it(responder: terminal.Responder, config: Path, folder: Path):
    held = locks.take(folder / "store.db")
    assert f"pid {os.getpid()} on" in responder("instances", "--config", config).out
    held.release()
    assert responder("instances", "--config", config, "--json").json["instances"] == []


def test_the_configuration_may_come_from_the_environment(
    responder: terminal.Responder, config: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RESPONDER_CONFIG", str(config))
    assert responder("runs", "list").code == 0


def test_nothing_to_show_is_said_in_a_sentence(responder: terminal.Responder, tmp_path: Path):
    async def nothing(_: sqlite.Store) -> None: ...

    change(tmp_path, nothing)
    config = terminal.settings_file(tmp_path)
    for command in (["inventory"], ["incidents", "list"], ["runs", "list"], ["runs", "list", "--all"]):
        said = responder(*command, "--config", config)
        assert (said.code, len(said.out.splitlines()), said.out.strip()[-1] in ".?") == (0, 1, True), said


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (["runs", "show", "nosuch"], "run.unknown"),
        (["runs", "cancel", "nosuch"], "run.unknown"),
        (["runs", "approve", RUN, "--accept-loss", "lots"], "duration.unreadable"),
        (["incidents", "show", "nosuch"], "incident.unknown"),
        (["decide", "--server", "nosuch", "--event", PAYLOADS / "common-incident.json"], "server.unknown"),
        (["decide", "--server", "orders", "--event", "nosuch.json"], "events.no-file"),
        (["decide", "--server", "orders", "--event", PAYLOADS / "event-grid-validation.json"], "event.starts-nothing"),
        (
            ["decide", "--server", "orders", "--event", PAYLOADS / "common-incident.json", "--at", "soon"],
            "time.unreadable",
        ),
    ],
    ids=str,
)
def test_what_is_refused_is_one_line_and_in_json_one_object(
    responder: terminal.Responder, config: Path, command: list[str], error: str
):
    responder(*command, "--config", config).complains(error)
    responder(*command, "--config", config, "--json").complains_in_json(error)


def test_an_ambiguous_incident_is_refused(responder: terminal.Responder, folder: Path, config: Path):
    change(folder, lambda store: store.outages.put([samples.outage("ABCD-999")]))
    responder("incidents", "show", "ABCD", "--config", config).complains("incident.ambiguous", "2 incidents")


# The store and the settings are not there, or not right.


EVERY = [["inventory"], ["incidents", "list"], ["incidents", "show", "x"], ["runs", "list"], ["runs", "show", "x"]]


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
def test_without_a_store_they_say_so(responder: terminal.Responder, tmp_path: Path, command: list[str]):
    config = terminal.settings_file(tmp_path)
    responder(*command, "--config", config).complains("store.missing", str(tmp_path / "store.db"), "start the daemon")
    responder(*command, "--config", config, "--json").complains_in_json("store.missing")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["settings.yaml"]


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
def test_wrong_settings_are_told_with_file_and_field(responder: terminal.Responder, tmp_path: Path, command: list[str]):
    config = terminal.settings_file(tmp_path, "web: {prot: 1}")
    responder(*command, "--config", config).complains("settings.invalid", str(config), "web.prot")
    responder(*command, "--config", tmp_path / "nosuch.yaml").complains("settings.unreadable", "nosuch.yaml")


def test_a_store_that_is_no_store_is_told(responder: terminal.Responder, tmp_path: Path):
    (tmp_path / "store.db").write_text("this is no database, however long you look at it" * 100)
    said = responder("inventory", "--config", terminal.settings_file(tmp_path))
    assert (said.code, len(said.err.splitlines()), "store.db" in said.err) == (1, 1, True)


# Words.


@pytest.mark.parametrize("topic", ["approve", "decline", "cancel"])
def test_a_word_is_kept_for_the_run(responder: terminal.Responder, folder: Path, config: Path, topic: str):
    loss = ["--accept-loss", "40m"] if topic == "approve" else []
    said = responder("runs", topic, RUN, "--reason", "agreed", *loss, "--config", config)
    assert said.code == 0
    assert f"{topic} is noted" in said.out
    assert "Nobody carries it out now" in said.out
    (word,) = change(folder, lambda store: store.runs.signals(runs.RunId(RUN)))
    accepted = {"loss_accepted_s": 2400.0} if loss else {}
    assert (word.topic, word.payload) == (topic, {"reason": "agreed", "step": "restore", **accepted})
    assert "@" in word.by
    assert responder("runs", topic, RUN, "--config", config, "--json").json["id"] == RUN


def test_words_are_answered_and_saying_them_again_is_no_mistake(responder: terminal.Responder, config: Path):
    said = responder("runs", "pause", RUN, "--reason", "a change", "--config", config)
    assert (said.code, "pause is noted. Nothing new is begun." in said.out) == (0, True)
    again = responder("runs", "pause", RUN, "--config", config)
    assert (again.code, "nothing to do for pause. It is paused." in again.out) == (0, True)
    shown = responder("runs", "show", RUN, "--config", config)
    assert "paused it at" in shown.out
    assert "a change" in shown.out
    responder("runs", "go-now", RUN, "--config", config).complains("run.paused", "resume")
    assert responder("runs", "resume", RUN, "--config", config).code == 0
    assert responder("runs", "skip", RUN, "--step", "verify", "--config", config).code == 0
    responder("runs", "skip", RUN, "--step", "nosuch", "--config", config).complains("run.no-step", "restore, verify")
    (*_, last) = responder("runs", "show", RUN, "--json", "--config", config).json["signals"]
    assert (last["topic"], last["step"]) == ("skip", "verify")


# The brake.


def test_a_freeze_is_held_shown_and_lifted(responder: terminal.Responder, config: Path):
    at = ("--config", config)
    held = responder("freeze", "--region", "East US", "--reason", "a change", "--for", "2h", *at)
    assert held.code == 0
    for word in ("frozen: ", "froze East US", "until", "a change"):
        assert word in held.out
    (one,) = responder("freeze", "--list", "--json", *at).json["freezes"]
    assert (one["scope"], one["reason"]) == ("region:eastus", "a change")
    (brake,) = responder("runs", "show", RUN, "--json", *at).json["brakes"]
    assert "froze East US" in brake
    assert "responder unfreeze --region eastus" in brake
    (row,) = responder("incidents", "show", "ABCD", "--json", *at).json["servers"]
    assert "froze East US" in row["frozen"]
    assert "Nothing is begun where this holds: " in responder("incidents", "show", "ABCD", *at).out
    planned = responder("playbooks", "plan", "geo-restore", "--server", "new", "--json", *at)
    (why,) = planned.json["held_back"]
    assert "froze East US" in why
    assert "Nothing would be started now: " in responder("run", "drill", "--server", "orders", "--dry-run", *at).out
    nothing = responder("unfreeze", "--reason", "done", *at).out
    assert "Nothing of that scope was frozen. Still frozen:" in nothing
    assert "froze East US" in nothing
    lifted = responder("unfreeze", "--region", "eastus", "--reason", "done", *at)
    assert (lifted.code, lifted.out) == (0, "not frozen any more: East US\n")
    assert responder("freeze", "--list", *at).out == "Nothing is frozen.\n"


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (["freeze"], "brake.no-reason"),
        (["freeze", "--reason", "x", "--region", "nowhere"], "brake.region"),
        (["freeze", "--reason", "x", "--server", "nosuch"], "server.unknown"),
        (["freeze", "--reason", "x", "--region", "eastus", "--server", "orders"], "brake.scopes"),
        (["freeze", "--reason", "x", "--for", "soon"], "duration.unreadable"),
        (["unfreeze"], "brake.no-reason"),
        (["runs", "resume-wave", "nosuch", "--reason", "x"], "incident.unknown"),
    ],
    ids=str,
)
def test_a_brake_that_cannot_be_is_told(responder: terminal.Responder, config: Path, command: list[str], error: str):
    responder(*command, "--config", config).complains(error)


def test_a_wave_that_is_not_halted_is_told(responder: terminal.Responder, config: Path):
    said = responder("runs", "resume-wave", "ABCD-123@eastus", "--reason", "quota raised", "--config", config)
    assert (said.code, said.out) == (0, "That wave is not halted.\n")


# Deciding.


@pytest.fixture
def event(folder: Path) -> Path:
    """East US 2 is down, and a server that lives there."""
    tags = {"outage-rto": "4h", "outage-rpo": "1h", "outage-cutover": "auto"}
    change(folder, lambda store: store.estate.put_servers([cases.server(tags=tags, name="shop", fqdn="shop.example")]))
    file = folder / "event.json"
    impact = [{"ImpactedRegions": [{"RegionName": "East US 2"}], "ServiceName": cases.FLEXIBLE}]
    properties = {
        "incidentType": "Incident",
        "stage": "Active",
        "trackingId": "QX3L-7PG",
        "title": "PostgreSQL - East US 2",
        "impactStartTime": "2026-03-04T04:00:00Z",
        "impactedServices": json.dumps(impact),
    }
    record = {
        "time": "2026-03-04T04:15:00Z",
        "category": "ServiceHealth",
        "level": "Error",
        "resourceId": f"/SUBSCRIPTIONS/{cases.SUBSCRIPTION}",
        "operationName": "Microsoft.ServiceHealth/incident/action",
        "properties": {"eventProperties": properties, **properties},
    }
    file.write_text(json.dumps({"records": [record]}))
    return file


def test_decide_says_what_would_be_done_and_touches_nothing(
    responder: terminal.Responder, folder: Path, config: Path, event: Path
):
    before = (folder / "store.db").read_bytes()
    asked = ["decide", "--server", "shop", "--event", event, "--at", "2026-03-04T06:00:00Z", "--config", config]
    found = responder(*asked, "--json")
    assert found.code == 0, found
    assert (found.json["action"], found.json["playbook"]) == ("start-restore", "geo-restore")
    assert found.json["facts"]["server"]["name"] == "shop"
    shown = responder(*asked)
    assert shown.out.startswith("start-restore  (playbook geo-restore)\n")
    assert (folder / "store.db").read_bytes() == before


def test_decide_shows_every_way_out_and_what_was_believed(responder: terminal.Responder, config: Path, event: Path):
    asked = ["decide", "--server", "shop", "--event", event, "--at", "2026-03-04T06:00:00Z", "--config", config]
    found = responder(*asked, "--json").json
    assert [way["way"] for way in found["ways"] if way["open"]] == ["geo-restore"]
    assert found["evidence"] == "confirmed"
    believed = found["beliefs"]
    assert {"restore", "outage", "blocked", "queue_wait_s", "timing"} <= set(believed)
    assert believed["restore"]["p95_s"] > believed["restore"]["p50_s"] > 0
    shown = responder(*asked).out
    for said in (
        "Ways out, cheapest in data first",
        "P50 2 h, P95 12 h on a calm day, none measured yet; times 1.5 in an outage",
        "the start is planned with",
        "share of outages that last longer",
        "confirm_with_witness",
        "2026-03-04 06:00:00 UTC",
    ):
        assert said in shown


def test_decide_believes_what_rehearsals_have_taught(
    responder: terminal.Responder, folder: Path, config: Path, event: Path
):
    asked = ["decide", "--server", "shop", "--event", event, "--at", "2026-03-04T06:00:00Z", "--config", config]
    before = responder(*asked, "--json").json
    with closing(sqlite3.connect(folder / "store.db")) as rows:
        for number, (kind, minutes, failed) in enumerate((("drill", 30, 0), ("drill", 36, 0), ("real", 50, 0))):
            rows.execute(
                "INSERT INTO restore_samples (run_id, step, attempt, kind, server_id, size_class, source_region,"
                " target_region, requested_at, ended_at, failed) VALUES (?, 'restore', 1, ?, 's', 'middle', 'e', 'c',"
                " '2026-03-01T00:00:00.000000+00:00', ?, ?)",
                (f"r{number}", kind, f"2026-03-01T00:{minutes}:00.000000+00:00", failed),
            )
        rows.commit()
    after = responder(*asked, "--json").json
    restore = after["beliefs"]["restore"]
    assert (restore["samples"], restore["drills"], restore["real"], restore["failed"]) == (3, 2, 1, 0)
    assert restore["planned_s"] < before["beliefs"]["restore"]["planned_s"]
    assert after["start_by"] > before["start_by"]
    assert "2 drills and 1 real restore counted in" in responder(*asked).out
    file = folder / "decision.json"
    file.write_text(json.dumps(before))
    assert responder("decide", "--facts", file, "--config", config, "--json").json["start_by"] == after["start_by"]
    assert responder("decide", "--facts", file, "--json").json["start_by"] == before["start_by"]


def test_a_decision_is_taken_again_from_the_facts_that_were_stored_with_it(
    responder: terminal.Responder, folder: Path, config: Path, event: Path
):
    asked = ["decide", "--server", "shop", "--event", event, "--at", "2026-03-04T06:00:00Z", "--config", config]
    first = responder(*asked, "--json")
    file = folder / "decision.json"
    file.write_text(first.out)
    assert responder("decide", "--facts", file, "--config", config, "--json").json == first.json
    file.write_text(json.dumps(first.json["facts"]))
    later = responder("decide", "--facts", file, "--at", "2026-03-04T05:00:00Z", "--config", config, "--json").json
    assert (later["at"], later["server"]) == ("2026-03-04T05:00:00Z", first.json["server"])
    file.write_text('{"facts": 3}')
    responder("decide", "--facts", file, "--config", config).complains("facts.unreadable")
    assert responder("decide", "--facts", file, "--server", "shop", "--config", config).code == 2


def test_decide_for_a_server_that_answers_is_to_look_on(responder: terminal.Responder, config: Path, event: Path):
    asked = ["decide", "--server", "shop", "--event", event, "--at", "2026-03-04T06:00:00", "--config", config]
    assert responder(*asked, "--answers", "--json").json["action"] == "observe"


def test_an_old_event_decided_for_now_is_said_to_be_old(responder: terminal.Responder, config: Path, event: Path):
    asked = ["decide", "--server", "shop", "--event", event, "--config", config]
    assert "To see what would have been decided then: --at 2026-0" in responder(*asked).err
    assert responder(*asked, "--at", "2026-03-04T06:00:00Z").err == ""


def test_decide_for_a_server_of_another_region_is_refused(responder: terminal.Responder, config: Path, event: Path):
    said = responder("decide", "--server", "orders", "--event", event, "--config", config)
    said.complains("event.other-region", "orders is in East US")


# Reading what Azure said.


def parse(responder: terminal.Responder, *files: object) -> terminal.Said:
    return responder("events", "parse", *files, "--json")


PROMISED = {
    "channel", "tracking_id", "subscription_id", "kind", "status", "stage", "impact_start", "impact_end", "regions",
    "services", "concerns_postgresql", "synthetic", "resource_id", "title", "actionable",
}  # fmt: skip


def test_a_payload_is_shown_in_our_words(responder: terminal.Responder):
    said = parse(responder, PAYLOADS / "common-incident.json")
    (event,) = said.json["events"]
    assert (said.code, event["kind"], event.keys() >= PROMISED) == (0, "incident", True)
    assert said.json["unreadable"] == []
    assert responder("events", "parse", PAYLOADS / "common-incident.json").code == 0


def test_several_files_are_one_answer_and_each_event_names_its_file(responder: terminal.Responder):
    files = [PAYLOADS / "common-incident.json", PAYLOADS / "rest-events.json"]
    found = parse(responder, *files).json["events"]
    assert {event["file"] for event in found} == set(map(str, files))


def test_a_dash_is_standard_input(responder: terminal.Responder, monkeypatch: pytest.MonkeyPatch):
    body = (PAYLOADS / "common-incident.json").read_bytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(body)))
    assert len(parse(responder, "-").json["events"]) == 1


def test_what_cannot_be_read_is_told_and_ends_with_1(responder: terminal.Responder, tmp_path: Path):
    (tmp_path / "bad.json").write_bytes(b"{\xff")
    good = PAYLOADS / "common-incident.json"
    said = parse(responder, good, tmp_path / "bad.json")
    assert (said.code, len(said.json["events"]), len(said.json["unreadable"])) == (1, 1, 1)
    assert said.json["unreadable"][0].keys() >= {"reason", "position"}
    assert "bad.json: at " in responder("events", "parse", tmp_path / "bad.json").err


@pytest.mark.parametrize("name", ["nosuch.json", "."])
def test_a_file_that_is_not_there_is_told(responder: terminal.Responder, tmp_path: Path, name: str):
    responder("events", "parse", tmp_path / name).complains("events.no-file", "Cannot be read")
    parse(responder, tmp_path / name).complains_in_json("events.no-file")


def test_markup_and_escapes_in_a_title_are_text(responder: terminal.Responder, tmp_path: Path):
    text = (PAYLOADS / "rest-event.json").read_text()
    document = json.loads(text)
    document["properties"]["title"] = "[/red] [bold]x[/] \x1b]0;owned\x07"
    (tmp_path / "e.json").write_text(json.dumps(document))
    said = responder("events", "parse", tmp_path / "e.json")
    assert said.code == 0
    assert "[/red] [bold]x[/]" in said.out
    assert "\x1b" not in said.out


# Not the live one, and gone by age.


async def _moved(store: sqlite.Store) -> None:
    await _filled(store)
    await store.outages.put([dataclasses.replace(samples.outage(), status=outages.Status.RESOLVED)])
    run = await store.runs.claim(clock.now(), only=runs.RunId(RUN))
    assert run is not None
    sent = {"verdict": "cut-over", "copy": samples.server_id("orders-geo-1"), "at": samples.NOON.isoformat()}
    done = dataclasses.replace(run, state=runs.State.DONE, step=None, wake_at=None, ended_at=samples.NOON)
    book = dataclasses.replace(run.playbook, steps=(playbooks.Step(id="cut-over", kind="cut_over"),))
    record = samples.record("cut-over", runs.StepState.DONE, output=sent)
    await store.runs.write(dataclasses.replace(done, playbook=book), record, leave=True)
    await store.outages.close(samples.outage().id, samples.NOON)


def test_a_server_that_was_cut_away_from_is_shown_so_and_nothing_may_take_its_place(
    responder: terminal.Responder, tmp_path: Path
):
    change(tmp_path, _moved)
    config = terminal.settings_file(tmp_path)
    told = responder("inventory", "--config", config)
    assert "superseded" in told.out
    assert "orders: orders-geo-1 took the place of orders on 2026-03-01 12:00 UTC" in told.err
    assert "responder run failback-done --server orders" in told.err
    for playbook in ("geo-restore", "promote-replica", "migrate-to-geo-redundant"):
        said = responder("run", playbook, "--server", "orders", "--config", config, "--yes")
        said.complains("server.superseded")
    plan = responder("playbooks", "plan", "failback-done", "--server", "orders", "--config", config)
    assert plan.code == 0, plan


def test_what_went_by_age_says_when_and_who_still_has_it(responder: terminal.Responder, tmp_path: Path):
    async def pruned(store: sqlite.Store) -> None:
        await _moved(store)
        for kind in (retention.Kind.RUNS, retention.Kind.OUTAGES):
            assert await store.retention.delete(kind, clock.now()) == 1

    change(tmp_path, pruned)
    config = terminal.settings_file(tmp_path)
    run = responder("runs", "show", RUN, "--config", config)
    run.complains("run.pruned")
    assert "ended on 2026-03-01 12:00 UTC (done) and was deleted by age" in run.err
    assert f"responder audit export --run {RUN}" in run.err
    outage = responder("incidents", "show", "abcd", "--config", config)
    outage.complains("incident.pruned")
    audit = responder("audit", "export", "--run", RUN, "--config", config)
    assert '"run.ended"' in audit.out
    assert "superseded" in responder("inventory", "--config", config).out
