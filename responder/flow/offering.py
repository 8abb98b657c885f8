"""Offering: ask in peace what the regions that copies go to would give, for the night when it matters.

Region by region and subscription by subscription, never server by server: a few dozen questions a day, spread by
chance. While a region has an outage, its pair is asked more often: a quota that somebody raised meanwhile is seen.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

import structlog

from responder import clock
from responder.core import errors, estates, offers, regions, restores
from responder.flow import known_estate
from responder.store import stores

_log = structlog.get_logger(__name__)

_IDLE = timedelta(minutes=1)
_PAUSE = timedelta(seconds=2)
"""Between two places: their questions are a dozen kilobytes each, and nobody waits for them."""
_IN_OUTAGE = timedelta(minutes=10)
_AFTER_A_REFUSAL = timedelta(minutes=15)
_EARLIER = 0.2
"""A question may come earlier by up to this share of the interval, so that they do not all come at once."""

Ask = Callable[[offers.Place], Awaitable[offers.Offered]]


class Offering:
    """Asks about each place once every `every`."""

    def __init__(
        self, store: stores.Store, ask: Ask, every: timedelta, estate: known_estate.KnownEstate | None = None
    ) -> None:
        self._store = store
        self._ask = ask
        self._every = every
        self._estate = estate or known_estate.KnownEstate(store)
        self._not_before: dict[offers.Place, datetime] = {}
        self._chance = random.random
        self._seen: estates.Estate | None = None
        self._wanted: Mapping[offers.Place, frozenset[regions.RegionName]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            asked = await self.turn(clock.now())
            await asyncio.sleep((_PAUSE if asked else min(_IDLE, self._every)).total_seconds())

    async def turn(self, now: datetime) -> bool:
        """Ask about the place that has waited longest. False: none is due."""
        due = await self._due(now)
        if due is None:
            return False
        try:
            found = await self._ask(due)
        except errors.AzureError as error:
            self._not_before[due] = now + max(_AFTER_A_REFUSAL, error.retry_after or timedelta())
            _log.warning("offers.not-told", region=due.region, subscription=due.subscription_id, error=str(error))
            return True
        self._not_before.pop(due, None)
        await self._store.peacetime.put_offer(found)
        say = _log.warning if found.restricted else _log.debug
        say("offers.told", region=due.region, subscription=due.subscription_id, restricted=found.restricted)
        return True

    async def _due(self, now: datetime) -> offers.Place | None:
        """Of the places that are due, the one whose answer is the oldest."""
        places, known = await self._places(), await self._store.peacetime.offers()
        hot = {outage.region for outage in await self._store.outages.open()}
        oldest: tuple[datetime, offers.Place] | None = None
        for place, sources in places.items():
            if place.region in hot or now < self._not_before.get(place, now):
                continue  # a region in trouble of its own is left alone
            asked = known[place].asked_at if place in known else _NEVER
            due = now - asked >= self._interval(in_outage=not hot.isdisjoint(sources))
            if due and (oldest is None or asked < oldest[0]):
                oldest = asked, place
        return oldest[1] if oldest else None

    async def _places(self) -> Mapping[offers.Place, frozenset[regions.RegionName]]:
        """Worked out again when the estate has changed, and not on everybody's loop."""
        estate = await self._estate.now()
        if estate is not self._seen:
            self._seen, self._wanted = estate, await asyncio.to_thread(_wanted, estate)
        return self._wanted

    def _interval(self, *, in_outage: bool) -> timedelta:
        every = self._every * (1 - _EARLIER * self._chance())
        return min(every, _IN_OUTAGE) if in_outage else every


def _wanted(estate: estates.Estate) -> Mapping[offers.Place, frozenset[regions.RegionName]]:
    return offers.wanted(server for server in estate if not restores.unused_copy(server.tags))


_NEVER = datetime.fromisoformat("0001-01-01T00:00:00+00:00")
