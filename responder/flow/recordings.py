"""A recorded incident as a file: everything a replay with another policy needs, and what people want to read beside it.

Gathered from the store; nothing is written, and no secret is in any of it.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from responder import __version__
from responder.core import (
    approvals,
    cutovers,
    decisions,
    errors,
    outages,
    rehearsals,
    runs,
    scorecards,
    servers,
    tolerances,
)
from responder.flow import scores, views
from responder.store import codec, sqlite

FORMAT = "responder-incident/1"


async def gather(
    store: sqlite.Store,
    outage: outages.Outage,
    rules: tuple[decisions.Policy, tolerances.Tolerance],
    now: datetime,
) -> views.Json:
    """One incident with its news, probes, decisions, words and runs, as JSON.

    Raises:
        RefusedError: `incident.nothing-decided`, when no server was decided about: there is nothing to replay.
    """
    silent, ways = await store.history.silences(outage.id), await scores.courses(store, outage)
    found = []
    for server_id in ways:
        decided = tuple(await store.history.decided(outage.id, server_id))
        found.append(await _server(store, outage, decided, (silent.get(server_id, ()), ways[server_id])))
    if not found:
        raise errors.RefusedError(
            "incident.nothing-decided", f"No server was decided about in {outage.id}.", remedy="Nothing to export."
        )
    policy, defaults = rules
    recording = rehearsals.Recording(
        outage=outage,
        as_of=await store.outages.closed_at(outage.id) or now,
        news=tuple(
            rehearsals.Heard(at=at, event=event) for at, event in await store.history.events(outage.tracking_id)
        ),
        servers=tuple(sorted(found, key=lambda one: one.name)),
        policy=policy,
        defaults=defaults,
    )
    return {
        "format": FORMAT,
        "responder": __version__,
        "exported_at": views.time(now),
        "incident": views.of_outage(outage),
        "recording": json.loads(codec.dump(recording, rehearsals.Recording)),
        "runs": await _runs(store, outage),
    }


def read(text: str, place: str) -> rehearsals.Recording:
    """The recording of a file that `gather` made.

    Raises:
        InputError: `incident.unreadable`, when it is no such file, or one of another version.
    """
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}")
        return codec.load(json.dumps(document["recording"]), rehearsals.Recording)
    except (ValueError, TypeError, KeyError, RecursionError, errors.StoreError) as error:
        raise errors.InputError(
            "incident.unreadable",
            f"This is no incident in the format {FORMAT}.",
            remedy="Export it with `responder incidents export` of this version.",
            place=place,
        ) from error


async def _server(
    store: sqlite.Store,
    outage: outages.Outage,
    decided: tuple[rehearsals.Decided, ...],
    known: tuple[Any, scorecards.Course],
) -> rehearsals.Recorded:
    silent, course = known
    server = decided[-1][1].server
    return rehearsals.Recorded(
        server=server.id,
        name=server.name,
        silences=silent,
        decided=decided,
        words=tuple(await _words(store, server.id, outage.id)),
        restore_took=_took(course),
        course=course,
    )


def _took(course: scorecards.Course) -> timedelta | None:
    if course.supposed or course.started_at is None or course.ready_at is None:
        return None
    return course.ready_at - course.started_at


async def _words(
    store: sqlite.Store, server_id: servers.ServerId, outage_id: outages.OutageId
) -> list[cutovers.Consent]:
    found = []
    for run in reversed(await store.runs.of(server_id, outage_id)):
        for signal in await store.runs.signals(run.id):
            consent = approvals.consent([signal], requester=run.created_by) if signal.topic in _ANSWERS else None
            if consent is not None:
                found.append(consent)
    return found


_ANSWERS = (runs.Topic.APPROVE, runs.Topic.DECLINE)


async def _runs(store: sqlite.Store, outage: outages.Outage) -> list[views.Json]:
    """Every run with its steps and what was said to it, oldest first."""
    found = []
    for run in reversed(await store.runs.list(1_000_000, outage_id=outage.id)):
        said = [
            {"topic": signal.topic.value, "by": signal.by, "at": views.time(signal.at), "payload": dict(signal.payload)}
            for signal in await store.runs.signals(run.id)
        ]
        found.append({**views.of_run(run, await store.runs.steps(run.id)), "signals": said})
    return found
