"""Asking a human for a yes, with the price on it. Silence is not an answer, and the text says what it leads to. Pure.

A yes is bound to what it was said about: the copy that was there, and the loss that was shown. When the loss has grown
since, it does not count any more, and the question is asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from responder.core import (
    announcements,
    controls,
    copies,
    cutovers,
    decisions,
    durations,
    errors,
    runs,
)

NOBODY = "responder (nobody answered)"
"""Who says what was declared for the case that nobody does."""


class Default(StrEnum):
    """What a silence leads to, as the organisation has declared. Never to a yes: what is asked about although an owner
    declared that none is needed (a suspicion, an outage that is over, a loss beyond the RPO) takes a human."""

    WAIT = "wait"
    DECLINE = "decline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the organisation decided once about approvals."""

    two_people: bool = False
    expires: timedelta = timedelta(hours=4)
    default: Default = Default.WAIT
    takes: timedelta = timedelta(minutes=15)
    """From a yes until applications are served by the copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a yes costs and what it brings, as it was shown."""

    copy: str | None
    loss: timedelta | None
    """Newest data that cutting over would lose at most; None: unknown."""
    measured: bool
    """From the newest row in the copy, not the bound of geo-backup."""
    downtime: timedelta | None
    downtime_waiting: timedelta | None
    p_meet_rto: float | None
    p_meet_rto_waiting: float | None
    answer_by: datetime | None
    """The last moment at which a yes still meets the RTO. None: no RTO is declared."""
    default: Default = Default.WAIT
    """What happens when nobody answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question that was put to people."""

    run_id: runs.RunId
    number: int
    """2 and up: asked again, because the price rose."""
    asked_at: datetime
    expires_at: datetime
    price: Price
    settled_at: datetime | None = None
    """When the declared default was taken."""


def price(decision: decisions.Decision, facts: decisions.Facts, policy: Policy) -> Price:
    """The price of cutting over as it is now."""
    return priced(decision, facts.copy, policy)


def priced(decision: decisions.Decision, copy: copies.Copy, policy: Policy) -> Price:
    """The same, by what of the facts it takes."""
    outlook = decision.outlook
    return Price(
        copy=copy.server_id,
        loss=decision.data_loss_bound,
        measured=copy.recovery_point is not None,
        downtime=outlook.expected_downtime if outlook else None,
        downtime_waiting=outlook.expected_downtime_waiting if outlook else None,
        p_meet_rto=outlook.p_meet_rto if outlook else None,
        p_meet_rto_waiting=outlook.p_meet_rto_waiting if outlook else None,
        answer_by=decision.must_serve_by - policy.takes if decision.must_serve_by else None,
        default=policy.default,
    )


def asked(known: Ask | None, run: runs.Run, shown: Price, policy: Policy, now: datetime) -> Ask | None:
    """The question to put now; None: it was put, at this price."""
    if known is not None and not _dearer(known.price, shown):
        return None
    return Ask(
        run_id=run.id,
        number=known.number + 1 if known else 1,
        asked_at=now,
        expires_at=now + policy.expires,
        price=shown,
    )


def _dearer(before: Price, now: Price) -> bool:
    if before.copy is not None and now.copy is not None and before.copy != now.copy:
        return True
    return before.loss is not None and now.loss is not None and now.loss > before.loss + cutovers.SLACK


def expired(known: Ask | None, now: datetime) -> bool:
    """Whether nobody has answered in time, and nothing was done about it yet."""
    return known is not None and known.settled_at is None and now >= known.expires_at


def answered(known: Ask, consent: cutovers.Consent | None) -> bool:
    """Whether somebody has answered it: with a no or a hold, or with a yes since it was put. A yes may be too little
    (it lacks a second signature, or the loss has grown), but it is no silence, and the default must not undo it."""
    if consent is None or consent.by == NOBODY:
        return False
    return not consent.granted or consent.at >= known.asked_at


def settled(known: Ask, at: datetime) -> Ask:
    """The question after its default was taken."""
    return replace(known, settled_at=at)


def declared(known: Ask, now: datetime) -> runs.Signal | None:
    """What is said to the run when nobody has; None: it is held on."""
    if known.price.default is Default.WAIT:
        return None
    payload = {"reason": f"declared default at expiry ({known.price.default})", **bound(known.price)}
    key = f"default/{known.number}"
    return runs.Signal(run_id=known.run_id, topic=runs.Topic.DECLINE, by=NOBODY, at=now, payload=payload, key=key)


def bound(shown: Price) -> dict[str, object]:
    """What a yes is bound to, for its payload."""
    loss = shown.loss.total_seconds() if shown.loss is not None else None
    return {"copy": shown.copy, "loss_shown_s": loss}


def refuse_same_person(run: runs.Run, by: str, policy: Policy) -> None:
    """Where two people are demanded, whoever asked for the run cannot approve it.

    Raises:
        RefusedError: `approval.same-person`.
    """
    if policy.two_people and by == run.created_by:
        raise errors.RefusedError(
            "approval.same-person",
            f"{by} started {run.id} and cannot approve it too (settings: approvals.two_people).",
            remedy="Ask somebody else to say yes.",
        )


def missing_signature(signals: Sequence[runs.Signal], requester: str) -> str:
    """What is still missing after a yes that signed for a loss, in a sentence; empty: nothing."""
    given = consent(signals, requester=requester)
    words = [word for word in signals if word.topic is runs.Topic.APPROVE]
    if given is None or not words or not given.granted or given.loss_accepted is not None:
        return ""
    if not words[-1].payload.get("two_people") or _accepted(words[-1]) is None:
        return ""
    return "A loss beyond what was declared takes a second signature: somebody else must say the same."


