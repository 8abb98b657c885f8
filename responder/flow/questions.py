"""Which approvals are open: read from the store, judged by the core, told as JSON. Asks nobody, and answers nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from responder import settings
from responder.core import approvals, durations, questions, servers, tolerances
from responder.flow import views
from responder.store import journals, stores

MOST = 1000
"""Questions that are read at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What of the settings it takes."""

    policy: approvals.Policy
    defaults: tolerances.Tolerance
    approvers: Sequence[str] = ()
    """Names of the API tokens that may say yes or no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """What is open now, the most urgent first."""

    questions: Sequence[questions.Question]
    estate: Mapping[servers.ServerId, servers.Server]
    owners: Mapping[servers.ServerId, str | None] = field(default_factory=dict)
    more: bool = False
    """There are more than were read."""


async def find(store: stores.Store, rules: Rules, now: datetime, *, early: bool = False) -> Open:
    """The open questions. `early`: those, too, whose cut-over is not due yet."""
    lacking = await store.asks.lacking(early=early, limit=MOST + 1)
    found = {one.run: one for one in lacking[:MOST]}
    ids = {one.server for one in found.values()}
    estate, known = await store.estate.some(ids), await store.asks.newest(list(found))
    decided = await store.outages.newest([(one.outage, one.server) for one in found.values() if one.outage])
    read, _ = await store.journals.read(journals.Wanted(since=now, servers=ids, whole=True))
    opened, owners = [], {}
    for journal in read:
        one, server = found.get(journal.run.id), estate.get(journal.run.server_id)
        if one is None:
            continue
        tolerance = tolerances.read(server.tags if server else {}, defaults=rules.defaults)
        owners[one.server] = tolerance.owner
        facts = questions.Facts(
            run=journal.run,
            records=journal.steps,
            words=journal.words,
            ask=known.get(one.run),
            decision=decided.get((one.outage, one.server)) if one.outage else None,
            tolerance=tolerance,
        )
        question = questions.of(facts, rules.policy)
        opened += [question] if question is not None else []
    opened.sort(key=lambda question: question.urgency)
    return Open(questions=opened, estate=estate, owners=owners, more=len(lacking) > MOST)


def rules(config: settings.Settings) -> Rules:
    """As the settings have them."""
    named = tuple(token.name for token in config.web.tokens if "approver" in token.roles)
    return Rules(policy=config.approvals_policy(), defaults=config.tolerance(), approvers=named)


def as_json(found: Open, rules: Rules, most: int | None = None) -> views.Json:
    """`{"approvals": [...], "more": false}`, each with its price, by when, and who may. `most`: the first so many."""
    return {"approvals": [_one(question, found, rules) for question in found.questions[:most]], "more": found.more}


def _one(question: questions.Question, found: Open, rules: Rules) -> views.Json:
    run, price, ask = question.run, question.price, question.ask
    server = found.estate.get(run.server_id)
    return {
        "run": run.id,
        "server": run.server_id,
        "name": server.name if server else run.server_id.rpartition("/")[2],
        "outage": run.outage_id,
        "playbook": run.playbook.name,
        "owner": found.owners.get(run.server_id),
        "started_by": run.created_by,
        "why": question.kind.value,
        "asked_at": views.time(ask.asked_at) if ask else None,
        "times_asked": ask.number if ask else 0,
        "expires_at": views.time(ask.expires_at) if ask and ask.settled_at is None else None,
        "expired": ask is not None and ask.settled_at is not None,
        "price": views.of_price(price) if price else None,
        "answer_by": views.time(question.answer_by),
        "data_loss_s": views.seconds(price.loss) if price else None,
        "held_by": question.held.by if question.held else None,
        "missing": question.missing,
        "signatures": question.signatures,
        "approvers": list(rules.approvers),
        "who_may": questions.who_may(question, rules.policy),
        "sentence": _sentence(question),
        "if_nobody": approvals.silence(price.default) if price else _UNPRICED,
        "to_sign": durations.write(question.to_sign) if question.to_sign is not None else None,
        "yes": _yes(question),
        "no": f"responder runs decline {shlex.quote(run.id)}",
    }


_UNPRICED = "it waits on: no time is set, and nothing is done"
"""What a silence leads to where nothing is weighed."""


def _yes(question: questions.Question) -> str:
    """The command that says it; with the loss to be signed for where it takes a signature. It is copied into shells,
    and the id has a tracking id in it, which comes from outside."""
    command = f"responder runs approve {shlex.quote(question.run.id)}"
    return command + (f" --accept-loss {durations.write(question.to_sign)}" if question.to_sign is not None else "")


def _sentence(question: questions.Question) -> str:
    if question.ask is not None and question.ask.settled_at is None:
        return approvals.sentences(question.ask)
    if question.price is None:
        found = "Nothing is weighed outside of an outage: see what the run's steps have found."
        return f"{found} If nobody answers, {_UNPRICED}."
    return approvals.costs(question.price)
