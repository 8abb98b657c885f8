"""Suspect: many servers of one region silent together are an outage before Azure says so; everything silent is us.

Raises, ends and merges suspected outages in the store and tells the team. It starts nothing: the assessment treats a
suspected outage as any other, and its rules keep cut-overs for humans.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from responder.core import announcements, evidence, outages, regions, suspicions
from responder.flow import facts, known_estate, pauses
from responder.store import sqlite

_log = structlog.get_logger(__name__)

_NAMED = 10  # servers listed in an announcement
_MANY = 1000
"""Sights; more are judged in a thread, so that nobody waits for it."""
_LARGE, _COUNT_LASTS = 10_000, timedelta(seconds=15)
"""Servers of an estate that takes a while to count, and how long a count is used."""


class Suspect:
    """One turn looks at the servers that are not well, and counts the others: in peace that is next to nothing."""

    def __init__(
        self, store: sqlite.Store, policy: suspicions.Policy, estate: known_estate.KnownEstate | None = None
    ) -> None:
        self._store = store
        self._policy = policy
        self._estate = estate or known_estate.KnownEstate(store)
        self._counted: tuple[datetime, Mapping[regions.RegionName, int]] = datetime.min.replace(tzinfo=UTC), {}

    async def turn(self, now: datetime, ill: facts.Ill | None = None) -> suspicions.Findings:
        """Judge, write, tell. What was told once is not told again. `ill`: as read a moment ago."""
        still_open, sights = await self._store.outages.open(), await self._sights(ill, now)
        # Too few to be suspicious, and no suspicion to end: nothing depends on how many others are well.
        many = len(sights) >= self._policy.least or any(outage.ours for outage in still_open)
        well = await self._well(now) if many else {}
        judge = functools.partial(suspicions.judge, sights, still_open, self._policy, now, well=well)
        found = await asyncio.to_thread(judge) if len(sights) > _MANY else judge()
        for outage in found.raised:
            await self._begin(outage, found.views[outage.region], now)
        for outage in found.ended:
            await self._write(outage, _ended(outage, now))
        for suspected, azures in found.merged:
            await self._store.outages.merge(suspected, azures.id, now)
            await self._store.outbox.put([_confirmed(suspected, azures, now)])
            _log.info("outage.confirmed", **azures.log_context(), suspected=suspected.id)
        if found.blind:
            await self._store.outbox.put([_blind(found.blind, now)])
        return found

    async def _well(self, now: datetime) -> Mapping[regions.RegionName, int]:
        """How many others answer, by region. Over a large estate the count is used for a few seconds."""
        at, counted = self._counted
        if len(await self._estate.now()) < _LARGE or abs(now - at) > _COUNT_LASTS:
            counted = await self._store.estate.well(now - self._policy.evidence.fresh)
            self._counted = now, counted
        return counted

    async def _sights(self, ill: facts.Ill | None, now: datetime) -> list[suspicions.Sight]:
        """Every server that some vantage finds silent, or that Resource Health speaks ill of and that is not well."""
        ill = ill or await facts.ill(self._store)
        estate, found, rest = await self._estate.now(), [], pauses.Pauses()
        for id_, looks in ill.looks.items():
            server = estate.get(id_)
            if server is None:
                continue
            health = facts.own_look(looks)
            if len(looks) > 1:
                health = evidence.combined(looks.values(), self._policy.evidence, now)
            sight = suspicions.Sight(server=server, health=health, said=ill.said.get(id_))
            # Who is well and silent to nobody is among those that the store counts.
            if id_ in ill.silent or suspicions.see(sight, self._policy, now) is not suspicions.Seen.WELL:
                found.append(sight)
            await rest.breathe()
        return found

    async def _begin(self, outage: outages.Outage, view: suspicions.View, now: datetime) -> None:
        await self._write(outage, _suspected(outage, view, now))

    async def _write(self, outage: outages.Outage, told: announcements.Announcement) -> None:
        """The announcement first: a crash in between may tell the team twice, and must not leave it untold."""
        await self._store.outbox.put([told])
        await self._store.outages.put([outage])
        happened = "suspected" if outage.active else "suspicion-ended"
        _log.warning(f"outage.{happened}", **outage.log_context(), title=outage.title)


def _suspected(outage: outages.Outage, view: suspicions.View, now: datetime) -> announcements.Announcement:
    names = [sight.server.name for sight in view.unhealthy]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    reported = f" Azure's Resource Health speaks of {view.reported} of them." if view.reported else ""
    text = (
        f"Azure has reported no outage of {regions.display(outage.region)}. Silent since"
        f" {outage.impact_start:%H:%M} UTC: {', '.join(names[:_NAMED])}{more}; {view.well} of {view.judged} answer."
        f"{reported} Somebody besides ourselves shows that it is not our own network: other servers answer, or Resource"
        " Health agrees. Copies are started where a tolerance needs them; nothing is cut over without your yes."
        f" Look: responder incidents show {outage.id}"
    )
    return _announcement(outage, "outage.suspected", outage.title, now, text)


def _ended(outage: outages.Outage, now: datetime) -> announcements.Announcement:
    where = regions.display(outage.region)
    text = "Their copies, if any, are kept for a while and then thrown away. Nothing was lost."
    return _announcement(outage, "outage.suspicion-ended", f"Servers in {where} answer again", now, text)


def _confirmed(suspected: outages.Outage, azures: outages.Outage, now: datetime) -> announcements.Announcement:
    subject = f"Azure reports what was suspected in {regions.display(azures.region)}: {azures.title or azures.id}"
    text = f"Runs and copies of {suspected.id} count for {azures.id} from now on; none is made twice."
    return _announcement(suspected, "outage.confirmed", subject, now, text)


def _announcement(
    outage: outages.Outage, kind: str, subject: str, now: datetime, text: str
) -> announcements.Announcement:
    # Of one day's suspicions of a region, the later ones are told, too; `heard_at` and `reopened` tell them apart.
    key = f"{outage.id}/{kind}/{outage.heard_at.isoformat()}/{outage.reopened}"
    facts = {"outage": outage.id, "region": outage.region}
    return announcements.Announcement(key=key, kind=kind, subject=subject, text=text, at=now, facts=facts)


def _blind(silent: Sequence[suspicions.View], now: datetime) -> announcements.Announcement:
    """One for each time that the last of them fell silent."""
    count = sum(len(view.unhealthy) for view in silent)
    since = max(sight.health.failing_since or now for view in silent for sight in view.unhealthy)
    where = ", ".join(regions.display(view.region) for view in silent)
    return announcements.Announcement(
        key=f"vantage.blind/{since.isoformat()}",
        kind="vantage.blind",
        subject=f"No server answers: {count} are silent, and it is probably us",
        text=f"Nothing answers our probes ({where}), and neither Service Health nor Resource Health explains it. From"
        " here an outage cannot be told from a failure of our own network, so nothing is suspected, and nothing is"
        " started by it. Look at the responder's host, its DNS and its way to the servers; and at the servers, from"
        " elsewhere.",
        at=now,
        facts={"silent": str(count)},
    )
