"""Outages: what health events about one tracking id say about one region. Folding events into an outage is pure.

The newest truth wins by Azure's update time, not by arrival: any order and number of deliveries of the same events end
in the same status, impact start, subscriptions and relation. The rules are the table in `transitions`; outages that we
suspect without a word of Azure's are made by `suspicions`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from responder.core import events, regions, servers, services, transitions

OutageId = NewType("OutageId", str)
"""`TRACKING-ID@region`."""


class Status(StrEnum):
    """Whether Azure says that it is still going on. Only our own probes say whether a server is back."""

    ACTIVE = "active"
    RESOLVED = "resolved"
    DROPPED = "dropped"
    """Azure goes on about it and no longer names this region. No proof of recovery."""
    WITHDRAWN = "withdrawn"
    """Azure took it back: a false positive, no impact."""


class Concern(StrEnum):
    """How an outage concerns one server."""

    NAMED = "named"
    """Azure named PostgreSQL, this region, and this server's subscription."""
    SUSPECTED = "suspected"
    """Azure named a service PostgreSQL stands on, or spoke to another subscription: never enough to cut over alone."""
    NONE = "none"


_TAKES_NO_SERVER = (services.Relation.UNRELATED, services.Relation.CONTROL_PLANE)
NOBODY = ""
"""Whom a message is counted for that is addressed to no subscription."""


