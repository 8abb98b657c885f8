"""The API: nothing without the token, nothing hostile gets through, and every error is JSON with a stable id."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from responder import settings
from responder.core import decisions, runs
from responder.flow import intake, wakes
from responder.store import sqlite
from responder.web import desk, server
from tests.contracts import samples

TOKEN = "t0ken-t0ken"
PATHS = [
    ("GET", "/api/v1/incidents"),
    ("GET", "/api/v1/incidents/x"),
    ("GET", "/api/v1/inventory"),
    ("GET", "/api/v1/runs"),
    ("GET", "/api/v1/runs/x"),
    ("GET", "/api/v1/approvals"),
    ("GET", "/api/v1/brakes"),
    ("GET", "/api/v1/instances"),
    ("POST", "/api/v1/runs"),
    ("POST", "/api/v1/plans"),
    ("POST", "/api/v1/runs/x/signals"),
]


@dataclass
class Api:
    """A served API over a store."""

    base: str
    store: sqlite.Store
    bells: dict[str, wakes.Wake]
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        data = None if body is None else io.BytesIO(raw)
        known = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"} | headers
        async with self.session.request(method, self.base + path, data=data, headers=known) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> tuple[int, Any]:
        return await self.ask("GET", path)

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        return await self.ask("POST", path, body, **headers)


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    monkeypatch.setenv("API_TOKEN", TOKEN)
    store = await sqlite.open_store(tmp_path / "store.db")
    await store.estate.put_servers([samples.server("orders"), samples.server("billing")])
    bells = {name: wakes.Wake() for name in ("assess", "act")}
    behind = desk.Desk(
        config=settings.Settings(web=settings.Web(port=0, token=settings.Secret(env="API_TOKEN"))),
        store=store,
        intake=intake.Intake(store.intake, bells["assess"]),
        playbooks={samples.PLAYBOOK.name: samples.PLAYBOOK},
        sources=[],
        assess=bells["assess"],
        act=bells["act"],
    )
    async with server.running(behind) as port, aiohttp.ClientSession() as session:
        yield Api(base=f"http://127.0.0.1:{port}", store=store, bells=bells, session=session)
    await store.close()


def rang(bell: wakes.Wake) -> bool:
    return bell._event.is_set()


WANTED = {"playbook": "geo-restore", "server": "orders", "by": "ana@laptop", "params": {"wait": "2"}}


# Who may ask.


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer \xff\xe9"]
)
async def test_without_the_token_nothing_is_answered(api: Api, given: str):
    for method, path in PATHS:
        status, body = await api.ask(method, path, {} if method == "POST" else None, Authorization=given)
        assert (status, body["error"]) == (401, "http.401"), path
        assert TOKEN not in body["message"]


@pytest.mark.parametrize("given", ["", "Bearer ", "Bearer None"])
async def test_without_a_configured_token_nobody_gets_in(tmp_path: Path, given: str):
    store = await sqlite.open_store(tmp_path / "other.db")
    bell = wakes.Wake()
    behind = desk.Desk(
        config=settings.Settings(web=settings.Web(port=0)),
        store=store,
        intake=intake.Intake(store.intake, bell),
        playbooks={},
        sources=[],
        assess=bell,
        act=bell,
    )
    async with (
        server.running(behind) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/api/v1/runs", headers={"Authorization": given}) as answer,
    ):
        assert answer.status == 401
    await store.close()


# Plans.


async def test_a_plan_starts_nothing_and_a_run_by_its_hash_is_exactly_that(api: Api):
    status, plan = await api.post("/api/v1/plans", WANTED)
    assert (status, plan["arguments"], plan["possible"]) == (200, {"wait": 2.0}, True)
    assert [step["id"] for step in plan["steps"]] == ["restore", "verify"]
    assert (await api.get("/api/v1/runs"))[1]["runs"] == []
    status, refused = await api.post("/api/v1/runs", WANTED | {"plan": plan["hash"], "params": {"wait": "3"}})
    assert (status, refused["error"]) == (409, "run.plan-differs")
    assert "the arguments" in refused["message"]
    status, run = await api.post("/api/v1/runs", WANTED | {"plan": plan["hash"]})
    assert (status, run["id"]) == (200, plan["run"])


# Reading.


async def test_the_inventory_and_the_incidents_are_listed(api: Api):
    await api.store.outages.put([samples.outage()])
    status, found = await api.get("/api/v1/inventory")
    assert (status, [row["name"] for row in found["servers"]]) == (200, ["billing", "orders"])
    status, found = await api.get("/api/v1/incidents")
    assert (status, [row["id"] for row in found["incidents"]]) == (200, [samples.outage().id])
    status, found = await api.get(f"/api/v1/incidents/{samples.outage().id}")
    assert (status, found["servers"]) == (200, [])


async def test_an_owner_is_told_why_a_server_waits_in_order_of_weight(api: Api):
    outage = samples.outage()
    await api.store.outages.put([outage])
    await api.store.outages.put_decisions([samples.decided("orders", action=decisions.Action.WAIT)])
    status, found = await api.get(f"/api/v1/incidents/{outage.id}?server=orders")
    decision = samples.decided("orders", action=decisions.Action.WAIT)[0]
    assert status == 200
    assert [one["id"] for one in found["waits"]] == [decision.reasons[0].id]
    assert [one["text"] for one in found["now"]["reasons"]] == [reason.text for reason in decision.reasons]
    _, by_id = await api.get(f"/api/v1/incidents/{outage.id}?server={samples.server_id('orders').upper()}")
    assert (by_id["name"], by_id["lines"]) == ("orders", found["lines"])
    assert (await api.get(f"/api/v1/incidents/{outage.id}?server=nobody"))[0] == 400


async def test_the_open_approvals_are_listed_with_who_may_answer(api: Api):
    assert await api.get("/api/v1/approvals") == (200, {"approvals": [], "more": False})
    outage = samples.outage()
    await api.store.outages.put([outage])
    await api.store.runs.submit(samples.run("r", server="orders", outage_id=outage.id))
    await api.store.outages.put_decisions([samples.decided("orders", action=decisions.Action.ASK)])
    (one,) = (await api.get("/api/v1/approvals?early=1"))[1]["approvals"]
    assert (one["run"], one["name"], one["why"]) == ("r", "orders", "asked")
    assert one["who_may"].startswith("Whoever has the role approver")
    by_hand = replace(samples.run("h", server="billing"), state=runs.State.WAITING, waiting_for="approval")
    await api.store.runs.submit(by_hand)
    (other,) = [one for one in (await api.get("/api/v1/approvals"))[1]["approvals"] if one["run"] == "h"]
    assert other["if_nobody"] in other["sentence"]
    assert other["if_nobody"].startswith("it waits on")


async def test_a_run_is_shown_with_its_steps(api: Api):
    await api.store.runs.submit(samples.run("geo-restore.orders.ABCD-123@eastus", server="orders"))
    status, found = await api.get("/api/v1/runs/geo-restore.orders.ABCD-123@eastus")
    assert (status, [step["id"] for step in found["steps"]]) == (200, ["restore", "verify"])
    status, listed = await api.get("/api/v1/runs")
    assert (status, [run["id"] for run in listed["runs"]]) == (200, [found["id"]])


@pytest.mark.parametrize("id_", ["x", "a%2Fb", "%ED%A0%80", "%00", "x" * 4000, "..%2f..", "'; DROP TABLE runs"])
async def test_what_is_unknown_is_404(api: Api, id_: str):
    for kind in ("runs", "incidents"):
        status, body = await api.get(f"/api/v1/{kind}/{id_}")
        assert (status, body["error"]) == (404, "http.404")


# Starting a run.


async def test_a_run_is_submitted_and_the_stage_is_woken(api: Api):
    status, found = await api.post("/api/v1/runs", WANTED)
    assert (status, found["state"], found["created_by"]) == (200, "ready", "ana@laptop")
    run = await api.store.runs.get(runs.RunId(found["id"]))
    assert run is not None
    assert run.params == {"wait": 2.0}
    assert rang(api.bells["act"])


async def test_a_second_run_of_the_server_is_refused_and_names_the_first(api: Api):
    _, first = await api.post("/api/v1/runs", WANTED)
    status, body = await api.post("/api/v1/runs", WANTED)
    assert (status, body["error"]) == (409, "run.busy")
    assert first["id"] in body["message"]
    assert first["id"] in body["remedy"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"playbook": "nosuch"}, "playbook.unknown"),
        ({"playbook": None}, "playbook.unknown"),
        ({"playbook": {"a": 1}}, "playbook.unknown"),
        ({"server": "nosuch"}, "server.unknown"),
        ({"server": ["orders"]}, "server.unknown"),
        ({"server": "\ud800"}, "server.unknown"),
        ({"params": {"nosuch": 1}}, "playbook.unknown-parameter"),
        ({"params": {"wait": "long"}}, "playbook.bad-value"),
        ({"params": {"wait": {"a": []}}}, "playbook.bad-value"),
        ({"params": 5}, "api.not-an-object"),
        ({"params": ["wait"]}, "api.not-an-object"),
        ({"params": "wait"}, "api.not-an-object"),
    ],
)
async def test_what_cannot_be_started_is_told_and_nothing_is(api: Api, changes: dict[str, Any], error: str):
    status, body = await api.post("/api/v1/runs", WANTED | changes)
    assert (status, body["error"]) == (400, error)
    assert body.keys() == {"error", "message", "remedy", "place"}
    assert await api.store.runs.list() == []
    assert not rang(api.bells["act"])


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b'"text"', b"1", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000, b"NaN", b"1" * 10_000],
    ids=lambda body: repr(body[:8]),
)
@pytest.mark.parametrize("path", ["/api/v1/runs", "/api/v1/runs/x/signals"])
async def test_a_body_that_is_no_object_is_told(api: Api, path: str, body: bytes):
    status, answer = await api.post(path, body)
    assert (status, answer["error"] in ("api.not-json", "api.not-an-object")) == (400, True)


@pytest.mark.parametrize(
    "kind", ["application/json; charset=nonsense", "text/html", "application/json; charset=utf-16"]
)
async def test_a_strange_type_is_told_or_read(api: Api, kind: str):
    status, _ = await api.post("/api/v1/runs", {"playbook": "nosuch"}, **{"Content-Type": kind})
    assert status == 400


async def test_a_body_that_is_too_large_is_refused(api: Api):
    status, body = await api.post("/api/v1/runs", {"reason": "x" * 1_048_576})
    assert (status, body["error"]) == (413, "http.413")


# A word to a run.


@pytest.mark.parametrize("topic", ["approve", "decline", "cancel"])
async def test_a_word_is_kept_and_the_stages_are_woken(api: Api, topic: str):
    await api.store.runs.submit(samples.run("geo-restore.orders.x@y", server="orders"))
    said = {"topic": topic, "by": "ana", "reason": "agreed \ud800", "accept_loss": "40m"}
    status, found = await api.post("/api/v1/runs/geo-restore.orders.x@y/signals", said)
    assert (status, found["id"]) == (200, "geo-restore.orders.x@y")
    (word,) = await api.store.runs.signals(runs.RunId("geo-restore.orders.x@y"))
    assert (word.topic, word.by, word.payload["loss_accepted_s"]) == (topic, "ana", 2400.0)
    assert rang(api.bells["act"])
    assert rang(api.bells["assess"])


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({}, "signal.unknown"),
        ({"topic": "decision"}, "signal.unknown"),  # only we say that
        ({"topic": {"a": 1}}, "signal.unknown"),
        ({"topic": "approve", "accept_loss": "never"}, "duration.unreadable"),
        ({"topic": "approve", "accept_loss": 40}, "duration.unreadable"),
        ({"topic": "approve", "accept_loss": "-1h"}, "duration.unreadable"),
    ],
)
async def test_a_word_that_is_none_is_refused(api: Api, said: dict[str, Any], error: str):
    await api.store.runs.submit(samples.run("r"))
    status, body = await api.post("/api/v1/runs/r/signals", said)
    assert (status, body["error"]) == (400, error)
    assert await api.store.runs.signals(runs.RunId("r")) == []


async def test_a_word_to_no_run_is_refused(api: Api):
    status, body = await api.post("/api/v1/runs/nosuch/signals", {"topic": "cancel"})
    assert (status, body["error"]) == (400, "run.unknown")


async def test_a_word_to_a_run_that_has_ended_is_refused(api: Api):
    await api.store.runs.submit(samples.run("r"))
    claimed = await api.store.runs.claim(samples.at(1))
    assert claimed is not None
    await api.store.runs.write(runs.cancelled(claimed, "enough", samples.NOON), None)
    status, body = await api.post("/api/v1/runs/r/signals", {"topic": "approve"})
    assert (status, body["error"]) == (409, "run.ended")
    status, body = await api.post("/api/v1/runs/r/signals", {"topic": "cancel"})
    assert (status, body["effect"]) == (200, "already")


# Roles.


@pytest.fixture
async def staffed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """An API with a token for each role."""
    tokens = []
    for role in ("viewer", "operator", "approver"):
        monkeypatch.setenv(f"TOKEN_{role}", f"{role}-t0ken")
        secret = settings.Secret(env=f"TOKEN_{role}")
        tokens.append(settings.ApiToken(name=f"the-{role}", roles=(role,), secret=secret))
    store = await sqlite.open_store(tmp_path / "store.db")
    await store.estate.put_servers([samples.server("orders")])
    await store.runs.submit(samples.run("r", server="orders"))
    bells = {name: wakes.Wake() for name in ("assess", "act")}
    behind = desk.Desk(
        config=settings.Settings(web=settings.Web(port=0, tokens=tuple(tokens))),
        store=store,
        intake=intake.Intake(store.intake, bells["assess"]),
        playbooks={},
        sources=[],
        assess=bells["assess"],
        act=bells["act"],
    )
    async with server.running(behind) as port, aiohttp.ClientSession() as session:
        yield Api(base=f"http://127.0.0.1:{port}", store=store, bells=bells, session=session)
    await store.close()


def as_(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {role}-t0ken"}


@pytest.mark.parametrize(
    ("path", "body", "may"),
    [
        ("/api/v1/runs/r/signals", {"topic": "approve"}, {"approver"}),
        ("/api/v1/runs/r/signals", {"topic": "decline"}, {"approver"}),
        ("/api/v1/runs/r/signals", {"topic": "hold"}, {"approver", "operator"}),
        ("/api/v1/runs/r/signals", {"topic": "pause"}, {"operator"}),
        ("/api/v1/runs/r/signals", {"topic": "skip"}, {"operator"}),
        ("/api/v1/freezes", {"reason": "x"}, {"approver", "operator"}),
        ("/api/v1/freezes/lift", {"reason": "x"}, {"operator"}),
    ],
)
async def test_who_may_say_what(staffed: Api, path: str, body: dict[str, Any], may: set[str]):
    allowed = {
        role for role in ("viewer", "operator", "approver") if (await staffed.post(path, body, **as_(role)))[0] == 200
    }
    assert allowed == may


async def test_everybody_with_a_token_may_look(staffed: Api):
    for role in ("viewer", "operator", "approver"):
        status, found = await staffed.ask("GET", "/api/v1/runs/r", **as_(role))
        assert (status, found["id"]) == (200, "r")


async def test_what_a_named_token_says_is_said_by_its_name(staffed: Api):
    await staffed.post("/api/v1/runs/r/signals", {"topic": "approve", "by": "somebody else"}, **as_("approver"))
    (word,) = await staffed.store.runs.signals(runs.RunId("r"))
    assert word.by == "the-approver"


async def test_a_refusal_names_the_role_that_is_lacking(staffed: Api):
    status, body = await staffed.post("/api/v1/runs/r/signals", {"topic": "approve"}, **as_("viewer"))
    assert (status, body["error"]) == (403, "http.403")
    assert "the-viewer may not do that: it takes the role approver" in body["message"]
    last = (await staffed.store.audit.after(0))[-1]
    assert (last.kind, last.actor, last.run) == ("refused", "the-viewer", "r"), "and whoever tried is kept"


async def test_a_page_beyond_every_estate_is_refused(api: Api):
    outage = samples.outage()
    await api.store.outages.put([outage])
    status, said = await api.get(f"/api/v1/incidents/{outage.id}?offset=99999999999999999999999")

    assert (status, said["error"]) == (400, "http.400")


async def test_half_a_character_never_comes_to_the_store(api: Api):
    status, said = await api.post("/api/v1/freezes/lift", b'{"reason": "x", "wave": "\\ud800"}')

    assert (status, said["error"]) == (400, "incident.unknown")


async def test_who_speaks_is_named_in_one_line_that_no_terminal_obeys(api: Api):
    body = {"reason": "x", "region": "westus", "by": "kim\n\u001b[2Jwas here\u0007"}
    _, said = await api.post("/api/v1/freezes", body)
    _, ours = await api.post("/api/v1/freezes", {**body, "by": "res\u0007ponder"})

    assert said["frozen"]["by"] == "kim [2Jwas here"
    assert ours["frozen"]["by"] == "api"
