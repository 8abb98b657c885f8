"""What people ask for: a run by hand, or a word to a run. The same for the API and for the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from responder import steps as kinds
from responder.core import errors, outages, playbooks, runs, servers
from responder.store import sqlite


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A playbook for one server, by hand."""

    playbook: str
    server: str
    """ARM id, or a name that only one server has."""
    by: str
    params: Mapping[str, Any] = field(default_factory=dict)


async def find_server(store: sqlite.Store, name_or_id: str) -> servers.Server:
    """The one server meant.

    Raises:
        InputError: none or several, with what to write instead.
    """
    found: Sequence[servers.Server] = await store.estate.find(name_or_id)
    if len(found) == 1:
        return found[0]
    if not found:
        raise errors.InputError(
            "server.unknown",
            f"No server {name_or_id!r} is in the inventory.",
            remedy="See `responder inventory`; is its subscription listed in the settings?",
        )
    ids = ", ".join(server.id for server in found)
    raise errors.InputError(
        "server.ambiguous", f"Several servers are called {name_or_id!r}.", remedy=f"Give the whole id: {ids}."
    )


async def planned(
    store: sqlite.Store, books: Mapping[str, playbooks.Playbook], request: RunRequest, now: datetime
) -> runs.Run:
    """The run that a request would submit; nothing is written.

    Raises:
        InputError: unknown playbook, parameter or server, or a step knows already that it cannot be.
        RefusedError: a step must not be taken now.
    """
    playbook = books.get(request.playbook)
    if playbook is None:
        known = ", ".join(sorted(books))
        raise errors.InputError(
            "playbook.unknown", f"There is no playbook {request.playbook!r}.", remedy=f"Known: {known}."
        )
    server = await find_server(store, request.server)
    outage = await _outage_of(store, server)
    cause = outage.id if outage else f"by-hand-{now:%Y%m%dT%H%M%S}"
    past = await store.runs.of(server.id, outage.id) if outage else []
    number = sum(run.playbook.name == playbook.name for run in past) + 1
    run = runs.new(
        id_=runs.run_id(playbook.name, server, cause, number),
        server=server,
        outage_id=outage.id if outage else None,
        playbook=playbook,
        params=playbook.arguments(request.params),
        by=request.by,
        now=now,
    )
    for step in playbook.steps:
        precheck = getattr(kinds.KINDS.get(step.kind), "precheck", None)
        if precheck is not None:
            precheck(step, run, server)
    return run


async def submit(store: sqlite.Store, run: runs.Run) -> runs.Run:
    """Submit a planned run.

    Raises:
        RefusedError: another run of this server has not ended.
    """
    if await store.runs.submit(run) != "created":
        holder = await store.runs.active_for(run.server_id)
        held = holder.id if holder else run.id
        raise errors.RefusedError(
            "run.busy",
            f"Another run of this server has not ended: {held}.",
            remedy=f"Look at it with `responder runs show {held}`, or stop it with `responder runs cancel {held}`.",
        )
    return run


async def submit_or_go_on(store: sqlite.Store, run: runs.Run) -> runs.Run:
    """Submit a planned run, or give the one that the same request left half-way. Only for who holds the store alone.

    Raises:
        RefusedError: a run of another playbook, or with other parameters, has not ended.
    """
    left = await store.runs.active_for(run.server_id)
    if left is not None and (left.playbook.name, left.params) == (run.playbook.name, run.params):
        return left
    return await submit(store, run)


async def say(
    store: sqlite.Store,
    run_id: str,
    topic: runs.Topic,
    *,
    by: str,
    now: datetime,
    reason: str = "",
    accept_loss: timedelta | None = None,
) -> runs.Run:
    """Leave a word for a run: approve, decline or cancel. Stored even when it does not listen yet.

    Raises:
        InputError: there is no such run.
        RefusedError: it has ended.
    """
    run = await store.runs.get(runs.RunId(run_id))
    if run is None:
        raise errors.InputError("run.unknown", f"There is no run {run_id!r}.", remedy="See `responder runs list`.")
    if run.state.ended:
        raise errors.RefusedError(
            "run.ended", f"Run {run_id} is {run.state} already.", remedy="A new one is started with `responder run`."
        )
    payload: dict[str, Any] = {"reason": reason}
    if accept_loss is not None:
        payload["loss_accepted_s"] = accept_loss.total_seconds()
    await store.runs.signal(runs.Signal(run_id=run.id, topic=topic, by=by, at=now, payload=payload))
    return run


async def _outage_of(store: sqlite.Store, server: servers.Server) -> outages.Outage | None:
    concerning = [outage for outage in await store.outages.open() if outage.concern(server) is not outages.Concern.NONE]
    return max(concerning, key=lambda outage: outage.impact_start, default=None)
