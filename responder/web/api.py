"""The API under `/api/v1`: what the command line and the console need of a running daemon.

Without a token nothing is answered. GET takes the console's session instead of one, too; POST never does, so that no
page of somebody else can make a browser act. What GET answers has an ETag: who has it already is told 304.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from aiohttp import web

from responder import clock
from responder.core import controls, durations, errors, outages, runs
from responder.flow import auditing, braking, overview, plans, questions, reading, requests, telling, views, workings
from responder.store import outages as rows
from responder.web import desk, logins, roles

_WORDS = {topic.value: topic for topic in controls.WORDS}

_CALLER = web.RequestKey("caller", roles.Caller)
_AS_OF = web.RequestKey("as_of", datetime)
"""The moment that the answer is of; not set: now."""
_LARGE = 100_000
"""Characters of an answer that are made into bytes and digested on a thread: they hold up nobody."""
_BRAKES = (roles.Role.OPERATOR, roles.Role.APPROVER)
"""Anybody who may do anything may pull the brake; letting it go is the operator's."""

Handler = Callable[[web.Request], Awaitable[views.Json]]


class Api:
    """The handlers; each reads rows or leaves a word, none acts."""

    def __init__(self, behind: desk.Desk, register: roles.Register, doors: logins.Logins) -> None:
        self._desk = behind
        self._store = behind.store
        self._register = register
        self._logins = doors
        self._overview = overview.Overview(behind.store, behind.config, behind.sources, behind.shelf)

    def mount(self, app: web.Application) -> None:
        """Add every route."""
        app.router.add_get("/api/v1/session", self._guarded(self.session))
        app.router.add_get("/api/v1/overview", self._guarded(self.overview))
        app.router.add_get("/api/v1/incidents", self._guarded(self.incidents))
        app.router.add_get("/api/v1/incidents/{id:.+}", self._guarded(self.incident))
        app.router.add_post("/api/v1/events/reparse", self._guarded(self.reparse, roles.Role.OPERATOR))
        app.router.add_get("/api/v1/inventory", self._guarded(self.inventory))
        app.router.add_get("/api/v1/approvals", self._guarded(self.approvals))
        app.router.add_get("/api/v1/runs", self._guarded(self.runs))
        app.router.add_post("/api/v1/plans", self._guarded(self.plan))
        app.router.add_post("/api/v1/runs", self._guarded(self.submit, roles.Role.OPERATOR))
        app.router.add_get("/api/v1/playbooks", self._guarded(self.playbooks))
        app.router.add_post("/api/v1/playbooks/reload", self._guarded(self.reload, roles.Role.OPERATOR))
        app.router.add_get("/api/v1/brakes", self._guarded(self.brakes))
        app.router.add_get("/api/v1/instances", self._guarded(self.instances))
        app.router.add_get("/api/v1/freezes", self._guarded(self.freezes))
        app.router.add_post("/api/v1/freezes", self._guarded(self.freeze, *_BRAKES))
        app.router.add_post("/api/v1/freezes/lift", self._guarded(self.lift, roles.Role.OPERATOR))
        app.router.add_post("/api/v1/runs/{id:.+}/signals", self._guarded(self.signal))
        app.router.add_get("/api/v1/runs/{id:.+}", self._guarded(self.run))

    def _guarded(self, handler: Handler, *wanted: roles.Role) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def guarded(request: web.Request) -> web.Response:
            caller = self._caller(request)
            request[_CALLER] = caller
            if request.method not in ("GET", "HEAD") and wanted:
                await self._must(request, request.path, wanted)
            found = await handler(request)
            return await _answered(request, found) if request.method in ("GET", "HEAD") else web.json_response(found)

        return guarded

    async def _must(
        self, request: web.Request, asked: str, wanted: Sequence[roles.Role], run: str | None = None
    ) -> None:
        """Refuse who has none of these roles, and keep who that was."""
        caller = request[_CALLER]
        try:
            caller.must(*wanted)
        except web.HTTPForbidden as refused:
            why = auditing.Refusal(by=caller.name or "api", asked=asked, why=refused.reason, run=run)
            await auditing.note_refusal(self._store, why)
            raise

    def _caller(self, request: web.Request) -> roles.Caller:
        """By the bearer token; to look, also by the console's session."""
        if request.method in ("GET", "HEAD") and "Authorization" not in request.headers:
            found = self._logins.caller(request)
            if found is not None:
                return found
        return self._register.caller(request)

    async def session(self, request: web.Request) -> views.Json:
        """Who asks, and what they may do."""
        caller = request[_CALLER]
        return {"name": caller.name, "roles": sorted(caller.roles)}

    async def overview(self, request: web.Request) -> views.Json:
        """What somebody who is woken must see at once: brakes, approvals, outages, runs, ears; a few of each,
        and how many there are."""
        found, request[_AS_OF] = await self._overview.look()
        return found

    async def incidents(self, _: web.Request) -> views.Json:
        """Every outage known."""
        return await views.incidents(self._store)

    async def incident(self, request: web.Request) -> views.Json:
        """One outage with a page of its servers: `?limit=500&offset=0&action=start-restore`; with `?brief=1` without
        the facts. With `?server=NAME` the story of that one: why it waited, in order of weight, and what was seen,
        decided, done and said."""
        outage = await self._store.outages.get(outages.OutageId(request.match_info["id"]))
        if outage is None:
            raise web.HTTPNotFound(reason="There is no such incident.")
        server = request.query.get("server")
        if server is not None:
            takes = self._desk.config.policy().timing.cutover
            return await telling.story(self._store, outage, server, takes, clock.now())
        return await views.incident(self._store, outage, _page(request), brief=_flag(request, "brief"))

    async def inventory(self, _: web.Request) -> views.Json:
        """The estate."""
        config = self._desk.config
        return await views.inventory(self._store, config.tolerance(), config.dns_zones)

    async def approvals(self, request: web.Request) -> views.Json:
        """Every approval that is open, the most urgent first; with `?early=1` also what is not due yet."""
        rules = questions.rules(self._desk.config)
        found = await questions.find(self._store, rules, clock.now(), early=_flag(request, "early"))
        return questions.as_json(found, rules)

    async def runs(self, request: web.Request) -> views.Json:
        """The newest runs; with `?active=1` those that have not ended, who needs somebody first, by pages:
        `&limit=50&offset=0&waiting_for=approval` (`total` counts all of them)."""
        if not _flag(request, "active"):
            return {"runs": [views.of_run(run) for run in await self._store.runs.list(limit=200)]}
        page, waits = _page(request), request.query.get("waiting_for") or None
        found = await self._store.runs.going_on(page.limit, page.offset, waits=waits)
        counts = await self._store.brakes.waiting()
        total = counts.get(waits, 0) if waits is not None else sum(counts.values())
        following = page.offset + page.limit
        return {
            "runs": [views.of_run_briefly(run) for run in found],
            "total": total,
            "waiting": counts,
            "next_offset": following if following < total else None,
        }

    async def run(self, request: web.Request) -> views.Json:
        """One run with its steps."""
        run = await self._store.runs.get(runs.RunId(request.match_info["id"]))
        if run is None:
            pruned = await self._store.pruning.run(request.match_info["id"])
            raise web.HTTPNotFound(reason=pruned.sentence("run") if pruned else "There is no such run.")
        return await views.run(self._store, run)

    async def playbooks(self, _: web.Request) -> views.Json:
        """The playbooks that new runs start from, by name, with their version."""
        return {"playbooks": {name: book.version for name, book in sorted(self._desk.playbooks.items())}}

    async def reload(self, request: web.Request) -> views.Json:
        """Load the playbooks anew: `{"by"}`. With a mistake in one of them, none is, and those loaded before stay."""
        body = await _object(request)
        if self._desk.shelf is None:
            raise web.HTTPServiceUnavailable(reason="Playbooks cannot be loaded anew here.")
        changed = await self._desk.shelf.reload(request[_CALLER].person(body.get("by")))
        self._desk.assess.ring()
        return {**await self.playbooks(request), "changed": changed}

    async def brakes(self, _: web.Request) -> views.Json:
        """Everything that keeps something from beginning: freezes, pauses, caps, cooldowns, Azure's budgets."""
        return await workings.braked(self._store, self._desk.config.brakes.policy(), clock.now())

    async def instances(self, _: web.Request) -> views.Json:
        """Who shares the store."""
        return await workings.sharing(self._store, clock.now())

    async def freezes(self, _: web.Request) -> views.Json:
        """Every brake that is held."""
        return views.of_freezes(await self._store.brakes.standing(clock.now()))

    async def freeze(self, request: web.Request) -> views.Json:
        """Hold a brake: `{"by", "reason", "region" or "server" or neither, "for": "2h"}`."""
        held = await braking.freeze(self._store, _braked(request, await _object(request)), clock.now())
        self._desk.act.ring()
        standing = await self._store.brakes.standing(clock.now())
        return {**views.of_freezes(standing), "frozen": views.of_freeze(held)}

    async def lift(self, request: web.Request) -> views.Json:
        """Let a brake go: `{"by", "reason", "region" or "server" or "wave" or none}`."""
        lifted = await braking.lift(self._store, _braked(request, await _object(request)), clock.now())
        self._desk.act.ring()
        self._desk.assess.ring()
        standing = await self._store.brakes.standing(clock.now())
        return {"lifted": [views.of_freeze(one) for one in lifted], **views.of_freezes(standing)}

    async def plan(self, request: web.Request) -> views.Json:
        """What a run by hand would do: `{"playbook", "server", "by", "params"}`. Starts nothing."""
        planner, now = self._planner(), clock.now()
        run, plan = await planner.plan(_asked(request, await _object(request)), now)
        return {**plans.as_json(plan), "held_back": await planner.held_back(run, now)}

    async def submit(self, request: web.Request) -> views.Json:
        """Start a playbook by hand: `{"playbook", "server", "by", "params", "plan"}`.

        With the hash of a plan, exactly that is started, or nothing.
        """
        body = await _object(request)
        agreed = body.get("plan")
        run = await self._planner().agreed(
            _asked(request, body), clock.now(), str(agreed) if agreed is not None else None
        )
        await requests.submit(self._store, run)
        self._desk.act.ring()
        return views.of_run(run)

    def _planner(self) -> plans.Planner:
        config = self._desk.config
        return plans.Planner(
            store=self._store,
            books=self._desk.playbooks,
            config=config,
            registry=self._desk.registry,
        )

    async def reparse(self, request: web.Request) -> views.Json:
        """Read arrivals in the quarantine again: `{"ids": ["q1", ...]}` or `{"all": true}`."""
        body = await _object(request)
        ids = body.get("ids") or []
        named = isinstance(ids, list) and all(isinstance(id_, str) for id_ in ids)
        if not named or bool(ids) == (body.get("all") is True):
            raise errors.InputError(
                "events.which", "It is not said what to read again.", remedy='Send {"ids": ["q1"]} or {"all": true}.'
            )
        answer = await reading.again(self._store, ids)
        self._desk.assess.ring()
        return answer

    async def signal(self, request: web.Request) -> views.Json:
        """Leave a word: `{"topic", "by", "reason", "accept_loss", "step", "for", "key"}`; see `core.controls`."""
        body = await _object(request)
        topic = _WORDS.get(str(body.get("topic", "")))
        if topic is None:
            raise errors.InputError("signal.unknown", "There is no such topic.", remedy=f"Use {', '.join(_WORDS)}.")
        await self._must(request, topic, roles.OF_WORDS[topic], request.match_info["id"])
        loss, lasts = body.get("accept_loss"), body.get("for")
        word = requests.Word(
            topic=topic,
            by=request[_CALLER].person(body.get("by")),
            reason=str(body.get("reason") or ""),
            accept_loss=durations.parse(str(loss), place="accept_loss") if loss else None,
            step=str(body.get("step") or ""),
            lasts=durations.parse(str(lasts), place="for") if lasts else None,
            key=str(body["key"])[:200] if body.get("key") else None,
        )
        noted = await requests.say(
            self._store, request.match_info["id"], word, clock.now(), self._desk.config.approvals_policy()
        )
        self._desk.act.ring()
        self._desk.assess.ring()
        return views.of_noted(noted)


