"""Folding health events into outages. Pure; what an event does to an outage is the table in `transitions`.

The newest truth wins by Azure's update time, not by arrival: any order and number of deliveries of the same events end
in the same outages, where `chronicles` puts them in order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from responder.core import events, outages, regions, services, transitions

SAME_UPDATE = timedelta(minutes=15)
"""One update carries another time on each channel. When in doubt it is asked for again within two minutes: what looks
informational by mistake opens as soon as a newer word says that it is more."""


def correlate_all(
    known: Mapping[regions.RegionName, outages.Outage], event: events.HealthEvent, heard_at: datetime
) -> dict[regions.RegionName, outages.Outage]:
    """Fold one event into every outage of its tracking id: where it names a region, and where it does not any longer.

    Args:
        known: the outages of the event's tracking id, by region.

    Returns:
        The outages that this event changes or opens, by region. Empty: it says nothing.
    """
    changed: dict[regions.RegionName, outages.Outage] = {}
    for region in dict.fromkeys((*event.named_regions, *known)):
        before = known.get(region)
        after = correlate(before, event, region, heard_at, siblings=tuple(known.values()))
        if after is not None and after != before:
            changed[region] = after
    return changed


def correlate(
    outage: outages.Outage | None,
    event: events.HealthEvent,
    region: regions.RegionName,
    heard_at: datetime,
    *,
    siblings: Collection[outages.Outage] = (),
) -> outages.Outage | None:
    """Fold one event into what is known of its tracking id in one region. The rules are the table of `transitions`.

    Args:
        siblings: outages of the same tracking id in other regions: they know of updates that did not name this one.

    Returns:
        The outage after the event. None when there was none and this event does not make one.
    """
    if outage is not None and outage.relation not in outages.TAKES_NO_SERVER:
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
    return replace(_applied(row.effect, known, event, region, told_at), status=outages.Status(then))


def speaks(event: events.HealthEvent) -> bool:
    """Whether it can be part of an outage's story at all."""
    return event.kind is events.Kind.INCIDENT and not event.synthetic and event.tracking_id is not None


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
    if not speaks(event):
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


def _turns_out_harmless(outage: outages.Outage, event: events.HealthEvent, region: regions.RegionName) -> bool:
    """Whether another channel says in words that what stood there as a number is informational."""
    relation, named = _named(event, region)
    about_us = relation is not services.Relation.UNRELATED and bool(named)
    incident = speaks(event) and event.status is events.Status.ACTIVE
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


def _in_time(word: transitions.Word, known: outages.Outage) -> transitions.Word:
    """The word in the light of every update counted so far, this one among them."""
    gone = known.gone
    if word is transitions.Word.GOES_ON and gone:
        return transitions.Word.WENT_ON
    if word is transitions.Word.GONE and not gone:
        return transitions.Word.GONE_FOR_SOME
    return word


def _age(outage: outages.Outage | None, told_at: datetime) -> transitions.Age:
    if outage is None or told_at > outage.updated_at:
        return transitions.Age.NEWER
    return transitions.Age.SAME if told_at == outage.updated_at else transitions.Age.OLDER


def _applied(
    effect: transitions.Effect,
    known: outages.Outage,
    event: events.HealthEvent,
    region: regions.RegionName,
    told_at: datetime,
) -> outages.Outage:
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
    siblings: Collection[outages.Outage],
) -> outages.Outage:
    """The outage as it stands before the first event about it is folded in; `times`: told at, heard at."""
    tracking_id = event.tracking_id or ""
    told_at, heard_at = times
    left: dict[str, outages.Told] = {}
    for other in siblings:
        for subscription, told in other.told.items():
            left[subscription] = left.get(subscription, outages.Told()).latest(outages.Told(left_at=told.listed_at))
    return outages.Outage(
        id=outages.outage_id(tracking_id, region),
        tracking_id=tracking_id.upper(),
        region=region,
        status=outages.Status.ACTIVE,
        impact_start=told_at,
        heard_at=heard_at,
        updated_at=told_at,
        title=event.title,
        level=event.level,
        unrated=event.unrated,
        told={subscription: told for subscription, told in left.items() if told.left_at},
    )


def _counted(
    outage: outages.Outage, event: events.HealthEvent, region: regions.RegionName, told_at: datetime
) -> outages.Outage:
    """The outage with the update counted for everybody it went to."""
    relation, _ = _named(event, region)
    listed = told_at if event.impacts_listed else None
    if _withdraws(event, region):
        news = outages.Told(named_at=told_at, listed_at=listed)
    elif relation is services.Relation.UNRELATED and _leaves_out(event):
        news = outages.Told(left_at=told_at)
    elif relation is services.Relation.POSTGRESQL:
        news = outages.Told(named_at=told_at, listed_at=listed, postgresql_at=told_at)
    else:
        news = outages.Told(named_at=told_at, listed_at=listed, trimmed_at=listed)
    told = dict(outage.told)
    for subscription in addressees(event) or (outages.NOBODY,):
        told[subscription] = told.get(subscription, outages.Told()).latest(news)
    return replace(outage, told=told)


def addressees(event: events.HealthEvent) -> tuple[str, ...]:
    """The subscriptions that an event speaks to, in lower case: the one it was sent to, and those it lists."""
    every = (event.subscription_id, *event.impacted_subscriptions)
    return tuple(dict.fromkeys(subscription.lower() for subscription in every if subscription))


def _widened(
    outage: outages.Outage, event: events.HealthEvent, region: regions.RegionName, told_at: datetime
) -> outages.Outage:
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
        subscriptions=tuple(sorted({*outage.subscriptions, *addressees(event)})),
        services=tuple(sorted({*outage.services, *named})),
        unrated=outage.unrated and event.unrated,
        relation=services.strongest((outage.relation, relation)),
    )


def _past(time: datetime | None, now: datetime) -> datetime | None:
    return time if time is not None and time <= now else None