SAME_UPDATE = timedelta(minutes=15)
"""One update carries another time on each channel. When in doubt it is asked for again within two minutes: what looks
informational by mistake opens as soon as a newer word says that it is more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one subscription was told of the region: Azure's times of the newest update of each sort, or None.

    Only maxima, so that the order of arrival cannot matter.
    """

    named_at: datetime | None = None
    """It named the region with something that concerns us."""
    listed_at: datetime | None = None
    """The same, in a whole list of services and regions: what that list lacks is left out."""
    postgresql_at: datetime | None = None
    """It named PostgreSQL here."""
    trimmed_at: datetime | None = None
    """A whole list that named, here, only what PostgreSQL stands on."""
    left_at: datetime | None = None
    """A whole list that left the region out, or named nothing in it that concerns us."""

    @property
    def gone(self) -> bool:
        """Named once, and left out since. At one time of two channels, naming counts."""
        return self.named_at is not None and self.left_at is not None and self.left_at > self.named_at

    @property
    def names_postgresql(self) -> bool:
        """PostgreSQL was named, and not taken off the list while the region stayed on it."""
        if self.postgresql_at is None:
            return False
        return self.trimmed_at is None or self.trimmed_at <= self.postgresql_at

    def latest(self, other: Told) -> Told:
        """The newest of both, sort by sort."""
        pairs = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        return Told(**{name: max((at for at in pair if at), default=None) for name, pair in pairs.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One tracking id in one region, as last told. All times aware UTC."""

    id: OutageId
    tracking_id: str
    region: regions.RegionName
    status: Status
    impact_start: datetime
    """When it began, as Azure last said; revised now and then, and every deadline with it."""
    start_told_at: datetime | None = None
    """Azure's time of the update that `impact_start` is from. None: Azure has not said when it began, and the time of
    its first word about it stands in."""
    heard_at: datetime
    """When we first learned of it."""
    updated_at: datetime
    """Azure's time of the newest update that said active or resolved. News that says neither does not count."""
    subscriptions: tuple[str, ...] = ()
    """Subscriptions that were told, lower case, sorted."""
    relation: services.Relation = services.Relation.UNRELATED
    services: tuple[str, ...] = ()
    resolved_at: datetime | None = None
    expected_end: datetime | None = None
    """Azure's estimate while active. It may bring a cut-over forward, never push one back."""
    reopened: int = 0
    title: str = ""
    level: str | None = None
    unrated: bool = False
    """Told only by channels that write the level as a number. It may turn out to be informational: a suspicion."""
    told: Mapping[str, Told] = field(default_factory=dict)
    """By subscription in lower case. One that is not in here counts by `subscriptions` and `relation`."""
    ours: bool = False
    """Suspected by ourselves from silent servers; Azure has said nothing. Never enough to cut over alone."""
    merged_into: OutageId | None = None
    """The outage of Azure's that a suspected one turned out to be. Its runs belong to that one now."""

    @property
    def active(self) -> bool:
        """Whether Azure still calls it active."""
        return self.status is Status.ACTIVE

    @property
    def takes_servers(self) -> bool:
        """Whether it concerns PostgreSQL or what that stands on, and not only what restores are asked of."""
        return self.relation not in _TAKES_NO_SERVER

    @property
    def gone(self) -> bool:
        """Whether everybody who was told of the region has been left out since."""
        heard = [told for told in self.told.values() if told.named_at is not None]
        return bool(heard) and all(told.gone for told in heard)

    @property
    def quiet_since(self) -> datetime:
        """Azure's time of its last word about the region: its end, or the newest update counted."""
        told = [at for each in self.told.values() for at in (each.named_at, each.left_at) if at]
        return self.resolved_at or max(self.updated_at, *told, self.updated_at)

    def goes_on_for(self, server: servers.Server) -> bool:
        """Whether Azure still calls it active where and to whom that server belongs."""
        told = self.told.get(server.subscription_id.lower())
        return self.active and not (told is not None and told.gone)

    def concern(self, server: servers.Server) -> Concern:
        """How this outage concerns that server, before any probe is asked."""
        if server.region != self.region or self.relation in _TAKES_NO_SERVER:
            return Concern.NONE
        subscription = server.subscription_id.lower()
        told = self.told.get(subscription)
        named = self.relation is services.Relation.POSTGRESQL if told is None else told.names_postgresql
        named = named and not self.unrated
        return Concern.NAMED if named and subscription in self.subscriptions else Concern.SUSPECTED

    def log_context(self) -> dict[str, str]:
        """The fields that every log line about this outage carries."""
        return {"outage": self.id}


def outage_id(tracking_id: str, region: regions.RegionName) -> OutageId:
    """The key under which every event of that tracking id about that region meets."""
    return OutageId(f"{tracking_id.upper()}@{region}")


def correlate_all(
    known: Mapping[regions.RegionName, Outage], event: events.HealthEvent, heard_at: datetime
) -> dict[regions.RegionName, Outage]:
    """Fold one event into every outage of its tracking id: where it names a region, and where it does not any longer.

    Args:
        known: the outages of the event's tracking id, by region.

    Returns:
        The outages that this event changes or opens, by region. Empty: it says nothing.
    """
    changed: dict[regions.RegionName, Outage] = {}
    for region in dict.fromkeys((*event.named_regions, *known)):
        before = known.get(region)
        after = correlate(before, event, region, heard_at, siblings=tuple(known.values()))
        if after is not None and after != before:
            changed[region] = after
    return changed


def correlate(
    outage: Outage | None,
    event: events.HealthEvent,
    region: regions.RegionName,
    heard_at: datetime,
    *,
    siblings: Collection[Outage] = (),
) -> Outage | None:
    """Fold one event into what is known of its tracking id in one region. The rules are the table of `transitions`.

    Args:
        siblings: outages of the same tracking id in other regions: they know of updates that did not name this one.

    Returns:
        The outage after the event. None when there was none and this event does not make one.
    """
    if outage is not None and outage.relation not in _TAKES_NO_SERVER:
        event = _of_servers(event)
    word = _word(event, region)
    harmless = outage is not None and _turns_out_harmless(outage, event, region)
    if harmless:
        word = transitions.Word.TAKEN_BACK
    if word in (transitions.Word.NOTHING, transitions.Word.REVIEW):
        return outage
    told_at = min(event.updated_at or heard_at, heard_at)  # a clock ahead of ours must not outrank all later news
    state = transitions.State.UNHEARD if outage is None else transitions.State(outage.status)
    known = _counted(outage or _unheard(event, region, (told_at, heard_at), siblings), event, region, told_at)
    age = transitions.Age.SAME if harmless else _age(outage, told_at)
    row = transitions.find(state, _in_time(word, known), age)
    then = row.next_of(state)
    if then is transitions.State.UNHEARD:
        return None
    return replace(_applied(row.effect, known, event, region, told_at), status=Status(then))


def _of_servers(event: events.HealthEvent) -> events.HealthEvent:
    """The event without what it says of Resource Manager: that is no part of an outage that takes servers."""
    control, unrelated = services.Relation.CONTROL_PLANE, services.Relation.UNRELATED
    if event.relation is not control and all(impact.relation is not control for impact in event.impacts):
        return event
    return replace(
        event,
        relation=unrelated if event.relation is control else event.relation,
        impacts=tuple(replace(i, relation=unrelated) if i.relation is control else i for i in event.impacts),
    )


def _word(event: events.HealthEvent, region: regions.RegionName) -> transitions.Word:
    """What the event says of the impact there, taken by itself."""
    if event.kind is not events.Kind.INCIDENT or event.synthetic or event.tracking_id is None:
        return transitions.Word.NOTHING
    if _withdraws(event, region):
        return transitions.Word.TAKEN_BACK
    relation, named = _named(event, region)
    review = (event.stage or "").casefold() == "rca"
    if named and relation is services.Relation.UNRELATED:
        if _leaves_out(event) and not review:
            return transitions.Word.GONE
        return transitions.Word.NOTHING  # that App Service is back says nothing about PostgreSQL
    status = event.status_in(region) if event.impacts else event.status
    if status is events.Status.RESOLVED:
        return transitions.Word.OVER
    if review:
        return transitions.Word.REVIEW
    goes_on = event.followed and status is events.Status.ACTIVE
    return transitions.Word.GOES_ON if goes_on else transitions.Word.NOTHING


def settles(event: events.HealthEvent, told_at: datetime) -> bool:
    """Whether the event's level is that of an update told at that time: a newer one, or the same over another channel,
    whose clock differs by what the activity log takes to write it down."""
    return event.level is not None and event.updated_at is not None and event.updated_at >= told_at - SAME_UPDATE


def _turns_out_harmless(outage: Outage, event: events.HealthEvent, region: regions.RegionName) -> bool:
    """Whether another channel says in words that what stood there as a number is informational."""
    relation, named = _named(event, region)
    about_us = relation is not services.Relation.UNRELATED and bool(named) and not event.synthetic
    incident = event.kind is events.Kind.INCIDENT and event.status is events.Status.ACTIVE
    informational = event.level == "informational" and settles(event, outage.updated_at)
    return outage.unrated and outage.active and informational and incident and about_us


def _withdraws(event: events.HealthEvent, region: regions.RegionName) -> bool:
    """A withdrawal speaks of the regions it names, whatever services it names there; of all where it names none."""
    return event.false_positive and (not event.impacts or region in event.named_regions)


def _leaves_out(event: events.HealthEvent) -> bool:
    """Whether what the event does not name is left out on purpose: only where Azure gave its whole list of services and
    regions, and nothing of ours in it is `Global`."""
    everywhere = any(i.region is None and i.relation is not services.Relation.UNRELATED for i in event.impacts)
    listed = event.impacts_listed and event.channel != events.Channel.EMERGING_ISSUE and not everywhere
    return listed and event.status in (events.Status.ACTIVE, events.Status.RESOLVED)


def _in_time(word: transitions.Word, known: Outage) -> transitions.Word:
    """The word in the light of every update counted so far, this one among them."""
    gone = known.gone
    if word is transitions.Word.GOES_ON and gone:
        return transitions.Word.WENT_ON
    if word is transitions.Word.GONE and not gone:
        return transitions.Word.GONE_FOR_SOME
    return word


def _age(outage: Outage | None, told_at: datetime) -> transitions.Age:
    if outage is None or told_at > outage.updated_at:
        return transitions.Age.NEWER
    return transitions.Age.SAME if told_at == outage.updated_at else transitions.Age.OLDER


def _applied(
    effect: transitions.Effect,
    known: Outage,
    event: events.HealthEvent,
    region: regions.RegionName,
    told_at: datetime,
) -> Outage:
    """The outage with an effect carried out; its state is set by whoever asked."""
    if effect in (transitions.Effect.NOTHING, transitions.Effect.NOTE):
        return known
    known = _widened(known, event, region, told_at)
    if effect is transitions.Effect.WIDEN:
        return known
    if effect is transitions.Effect.END:
        ended_at = _past(event.impact_end, told_at) or known.resolved_at or told_at
        return replace(known, resolved_at=ended_at, updated_at=told_at, expected_end=None)
    if told_at < known.updated_at:
        return known
    return replace(
        known,
        resolved_at=None,
        reopened=known.reopened + (effect is transitions.Effect.REOPEN),
        updated_at=told_at,
        expected_end=event.impact_end if event.impact_end and event.impact_end > told_at else known.expected_end,
        title=event.title or known.title,
        level=event.level or known.level,
        unrated=event.unrated if effect is transitions.Effect.REOPEN else known.unrated,
    )


def _named(event: events.HealthEvent, region: regions.RegionName) -> tuple[services.Relation, tuple[str, ...]]:
    """The closest relation and the services named for that region, where the event tells its regions apart."""
    if not event.impacts:
        return event.relation, event.services
    here = tuple(impact.service for impact in event.impacts if impact.region == region)
    return event.relation_in(region), here or event.services


def _unheard(
    event: events.HealthEvent,
    region: regions.RegionName,
    times: tuple[datetime, datetime],
    siblings: Collection[Outage],
) -> Outage:
    """The outage as it stands before the first event about it is folded in; `times`: told at, heard at."""
    tracking_id = event.tracking_id or ""
    told_at, heard_at = times
    left: dict[str, Told] = {}
    for other in siblings:
        for subscription, told in other.told.items():
            left[subscription] = left.get(subscription, Told()).latest(Told(left_at=told.listed_at))
    return Outage(
        id=outage_id(tracking_id, region),
        tracking_id=tracking_id.upper(),
        region=region,
        status=Status.ACTIVE,
        impact_start=told_at,
        heard_at=heard_at,
        updated_at=told_at,
        title=event.title,
        level=event.level,
        unrated=event.unrated,
        told={subscription: told for subscription, told in left.items() if told.left_at},
    )


def _counted(outage: Outage, event: events.HealthEvent, region: regions.RegionName, told_at: datetime) -> Outage:
    """The outage with the update counted for everybody it went to."""
    relation, _ = _named(event, region)
    listed = told_at if event.impacts_listed else None
    if _withdraws(event, region):
        news = Told(named_at=told_at, listed_at=listed)
    elif relation is services.Relation.UNRELATED and _leaves_out(event):
        news = Told(left_at=told_at)
    elif relation is services.Relation.POSTGRESQL:
        news = Told(named_at=told_at, listed_at=listed, postgresql_at=told_at)
    else:
        news = Told(named_at=told_at, listed_at=listed, trimmed_at=listed)
    told = dict(outage.told)
    for subscription in _addressees(event) or (NOBODY,):
        told[subscription] = told.get(subscription, Told()).latest(news)
    return replace(outage, told=told)


def _addressees(event: events.HealthEvent) -> tuple[str, ...]:
    """The subscriptions that an event speaks to, in lower case: the one it was sent to, and those it lists."""
    every = (event.subscription_id, *event.impacted_subscriptions)
    return tuple(dict.fromkeys(subscription.lower() for subscription in every if subscription))


def _widened(outage: Outage, event: events.HealthEvent, region: regions.RegionName, told_at: datetime) -> Outage:
    """What even an old or repeated event adds: who else was told (once told stays told), and since when it lasts."""
    relation, named = _named(event, region)
    start, start_told_at = outage.impact_start, outage.start_told_at
    if event.impact_start is None:
        start = min(start, told_at) if start_told_at is None else start
    elif start_told_at is None or told_at >= start_told_at:
        start, start_told_at = min(event.impact_start, told_at), told_at
    return replace(
        outage,
        impact_start=start,
        start_told_at=start_told_at,
        subscriptions=tuple(sorted({*outage.subscriptions, *_addressees(event)})),
        services=tuple(sorted({*outage.services, *named})),
        unrated=outage.unrated and event.unrated,
        relation=services.strongest((outage.relation, relation)),
    )


def _past(time: datetime | None, now: datetime) -> datetime | None:
    return time if time is not None and time <= now else None
