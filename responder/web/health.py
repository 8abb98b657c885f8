"""Is the daemon alive, and does it hear? `/healthz`, `/readyz` and `/metrics`. No token needed, nothing secret told."""

from __future__ import annotations

from aiohttp import web

from responder import clock
from responder.core import hearing
from responder.flow import listening, shelf, views
from responder.flow import workings as held
from responder.store import database
from responder.web import desk, metrics, workings


def mount(app: web.Application, behind: desk.Desk) -> None:
    """Add all three."""
    store, policy = behind.store, behind.config.hearing.policy()

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(_: web.Request) -> web.Response:
        """503 until the inventory is known and every source had time to prove itself, and while all are blind or the
        store takes no writes.

        One blind source among others does not make it 503: whoever took us out of service then would make the others
        blind, too. It is told in `hearing` and `sources`, and announced.
        """
        heard = listening.look(behind.sources, policy, clock.now())
        servers = await store.estate.count()
        starting = any(verdict.starting for _, verdict in heard.sources)
        blind = heard.overall.state is hearing.State.BLIND
        body = {
            "ready": servers > 0 and not starting and not blind and store.database.trouble is None,
            "servers": servers,
            "mode": behind.config.mode,
            "shadow": list(behind.config.shadow().names),
            "hearing": {"state": heard.overall.state.value, "sentence": heard.overall.sentence},
            "sources": [_source(facts, verdict) for facts, verdict in heard.sources],
            "store": _store(store.database.trouble),
            "intake": await store.intake.counts(),
            "playbooks": _playbooks(behind.shelf),
            "frozen": views.of_freezes(await store.brakes.standing(clock.now()))["freezes"],
        }
        return web.json_response(body, status=200 if body["ready"] else 503)

    async def measures(_: web.Request) -> web.Response:
        now = clock.now()
        heard = listening.look(behind.sources, policy, now)
        more = [
            *workings.families(await held.read(store, now)),
            *workings.playbooks(behind.shelf),
            workings.refused(store.database.trouble, now),
        ]
        text = metrics.render(heard, await store.intake.counts(), now, behind.config.shadow().names, more)
        return web.Response(body=text, headers={"Content-Type": metrics.CONTENT_TYPE})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", measures)


def _playbooks(found: shelf.Shelf | None) -> views.Json | None:
    """Whether the files are others than what was loaded, and whether they could be loaded at all."""
    if found is None:
        return None
    state, problem = found.state, found.state.problem
    return {
        "loaded_at": views.time(state.loaded_at),
        "loaded": len(found),
        "unusable": {name: str(error) for name, error in found.library.unusable.items()},
        "changed_on_disk": state.changed,
        "problem": str(problem) if problem is not None else None,
    }


def _store(trouble: database.Trouble | None) -> views.Json:
    """Whether it takes writes. That it can be read, the answer itself shows."""
    if trouble is None:
        return {"writable": True, "since": None, "error": None}
    return {"writable": False, "since": views.time(trouble.since), "error": str(trouble.error)}


def _source(facts: hearing.Facts, verdict: hearing.Verdict) -> views.Json:
    return {
        "source": facts.source,
        "state": verdict.state.value,
        "sentence": verdict.sentence,
        "lag": facts.waiting,
        "last_event_at": views.time(facts.last_event_at),
        "last_receive_at": views.time(facts.proven_at),
        "restarts": facts.restarts,
        "accepted": facts.accepted,
        "error": facts.error,
    }
