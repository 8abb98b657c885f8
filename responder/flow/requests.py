"""What people ask for: a run by hand, or a word to a run. The same for the API and for the command line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from responder import steps as kinds
from responder.core import approvals, controls, errors, outages, playbooks, runs, servers, successions
from responder.flow import auditing, frozen
from responder.store import sqlite


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A playbook for one server, by hand."""

    playbook: str
    server: str
    """ARM id, or a name that only one server has."""
    by: str
    params: Mapping[str, Any] = field(default_factory=dict)
    place: str = "--set"
    """Where they were given, for messages."""


async def find_server(store: sqlite.Store, name_or_id: str) -> servers.Server:
    """The one server meant.

    Raises:
        InputError: none or several, with what to write instead.
    """
    found: Sequence[servers.Server] = await store.estate.find(name_or_id)
    if len(found) == 1:
        return found[0]
    if not found:
        near = difflib.get_close_matches(name_or_id.lower(), await store.estate.names_like(name_or_id), n=1)
        raise errors.InputError(
            "server.unknown",
            f"No server {name_or_id!r} is in the inventory.",
            remedy=(f"Did you mean {near[0]}? " if near else "")
            + "See `responder inventory`; is its subscription listed in the settings?",
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
        RefusedError: a step must not be taken now, or `server.superseded`.
    """
    playbook = books.get(request.playbook)
    if playbook is None:
        known = ", ".join(sorted(books))
        raise errors.InputError(
            "playbook.unknown",
            f"There is no playbook {request.playbook!r}.",
            remedy=f"Known: {known}. Whose files cannot be used: `responder playbooks list`.",
        )
    server = await find_server(store, request.server)
    outage = await _outage_of(store, server)
    # Planned twice it is the same run, with the same names for what it makes; so it is counted, within the day. Without
    # the day, a run that retention has forgotten would lend its name, and its left copy, to a later one.
    past = await store.runs.of(server.id, outage.id if outage else None)
    run = runs.new(
        id_=_id(playbook, server, outage.id if outage else f"by-hand-{now:%Y%m%d}", past),
        server=server,
        outage_id=outage.id if outage else None,
        playbook=playbook,
        params=playbook.arguments(request.params, place=request.place),
        by=request.by,
        now=now,
    )
    await _refuse_superseded(store, run)
    for step in playbook.steps:
        precheck = getattr(kinds.KINDS.get(step.kind), "precheck", None)
        if precheck is not None:
            precheck(step, run, server)
    return run


async def _refuse_superseded(store: sqlite.Store, run: runs.Run) -> None:
    """Nothing may take the place of a server that is not the live one: applications would get its old rows."""
    told = (await store.successions.of([run.server_id])).get(run.server_id, ())
    standing = successions.standing(one for one in told if one.run != run.id)
    if standing is not None and successions.takes_place(run):
        text = f"Applications do not run on it any more. {standing.sentence()}."
        remedy = f"Did you mean {standing.by_name}? To look at old rows: point-in-time-restore, without cutover."
        raise errors.RefusedError("server.superseded", text, remedy=remedy)


def _id(playbook: playbooks.Playbook, server: servers.Server, cause: str, past: Sequence[runs.Run]) -> runs.RunId:
    """The run of this playbook that has not ended; else the first id that no past run has."""
    for run in past:
        if run.playbook.name == playbook.name and not run.state.ended:
            return run.id
    taken, number = {run.id for run in past}, 1
    while runs.run_id(playbook.name, server, cause, number) in taken:
        number += 1
    return runs.run_id(playbook.name, server, cause, number)


async def submit(store: sqlite.Store, run: runs.Run) -> runs.Run:
    """Submit a planned run.

    Raises:
        RefusedError: another run of this server has not ended, or a freeze holds it.
    """
    await frozen.refuse(store, run, run.created_at)
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
    return await left_half_way(store, run) or await submit(store, run)


async def left_half_way(store: sqlite.Store, run: runs.Run) -> runs.Run | None:
    """The run that the same request began earlier and that has not ended."""
    left = await store.runs.active_for(run.server_id)
    same = left is not None and (left.playbook.name, left.params) == (run.playbook.name, run.params)
    return left if same else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What somebody says to a run."""

    topic: runs.Topic
    by: str
    reason: str = ""
    accept_loss: timedelta | None = None
    """With approve: signed for."""
    step: str = ""
    """With skip, retry and go-now: which step. Empty: the one the run is at."""
    key: str | None = None
    """The same word sent twice is kept once."""
    lasts: timedelta | None = None
    """With pause and hold: over by itself after so long. None: when somebody says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A word that was heard."""

    run: runs.Run
    answer: controls.Answer
    step: str
    """The step that it is about."""
    missing: str = ""
    """What is still missing after it, in a sentence."""
    braked: str = ""
    """The freeze that holds the run all the same, with who, why, until when and how it is lifted."""


async def say(
    store: sqlite.Store, run_id: str, word: Word, now: datetime, policy: approvals.Policy | None = None
) -> Noted:
    """Leave a word for a run. Stored even when it does not listen yet; saying it again is no mistake.

    Raises:
        InputError: there is no such run, or no such step in it.
        RefusedError: the run cannot be told that now; the remedy says what to say instead. The audit has that it was
            said.
    """
    try:
        return await _said(store, run_id, word, now, policy)
    except errors.RefusedError as error:
        why = auditing.Refusal(by=word.by, asked=word.topic, why=error.message, reason=word.reason, run=run_id)
        await auditing.note_refusal(store, why)
        raise


async def _said(store: sqlite.Store, run_id: str, word: Word, now: datetime, policy: approvals.Policy | None) -> Noted:
    run = await store.runs.get(runs.RunId(run_id))
    if run is None:
        raise errors.InputError("run.unknown", f"There is no run {run_id!r}.", remedy="See `responder runs list`.")
    records, signals = await store.runs.steps(run.id), await store.runs.signals(run.id)
    at = run.step or runs.failed_step(run, records) or _refused_at(run, records, word.topic)
    answer = controls.answer(run, records.get(at), signals, word.topic)
    until = _until(word, now)
    if until is not None and answer.effect is controls.Effect.ALREADY:
        text, remedy = f"{run.id} is paused already, and that has its own end.", "`responder runs resume` first."
        raise errors.RefusedError("run.paused", text, remedy=remedy)
    _too_late(run, records, word.topic)
    if word.topic is runs.Topic.APPROVE:
        _passed(run, at)
    rules = policy or approvals.Policy()
    if word.topic is runs.Topic.APPROVE:
        approvals.refuse_same_person(run, word.by, rules)
    step = _step(run, word.step) or at
    if answer.effect is not controls.Effect.ALREADY:
        payload: dict[str, Any] = {"reason": word.reason, "step": step}
        if word.topic is runs.Topic.APPROVE:
            payload |= await _bound(store, run, records) | ({"two_people": True} if rules.two_people else {})
        if word.accept_loss is not None:
            payload["loss_accepted_s"] = word.accept_loss.total_seconds()
        revives = answer.effect is controls.Effect.REVIVE
        if revives:
            payload |= {"revived": True, "step": at}
        payload |= {"until": until.isoformat()} if until is not None else {}
        said = runs.Signal(
            run_id=run.id, topic=word.topic, by=word.by, at=now, payload=payload, key=word.key, until=until
        )  # fmt: skip
        await (store.runs.revive(said, at) if revives else store.runs.signal(said))
    missing = approvals.missing_signature(await store.runs.signals(run.id), run.created_by)
    missing = " ".join(filter(None, (missing, _about_nothing(run, word.topic))))
    left = await store.runs.get(run.id) or run
    braked = await _braked(store, left, now) if word.topic in _MOVE_ON else ""
    return Noted(run=left, answer=answer, step=step, missing=missing, braked=braked)


_MOVE_ON = (runs.Topic.APPROVE, runs.Topic.RESUME, runs.Topic.RETRY, runs.Topic.SKIP, runs.Topic.GO_NOW)
"""Words after which something is expected to begin."""


async def _braked(store: sqlite.Store, run: runs.Run, now: datetime) -> str:
    step = run.playbook.step(run.step or "")
    held = await frozen.freeze_of(store, run, now, kind=step.kind if step else None)
    return f"But nothing begins now: {held.sentence()}. {held.remedy()}" if held is not None else ""


def _until(word: Word, now: datetime) -> datetime | None:
    """When a pause or a hold is over by itself."""
    if word.lasts is None:
        return None
    if word.topic not in (runs.Topic.PAUSE, runs.Topic.HOLD):
        text, remedy = f"{word.topic} has no end.", "Only pause and hold take a time."
        raise errors.InputError("signal.no-end", text, remedy=remedy, place="for")
    if word.lasts <= timedelta():
        raise errors.InputError("signal.time", "That is no time at all.", remedy="Give it like 2h.", place="for")
    return now + word.lasts


async def _bound(store: sqlite.Store, run: runs.Run, records: Mapping[str, runs.StepRecord]) -> dict[str, Any]:
    """What a yes is said about: the copy, and the loss as it was last shown. What is not known binds nothing."""
    asked = (await store.asks.newest([run.id])).get(run.id)
    if asked is not None:
        shown = approvals.bound(asked.price)
    else:
        decision = await store.outages.decision(run.server_id, run.outage_id) if run.outage_id else None
        loss = decision.data_loss_bound.total_seconds() if decision and decision.data_loss_bound is not None else None
        shown = {"copy": runs.copy_of(run, records).server_id, "loss_shown_s": loss}
    return {name: value for name, value in shown.items() if value is not None}


def _refused_at(run: runs.Run, records: Mapping[str, runs.StepRecord], topic: runs.Topic) -> str:
    """The first step of a run that has failed before it, for what its playbook requires: asked again by a retry."""
    if run.state is not runs.State.FAILED or records:
        return ""
    if topic is runs.Topic.SKIP:
        text = f"Run {run.id} has begun no step: {run.why}."
        remedy = "What it requires cannot be passed over. `responder runs retry` looks again whether it holds."
        raise errors.RefusedError("run.requires", text, remedy=remedy)
    return run.playbook.steps[0].id


def _step(run: runs.Run, named: str) -> str:
    if named and run.playbook.step(named) is None:
        known = ", ".join(step.id for step in run.playbook.steps)
        raise errors.InputError("run.no-step", f"Run {run.id} has no step {named!r}.", remedy=f"It has: {known}.")
    return named


def _too_late(run: runs.Run, records: Mapping[str, runs.StepRecord], topic: runs.Topic) -> None:
    """A hold or a no after the point of no return would look as if it had done something."""
    if topic not in (runs.Topic.HOLD, runs.Topic.DECLINE):
        return
    for step in run.playbook.steps:
        record = records.get(step.id)
        verdict = record.output.get("verdict") if record is not None and step.kind in controls.NO_RETURN else None
        if verdict in _GONE:
            raise errors.RefusedError(
                "run.too-late",
                f"{_GONE[verdict]} already ({step.id} of {run.id}).",
                remedy="Going back is a change of its own; nothing here undoes it.",
            )


_GONE = {"cut-over": "Applications were sent to the copy", "promoted": "The replica was promoted"}
"""Verdicts behind which there is no way back."""


def _about_nothing(run: runs.Run, topic: runs.Topic) -> str:
    """That a yes or no was said to a run which cuts nothing over. It is kept: a step kind of somebody else may heed it.
    But who says it to a `wait-it-out` must not believe that the copy's cut-over has been agreed to."""
    asks = controls.NO_RETURN | {"hold"}
    if topic not in _ABOUT_A_CUT_OVER or any(step.kind in asks for step in run.playbook.steps):
        return ""
    elsewhere = "`responder approvals --early` lists the runs that do, and each is answered by its own id."
    return f"But {run.playbook.name} cuts nothing over, so this answers nothing. {elsewhere}"


_ABOUT_A_CUT_OVER = (runs.Topic.APPROVE, runs.Topic.DECLINE, runs.Topic.HOLD, runs.Topic.RELEASE)


def _passed(run: runs.Run, at: str) -> None:
    """A yes when no cut-over can follow any more would stand in the audit as a signature for nothing."""
    order = [step.id for step in run.playbook.steps]
    last = max((order.index(s.id) for s in run.playbook.steps if s.kind in controls.NO_RETURN), default=None)
    if last is not None and at in order and order.index(at) > last:
        raise errors.RefusedError(
            "run.too-late",
            f"Run {run.id} is past its cut-over: it is at {at}.",
            remedy=f"`responder runs show {run.id}` says what became of it; a new run can be started by hand.",
        )


async def _outage_of(store: sqlite.Store, server: servers.Server) -> outages.Outage | None:
    concerning = [outage for outage in await store.outages.open() if outage.concern(server) is not outages.Concern.NONE]
    return max(concerning, key=lambda outage: outage.impact_start, default=None)
