"""Watch: look at the servers themselves. In peace now and then, for a baseline; sharply while a region has an outage.

    schedule ──due──► probes, a few hundred at a time ──► looks of this vantage point, written in batches ──► assess

A server that was never reached from here proves nothing by not answering, so the baseline is half of the evidence. A
hundred thousand servers need neither as many sockets nor as many tasks: who is due waits in the schedule. Most looks
only knock (SSLRequest); some go deep (TLS, login, SELECT 1), which costs fifteen times as much: every look at a server
that fails, and of the others as many as are allowed.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from responder import clock
from responder.core import answers, estates, evidence, regions, schedules, servers, ways
from responder.flow import known_estate, pauses, wakes
from responder.store import estate as rows
from responder.store import sqlite

_log = structlog.get_logger(__name__)

Pace = schedules.Pace

_SHORTEST, _LONGEST = timedelta(milliseconds=50), timedelta(seconds=1)
"""Between two ticks: a quarter of the shortest interval, within these."""
_BATCH = 500
_SUSPECT = timedelta(hours=1)
"""A server that fell silent is looked at sharply for so long, also where nobody has spoken of an outage."""
_TOLD_ONE_BY_ONE = 50
_STEPPED = timedelta(minutes=1)
"""A clock that goes back by more was stepped."""

_FRESH_LAG = timedelta(minutes=3)
"""How long ago the primary must have answered for the lag of its replica to be one of peace."""


@dataclass(frozen=True, slots=True)
class Deep:
    """Looks that go as deep as they can."""

    look: Callable[[servers.Server], Awaitable[evidence.Probe]]
    per_second: float
    """At servers that do not fail; those that do are always looked at so."""
    every: timedelta
    """Between two at one server in peace."""


class Watch:
    """Probes what is due, folds the results into each server's health, and wakes the assessment when one changed."""

    def __init__(
        self,
        store: sqlite.Store,
        probe: Callable[[str], Awaitable[evidence.Probe]],
        pace: Pace,
        assess: wakes.Wake,
        *,
        vantage: str = rows.HERE,
        estate: known_estate.KnownEstate | None = None,
        deep: Deep | None = None,
    ) -> None:
        self._store = store
        self._probe = probe
        self._deep = deep
        self._allowance = schedules.Allowance(deep.per_second if deep else 0)
        self._deep_at: dict[servers.ServerId, float] = {}
        self._failing: set[servers.ServerId] = set()
        self._pace = pace
        self._assess = assess
        self._vantage = vantage
        self._known = estate or known_estate.KnownEstate(store)
        self._estate = estates.Estate()
        self._schedule = schedules.Schedule(pace, random.random)
        self._hot: frozenset[regions.RegionName] = frozenset()
        self._slots = asyncio.Semaphore(pace.concurrency)
        self._under_way: set[asyncio.Task[None]] = set()
        self._seen: list[tuple[servers.Server, evidence.Probe]] = []
        self._latest: datetime | None = None
        self._tick: timedelta = min(max(min(pace.peace, pace.outage) / 4, _SHORTEST), _LONGEST)

    async def run(self) -> None:
        """Until cancelled. At most `concurrency` probes at a moment, and `per_second` begun in a second.

        Begun again, it plans anew: who was being looked at when it ended is in no schedule.
        """
        self._plan_anew()
        self._seen = []
        try:
            while True:
                began = clock.ticks()  # a clock that is stepped back must not make us look away
                await self.tick(clock.now())
                spent = timedelta(seconds=clock.ticks() - began)
                await asyncio.sleep(max(self._tick - spent, _SHORTEST / 5).total_seconds())
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def tick(self, now: datetime) -> int:
        """Write what was seen, and begin to look at who is due, as far as the cap and free sockets go; how many."""
        await self._write(now)
        await self._catch_up(now)
        at_most = math.ceil(self._pace.per_second * self._tick.total_seconds())
        most = min(at_most, self._pace.concurrency - len(self._under_way))
        due = [self._estate.get(id_) for id_ in self._schedule.take(now, max(0, most))]
        for server in due:
            if server is not None:
                task = asyncio.create_task(self._look(server), name=f"probe {server.name}")
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
        return len(due)

    async def turn(self, now: datetime) -> int:
        """Look at everybody who is due, and at every server in a region with an outage, and wait for what is seen.

        Returns how many were looked at.
        """
        await self._catch_up(now)
        hot = [server.id for region in self._hot for server in self._estate.in_region(region)]
        self._schedule.forget(hot)
        for id_ in hot:
            self._schedule.put(id_, now, sharp=True)
        due = [server for id_ in self._schedule.take(now, len(self._schedule)) if (server := self._estate.get(id_))]
        looked = [server for server in due if server.fqdn]
        pending = iter(looked)

        async def one_after_the_other() -> None:
            for server in pending:
                await self._look(server)

        await asyncio.gather(*(one_after_the_other() for _ in range(min(self._pace.concurrency, len(looked)))))
        await self._write(now)
        return len(looked)

    def _plan_anew(self) -> None:
        """What is planned counts for nothing: nobody knows it any more, or the clock was stepped back since."""
        self._estate, self._hot = estates.Estate(), frozenset()
        self._schedule = schedules.Schedule(self._pace, random.random)

    async def _catch_up(self, now: datetime) -> None:
        """Servers that came or went since, and regions that are in trouble since."""
        if self._latest is not None and now < self._latest - _STEPPED:
            self._plan_anew()
        self._latest = now
        hot = frozenset(outage.region for outage in await self._store.outages.open())
        estate = await self._known.now()
        if estate is not self._estate:
            gone = [server.id for server in self._estate if server.id not in estate]
            self._schedule.forget(gone)
            self._failing.difference_update(gone)
            for id_ in gone:
                self._deep_at.pop(id_, None)
            new = [server for server in estate if server.fqdn and server.id not in self._estate]
            new += [
                server for server in estate if server.fqdn and (old := self._estate.get(server.id)) and not old.fqdn
            ]
            self._estate = estate
            for server in new:
                self._schedule.put(server.id, now, sharp=server.region in hot)
        for region in hot - self._hot:
            self._schedule.sharpen([server.id for server in estate.in_region(region)], now)
        self._hot = hot

    async def _look(self, server: servers.Server) -> None:
        async with self._slots:
            ticks = clock.ticks()
            if self._deep is not None and self._goes_deep(server, ticks):
                self._deep_at[server.id] = ticks
                seen = await self._deep.look(server)
            else:
                seen = await self._probe(server.fqdn)
        self._seen.append((server, seen))

    def _goes_deep(self, server: servers.Server, ticks: float) -> bool:
        """A failing server is always asked all it can be asked: an answer at its door would not be enough."""
        if server.id in self._failing:
            return True
        assert self._deep is not None
        last, urgent = self._deep_at.get(server.id), server.region in self._hot
        if last is not None and not urgent and ticks - last < self._deep.every.total_seconds():
            return False
        return self._allowance.take(ticks, urgent=urgent)

    async def _write(self, now: datetime) -> None:
        """Fold what was seen into what is known, many at a time, and plan the next look at each."""
        seen, self._seen = self._seen, []
        for batch in pauses.batches(seen, _BATCH):
            ids = [server.id for server, _ in batch]
            before = await self._store.estate.health(ids, self._vantage)
            batch = [(server, probe) for server, probe in batch if self._tells(server, probe, before, now)]
            gap = 2 * self._pace.interval(len(self._estate))
            after = {
                server.id: evidence.observe(
                    before.get(server.id, evidence.Health()), probe, longest_gap=gap, policy=self._pace.proof
                )
                for server, probe in batch
            }
            await self._store.estate.put_health(after, self._vantage)
            await self._keep_lags(batch, now)
            for server, _ in batch:
                failing = after[server.id].failing_since is not None
                (self._failing.add if failing and self._deep else self._failing.discard)(server.id)
                self._plan(server, after[server.id], now, first=server.id not in before)
            self._tell([(server, before.get(server.id, evidence.Health()), after[server.id]) for server, _ in batch])

    def _tells(
        self,
        server: servers.Server,
        probe: evidence.Probe,
        before: Mapping[servers.ServerId, evidence.Health],
        now: datetime,
    ) -> bool:
        """Whether a look says anything. A knock says nothing about a failure behind the door, which an earlier life of
        ours may have seen: then it is looked at again at once, deep."""
        known = before.get(server.id)
        if self._deep is None or known is None or known.last is None or known.last.answered or not probe.answered:
            return True
        if server.id in self._failing or known.last.stands_at is answers.Depth.DOOR:
            return True
        self._failing.add(server.id)
        if server.id in self._estate:
            self._schedule.put(server.id, now, sharp=True)
        return False

    async def _keep_lags(self, batch: Sequence[tuple[servers.Server, evidence.Probe]], now: datetime) -> None:
        """How far replicas were behind while their primaries answered; after that the figure means nothing."""
        measured = {
            server.id: (server.replica_of, probe)
            for server, probe in batch
            if server.replica_of is not None and probe.lag is not None
        }
        if not measured:
            return
        primaries = await self._store.estate.health([primary for primary, _ in measured.values()], self._vantage)
        found = {}
        for id_, (primary, probe) in measured.items():
            last = primaries[primary].last if primary in primaries else None
            if probe.lag is not None and last is not None and last.answered and now - last.at <= _FRESH_LAG:
                found[id_] = ways.Lag(behind=probe.lag, at=probe.at)
        await self._store.peacetime.put_lags(found)

    def _plan(self, server: servers.Server, health: evidence.Health, now: datetime, *, first: bool) -> None:
        since = health.failing_since
        fell = since is not None and health.last_answer_at is not None and now - since < _SUSPECT
        sharp = fell or server.region in self._hot
        if server.id in self._estate:
            self._schedule.after(server.id, now, sharp=sharp, count=len(self._estate), first=first)

    def _tell(self, seen: Sequence[tuple[servers.Server, evidence.Health, evidence.Health]]) -> None:
        turned = [
            (server, after.last)
            for server, before, after in seen
            if after.last is not None and (before.last is None or before.last.answered != after.last.answered)
        ]
        say = _log.info if len(turned) <= _TOLD_ONE_BY_ONE else _log.debug
        for server, last in turned:
            say("server.answers" if last.answered else "server.silent", **server.log_context(), how=last.detail)
        if len(turned) > _TOLD_ONE_BY_ONE:
            silent = sum(not last.answered for _, last in turned)
            _log.info("servers.turned", silent=silent, answer=len(turned) - silent)
        # Silence ripens into proof by time alone, so the assessment looks after every round with a silent server.
        if any(after.failing_since or (after.last and after.answering_since == after.last.at) for _, _, after in seen):
            self._assess.ring()