def consent(signals: Sequence[runs.Signal], *, requester: str) -> cutovers.Consent | None:
    """What all words to a run amount to as consent to its cut-over; None: nobody has said yes or no, or hold.

    The newest word counts, in the order they were stored: clocks can be set back, the journal cannot. A hold outweighs
    a yes that was said before it. Where the settings demand two people (noted with the word itself), a loss is signed
    for only as far as two of them did, neither of whom asked for the run.

    Args:
        requester: who started the run.
    """
    held = controls.standing(signals).held
    if held is not None:
        return cutovers.Consent(granted=False, by=held.by, at=held.at, held=True)
    words = [word for word in signals if word.topic in (runs.Topic.APPROVE, runs.Topic.DECLINE)]
    if not words:
        return None
    newest = words[-1]
    if newest.topic is runs.Topic.DECLINE:
        return cutovers.Consent(granted=False, by=newest.by, at=newest.at)
    noes = [i for i, word in enumerate(words) if word.topic is runs.Topic.DECLINE]
    yes = words[noes[-1] + 1 :] if noes else words
    copy, shown = newest.payload.get("copy"), newest.payload.get("loss_shown_s")
    return cutovers.Consent(
        granted=True,
        by=newest.by,
        at=newest.at,
        loss_accepted=_signed_for(yes, requester),
        copy=str(copy) if copy else None,
        loss_shown=timedelta(seconds=float(shown)) if shown is not None else None,
    )


def _signed_for(yes: Sequence[runs.Signal], requester: str) -> timedelta | None:
    """The loss that was accepted, by as many people as it takes."""
    newest = yes[-1]
    if not newest.payload.get("two_people"):
        return _accepted(newest)
    each = {word.by: _accepted(word) for word in yes if word.by != requester}  # the newest word of each person
    accepted = sorted((loss for loss in each.values() if loss is not None), reverse=True)
    return accepted[1] if len(accepted) > 1 else None


def _accepted(word: runs.Signal) -> timedelta | None:
    seconds = word.payload.get("loss_accepted_s")
    return timedelta(seconds=float(seconds)) if seconds is not None else None


def wanted(known: Ask, decision: decisions.Decision, facts: decisions.Facts) -> announcements.Announcement:
    """The announcement for a cut-over that is due and lacks a yes. One for each question."""
    name, run = facts.server.name, known.run_id
    why = " ".join(reason.text for reason in decision.reasons)
    again = "The price has risen since the last yes or question. " if known.number > 1 else ""
    return announcements.Announcement(
        key=f"{run}/approval" + (f"/{known.number}" if known.number > 1 else ""),
        kind="approval.wanted",
        subject=f"{name}: the cut-over is due and waits for a yes",
        text=(
            f"The copy of {name} is ready and its tolerance is spent. {again}{why} {sentences(known)} "
            f"Yes: responder runs approve {run} (with --accept-loss to sign for more than was declared). "
            f"No: responder runs decline {run}."
        ),
        at=known.asked_at,
        to=facts.tolerance.owner,
        facts={"run": run, "server": facts.server.id, "outage": decision.outage},
    )


def lapsed(known: Ask, facts: decisions.Facts, now: datetime) -> announcements.Announcement:
    """The announcement that nobody has answered in time, and what was done about it."""
    name = facts.server.name
    done = {
        Default.WAIT: f"It is held on, as declared, and {name} stays down. A yes still counts.",
        Default.DECLINE: "It counts as a no, as declared. The copy is kept until the region is back.",
    }[known.price.default]
    return announcements.Announcement(
        key=f"{known.run_id}/approval/{known.number}/expired",
        kind="approval.expired",
        subject=f"{name}: nobody has answered",
        text=f"Nobody has said yes or no by {known.expires_at:%H:%M} UTC. {done} {sentences(known)}",
        at=now,
        to=facts.tolerance.owner,
        facts={"run": known.run_id, "server": facts.server.id, "outage": facts.outage.id},
    )


def sentences(known: Ask) -> str:
    """The price, in words, and what a silence leads to."""
    instead = silence(known.price.default)
    return f"{costs(known.price)} If nobody answers by {known.expires_at:%H:%M} UTC, {instead}."


def silence(default: Default) -> str:
    """What happens when nobody answers, in half a sentence."""
    return {
        Default.WAIT: "it is held: nothing is lost, and it stays down until its region returns",
        Default.DECLINE: "it counts as a no",
    }[default]


def costs(shown: Price) -> str:
    """What a yes costs and brings, in words."""
    loss = f"up to {durations.show(shown.loss)}" if shown.loss is not None else "an unknown amount"
    how = "measured" if shown.measured else "not measured: the bound of geo-backup"
    by = f" To meet its RTO, a yes must be said by {shown.answer_by:%H:%M} UTC." if shown.answer_by else ""
    return (
        f"Cutting over loses {loss} of the newest data ({how}). "
        f"Expected downtime: {_span(shown.downtime)}; waiting on: {_span(shown.downtime_waiting)}. "
        f"P(meeting the RTO): {_share(shown.p_meet_rto)}; waiting on: {_share(shown.p_meet_rto_waiting)}.{by}"
    )


def _span(value: timedelta | None) -> str:
    return durations.show(value) if value is not None else "unknown"


def _share(value: float | None) -> str:
    return f"{value:.0%}" if value is not None else "unknown"