def _page(request: web.Request) -> rows.Page:
    """Which servers of an incident are asked for."""
    asked = request.query
    try:
        limit, offset = int(asked.get("limit", 500)), int(asked.get("offset", 0))
    except ValueError as error:
        raise web.HTTPBadRequest(reason="limit and offset are whole numbers.") from error
    if not 0 < limit <= 5000 or not 0 <= offset <= 1_000_000:
        raise web.HTTPBadRequest(reason="limit is 1 to 5000, offset 0 to 1000000.")
    return rows.Page(limit=limit, offset=offset, action=asked.get("action") or None)


def mount(app: web.Application, behind: desk.Desk, register: roles.Register, doors: logins.Logins) -> None:
    """Add the API to the application."""
    Api(behind, register, doors).mount(app)


async def _answered(request: web.Request, found: views.Json) -> web.Response:
    """What was found, or 304 for whoever has it. `Responder-As-Of` says in both cases of which moment it is: a body
    that is as it was is not an old one."""
    as_of = request.get(_AS_OF) or clock.now()
    text = json.dumps(found)
    body, tag = await asyncio.to_thread(_tagged, text) if len(text) > _LARGE else _tagged(text)
    headers = {
        "ETag": tag,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Responder-As-Of": str(views.time(as_of)),
    }
    known = [one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")]
    if tag in known:
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", charset="utf-8", headers=headers)


def _tagged(text: str) -> tuple[bytes, str]:
    body = text.encode()
    return body, f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def _flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "") not in ("", "0", "false")


