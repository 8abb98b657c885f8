"""What of each write goes into the audit. Makes entries of values; `audit` adds them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from responder.core import approvals, audits, brakes, decisions, playbooks, runs
from responder.store import codec, database

_OUTCOMES = (runs.StepState.DONE, runs.StepState.FAILED, runs.StepState.RETRYING, runs.StepState.SKIPPED)


def written(run: runs.Run, record: runs.StepRecord | None, at: datetime, *, effect: bool) -> list[audits.Entry]:
    """Of a write of a run: the intent, the handle and the outcome of a step with an effect, and the run's end.

    Args:
        effect: the step may change something outside. Looking again at what goes on is not recorded.
    """
    found = []
    kind = _kind(run, record) if effect and record is not None else None
    if kind is not None and record is not None:
        found.append(_of(run, kind, at, _step(run, record, kind)))
    if run.state.ended:
        body = {"state": run.state.value, "why": run.why, "fence": run.fence, **_playbook(run.playbook)}
        found.append(_of(run, "run.ended", at, body))
    return found


def _kind(run: runs.Run, record: runs.StepRecord) -> str | None:
    if record.state is runs.StepState.BEGUN:
        return "effect.intent"
    if record.state in _OUTCOMES:
        return "effect.outcome" if record.attempts else None
    # What a step saves while it acts: the handle of an operation. Later waits only look at it.
    return "effect.under-way" if run.state is runs.State.READY and record.saved else None


def _step(run: runs.Run, record: runs.StepRecord, kind: str) -> dict[str, Any]:
    step = run.playbook.step(record.id)
    body: dict[str, Any] = {"step": record.id, "do": step.kind if step else None, "attempt": record.attempts}
    body["fence"] = run.fence
    if kind == "effect.intent":
        given = record.given if record.given is not None else (step.settings if step else {})
        return body | {"with": given, "params": run.params, "saved": record.saved}
    if kind == "effect.outcome":
        body |= {"state": record.state.value, "why": record.why, "output": record.output}
    return body | {"saved": record.saved}


def submitted(added: Iterable[runs.Run]) -> list[audits.Entry]:
    """Of runs that were added."""
    return [
        _of(run, "run.submitted", run.created_at, {**_playbook(run.playbook), "params": run.params}, run.created_by)
        for run in added
    ]


def _of(run: runs.Run, kind: str, at: datetime, body: Mapping[str, Any], by: str = audits.OURSELVES) -> audits.Entry:
    return audits.Entry(
        at=at, kind=kind, actor=by, run=run.id, server=run.server_id, outage=run.outage_id, body=body
    )  # fmt: skip


def _playbook(playbook: playbooks.Playbook) -> dict[str, str]:
    """By name and content; a wave starts the same one ten thousand times."""
    global _newest
    if _newest is None or _newest[0] is not playbook:
        _newest = playbook, {"playbook": playbook.name, "version": playbook.version}
    return _newest[1]


_newest: tuple[playbooks.Playbook, dict[str, str]] | None = None


_RUNS = "SELECT id, server_id, outage_id FROM runs WHERE id IN (SELECT value FROM json_each(:ids))"


def asked(
    connection: database.Connection,
    asks: Sequence[approvals.Ask],
    kind: str,
    at: Callable[[approvals.Ask], datetime],
) -> list[audits.Entry]:
    """Of questions that were put to people with their price, or whose time is over.

    Args:
        connection: for reading what their runs are for.
        asks: the questions.
        kind: `approval.asked`, or `approval.expired`: the declared default was taken.
        at: when.
    """
    rows = connection.execute(_RUNS, {"ids": codec.listed(ask.run_id for ask in asks)}).fetchall() if asks else ()
    of = {row["id"]: row for row in rows}
    found = []
    for ask in asks:
        run = of.get(ask.run_id)
        body = {"number": ask.number, "expires_at": ask.expires_at, "default": ask.price.default.value}
        body["price"] = json.loads(codec.dump(ask.price, approvals.Price))
        server, outage = (run["server_id"], run["outage_id"]) if run else (None, None)
        one = audits.Entry(
            at=at(ask), kind=kind, actor=audits.OURSELVES, run=ask.run_id, server=server, outage=outage, body=body
        )  # fmt: skip
        found.append(one)
    return found


def merged(outage: str, into: str, runs: Iterable[str], at: datetime) -> audits.Entry:
    """Of a suspected outage that turned out to be Azure's: its runs, with their copies, count for that one now."""
    body = {"into": into, "runs": sorted(runs)}
    return audits.Entry(
        at=at, kind="outage.merged", actor=audits.OURSELVES, outage=outage, subject=into, body=body
    )  # fmt: skip


