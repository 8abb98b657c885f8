"""The guard before the point of no return: everything that must be true before applications are sent to a copy.

Asked twice: by the decision, and by the cut-over step on fresh facts just before it writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.core import copies, durations, evidence, outages, tolerances

UNKNOWN_LOSS = timedelta(days=1)
"""What a human signs for who accepts a loss that nobody could measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A human's answer about one run. Silence is not an answer."""

    granted: bool
    by: str
    at: datetime
    loss_accepted: timedelta | None = None
    """The data loss signed for. None: only what the tolerance allows."""
    copy: str | None = None
    """The copy that was there when they agreed. None: there was none yet, so whichever comes."""
    loss_shown: timedelta | None = None
    """The loss they were shown. Grown since, their yes does not count any more. None: not noted."""
    held: bool = False
    """They said hold: not before they, or somebody else, says approve or go-now."""


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
        found.append(_refuse("no-copy", signable=False))
    if request.verdict is evidence.Verdict.UP:
        found.append(_refuse("answers", signable=False))
    elif request.verdict not in (evidence.Verdict.DOWN, evidence.Verdict.UNPROVEN):
        found.append(_refuse("unproven", signable=False))
    if request.tolerance.cutover is tolerances.Cutover.NEVER:
        found.append(_refuse("never", signable=False))
    if request.consent is not None and not request.consent.granted:
        said = "held" if request.consent.held else "declined"
        found.append(_refuse(said, by=request.consent.by))
    found.extend(_needs_a_human(request))
    return tuple(found)


def consent_missing(request: Request) -> bool:
    """Whether a human's yes is (still) needed for this cut-over, other conditions apart."""
    declined = request.consent is not None and not request.consent.granted
    return declined or any(True for _ in _needs_a_human(request))


def _needs_a_human(request: Request) -> Iterator[Refusal]:
    """What the owner's declaration does not cover, unless somebody has signed for it."""
    outgrown = _outgrown(request)
    if outgrown and request.consent is not None and (not _loss_covered(request) or any(_unsigned(request))):
        yield _refuse("outgrown", by=request.consent.by)
    if not _loss_covered(request):
        rpo = request.tolerance.rpo
        allowed = durations.show(rpo) if rpo is not None else "none at all"
        up_to = (
            f"Up to {durations.show(request.loss)}"
            if request.loss is not None
            else "Nobody knows how much (who wants it signs for a day)"
        )
        yield _refuse("loss", loss=up_to, allowed=allowed)
    if request.consent is not None and request.consent.granted and not outgrown:
        return
    yield from _unsigned(request)


def _unsigned(request: Request) -> Iterator[Refusal]:
    """What takes a yes, whatever the loss."""
    if not request.tolerance.declared:
        yield _refuse("undeclared")
    if request.tolerance.cutover is tolerances.Cutover.ASK:
        yield _refuse("ask")
    if request.concern is not outages.Concern.NAMED:
        yield _refuse("suspected")
    if request.outage_status is not outages.Status.ACTIVE:
        yield _ended(request.outage_status)
    if request.by_its_owner:
        yield _refuse("by-its-owner")
    if request.verdict is evidence.Verdict.UNPROVEN:
        yield _refuse("never-reached")


def _ended(status: outages.Status) -> Refusal:
    """The outage does not go on, as far as Azure has told this server's subscription."""
    ids = {outages.Status.WITHDRAWN: "withdrawn", outages.Status.RESOLVED: "resolved"}
    return _refuse(ids.get(status, "dropped"))


SLACK = timedelta(seconds=1)
"""A loss that has grown by less has not grown."""


def _outgrown(request: Request) -> bool:
    """Whether the yes was said about another copy, or about a smaller loss than it would be by now."""
    consent = request.consent
    if consent is None or not consent.granted:
        return False
    known = (request.copy.server_id, request.copy.instead_of)  # a newer copy of the same run lacks less, not more
    if consent.copy is not None and request.copy.server_id is not None and consent.copy not in known:
        return True
    if consent.loss_shown is None or request.loss is None:
        return False
    return request.loss > max(consent.loss_shown, consent.loss_accepted or timedelta()) + SLACK


def _loss_covered(request: Request) -> bool:
    valid = request.consent is not None and request.consent.granted and not _outgrown(request)
    accepted = request.consent.loss_accepted if request.consent is not None and valid else None
    if request.loss is None:
        return accepted is not None and accepted >= UNKNOWN_LOSS
    limits = [limit for limit in (request.tolerance.rpo, accepted) if limit is not None]
    return bool(limits) and request.loss <= max(limits)


def _refuse(id_: str, *, signable: bool = True, **words: str) -> Refusal:
    return Refusal(id=f"cutover.{id_}", text=SENTENCES[id_].format(**words), signable=signable)


SENTENCES: Mapping[str, str] = {
    "no-copy": "There is no copy that is ready.",
    "answers": "The server answers.",
    "unproven": "No fresh probe proves that the server is down.",
    "never": "Its owner declared outage-cutover=never; only another tag makes it possible.",
    "declined": "{by} declined.",
    "held": "{by} said to hold.",
    "outgrown": "The yes of {by} was said about another copy or a smaller loss, so it does not count any more.",
    "loss": "{loss} of the newest data would be lost; declared is {allowed}.",
    "undeclared": "Its tolerance is undeclared or cannot be read, so nothing is agreed without a human's yes.",
    "ask": "It takes a human's yes (outage-cutover=ask), and nobody has said it.",
    "suspected": "This outage is only suspected: Azure has not named PostgreSQL in this subscription and region, or not"
    " said in words how grave it is.",
    "withdrawn": "Azure has withdrawn the outage (no impact, or a false positive) although the server is still down.",
    "resolved": "Azure calls the outage resolved although the server is still down.",
    "dropped": "Azure's newest update does not name this region any more. That is no proof of recovery, nor of an "
    "outage.",
    "by-its-owner": "Resource Health says that the server's owner restarted or stopped it.",
    "never-reached": "The server never answered from here, so its silence proves nothing.",
}
"""What a refusal says, by its id without `cutover.`."""
