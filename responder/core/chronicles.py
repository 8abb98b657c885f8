"""The story of one tracking id in the order in which Azure told it, whatever order it arrived in. Pure.

Folding one event after the other as it comes (`correlations`) would not give what all of them in order give: when it
ended, a region that was left out before we had heard of it, two channels that differ at one moment. So whatever comes
is put into its place in the story, and the story is told again from there on. Most of what comes is a copy: it joins
the update that it repeats, and says at most who else was told.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from responder.core import correlations, events, outages, regions

MOST = 400
"""Updates of one tracking id that are told again, copies not counted. Of a longer story the event alone is folded."""
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


class Copy(NamedTuple):
    """When one copy of an update was told (`Heard.told_at`) and heard, and to whom."""

    told_at: datetime
    at: datetime
    dated: bool
    """Whether Azure gave the time."""
    addressees: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Update:
    """One update, over all subscriptions, rules and channels that it came by."""

    content: events.HealthEvent
    """What it says, without to whom, when and how."""
    tie: str
    """The content as text: what puts in order what nothing else does."""
    copies: tuple[Copy, ...]
    """In order; the first two minutes of them, counted from the first."""
    heard: Heard
    """The update as one event, told to all at the time of its first copy."""

    def holds(self, copy: Copy) -> bool:
        """Whether the copy belongs to its two minutes."""
        return timedelta() <= copy.told_at - self.copies[0].told_at <= _COPY

    def joined(self, copy: Copy) -> Update:
        """The update with one copy more. What it says is the same value where nobody else was told."""
        place = bisect.bisect_left(self.copies, copy)
        if place < len(self.copies) and self.copies[place] == copy:
            return self
        copies = (*self.copies[:place], copy, *self.copies[place:])
        if place and set(copy.addressees) <= set(self.heard.event.impacted_subscriptions):
            return replace(self, copies=copies)
        return _update(self.content, self.tie, copies)


def _update(content: events.HealthEvent, tie: str, copies: tuple[Copy, ...]) -> Update:
    first = copies[0]
    to = tuple(sorted({each for copy in copies for each in copy.addressees}))
    event = replace(content, updated_at=first.told_at if first.dated else None, impacted_subscriptions=to)
    return Update(content, tie, copies, Heard(event, first.at))


@dataclass(frozen=True, slots=True)
class Chronicle:
    """The updates of one tracking id in the order in which Azure told them, and what is known after each."""

    updates: tuple[Update, ...] = ()
    states: tuple[Outages, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it could be told: not for a longer story than `MOST`."""
        return len(self.states) == len(self.updates)

    @property
    def known(self) -> Outages:
        """The outages at its end, by region."""
        return self.states[-1] if self.states else {}

    def reaches(self, at: datetime) -> bool:
        """Whether it reaches back to that time of ours: what was heard long ago is pruned some day."""
        return any(copy.at <= at for update in self.updates for copy in update.copies)

    def told(self, more: Iterable[Heard]) -> Chronicle:
        """The chronicle with these as well, each in its place. The order in which they are given does not matter."""
        updates = list(self.updates)
        for heard in more:
            if correlations.speaks(heard.event):
                updates = _joined(updates, heard)
        if len(updates) > MOST:
            return Chronicle(tuple(updates[: MOST + 1]))
        ordered = in_order(updates)
        same = 0
        while same < min(len(ordered), len(self.states)) and ordered[same].heard is self.updates[same].heard:
            same += 1
        states = list(self.states[:same])
        for update in ordered[same:]:
            before = states[-1] if states else {}
            changed = correlations.correlate_all(before, update.heard.event, update.heard.at)
            states.append({**before, **changed} if changed else before)
        return Chronicle(tuple(ordered), tuple(states))


def continued(
    chronicle: Chronicle, news: Heard, known: Outages
) -> tuple[Chronicle, dict[regions.RegionName, outages.Outage]]:
    """The story with one event more, and the outages that it changes.

    Args:
        known: the outages as they stand without it.
    """
    story = chronicle.told([news])
    return story, retold(story, news, known)


def retold(chronicle: Chronicle, last: Heard, known: Outages) -> dict[regions.RegionName, outages.Outage]:
    """The outages that the event which came last changes, the whole story told in order.

    Args:
        chronicle: the story, that event in its place. Where it is not whole, the event is folded alone.
        last: the event.
        known: the outages as they stand without it.
    """
    begun = all(chronicle.reaches(outage.heard_at) for outage in known.values())
    if not (chronicle.whole and begun and chronicle.known.keys() >= known.keys()):
        return correlations.correlate_all(known, last.event, last.at)
    kept = {region: _kept(known.get(region), outage, last.at) for region, outage in chronicle.known.items()}
    # Nothing took it back but a word for its number that was there before: it was never an outage.
    taken_back = any(update.content.false_positive for update in chronicle.updates)
    ended = None if taken_back else outages.Status.WITHDRAWN
    return {r: one for r, one in kept.items() if one != known.get(r) and (r in known or one.status is not ended)}


def in_order(updates: Sequence[Update]) -> list[Update]:
    """As Azure told it. At one moment the end comes last, and of two beginnings the earlier: both are the cautious."""
    numbers = sorted(update.heard.told_at for update in updates if update.content.unrated)

    def place(update: Update) -> tuple[object, ...]:
        event, at = update.heard.event, update.heard.told_at
        # The word for a level that stood as a number is about an update that carries a later time on its own channel.
        last = bisect.bisect_right(numbers, at + correlations.SAME_UPDATE) - 1
        about = numbers[last] if event.level and event.updated_at and last >= 0 and numbers[last] >= at else None
        start = event.impact_start
        return (
            about or at,
            about is not None,
            event.false_positive,
            event.status is events.Status.RESOLVED,
            -start.timestamp() if start else float("-inf"),
            update.tie,
        )

    return sorted(updates, key=place)


def _joined(updates: list[Update], heard: Heard) -> list[Update]:
    """The updates with the event among them: as a copy of one, or as one of its own."""
    content = _content(heard.event)
    copy = Copy(heard.told_at, heard.at, heard.event.updated_at is not None, correlations.addressees(heard.event))
    same = [update for update in updates if update.content == content]
    for update in same:
        if update.holds(copy):
            return [each.joined(copy) if each is update else each for each in updates]
    tie = same[0].tie if same else repr(content)
    copies = sorted((*(each for update in same for each in update.copies), copy))
    return [*(each for each in updates if each.content != content), *_apart(content, tie, copies)]


def _apart(content: events.HealthEvent, tie: str, copies: Sequence[Copy]) -> list[Update]:
    """What says the same, as updates: each with the copies of its first two minutes."""
    found: list[list[Copy]] = []
    for copy in copies:
        if found and copy.told_at - found[-1][0].told_at <= _COPY:
            found[-1].append(copy)
        else:
            found.append([copy])
    return [_update(content, tie, tuple(each)) for each in found]


def _content(event: events.HealthEvent) -> events.HealthEvent:
    emerging = event.channel == events.Channel.EMERGING_ISSUE  # the only channel that is believed otherwise
    return replace(
        event,
        channel=event.channel if emerging else "",
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
