"""The story of one server, from stored rows. Reads; writes nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from responder.core import decisions, errors, outages, scorecards, servers, stories
from responder.flow import scores, views
from responder.store import sqlite


async def story(store: sqlite.Store, outage: outages.Outage, name: str, takes: timedelta, now: datetime) -> views.Json:
    """What happened to one server in one outage: `why` it waited, all its `waits` in order of weight, what counts
    `now`, `lines` in order of time, and its `score` in words.

    Raises:
        InputError: `server.unknown` or `server.ambiguous`, among those that were decided about.
    """
    server_id, shown = await _find(store, outage, name)
    decided = [decision for decision, _ in await store.history.decided(outage.id, server_id)]
    made = [
        (run, await store.runs.steps(run.id), await store.runs.signals(run.id))
        for run in reversed(await store.runs.of(server_id, outage.id))
    ]
    known = (await store.history.silences(outage.id, server_id)).get(server_id, ())
    told = stories.Told(name=shown, outage=outage, silences=known, decided=decided, made=made)
    waits = stories.waits(decided, await store.outages.closed_at(outage.id) or now)
    (score,) = await scores.of_outage(store, outage, takes, now, server_id)
    return {
        "server": server_id,
        "name": shown,
        "outage": outage.id,
        "why": waits[0].sentence if waits else None,
        "waits": [{"id": one.id, "text": one.text, "for_s": one.lasted.total_seconds()} for one in waits],
        "now": _now(decided[-1]) if decided else None,
        "score": scorecards.words(score),
        "verdict": score.verdict.value,
        "lines": [{"at": views.time(line.at), "kind": line.kind, "text": line.text} for line in stories.tell(told)],
    }


def _now(decision: decisions.Decision) -> views.Json:
    """What was last decided, with every reason in order of weight."""
    reasons = [{"id": reason.id, "text": reason.text} for reason in decision.reasons]
    return {"at": views.time(decision.at), "action": decision.action.value, "reasons": reasons}


async def _find(store: sqlite.Store, outage: outages.Outage, name: str) -> tuple[servers.ServerId, str]:
    """The server of that ARM id or name, among those of the outage."""
    wanted = name.strip().lower()
    decided = await store.history.concerned(outage.id)
    meant = [id_ for id_ in decided if wanted == id_] or [id_ for id_ in decided if wanted == id_.rpartition("/")[2]]
    if len(meant) == 1:
        _, facts = (await store.history.latest(outage.id, meant[0]))[meant[0]]
        return meant[0], facts.server.name
    raise errors.InputError(
        "server.unknown" if not meant else "server.ambiguous",
        f"{len(meant)} servers called {name!r} were decided about in {outage.id}.",
        remedy="See `responder incidents show` for their names, or give the ARM id.",
    )
