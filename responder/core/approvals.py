"""Asking a human for a yes, with the price on it. Silence is not an answer, and the text says what it leads to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from responder.core import announcements, controls, cutovers, decisions, durations, runs


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


def wanted(decision: decisions.Decision, facts: decisions.Facts, run: runs.Run) -> announcements.Announcement:
    """The announcement for a cut-over that is due and lacks a yes. One for each run."""
    name = facts.server.name
    loss = durations.show(decision.data_loss_bound) if decision.data_loss_bound is not None else "an unknown amount"
    outlook = decision.outlook
    acting = durations.show(outlook.expected_downtime) if outlook else "unknown"
    waiting = durations.show(outlook.expected_downtime_waiting) if outlook else "unknown"
    why = " ".join(reason.text for reason in decision.reasons)
    return announcements.Announcement(
        key=f"{run.id}/approval",
        kind="approval.wanted",
        subject=f"{name}: the cut-over is due and waits for a yes",
        text=(
            f"The copy of {name} is ready and its tolerance is spent. {why} "
            f"Cutting over loses up to {loss} of the newest data. Expected downtime: {acting}; waiting on: {waiting}. "
            f"If nobody answers, it is held: nothing is lost, and {name} stays down until its region returns. "
            f"Yes: responder runs approve {run.id} (with --accept-loss to sign for more than was declared). "
            f"No: responder runs decline {run.id}."
        ),
        at=decision.at,
        to=facts.tolerance.owner,
        facts={"run": run.id, "server": facts.server.id, "outage": decision.outage},
    )
