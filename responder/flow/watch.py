"""Watch: look at the servers themselves. In peace now and then, for a baseline; sharply while a region has an outage.

A server that was never reached from here proves nothing by not answering, so the baseline is half of the evidence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from responder import clock
from responder.core import evidence, servers
from responder.flow import wakes
from responder.store import sqlite

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often, and how many at once."""

    peace: timedelta
    outage: timedelta
    concurrency: int
    proof: evidence.Policy = field(default_factory=evidence.Policy)
    """How long a silence is proof, and how long answers end a time of trouble."""


class Watch:
    """Probes what is due, folds the results into each server's health, and wakes the assessment when one changed."""

    def __init__(
        self,
        store: sqlite.Store,
        probe: Callable[[str], Awaitable[evidence.Probe]],
        pace: Pace,
        assess: wakes.Wake,
    ) -> None:
        self._store = store
        self._probe = probe
        self._pace = pace
        self._assess = assess
        self._slots = asyncio.Semaphore(pace.concurrency)
        self._next: dict[servers.ServerId, datetime] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            started = clock.now()
            await self.turn(started)
            spent = clock.now() - started
            await asyncio.sleep(max((min(self._pace.outage, self._pace.peace) - spent).total_seconds(), 0.05))

    async def turn(self, now: datetime) -> int:
        """Probe every server that is due. Returns how many were."""
        hot = {outage.region for outage in await self._store.outages.open()}
        due = []
        for server in await self._store.estate.servers():
            if server.fqdn and (server.region in hot or now >= self._next.get(server.id, now)):
                due.append(server)
                self._next[server.id] = now + self._pace.peace
        if due:
            await self._look_at(due)
        return len(due)

    async def _look_at(self, due: Sequence[servers.Server]) -> None:
        before = await self._store.estate.health([server.id for server in due])
        probes = await asyncio.gather(*(self._one(server) for server in due))
        after = {
            server.id: evidence.observe(
                before.get(server.id, evidence.Health()),
                probe,
                longest_gap=2 * self._pace.peace,
                policy=self._pace.proof,
            )
            for server, probe in zip(due, probes, strict=True)
        }
        await self._store.estate.put_health(after)
        for server in due:
            was, is_ = before.get(server.id, evidence.Health()).last, after[server.id].last
            if is_ is not None and (was is None or was.answered != is_.answered):
                _log.info("server.answers" if is_.answered else "server.silent", **server.log_context(), how=is_.detail)
        # Silence ripens into proof by time alone, so the assessment looks after every round with a silent server.
        if any(health.failing_since for health in after.values()) or any(
            health.last and health.answering_since == health.last.at for health in after.values()
        ):
            self._assess.ring()

    async def _one(self, server: servers.Server) -> evidence.Probe:
        async with self._slots:
            return await self._probe(server.fqdn)
