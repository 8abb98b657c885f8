"""Questions that are open: which runs lack somebody's yes before the point of no return, at what price. Pure.

A run may lack it before anybody was asked: a yes said early counts, so the list has it, and says that it is early.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeGuard

from responder.core import approvals, brakes, controls, copies, cutovers, decisions, runs, tolerances

WORDS = "approval"
"""What a run waits for (`Run.waiting_for`) that only a human's yes or no moves on."""


class Kind(StrEnum):
    """Why a question is open."""

    ASKED = "asked"
    """The cut-over is due, and it waits for a yes."""
    EARLY = "early"
    """Not due yet. A yes said now counts, as long as copy and loss stay as they are."""
    BY_HAND = "by-hand"
    """A run that a human started outside of any outage waits for yes or no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is known of one run's question."""

    run: runs.Run
    records: Mapping[str, runs.StepRecord]
    words: Sequence[runs.Signal]
    """Approve, decline, hold and go-now, oldest first."""
    ask: approvals.Ask | None
    decision: decisions.Decision | None
    """The newest about its server in its outage."""
    tolerance: tolerances.Tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One that is open."""

    run: runs.Run
    kind: Kind
    price: approvals.Price | None
    """As it is now. None: outside of an outage nothing is weighed."""
    ask: approvals.Ask | None
    """As it was put to people. None: not put yet."""
    missing: str
    """What is missing although somebody said yes, in a sentence; empty: nobody did."""
    held: runs.Signal | None
    """Somebody said hold: it goes on only after approve or go-now."""
    signatures: int
    """How many people must sign."""
    to_sign: timedelta | None
    """The loss that a yes must sign for, in whole minutes; a day where nobody could measure it. None: none."""

    @property
    def answer_by(self) -> datetime | None:
        """The last moment at which a yes still meets the RTO. None: there is none."""
        return self.price.answer_by if self.price else None

    @property
    def urgency(self) -> tuple[bool, bool, float, float]:
        """Sorts the most urgent first: what was asked, then by when it must be answered, then the oldest."""
        by = self.answer_by
        early = self.kind is Kind.EARLY
        return early, by is None, by.timestamp() if by else 0.0, self.run.created_at.timestamp()


def of(known: Facts, policy: approvals.Policy) -> Question | None:
    """The open question of a run; None: there is none, or it was answered."""
    run, kind = known.run, _kind(known)
    consent = approvals.consent(known.words, requester=run.created_by)
    missing = approvals.missing_signature(known.words, run.created_by) or _unsigned(consent)
    if kind is None or _refused(consent):
        return None
    decided_at = known.decision.at if known.decision else None
    price = None
    if known.decision is not None:
        copy = runs.copy_of(run, known.records)
        price = approvals.priced(known.decision, copy, policy)
    if decided_at is not None and _answers(consent, price, known.tolerance) and consent.at >= decided_at:
        return None  # the decision that hears of it is not taken yet
    beyond = _beyond(price, known.tolerance)
    return Question(
        run=run,
        kind=kind,
        price=price,
        ask=known.ask,
        missing=missing,
        held=controls.standing(known.words).held,
        signatures=2 if policy.two_people and beyond else 1,
        to_sign=_whole(price.loss) if beyond and price else None,
    )


def _refused(consent: cutovers.Consent | None) -> bool:
    """Whether somebody said no. A declared no, taken because nobody answered, leaves the question open: whoever wakes
    up to it must see what there is to be said, and a yes still counts."""
    return consent is not None and not consent.granted and not consent.held and consent.by != approvals.NOBODY


def _answers(
    consent: cutovers.Consent | None, price: approvals.Price | None, tolerance: tolerances.Tolerance
) -> TypeGuard[cutovers.Consent]:
    """Whether it is a yes that covers the loss."""
    if consent is None or not consent.granted:
        return False
    if not _beyond(price, tolerance) or price is None:
        return True
    enough = price.loss if price.loss is not None else cutovers.UNKNOWN_LOSS
    return consent.loss_accepted is not None and consent.loss_accepted >= enough


def _unsigned(consent: cutovers.Consent | None) -> str:
    """Of a yes that did not suffice."""
    if consent is None or not consent.granted:
        return ""
    return f"{consent.by} said yes, which does not cover the loss as it is now: it takes --accept-loss."


def _kind(known: Facts) -> Kind | None:
    run, decision = known.run, known.decision
    if run.state.ended:
        return None
    if run.outage_id is None:
        return Kind.BY_HAND if run.waiting_for == WORDS else None
    if decision is None or decision.shadow:
        return None
    if decision.action is decisions.Action.ASK or run.waiting_for == WORDS:
        return Kind.ASKED
    copy = runs.copy_of(run, known.records)
    live = copy.state in (copies.State.RESTORING, copies.State.READY)
    return Kind.EARLY if decision.consent_needed and live and runs.stands_in(run) else None


def _whole(loss: timedelta | None) -> timedelta:
    minute = timedelta(minutes=1)
    return cutovers.UNKNOWN_LOSS if loss is None else math.ceil(loss / minute) * minute


def _beyond(price: approvals.Price | None, tolerance: tolerances.Tolerance) -> bool:
    """Whether the loss is more than the owner has declared, so that it must be signed for."""
    if price is None:
        return False
    return price.loss is None or tolerance.rpo is None or price.loss > tolerance.rpo


def who_may(question: Question, policy: approvals.Policy) -> str:
    """Who may answer, in a sentence."""
    people = "Two people who" if question.signatures > 1 else "Whoever"
    have = "have" if question.signatures > 1 else "has"
    not_them = ""
    if policy.two_people and question.run.created_by != brakes.OURSELVES:
        not_them = f"; not {question.run.created_by}, who started it"
    return f"{people} {have} the role approver, or the command line of this machine{not_them}."
