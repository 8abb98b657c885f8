"""Listening: the watch over the sources. Would we hear? It asks them, and tells the team when the answer is no.

    sources ──facts──> hearing.judge ──> /readyz, /metrics
                            └──> hearing.news ──> announcements: blind for too long, still blind, hears again

A source restarts its own client; nothing here does. The rules are `core.hearing`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from responder import clock
from responder.core import errors, hearing
from responder.flow import intake, wakes
from responder.store import outbox

_log = structlog.get_logger(__name__)

_EVERY = timedelta(seconds=5)
_DOOR = timedelta(minutes=2)
"""How long a look at our own door counts."""
_SHUNNED = timedelta(minutes=15)
"""An action group whose deliveries failed keeps away for this long."""
_TOLD = 2000  # announcements looked through at start; an alarm that is on is repeated, so it is among the newest


class Ear(Protocol):
    """A source of events, as the watch sees it."""

    def facts(self) -> hearing.Facts:
        """What it knows about itself; at once, without asking anybody."""


class Asked(Protocol):
    """A source that asks again and again, and says when it was last answered."""

    @property
    def name(self) -> str: ...

    last_ok_at: datetime | None
    last_event_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What may be said of all sources at one moment."""

    sources: tuple[tuple[hearing.Facts, hearing.Verdict], ...]
    overall: hearing.Verdict


def look(ears: Sequence[Ear], policy: hearing.Policy, now: datetime) -> Hearing:
    """Ask every source, and judge."""
    found = tuple((facts, hearing.judge(facts, policy, now)) for facts in (ear.facts() for ear in ears))
    return Hearing(sources=found, overall=hearing.overall(found))


class Steady:
    """An ear when the clock is set back: no proof may lie in the future, or a dead source would seem alive until then.

    Such a moment counts as the one at which that was seen.
    """

    def __init__(self, ear: Ear) -> None:
        self._ear = ear
        self._seen: dict[datetime, datetime] = {}

    def facts(self) -> hearing.Facts:
        """As the ear says, no moment of it ahead of now."""
        found, now = self._ear.facts(), clock.now()
        moments = {at for at in (found.since, found.proven_at, found.waiting_since) if at is not None}
        self._seen = {at: min(self._seen.get(at, now), now) for at in moments if at > now or at in self._seen}
        return replace(
            found,
            since=self._seen.get(found.since, found.since),
            proven_at=self._seen.get(found.proven_at, found.proven_at) if found.proven_at else None,
            waiting_since=self._seen.get(found.waiting_since, found.waiting_since) if found.waiting_since else None,
        )


class Polling:
    """Several polled sources as one ear: as good as the worst of them, because each speaks for other servers.

    Args:
        proof_lasts: a few times the interval between two questions.
    """

    def __init__(self, name: str, polled: Sequence[Asked], door: intake.Intake, proof_lasts: timedelta) -> None:
        self._name = name
        self._polled = tuple(polled)
        self._door = door
        self._proof_lasts = proof_lasts
        self._since = clock.now()

    def facts(self) -> hearing.Facts:
        """Proven when all are; the error is the one of the source that has been unanswered for longest."""
        worst = min(self._polled, key=lambda one: (one.last_ok_at is not None, one.last_ok_at or self._since))
        events = [one.last_event_at for one in self._polled if one.last_event_at is not None]
        return hearing.Facts(
            source=self._name,
            since=self._since,
            proof_lasts=self._proof_lasts,
            proven_at=worst.last_ok_at if all(one.last_ok_at for one in self._polled) else None,
            last_event_at=max(events, default=None),
            accepted=sum(self._door.heard_of(one.name).accepted for one in self._polled),
            error=f"{worst.name}: {worst.last_error}" if worst.last_error else None,
        )


class Door:
    """What is pushed to us, by its traces at the door: deliveries that were stored, and deliveries that were not.

    Args:
        sources: names of arrivals' sources that come this way.
        every: somebody is known to deliver at least this often; None: nothing can be concluded from silence.
    """

    def __init__(self, name: str, sources: Sequence[str], door: intake.Intake, every: timedelta | None) -> None:
        self._name = name
        self._sources = tuple(sources)
        self._door = door
        self._every = every
        self._since = clock.now()
        self.open_at: datetime | None = None
        """When our own end was last seen to answer."""
        self.error: str | None = None
        """Why it did not, the last time it did not."""

    def facts(self) -> hearing.Facts:
        """Without `every` it is proven by an open door; with it, by a delivery. Never while the store refuses."""
        heard = [self._door.heard_of(name) for name in self._sources]
        last = max((one.last_at for one in heard if one.last_at is not None), default=None)
        refusal = self._refusal(heard)
        # A scheduled delivery may be due only long after the start.
        proven = self.open_at if self._every is None else last or self._since
        return hearing.Facts(
            source=self._name,
            since=self._since,
            proof_lasts=self._every or _DOOR,
            proven_at=proven if refusal is None else last,
            last_event_at=last,
            accepted=sum(one.accepted for one in heard),
            error=refusal or self.error,
            vouches=self._every is not None,
        )

    def _refusal(self, heard: Sequence[intake.Heard]) -> str | None:
        """Why the newest delivery was not stored, for as long as Azure may keep away because of it."""
        since = clock.now() - _SHUNNED
        for one in heard:
            if one.refused_at is not None and one.refused_at > max(one.last_at or since, since):
                return one.error
        return None


class Listening:
    """Judges now and then, and announces what is new."""

    def __init__(self, ears: Sequence[Ear], policy: hearing.Policy, box: outbox.Outbox, announce: wakes.Wake) -> None:
        self._ears = tuple(ears)
        self._policy = policy
        self._outbox = box
        self._announce = announce
        self._alarms: dict[str, hearing.Alarm] = {}
        self._states: dict[str, hearing.State] = {}

    async def run(self) -> None:
        """Until cancelled. A store that fails is tried again: the alarm is what must not be lost."""
        known = False
        while True:
            try:
                if not known:
                    await self.recall()
                    known = True
                await self.turn(clock.now())
            except errors.StoreError as error:
                _log.error("listening.store-failed", error=str(error))
            await asyncio.sleep(_EVERY.total_seconds())

    async def recall(self) -> None:
        """Which alarms the process before us left on."""
        rows = await self._outbox.list(_TOLD)
        self._alarms = hearing.standing([row["announcement"] for row in rows])

    async def turn(self, now: datetime) -> Hearing:
        """Judge once, and announce."""
        found = look(self._ears, self._policy, now)
        for verdict in self._told(found):
            self._log_change(verdict)
            alarm, announcement = hearing.news(self._alarms.get(verdict.source), verdict, self._policy, now)
            if announcement is not None:
                await self._outbox.put([announcement])
                self._announce.ring()
            if alarm is not None:
                self._alarms[verdict.source] = alarm
            else:
                self._alarms.pop(verdict.source, None)
        return found

    def _told(self, found: Hearing) -> list[hearing.Verdict]:
        """Each source with a word about the others; all together only where that is more than one of them says."""
        verdicts = [
            replace(verdict, sentence=f"{verdict.sentence} All together: {found.overall.sentence}")
            for _, verdict in found.sources
        ]
        several = sum(facts.vouches for facts, _ in found.sources) > 1
        return [*verdicts, found.overall] if several else verdicts

    def _log_change(self, verdict: hearing.Verdict) -> None:
        before, self._states[verdict.source] = self._states.get(verdict.source), verdict.state
        if before is not None and before is not verdict.state and hearing.State.BLIND in (before, verdict.state):
            _log.warning("source.changed", source=verdict.source, state=verdict.state, why=verdict.sentence)