def _braked(request: web.Request, body: dict[str, Any]) -> braking.Asked:
    lasts = body.get("for")
    texts = {name: str(body.get(name) or "") for name in ("reason", "region", "server", "wave")}
    parsed = durations.parse(str(lasts), place="for") if lasts else None
    return braking.Asked(by=request[_CALLER].person(body.get("by")), lasts=parsed, **texts)


def _asked(request: web.Request, body: dict[str, Any]) -> requests.RunRequest:
    """A run by hand, as the body asks for it."""
    params = body.get("params") or {}
    if not isinstance(params, dict):
        raise errors.InputError("api.not-an-object", "`params` is no object.", remedy='Send {"name": value}.')
    return requests.RunRequest(
        playbook=str(body.get("playbook", "")),
        server=str(body.get("server", "")),
        by=request[_CALLER].person(body.get("by")),
        params=params,
        place="params",
    )


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
        # Half a character (an escape like \ud800) can be stored nowhere: it becomes a question mark.
        body = json.loads(json.dumps(body, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, LookupError, RecursionError) as error:  # no JSON, no such charset, nested without end
        raise errors.InputError("api.not-json", "The body is not JSON.", remedy="Send one JSON object.") from error
    if not isinstance(body, dict):
        raise errors.InputError("api.not-an-object", "The body is no object.", remedy="Send one JSON object.")
    return body
