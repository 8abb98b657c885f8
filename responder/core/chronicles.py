"""The story of one tracking id in the order in which Azure told it, whatever order it arrived in. Pure.

One event after the other is folded as it comes (`outages.correlate_all`). Of what arrives late, most is a copy. Where
it is not, one fold more does not give what all of them in order would have given: when it ended, a region that was left
out before we had heard of it, two channels that differ at one moment. Then the whole story is told again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from responder.core import events, outages, regions

MOST = 400
"""Events of one tracking id that are told again. Of a longer story the late event alone is folded."""
_COPY = timedelta(minutes=2)
"""One update reaches two subscriptions seconds apart."""

Outages = Mapping[regions.RegionName, outages.Outage]


@dataclass(frozen=True, slots=True)
class Heard:
    """An event, and when we received it."""

    event: events.HealthEvent
    at: datetime

    @property
    def told_at(self) -> datetime:
        """Azure's time of it; a clock ahead of ours counts as ours."""
        return min(self.event.updated_at or self.at, self.at)


def is_late(known: Outages, heard: Heard) -> bool:
    """Whether the event may be older than one that was folded before it. Where nothing is known, it may open an outage
    that something forgotten has spoken about; a level that is a number may have been said in a word."""
    if heard.event.followed and (heard.event.unrated or not known):
        return True
    return bool(known) and heard.told_at <= max(_newest(outage) for outage in known.values())


def retold(story: Sequence[Heard], known: Outages, otherwise: Outages) -> dict[regions.RegionName, outages.Outage]:
    """The outages that change when the whole story is folded in order.

    Args:
        story: every event of the tracking id, the one that came last at the end.
        known: the outages as they stand without that one.
        otherwise: what folding it alone would change; the answer where the story is not whole, or a copy came.
    """
    last, before = story[-1], story[:-1]
    begun = min(heard.at for heard in story)
    whole = len(story) <= MOST and all(outage.heard_at >= begun for outage in known.values())
    copied = adds_only_who(known, last) and any(_copies(last, heard) for heard in before)
    if not before or not whole or copied:
        return dict(otherwise)
    after: dict[regions.RegionName, outages.Outage] = {}
    for heard in in_order(story):
        after |= outages.correlate_all(after, heard.event, heard.at)
    if not after.keys() >= known.keys():
        return dict(otherwise)
    kept = {region: _kept(known.get(region), outage, last.at) for region, outage in after.items()}
    # Nothing took it back but a word for its number that was there before: it was never an outage.
    ended = outages.Status.WITHDRAWN if not any(heard.event.false_positive for heard in story) else None
    return {r: one for r, one in kept.items() if one != known.get(r) and (r in known or one.status is not ended)}


def adds_only_who(known: Outages, copied: Heard) -> bool:
    """Whether folding a copy of an update that was heard is all there is to do. Not of a number that a word may have
    called informational: folded alone, it would open the outage again."""
    settled = not known or any(outage.status is outages.Status.WITHDRAWN for outage in known.values())
    return not (copied.event.unrated and settled)


class Recent:
    """The updates heard last, whoever they were for: a storm of copies asks the store for nothing."""

    def __init__(self, most: int = 200) -> None:
        self._most = most
        self._told: OrderedDict[events.HealthEvent, datetime] = OrderedDict()

    def copied(self, heard: Heard) -> bool:
        """Whether the same was heard a moment before or after, by Azure's time; it counts as heard from now on."""
        content = _content(heard.event)
        before = self._told.pop(content, None)
        self._told[content] = heard.told_at
        if len(self._told) > self._most:
            self._told.popitem(last=False)
        return before is not None and abs(heard.told_at - before) <= _COPY


def in_order(story: Sequence[Heard]) -> list[Heard]:
    """As Azure told it. At one moment the end comes last, and of two beginnings the earlier: both are the cautious."""
    numbers = [heard.told_at for heard in story if heard.event.unrated]

    def place(heard: Heard) -> tuple[object, ...]:
        event = heard.event
        # The word for a level that stood as a number is about an update that carries a later time on its own channel.
        about = [at for at in numbers if outages.settles(event, at) and at >= heard.told_at]
        start = event.impact_start
        return (
            max([heard.told_at, *about]),
            bool(about),
            event.false_positive,
            event.status is events.Status.RESOLVED,
            -start.timestamp() if start else float("-inf"),
            repr(event),
        )

    return sorted(story, key=place)


def _newest(outage: outages.Outage) -> datetime:
    told = [at for one in outage.told.values() for at in (one.named_at, one.left_at) if at]
    return max(outage.updated_at, *told, outage.updated_at)


def _copies(one: Heard, other: Heard) -> bool:
    """Whether both are one update, over two subscriptions, rules or channels."""
    return abs(one.told_at - other.told_at) <= _COPY and _content(one.event) == _content(other.event)


def _content(event: events.HealthEvent) -> events.HealthEvent:
    return replace(
        event,
        channel="",
        subscription_id=None,
        impacted_subscriptions=(),
        communication_id=None,
        updated_at=None,
        summary="",
    )


def _kept(before: outages.Outage | None, after: outages.Outage, heard_at: datetime) -> outages.Outage:
    """With what is ours and not the story's."""
    if before is None:
        return replace(after, heard_at=heard_at)
    return replace(after, heard_at=before.heard_at, ours=before.ours, merged_into=before.merged_into)
