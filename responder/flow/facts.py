"""Gathering the facts of a decision from the store; one place for decisions, steps and `responder decide`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from responder.core import copies, cutovers, decisions, evidence, outages, regions, runs, servers, tolerances, urgency
from responder.store import sqlite

_LIVE = (copies.State.RESTORING, copies.State.READY)


async def gather(
    store: sqlite.Store, outage: outages.Outage, affected: Sequence[servers.Server], defaults: tolerances.Tolerance
) -> list[decisions.Facts]:
    """The facts of every affected server, in the order given."""
    health = await store.estate.health([server.id for server in affected])
    said = await store.estate.statements([server.id for server in affected])
    pair, still_open = regions.pair_of(outage.region), await store.outages.open()
    impaired = any(other.region == pair and other.active for other in still_open)
    found = []
    for server in affected:
        run = await newest_restore(store, server.id, outage.id)
        copy, consent = await copy_and_consent(store, run)
        if copy.state not in _LIVE:
            copy = await _promoted(store, server.id, outage, still_open) or copy
        if copy.state not in (*_LIVE, copies.State.PROMOTED):
            copy, consent = await _of_another(store, server.id, outage, still_open) or (copy, consent)
        found.append(
            decisions.Facts(
                server=server,
                tolerance=tolerances.read(server.tags, defaults=defaults),
                outage=outage,
                health=health.get(server.id, evidence.Health()),
                copy=copy,
                pair_impaired=impaired,
                consent=consent,
                witness=said.get(server.id),
            )
        )
    return found


async def newest_restore(
    store: sqlite.Store, server_id: servers.ServerId, outage_id: outages.OutageId
) -> runs.Run | None:
    """The run whose copy counts: the newest with a restore step."""
    for run in await store.runs.of(server_id, outage_id):
        if any(step.kind == "restore" for step in run.playbook.steps):
            return run
    return None


async def _promoted(
    store: sqlite.Store, server_id: servers.ServerId, outage: outages.Outage, still_open: Sequence[outages.Outage]
) -> copies.Copy | None:
    """The copy that applications run on already: for this outage, for another open one, or by hand since it began.

    Another copy of the old server would lack everything they have written since.
    """
    for cause in dict.fromkeys([outage.id, *(other.id for other in still_open), None]):
        for run in await store.runs.of(server_id, cause):
            copy = runs.copy_of(run, await store.runs.steps(run.id))
            if copy.state is copies.State.PROMOTED and (cause or run.created_at >= outage.impact_start):
                return copy
    return None


async def _of_another(
    store: sqlite.Store, server_id: servers.ServerId, outage: outages.Outage, still_open: Sequence[outages.Outage]
) -> tuple[copies.Copy, cutovers.Consent | None] | None:
    """The copy that another open outage has made or is making, and the word about it: a second one is of no use."""
    for other in still_open:
        if other.id != outage.id and other.region == outage.region:
            found = await copy_and_consent(store, await newest_restore(store, server_id, other.id))
            if found[0].state in _LIVE:
                return found
    return None


async def leading(
    store: sqlite.Store, server: servers.Server, own: outages.Outage
) -> tuple[outages.Outage, decisions.Decision | None]:
    """The outage whose newest decision about the server counts, and that decision: its own, or a more urgent one."""
    found = own, await store.outages.decision(server.id, own.id)
    for other in await store.outages.open():
        if other.id != own.id and other.concern(server) is not outages.Concern.NONE:
            decision = await store.outages.decision(server.id, other.id)
            if urgency.of(decision) > urgency.of(found[1]):
                found = other, decision
    return found


async def copy_and_consent(store: sqlite.Store, run: runs.Run | None) -> tuple[copies.Copy, cutovers.Consent | None]:
    """What a run's journal says of its copy, and the newest human word about it."""
    if run is None:
        return copies.Copy(), None
    word = newest_word(await store.runs.signals(run.id))
    return runs.copy_of(run, await store.runs.steps(run.id)), consent_of(word)


def newest_word(signals: Sequence[runs.Signal]) -> runs.Signal | None:
    """The newest approve or decline, in the order they were stored: clocks can be set back, the journal cannot."""
    words = [signal for signal in signals if signal.topic in (runs.Topic.APPROVE, runs.Topic.DECLINE)]
    return words[-1] if words else None


def consent_of(word: runs.Signal | None) -> cutovers.Consent | None:
    """A human's word as the guard wants it."""
    if word is None:
        return None

    accepted = word.payload.get("loss_accepted_s")
    return cutovers.Consent(
        granted=word.topic is runs.Topic.APPROVE,
        by=word.by,
        at=word.at,
        loss_accepted=timedelta(seconds=float(accepted)) if accepted is not None else None,
    )
