"""The console: who gets in, what a browser is told to let through, and that its first page stays small."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import AsyncIterator
from datetime import timedelta
from http import cookies
from importlib import resources
from typing import Any

import aiohttp
import pytest
from structlog import testing

from responder.core import brakes, runs
from responder.flow import overview
from responder.store import sqlite
from responder.web import roles, sessions
from tests.contracts import samples
from tests.web import consoles
from tests.web.consoles import HOSTILE, TOKEN, VIEWER, Site

PAGES = resources.files("responder.web.console") / "pages"
FILES = sorted(file.name for file in PAGES.iterdir())


@pytest.fixture
async def site(store: sqlite.Store) -> AsyncIterator[Site]:
    async with consoles.served(store) as found:
        yield found


def cookie(answer: aiohttp.ClientResponse) -> cookies.Morsel[str]:
    (given,) = cookies.SimpleCookie(answer.headers["Set-Cookie"]).values()
    return given


# getting in


async def test_without_a_login_there_is_no_console_and_no_answer(site: Site):
    answer, text = await site.ask("GET", "/")
    assert (answer.status, answer.headers["Location"], text) == (303, "/login", "")
    assert (await site.ask("GET", "/api/v1/overview"))[0].status == 401
    assert (await site.ask("GET", "/console/session"))[1] == '{"known": false}'


@pytest.mark.parametrize(("token", "name"), [(TOKEN, None), (f" {VIEWER}\n", "wall")])
async def test_a_token_opens_the_console_and_what_get_answers(site: Site, token: str, name: str | None):
    answer, _ = await site.log_in(token)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    given = cookie(answer)
    assert (given["httponly"], given["samesite"], given["path"], given["domain"]) == (True, "Strict", "/", "")
    assert 0 < int(given["max-age"]) <= sessions.LASTS.total_seconds()
    page, text = await site.ask("GET", "/")
    assert (page.status, page.headers["Cache-Control"]) == (200, "no-store")
    assert json.loads((await site.ask("GET", "/api/v1/session"))[1])["name"] == name
    assert (await site.ask("GET", "/api/v1/inventory"))[0].status == 200
    assert token.strip() not in answer.headers["Set-Cookie"] + text


async def test_a_session_looks_and_never_acts(site: Site):
    await site.log_in()
    for path in ("runs", "plans", "freezes", "freezes/lift", "playbooks/reload", "events/reparse", "runs/x/signals"):
        assert (await site.ask("POST", f"/api/v1/{path}", "{}"))[0].status == 401, path
    assert (await site.ask("GET", "/api/v1/runs", Authorization="Bearer wrong"))[0].status == 401
    assert len(await site.store.brakes.standing(samples.NOON)) == 1


@pytest.mark.parametrize(
    "body",
    [{"token": "wrong"}, {"token": ""}, {}, b"\xff\xfe", b"token=%FF", b"&" * 50, {"token": f"{TOKEN}x"}, "token"],
)
async def test_without_a_right_token_nobody_gets_in_and_the_page_says_so(site: Site, body: Any):
    answer, text = await site.ask("POST", "/login", body)
    assert (answer.status, answer.headers.get("Set-Cookie")) == (401, None)
    assert "not a token of this responder" in text
    assert (await site.ask("GET", "/"))[0].status == 303


async def test_a_wrong_token_is_neither_logged_nor_shown_and_a_right_one_leaves_no_trace(site: Site):
    with testing.capture_logs() as logs:
        _, text = await site.log_in("s3cret<script>")
        await site.log_in()
    assert "s3cret" not in text + str(logs)
    assert TOKEN not in str(logs)
    assert [one["event"] for one in logs] == ["console.wrong-token", "console.login"]


async def test_who_guesses_is_slowed_down_and_who_knows_is_not(site: Site):
    seen = [(await site.log_in(f"guess-{i}"))[0] for i in range(12)]
    assert [one.status for one in seen[:10]] == [401] * 10
    assert seen[-1].status == 429
    assert int(seen[-1].headers["Retry-After"]) > 0
    assert (await site.log_in())[0].status == 303


async def test_a_login_is_short_and_comes_from_our_own_page(site: Site):
    assert (await site.ask("POST", "/login", b"token=" + b"x" * 5000))[0].status == 413
    answer, _ = await site.log_in(**{"Sec-Fetch-Site": "cross-site"})
    assert (answer.status, answer.headers.get("Set-Cookie")) == (403, None)


@pytest.mark.parametrize("said", [{"X-Forwarded-Proto": "https"}, {"Origin": "https://responder.example"}])
async def test_where_the_browser_speaks_https_the_cookie_never_goes_without(site: Site, said: dict[str, str]):
    given = cookie((await site.log_in(**said))[0])
    assert (given.key, given["secure"], given["path"], given["domain"]) == ("__Host-responder", True, "/", "")
    sent = {"Cookie": f"__Host-responder={given.value}"}
    assert (await site.ask("GET", "/", **sent))[0].status == 200


async def test_a_logout_ends_the_session_wherever_it_was_copied_to(site: Site):
    given = cookie((await site.log_in())[0])
    answer, _ = await site.ask("POST", "/logout")
    assert (answer.status, answer.headers["Location"], cookie(answer)["max-age"]) == (303, "/login", "0")
    assert (await site.ask("GET", "/", Cookie=f"responder={given.value}"))[0].status == 303


async def test_a_second_login_ends_the_first(site: Site):
    first = cookie((await site.log_in())[0])
    await site.log_in(VIEWER)
    site.session.cookie_jar.clear()
    assert (await site.ask("GET", "/", Cookie=f"responder={first.value}"))[0].status == 303


async def test_where_no_token_is_configured_the_login_says_so(store: sqlite.Store):
    async with consoles.served(store, token=None, tokens=()) as site:
        assert "nobody can log in" in (await site.ask("GET", "/login"))[1]
        for token in ("", "None", TOKEN):
            assert (await site.log_in(token))[0].status == 401


def test_a_session_has_an_end_and_sessions_are_bounded():
    known, caller = sessions.Sessions(timedelta(hours=1), most=3), roles.Caller(name="a", roles=frozenset())
    first = known.open(caller, 0.0)
    assert known.caller(first, 3599.0) is caller
    assert known.caller(first, 3600.0) is None
    others = [known.open(caller, 3600.0 + i) for i in range(4)]
    assert [known.caller(one, 3605.0) is caller for one in others] == [False, True, True, True]
    assert len(known) == 3
    assert known.caller("", 0.0) is known.caller("\udcff", 0.0) is None
    known.close(others[3])
    known.close(others[3])
    assert known.caller(others[3], 3605.0) is None


# what a browser lets through


@pytest.mark.parametrize("name", FILES)
async def test_every_page_and_file_comes_with_a_policy_that_lets_nothing_else_run(site: Site, name: str):
    await site.log_in()
    paths = {"index.html": "/", "login.html": "/login"}
    answer, _ = await site.ask("GET", paths.get(name, f"/console/{name}"))
    assert answer.status == 200
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[f"{kind}-src"] for kind in ("script", "style", "img", "connect")} == {"'self'"}
    assert (policy["frame-ancestors"], policy["base-uri"], policy["form-action"]) == ("'none'", "'none'", "'self'")
    assert policy["require-trusted-types-for"] == "'script'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("name", FILES)
def test_no_file_needs_more_than_the_policy_allows(name: str):
    text = (PAGES / name).read_text(encoding="utf-8")
    if name.endswith(".html"):
        assert not re.search(r"<style|<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=|javascript:", text)
        assert set(re.findall(r'(?:src|href|action)="([^"#]*)', text)) <= {
            "", "/login", "/logout", *(f"/console/{file}" for file in FILES)
        }  # fmt: skip
    if name.endswith(".js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|\.style\b", text
        )
        assert {file.removeprefix("./") for file in re.findall(r'from "([^"]*)"', text)} <= set(FILES)
    if not name.endswith(".svg"):
        assert "//" not in re.sub(r"^\s*//.*|(?<=\s)//\s.*", "", text, flags=re.MULTILINE)  # nothing from elsewhere


async def test_files_are_asked_for_anew_and_sent_only_when_they_have_changed(site: Site):
    answer, _ = await site.ask("GET", "/console/main.js")
    assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (
        "text/javascript; charset=utf-8", "no-cache"
    )  # fmt: skip
    again, text = await site.ask("GET", "/console/main.js", **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status, text) == (304, "")


@pytest.mark.parametrize("name", ["nosuch.js", "index.html", "..%2f__init__.py", "__init__.py", "%00", "a/b"])
async def test_nothing_but_its_files_is_served(site: Site, name: str):
    assert (await site.ask("GET", f"/console/{name}"))[0].status == 404


# what it reads


async def test_hostile_texts_reach_the_browser_as_json_only(site: Site):
    await site.log_in()
    answer, text = await site.ask("GET", "/api/v1/overview")
    assert answer.content_type == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    found = json.loads(text)
    assert found["outages"]["first"][0]["title"] == HOSTILE
    assert found["brakes"]["freezes"][0]["reason"] == HOSTILE
    assert found["brakes"]["runs"][0] | {"at": None} == {
        "run": "wait; $(reboot)", "what": "pause", "by": HOSTILE, "at": None, "reason": HOSTILE, "until": None
    }  # fmt: skip


async def test_a_command_to_copy_does_to_a_shell_what_it_says_and_no_more(site: Site):
    await site.log_in()
    shown = json.loads((await site.ask("GET", "/api/v1/runs/wait;%20$(reboot)"))[1])
    said = {word["topic"]: shlex.split(word["command"]) for word in shown["words"]}
    assert said["resume"] == ["responder", "runs", "resume", "wait; $(reboot)"]
    assert "pause" not in said  # it is


async def test_the_overview_says_first_what_keeps_it_from_acting_and_what_waits_for_people(site: Site):
    await site.log_in()
    found = json.loads((await site.ask("GET", "/api/v1/overview"))[1])
    assert found["hearing"]["state"] == "blind"
    assert found["brakes"]["freezes"][0]["remedy"].startswith("`responder unfreeze")
    (asked,) = found["approvals"]["first"]
    assert (asked["name"], asked["data_loss_s"], asked["to_sign"]) == ("orders", 2400.0, "40m")
    assert asked["yes"].endswith("--accept-loss 40m")
    assert asked["if_nobody"].startswith("it is held")
    (outage,) = found["outages"]["first"]
    assert (outage["actions"], outage["servers_total"]) == ({"ask": 1, "wait": 1}, 2)
    assert (outage["subscriptions_total"], "subscriptions" in outage) == (500, False)
    assert (found["runs"]["total"], found["runs"]["first"][0]["step_number"]) == (2, 1)


async def test_the_overview_tells_which_server_is_not_the_live_one_and_how_that_ends(store: sqlite.Store):
    seen = overview.Overview(store, consoles.config(), [], None)
    assert (await seen.look())[0]["away"] == {"first": [], "total": 0}
    copy = samples.server_id("wiki-geo-1")
    await samples.ends(store, "moved", "cut_over", "wiki", 5, verdict="cut-over", copy=copy)
    seen._until = 0.0  # a moment later
    away = (await seen.look())[0]["away"]
    (one,) = away["first"]
    assert (away["total"], one["server"], one["name"], one["run"]) == (1, "wiki", "wiki-geo-1", "moved")
    assert one["ends_it"] == "responder run failback-done --server wiki"


async def test_however_many_wait_the_overview_has_the_first_few_and_the_count(store: sqlite.Store):
    named = [samples.run(f"r{i}", server=f"s{i}", outage_id=samples.outage().id) for i in range(100)]
    await store.runs.submit_all(named)
    found, _ = await overview.Overview(store, consoles.config(), [], None).look()
    assert (len(found["runs"]["first"]), found["runs"]["total"]) == (overview.FEW, 102)


async def test_whoever_looks_again_at_once_is_given_what_was_read(store: sqlite.Store):
    seen = overview.Overview(store, consoles.config(), [], None)
    first = await seen.look()
    freeze = brakes.Freeze(
        scope=brakes.Scope(kind=brakes.Kind.REGION, name="eastus"), by="b", reason="r", since=first[1]
    )
    await store.brakes.freeze(freeze)
    assert await seen.look() is first
    seen._until = 0.0  # a moment later
    assert [one["scope"] for one in (await seen.look())[0]["brakes"]["freezes"]] == ["all", "region:eastus"]


async def test_what_has_not_changed_is_not_sent_again_and_still_says_of_when_it_is(site: Site):
    await site.log_in()
    for path in ("overview", "runs", "incidents/ABCD-123@eastus?brief=1"):
        answer, _ = await site.ask("GET", f"/api/v1/{path}")
        again, text = await site.ask("GET", f"/api/v1/{path}", **{"If-None-Match": answer.headers["ETag"]})
        assert (again.status, text) == (304, ""), path
        assert again.headers["Responder-As-Of"] >= answer.headers["Responder-As-Of"]
        assert again.headers["Cache-Control"] == "no-store"


async def test_a_screen_is_sent_an_incident_without_the_facts_that_a_record_has(site: Site):
    await site.log_in()
    path = "/api/v1/incidents/ABCD-123@eastus"
    whole, brief = [json.loads((await site.ask("GET", path + query))[1]) for query in ("", "?brief=1&action=ask")]
    assert whole["servers"][0]["decision"]["facts"] is not None
    assert len(whole["subscriptions"]) == 500
    (one,) = brief["servers"]
    assert (one["name"], one["decision"]["facts"], one["decision"]["reasons"][0]["text"]) == ("orders", None, HOSTILE)
    assert (brief["subscriptions"], brief["subscriptions_total"]) == ([], 500)


async def test_runs_going_on_come_by_pages(site: Site):
    await site.log_in()
    page = json.loads((await site.ask("GET", "/api/v1/runs?active=1&limit=1"))[1])
    assert ([run["name"] for run in page["runs"]], page["total"], page["next_offset"]) == (["orders"], 2, 1)
    page = json.loads((await site.ask("GET", "/api/v1/runs?active=1&limit=1&offset=1&waiting_for=nothing"))[1])
    assert ([run["name"] for run in page["runs"]], page["waiting"], page["next_offset"]) == (
        ["billing"], {"nothing": 2}, None
    )  # fmt: skip
    run = await site.store.runs.get(runs.RunId("wait; $(reboot)"))
    assert run is not None
    assert (await site.ask("GET", "/api/v1/runs?active=1&limit=x"))[0].status == 400
