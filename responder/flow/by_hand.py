"""A run by hand, while the daemon is down: one run is carried out, and no other. Takes no decision, delivers nothing.

Its guard before a cut-over wants fresh proof and no daemon looks, so the run's own server is probed meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from responder import clock
from responder.core import controls, evidence, playbooks, runs, servers
from responder.flow import act, braking, wakes
from responder.store import estate, sqlite

_FOR_A_WORD = frozenset({"hold", "watch"})
"""Step kinds that wait for what a human or a decision says."""
_FOR_A_HUMAN = frozenset({"approval", "hold", controls.PAUSE, controls.FREEZE, controls.QUARANTINE})
"""What only a human ends, who cannot say it while we hold the store."""
_LONGEST_NAP = timedelta(seconds=1)
"""Between looks whether the run is due, however far off its own moment is: the next probe may be due before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How the run's server is looked at."""

    probe: Callable[[servers.Server], Awaitable[evidence.Probe]]
    """One look, as deep as it goes."""
    every: timedelta
    longest_gap: timedelta
    """After a longer time without a look a silence begins anew: seen only at its two ends, it proves nothing. Between
    two such commands nobody looks."""
    vantage: str = estate.HERE
    """Where this command looks from; that of the daemon it stands in for."""


class ByHand:
    """Carries out single runs. Only for whoever holds the store alone."""

    def __init__(self, store: sqlite.Store, stage: act.Act, looks: Looks, wake: wakes.Wake) -> None:
        self._store = store
        self._stage = stage
        self._looks = looks
        self._wake = wake

    async def carry_out(self, run_id: runs.RunId) -> AsyncIterator[runs.Run]:
        """Carry out one run until it ends; gives it each time it has moved or waits.

        While we hold the store nobody can say a word to the run, and nobody decides: one that waits for either is left.
        Left half-way, the run goes on from its journal next time.
        """
        look_at = clock.ticks()  # not by a clock that may be stepped back
        while True:
            if clock.ticks() >= look_at:
                await self._look(run_id)
                look_at = clock.ticks() + self._looks.every.total_seconds()
            await braking.lapse(self._store, clock.now())
            run = await self._store.runs.claim(clock.now(), only=run_id)
            if run is not None:
                run = await self._stage.carry_on(run)
                yield run
                if run.state.ended:
                    return
            current = await self._store.runs.get(run_id)
            assert current is not None, "a submitted run stays in the journal"
            step = current.playbook.step(current.step or "")
            if step is None or (current.state is runs.State.WAITING and _needs_a_word(current, step)):
                return
            await self._wake.wait(current.wake_at, _LONGEST_NAP)

    async def _look(self, run_id: runs.RunId) -> None:
        """Probe the server of the run."""
        run = await self._store.runs.get(run_id)
        server = await self._store.estate.server(run.server_id) if run else None
        if server is None or not server.fqdn:
            return
        vantage = self._looks.vantage
        before = (await self._store.estate.health([server.id], vantage)).get(server.id, evidence.Health())
        probe = await self._looks.probe(server)
        after = evidence.observe(before, probe, longest_gap=self._looks.longest_gap)
        await self._store.estate.put_health({server.id: after}, vantage)


def _needs_a_word(run: runs.Run, step: playbooks.Step) -> bool:
    """Only a human or a decision can make it go on."""
    return step.kind in _FOR_A_WORD or run.waiting_for in _FOR_A_HUMAN
