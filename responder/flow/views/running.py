"""Runs as JSON: their steps, what was said to them, what was asked, and every brake that holds them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from responder import clock
from responder.core import (
    approvals,
    brakes,
    controls,
    runs,
)
from responder.flow import frozen
from responder.flow.views.plain import Json, seconds, time
from responder.store import sqlite

if TYPE_CHECKING:  # looking needs no step kinds
    from responder.flow import requests


def of_run(run: runs.Run, steps: dict[str, runs.StepRecord] | None = None) -> Json:
    """A run; with its steps in the playbook's order when they are given."""
    shown: Json = {
        "id": run.id,
        "playbook": run.playbook.name,
        "playbook_version": run.playbook.version,
        "server": run.server_id,
        "outage": run.outage_id,
        "state": run.state.value,
        "step": run.step,
        "fence": run.fence,
        "waiting_for": run.waiting_for,
        "wake_at": time(run.wake_at),
        "created_at": time(run.created_at),
        "created_by": run.created_by,
        "ended_at": time(run.ended_at),
        "why": run.why,
    }
    if steps is not None:
        shown["steps"] = [_step(step.id, step.about, steps.get(step.id)) for step in run.playbook.steps]
        for one in _passed(run, shown["steps"]):
            one |= {"state": runs.StepState.SKIPPED.value, "why": "passed over after an earlier failure"}
    return shown


def of_run_briefly(run: runs.Run) -> Json:
    """A run as one line: which of how many steps it is at, what that does, what it waits for and until when."""
    return {**of_run(run), **_at(run)}


def _at(run: runs.Run) -> Json:
    at = next((i for i, step in enumerate(run.playbook.steps) if step.id == run.step), None)
    return {
        "name": run.server_id.rpartition("/")[2],
        "step_number": at + 1 if at is not None else None,
        "step_about": run.playbook.steps[at].about if at is not None else "",
        "step_kind": run.playbook.steps[at].kind if at is not None else "",
        "steps_total": len(run.playbook.steps),
    }


def _passed(run: runs.Run, steps: list[Json]) -> list[Json]:
    """Steps that were never come to and lie behind the run: a failure made it go on at a later one."""
    come_to = [one["id"] == run.step or one["state"] != "pending" for one in steps]
    last = max((i for i, reached in enumerate(come_to) if reached), default=0)
    return [one for one, reached in zip(steps[:last], come_to, strict=False) if not reached]


async def run(store: sqlite.Store, found: runs.Run) -> Json:
    """A run with its steps, and every brake that holds it."""
    steps, now = await store.runs.steps(found.id), clock.now()
    shown: Json = {**of_run(found, steps), **_at(found), "brakes": [], "signals": [], "approval": None}
    asked = (await store.asks.newest([found.id])).get(found.id)
    if asked is not None:
        shown["approval"] = of_ask(asked)
    signals = await store.runs.signals(found.id)
    shown["signals"] = [of_signal(word) for word in signals if word.topic is not runs.Topic.DECISION]
    shown["words"] = _words(found, steps.get(found.step or ""), signals)
    if found.state.ended:
        return shown
    said = controls.standing(signals)
    for word, what in ((said.paused, "paused it"), (said.held, "holds its cut-over")):
        if word is not None:
            shown["brakes"].append(
                f"{word.by} {what} at {word.at:%H:%M} UTC: {word.payload.get('reason') or 'no reason'}"
            )
    if found.waiting_for == controls.QUARANTINE:
        shown["brakes"].append(f"In quarantine {found.why}: `responder runs retry {found.id}` takes it out.")
    step = found.playbook.step(found.step or "")
    held = await frozen.freeze_of(store, found, now, kind=step.kind if step else None)
    if held is not None:
        shown["brakes"].append(f"{held.sentence()}. {held.remedy()}")
    return shown


def _words(run: runs.Run, record: runs.StepRecord | None, signals: Sequence[runs.Signal]) -> list[Json]:
    """What can be said to a run now, what comes of it, and the command that says it, fit for a shell."""
    phase = controls.phase(run, record, controls.standing(signals))
    said = ((topic, controls.TABLE[phase, topic]) for topic in controls.WORDS)
    return [
        {
            "topic": topic.value,
            "about": answer.sentence,
            "command": f"responder runs {topic.value} {shlex.quote(run.id)}",
        }
        for topic, answer in said
        if answer.effect in (controls.Effect.KEEP, controls.Effect.REVIVE)
    ]


def of_signal(word: runs.Signal) -> Json:
    """What somebody said to a run."""
    return {"topic": word.topic.value, "by": word.by, "at": time(word.at), **dict(word.payload)}


def of_ask(ask: approvals.Ask) -> Json:
    """A question that was put to people, with its price."""
    return {
        "number": ask.number,
        "asked_at": time(ask.asked_at),
        "expires_at": time(ask.expires_at),
        "settled_at": time(ask.settled_at),
        **of_price(ask.price),
        "sentence": approvals.sentences(ask),
    }


def of_price(price: approvals.Price) -> Json:
    """What a yes costs and brings."""
    return {
        "default": price.default.value,
        "answer_by": time(price.answer_by),
        "copy": price.copy,
        "data_loss_s": seconds(price.loss),
        "data_loss_measured": price.measured,
        "expected_downtime_s": seconds(price.downtime),
        "expected_downtime_waiting_s": seconds(price.downtime_waiting),
        "p_meet_rto": price.p_meet_rto,
        "p_meet_rto_waiting": price.p_meet_rto_waiting,
    }


def of_freeze(freeze: brakes.Freeze) -> Json:
    """A brake that somebody holds."""
    return {
        "scope": str(freeze.scope),
        "words": freeze.scope.words(),
        "by": freeze.by,
        "reason": freeze.reason,
        "since": time(freeze.since),
        "until": time(freeze.until),
        "sentence": freeze.sentence(),
    }


def of_freezes(freezes: Sequence[brakes.Freeze]) -> Json:
    """All that stand."""
    return {"freezes": [of_freeze(freeze) for freeze in freezes]}


def of_noted(noted: requests.Noted) -> Json:
    """A run that was just told something, and what comes of it."""
    return {
        **of_run(noted.run),
        "effect": noted.answer.effect.value,
        "answer": " ".join(filter(None, (noted.answer.sentence, noted.missing, noted.braked))),
    }


def _step(step_id: str, about: str, record: runs.StepRecord | None) -> Json:
    return {
        "id": step_id,
        "about": about,
        "state": record.state.value if record else "pending",
        "attempts": record.attempts if record else 0,
        "started_at": time(record.started_at) if record else None,
        "ended_at": time(record.ended_at) if record else None,
        "output": dict(record.output) if record else {},
        "why": record.why if record else "",
    }
