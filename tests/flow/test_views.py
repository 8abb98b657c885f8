"""The JSON shapes that others build on: every promised field is there, whatever its value, and is plain JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from responder.core import decisions, runs, tolerances
from responder.flow import views
from responder.store import outages as rows
from responder.store import sqlite
from tests.contracts import samples
from tests.core import cases

DECISION = {
    "server", "playbook", "action", "way", "start_by", "cut_over_at", "review_at", "restore_p50_s", "restore_p90_s",
    "p_meet_rto", "p_meet_rto_waiting", "expected_downtime_s", "expected_downtime_waiting_s", "data_loss_bound_s",
    "consent_needed", "reasons", "facts",
}  # fmt: skip
RUN = {"id", "playbook", "server", "state", "step", "fence", "steps", "waiting_for", "wake_at"}
STEP = {"id", "state", "attempts", "started_at", "ended_at", "output"}


def plain(value: Any) -> Any:
    """What a reader of the JSON gets; raises for what is no JSON."""
    return json.loads(json.dumps(value, allow_nan=False))


def test_a_decision_has_every_promised_field():
    now = cases.at(1)
    facts = cases.facts(now)
    shown = plain(views.of_decision(decisions.decide(facts, cases.POLICY, now), facts))
    assert shown.keys() >= DECISION
    assert {tuple(sorted(reason)) for reason in shown["reasons"]} == {("id", "text")}
    assert shown["facts"]["server"]["name"] == "orders"


def test_a_decision_without_figures_has_them_as_null():
    now = cases.at(1)
    facts = cases.facts(now, tolerance=tolerances.Tolerance(), server=cases.server(geo_backup=False))
    shown = plain(views.of_decision(decisions.decide(facts, cases.POLICY, now), facts))
    assert shown.keys() >= DECISION
    figures = ("way", "start_by", "cut_over_at", "restore_p50_s", "p_meet_rto", "data_loss_bound_s")
    assert {shown[name] for name in figures} == {None}


def test_a_run_has_every_promised_field_and_every_step_in_the_playbooks_order():
    run = samples.run("r")
    shown = plain(views.of_run(run, {"restore": samples.record(output={"verdict": "yes"})}))
    assert shown.keys() >= RUN
    assert [step["id"] for step in shown["steps"]] == ["restore", "verify"]
    assert all(step.keys() >= STEP for step in shown["steps"])
    assert [step["state"] for step in shown["steps"]] == ["begun", "pending"]
    assert shown["steps"][0]["output"] == {"verdict": "yes"}


def test_an_ended_run_has_no_step():
    shown = plain(views.of_run(runs.cancelled(samples.run("r"), "enough", samples.NOON), {}))
    assert (shown["state"], shown["step"], shown["wake_at"], shown["why"]) == ("cancelled", None, None, "enough")


def test_times_are_iso_8601_in_utc():
    assert views.time(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)) == "2026-03-04T05:06:07Z"
    assert views.time(None) is None


def test_spans_are_seconds():
    assert views.seconds(timedelta(minutes=1, microseconds=1)) == 60.0
    assert views.seconds(None) is None


def test_a_server_shows_what_was_declared_and_what_was_wrong_with_it():
    tags = {"outage-rto": "soon", "outage-dns": "db.contoso.example/orders", "outage-owner": "team"}
    server = samples.server("orders", tags=tags)
    shown = plain(views.of_server(server, tolerances.read(tags), samples.health(3)))
    tolerance = shown["tolerance"]
    assert (tolerance["declared"], tolerance["rto_s"], tolerance["dns"]) == (False, None, "db.contoso.example/orders")
    assert "outage-rto" in tolerance["problems"][0]
    assert shown["probe"] == {
        "at": "2026-03-01T12:03:00Z",
        "answered": False,
        "detail": "timed out",
        "said": "",
        "reached_at": {"door": None, "tls": None, "server": None},
    }


def test_a_server_that_was_never_probed_shows_no_probe():
    assert views.of_server(samples.server("a"), tolerances.Tolerance(), None)["probe"] is None


async def test_an_incident_shows_its_servers_with_decision_facts_and_runs(store: sqlite.Store):
    outage = samples.outage()
    await store.outages.put([outage])
    await store.estate.put_servers([samples.server("b"), samples.server("a")])
    await store.outages.put_decisions([samples.decided("b"), samples.decided("a")])
    await store.runs.submit(samples.run("run-a", server="a", outage_id=outage.id))
    shown = plain(await views.incident(store, outage))
    assert [row["name"] for row in shown["servers"]] == ["a", "b"]
    assert [[run["id"] for run in row["runs"]] for row in shown["servers"]] == [["run-a"], []]
    assert all(row["decision"].keys() >= DECISION and row["decision"]["facts"] for row in shown["servers"])


async def test_a_server_that_was_forgotten_still_shows_in_its_incident(store: sqlite.Store):
    await store.outages.put([samples.outage()])
    await store.outages.put_decisions([samples.decided("gone")])
    shown = await views.incident(store, samples.outage())
    assert [row["name"] for row in shown["servers"]] == [samples.server_id("gone")]


async def test_the_incidents_tell_what_could_not_be_read(store: sqlite.Store):
    await store.outages.put([samples.outage("OLD-111"), samples.outage("NEW-222")])
    shown = plain(await views.incidents(store))
    assert {row["tracking_id"] for row in shown["incidents"]} == {"OLD-111", "NEW-222"}
    assert shown["intake"]["quarantined"] == 0


async def test_the_inventory_is_in_order_of_region_and_name(store: sqlite.Store):
    await store.estate.put_servers([samples.server("b"), samples.server("a"), samples.server("z", region="centralus")])
    shown = plain(await views.inventory(store, tolerances.Tolerance()))
    assert [row["name"] for row in shown["servers"]] == ["z", "a", "b"]


async def test_a_zone_that_nobody_configured_is_remarked_upon_while_there_is_time(store: sqlite.Store):
    tags = {"outage-rto": "4h", "outage-dns": "db.contoso.example/a"}
    await store.estate.put_servers([replace(samples.server("a"), tags=tags)])

    (unknown,) = (await views.inventory(store, tolerances.Tolerance(), zones=()))["servers"]
    (known,) = (await views.inventory(store, tolerances.Tolerance(), zones={"db.contoso.example"}))["servers"]

    assert "dns_zones.db.contoso.example" in unknown["tolerance"]["remarks"][0]
    assert unknown["tolerance"]["declared"]
    assert known["tolerance"]["remarks"] == []


def test_a_time_of_another_zone_is_shown_in_utc():
    assert views.time(datetime(2026, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))) == "2026-03-04T03:00:00Z"


async def test_of_many_servers_a_page_is_shown_and_all_are_counted(store: sqlite.Store):
    outage = samples.outage()
    await store.outages.put([outage])
    waiting = [samples.decided(f"w{number}") for number in range(5)]
    starting = [samples.decided(f"s{number}", action=decisions.Action.START) for number in range(2)]
    await store.outages.put_decisions([*waiting, *starting])
    first = plain(await views.incident(store, outage, rows.Page(limit=3)))
    assert [row["name"].rpartition("/")[2] for row in first["servers"]] == ["s0", "s1", "w0"]
    assert (first["servers_total"], first["next_offset"]) == (7, 3)
    assert first["actions"] == {"start-restore": 2, "wait": 5}
    last = await views.incident(store, outage, rows.Page(limit=3, offset=6))
    assert (len(last["servers"]), last["next_offset"]) == (1, None)
    some = await views.incident(store, outage, rows.Page(action="start-restore"))
    assert (len(some["servers"]), some["servers_total"], some["next_offset"]) == (2, 2, None)
