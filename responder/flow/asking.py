"""Putting the question of a cut-over to people, once for each price, and taking the declared default at its expiry.

Decides nothing: the decision said that a yes is missing. A default is a stored word like anybody's, under its own name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from responder.core import approvals, decisions, runs
from responder.store import stores

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """A run whose cut-over is due and lacks a yes."""

    run: runs.Run
    decision: decisions.Decision
    facts: decisions.Facts


async def ask(store: stores.Store, lacking: Sequence[Lacking], policy: approvals.Policy, now: datetime) -> bool:
    """Ask what was not asked at this price, and take the default where the time is over. Many runs at a time.

    Returns:
        Whether something was said to a run, so that it is due.
    """
    known = await store.asks.newest([one.run.id for one in lacking])
    new, news, over, words, told = [], [], [], [], []
    for one in lacking:
        before = known.get(one.run.id)
        question = approvals.asked(before, one.run, approvals.price(one.decision, one.facts, policy), policy, now)
        if question is not None:
            new.append(question)
            news.append(approvals.wanted(question, one.decision, one.facts))
        elif (
            before is not None and approvals.expired(before, now) and not approvals.answered(before, one.facts.consent)
        ):
            over.append(before)
            told.append(approvals.lapsed(before, one.facts, now))
            word = approvals.declared(before, now)
            words += [word] if word is not None else []
            _log.warning("approval.expired", **one.run.log_context(), default=before.price.default)
    await store.asks.put(new, news)
    await store.asks.settle(over, words, told, now)
    return bool(words)
