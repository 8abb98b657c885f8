"""The guard before the point of no return: everything that must be true before applications are sent to a copy.

Asked twice: by the decision, and by the cut-over step on fresh facts just before it writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.core import copies, durations, evidence, outages, tolerances


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A human's answer about one run. Silence is not an answer."""

    granted: bool
    by: str
    at: datetime
    loss_accepted: timedelta | None = None
    """The data loss signed for. None: only what the tolerance allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the guard looks at."""

    copy: copies.Copy
    tolerance: tolerances.Tolerance
    outage_status: outages.Status
    """As far as Azure has told this server's subscription."""
    concern: outages.Concern
    verdict: evidence.Verdict
    loss: timedelta | None
    """None: not known."""
    consent: Consent | None
    by_its_owner: bool = False
    """Resource Health says that the owner restarted or stopped the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why the cut-over may not happen now."""

    id: str
    text: str
    signable: bool
    """A human's yes removes it. False: nobody can sign this away."""


def refusals(request: Request) -> tuple[Refusal, ...]:
    """Why not, weightiest first; empty: go."""
    found = []
    if request.copy.state is not copies.State.READY:
        found.append(Refusal(id="cutover.no-copy", text="There is no copy that is ready.", signable=False))
    if request.verdict is evidence.Verdict.UP:
        found.append(Refusal(id="cutover.answers", text="The server answers.", signable=False))
    elif request.verdict not in (evidence.Verdict.DOWN, evidence.Verdict.UNPROVEN):
        text = "No fresh probe proves that the server is down."
        found.append(Refusal(id="cutover.unproven", text=text, signable=False))
    if request.tolerance.cutover is tolerances.Cutover.NEVER:
        text = "Its owner declared outage-cutover=never; only another tag makes it possible."
        found.append(Refusal(id="cutover.never", text=text, signable=False))
    if request.consent is not None and not request.consent.granted:
        text = f"{request.consent.by} declined."
        found.append(Refusal(id="cutover.declined", text=text, signable=True))
    found.extend(_needs_a_human(request))
    return tuple(found)


def consent_missing(request: Request) -> bool:
    """Whether a human's yes is (still) needed for this cut-over, other conditions apart."""
    declined = request.consent is not None and not request.consent.granted
    return declined or bool(_needs_a_human(request))


def _needs_a_human(request: Request) -> list[Refusal]:
    """What the owner's declaration does not cover, unless somebody has signed for it."""
    signed = request.consent is not None and request.consent.granted
    rpo, found = request.tolerance.rpo, []
    if not _loss_covered(request):
        allowed = durations.show(rpo) if rpo is not None else "none at all"
        text = f"How much of the newest data would be lost is not known; declared is {allowed}."
        if request.loss is not None:
            text = f"Up to {durations.show(request.loss)} of the newest data would be lost; declared is {allowed}."
        found.append(Refusal(id="cutover.loss", text=text, signable=True))
    if signed:
        return found
    if not request.tolerance.declared:
        text = "Its tolerance is undeclared or cannot be read, so nothing is agreed without a human's yes."
        found.append(Refusal(id="cutover.undeclared", text=text, signable=True))
    if request.tolerance.cutover is tolerances.Cutover.ASK:
        text = f"It takes a human's yes (outage-cutover={request.tolerance.cutover}), and nobody has said it."
        found.append(Refusal(id="cutover.ask", text=text, signable=True))
    if request.concern is not outages.Concern.NAMED:
        text = "Azure has not named PostgreSQL in this subscription and region, so this outage is only suspected."
        found.append(Refusal(id="cutover.suspected", text=text, signable=True))
    if request.outage_status is not outages.Status.ACTIVE:
        found.append(_ended(request.outage_status))
    if request.by_its_owner:
        text = "Resource Health says that the server's owner restarted or stopped it."
        found.append(Refusal(id="cutover.by-its-owner", text=text, signable=True))
    if request.verdict is evidence.Verdict.UNPROVEN:
        text = "The server never answered from here, so its silence proves nothing."
        found.append(Refusal(id="cutover.never-reached", text=text, signable=True))
    return found


def _ended(status: outages.Status) -> Refusal:
    """The outage does not go on, as far as Azure has told this server's subscription."""
    if status is outages.Status.WITHDRAWN:
        text = "Azure has withdrawn the outage (no impact, or a false positive) although the server is still down."
        return Refusal(id="cutover.withdrawn", text=text, signable=True)
    if status is outages.Status.RESOLVED:
        text = "Azure calls the outage resolved although the server is still down."
        return Refusal(id="cutover.resolved", text=text, signable=True)
    text = "Azure's newest update does not name this region any more. That is no proof of recovery, nor of an outage."
    return Refusal(id="cutover.dropped", text=text, signable=True)


def _loss_covered(request: Request) -> bool:
    accepted = request.consent.loss_accepted if request.consent and request.consent.granted else None
    if request.loss is None:
        return accepted is not None
    limits = [limit for limit in (request.tolerance.rpo, accepted) if limit is not None]
    return bool(limits) and request.loss <= max(limits)
