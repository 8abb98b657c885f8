"""The part that all channels of Service Health share: from fields, impacts and words to one event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from responder.core import services
from responder.core.events import HealthEvent, Kind, Status
from responder.core.payloads import fields, impacts, wording
from responder.core.payloads.fields import Fields

_TITLES = ("title", "defaultLanguageTitle")
_TEXTS = ("summary", "communication", "defaultLanguageContent", "description", "header")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a channel's reader has worked out by its own rules; the rest is the same everywhere."""

    channel: str
    kind: Kind
    said: tuple[str | None, ...]
    """Words about the state, folded: status, stage."""
    stage: str | None
    """Azure's own word for the state, as spelled."""
    at: datetime | None
    level: str | None
    subscription_id: str | None
    tracking_id: str | None
    impacts: tuple[object, ...]
    """Entries of the list of impacted services, as they came."""
    flags: Fields
    """Everywhere a synthetic flag may be."""
    impacted_subscriptions: tuple[str, ...] = ()
    unrated: bool = False


def event(said: Said, body: Fields) -> HealthEvent:
    """The event; `body` is the object that holds title, times and texts."""
    title = fields.prose(body.text(*_TITLES, limit=1_000), 500)
    status = _status(said, body)
    named = impacts.read(said.impacts, status, body.text("region", limit=1_000))
    listed = bool(named) and impacts.is_whole(said.impacts)
    if not named:  # missing, or a string nobody can read
        named = impacts.scalar(body.text("service", limit=200), body.text("region", limit=1_000), status)
    summary = fields.prose(body.text(*_TEXTS, limit=20_000))
    if wording.names_postgresql(title) or wording.names_postgresql(summary):
        named = impacts.suspected(named)
    ours, status = impacts.concerning_us(named, status)
    return HealthEvent(
        channel=said.channel,
        kind=said.kind,
        status=status,
        stage=said.stage,
        level=said.level,
        unrated=said.unrated and said.kind is Kind.INCIDENT,
        tracking_id=said.tracking_id,
        subscription_id=said.subscription_id,
        communication_id=body.text("communicationId", limit=200),
        updated_at=said.at,
        impact_start=body.time("impactStartTime", "startTime"),
        impact_end=body.time("impactMitigationTime"),
        regions=tuple(dict.fromkeys(impact.region for impact in ours if impact.region)),
        global_scope=any(impact.region is None for impact in ours),
        services=tuple(dict.fromkeys(impact.service for impact in named if impact.service)),
        relation=services.strongest(impact.relation for impact in ours),
        impacts=named,
        impacts_listed=listed,
        impacted_subscriptions=said.impacted_subscriptions,
        synthetic=_is_synthetic(said, body),
        false_positive=any(map(wording.is_false_positive, [*body.all(*_TITLES), *wording.tags(body)])),
        title=title,
        summary=summary,
    )


def _status(said: Said, body: Fields) -> Status:
    status = wording.status(said.said, said.kind)
    reviewed = any(map(wording.is_review, [*body.all(*_TITLES), *wording.tags(body)]))
    if reviewed and status is Status.ACTIVE:
        return Status.UPDATED  # never reopens what the review is about
    return status


def _is_synthetic(said: Said, body: Fields) -> bool:
    """Any flag, in any spelling and type, or the title of a test: a real outage is announced more than once."""
    return (
        said.flags.flag("isSynthetic", "synthetic")
        or any(map(wording.is_test_title, body.all(*_TITLES)))
        or any(map(wording.is_test_text, body.all(*_TEXTS)))
    )