_ASKED = "SELECT number, body FROM asks WHERE run_id = ? ORDER BY number DESC LIMIT 1"
_DECIDED = """
    SELECT d.id, d.body FROM latest_decisions AS latest JOIN decisions AS d ON d.id = latest.decision_id
    WHERE latest.outage_id = ? AND latest.server_id = ?
"""
_PRICE = ("at", "action", "way", "cut_over_at", "must_serve_by", "data_loss_bound", "consent_needed", "outlook")


def said(connection: database.Connection, signal: runs.Signal, of: database.Row) -> list[audits.Entry]:
    """Of a word to a run: with the price that was asked for, and the decision that stood when it was said.

    That a decision says something new is no word of anybody's: the decision itself is recorded.

    Args:
        connection: for reading the price.
        signal: the word.
        of: the run's `server_id` and `outage_id`.
    """
    if signal.topic is runs.Topic.DECISION:
        return []
    asked = connection.execute(_ASKED, (signal.run_id,)).fetchone()
    decided = connection.execute(_DECIDED, (of["outage_id"], of["server_id"])).fetchone() if of["outage_id"] else None
    body: dict[str, Any] = dict(signal.payload)
    if asked is not None:
        body["asked"] = {**json.loads(asked["body"]), "number": asked["number"]}
    if decided is not None:
        decision = json.loads(decided["body"])
        body["decision"] = {"id": decided["id"], **{name: decision.get(name) for name in _PRICE}}
    entry = audits.Entry(
        at=signal.at,
        kind=signal.topic.value,
        actor=signal.by,
        run=signal.run_id,
        server=of["server_id"],
        outage=of["outage_id"],
        body=body,
    )
    return [entry]


def decided(id: int, decision: decisions.Decision, facts: str) -> audits.Entry:
    """Of a decision that says something new; its facts by their digest, and by the id they are stored under.

    Args:
        id: of its row.
        decision: what was decided.
        facts: as stored.
    """
    outlook = decision.outlook
    body = {
        "decision": id,
        "facts_sha256": hashlib.sha256(facts.encode()).hexdigest(),
        "action": decision.action.value,
        "playbook": decision.playbook,
        "way": decision.way,
        "start_by": decision.start_by,
        "cut_over_at": decision.cut_over_at,
        "must_serve_by": decision.must_serve_by,
        "data_loss_bound_s": decision.data_loss_bound,
        "expected_downtime_s": outlook.expected_downtime if outlook else None,
        "expected_downtime_waiting_s": outlook.expected_downtime_waiting if outlook else None,
        "consent_needed": decision.consent_needed,
        "shadow": decision.shadow,
        "reasons": [{"id": reason.id, "text": reason.text} for reason in decision.reasons],
    }
    return audits.Entry(
        at=decision.at,
        kind="decision",
        actor=audits.OURSELVES,
        server=decision.server,
        outage=decision.outage,
        body=body,
    )


def frozen(freeze: brakes.Freeze, *, replaced: bool) -> audits.Entry:
    """Of a brake that is held, or held anew."""
    body = {"reason": freeze.reason, "until": freeze.until, "replaced": replaced}
    return _braked("freeze", freeze.scope, (freeze.by, freeze.since), body)


def lifted(scope: brakes.Scope, by: str, why: str, at: datetime) -> audits.Entry:
    """Of a brake that was let go."""
    return _braked("unfreeze", scope, (by, at), {"reason": why})


def _braked(kind: str, scope: brakes.Scope, who: tuple[str, datetime], body: Mapping[str, Any]) -> audits.Entry:
    server = scope.name if scope.kind is brakes.Kind.SERVER else None
    outage = scope.name if scope.kind is brakes.Kind.WAVE else None
    return audits.Entry(
        at=who[1], kind=kind, actor=who[0], server=server, outage=outage, subject=str(scope), body=body
    )  # fmt: skip
