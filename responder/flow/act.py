"""Act: carry out runs. Takes those that are due, so many at a moment, and hands each to `carrying`.

    claim a due run ─► carry it on, one step at a time (`carrying`) ─► it waits or has ended: the slot is free

A wait is a row: whoever claims the run at `wake_at` goes on from what is written. Nothing here decides anything.
"""

from __future__ import annotations

import asyncio
import functools
from datetime import datetime, timedelta

from responder import clock
from responder import steps as kinds
from responder.core import brakes, runs, tolerances
from responder.flow import braking, carrying, parking, stages, wakes
from responder.steps import doors
from responder.store import sqlite

_SLOTS = 50  # runs acted on at the same moment; waiting runs take none
_LONGEST_NAP = timedelta(seconds=30)
_GRACE = timedelta(seconds=10)
"""At the end, for the steps under way."""


class Act:
    """Takes due runs from the journal and carries them on."""

    def __init__(
        self, store: sqlite.Store, doors_: doors.Doors, defaults: tolerances.Tolerance, *,
        wake: wakes.Wake, assess: wakes.Wake, registry: kinds.Registry = kinds.BUILT_IN,
        policy: brakes.Policy | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._wake = wake
        self._assess = assess
        self._suspect: runs.RunId | None = None
        """The run in hand that has left no outcome several times; there is one at a time."""
        self._busy: dict[runs.RunId, asyncio.Task[None]] = {}
        self._parking = parking.Parking(store)
        self._carrying = carrying.Carrying(
            store, doors_, defaults, registry=registry, policy=policy or brakes.Policy(), strikes=self._parking.strikes,
            cleared=self._cleared,
        )  # fmt: skip
        self._stopping = False
        self.settled = asyncio.Event()
        """Once everything that was due at the start has been taken up, and waits or has ended."""

    async def run(self) -> None:
        """Until cancelled; then no run is begun any more, and the steps under way may still write their outcome.

        What takes longer than that is given up, and the journal knows what to reconcile.
        """
        try:
            await stages.patiently("act", self._keep_filling)
        finally:
            await self._finish()

    async def _keep_filling(self) -> None:
        while True:
            await braking.run_out(self._store, clock.now())
            await braking.lapse(self._store, clock.now())
            await self._fill_slots()
            if not self._busy:
                self.settled.set()
            await self._wake.wait(await self._next_wake(), _LONGEST_NAP)

    async def _fill_slots(self) -> None:
        while len(self._busy) < _SLOTS:
            run = await self._claim()
            if run is None:
                return
            task = asyncio.create_task(self._carried(run), name=f"run {run.id}")
            self._busy[run.id] = task
            task.add_done_callback(functools.partial(self._left, run.id))

    async def _claim(self) -> runs.Run | None:
        """A due run; one that may be what kills the process only while no other such run is in hand."""
        out = self._not_now()
        run = await self._store.runs.claim(clock.now(), excluding=out, calm=brakes.SUSPECT)
        if run is None and self._suspect is None:
            run = await self._store.runs.claim(clock.now(), excluding=out)
            # One without strikes may have become due between the two.
            self._suspect = run.id if run is not None and run.strikes > brakes.SUSPECT else None
        return run

    async def _next_wake(self) -> datetime | None:
        if len(self._busy) >= _SLOTS:
            return None  # whoever leaves a slot rings
        calm = {} if self._suspect is None else {"calm": brakes.SUSPECT}
        due = await self._store.runs.next_wake(excluding=self._not_now(), **calm)
        return min([*self._parking.ends(), *([due] if due else [])], default=None)

    def _not_now(self) -> tuple[runs.RunId, ...]:
        """Runs in hand, and those that failed us a moment ago."""
        return (*self._busy, *self._parking.now())

    def _left(self, id_: runs.RunId, _: asyncio.Task[None]) -> None:
        self._busy.pop(id_, None)
        self._cleared(id_)
        self._wake.ring()

    def _cleared(self, id_: runs.RunId) -> None:
        """That run has left an outcome, or is out of our hands: the next suspect may be taken up."""
        if self._suspect == id_:
            self._suspect = None
            self._wake.ring()

    async def _finish(self) -> None:
        self._stopping = True
        if self._busy:
            _, late = await asyncio.wait(self._busy.values(), timeout=_GRACE.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _carried(self, run: runs.Run) -> None:
        """Carry a run on. One that raises is left alone for a while."""
        try:
            await self.carry_on(run)
        except Exception as error:
            await self._parking.park(run, error)
        else:
            self._parking.release(run.id)

    async def carry_on(self, run: runs.Run) -> runs.Run:
        """Carry a claimed run on until it waits or ends. Returns it as it was left.

        Raises:
            StoreError: its journal cannot be read or written now. What was under way is reconciled next time.
        """
        left = await self._carrying.carry_on(run, lambda: self._stopping)
        self._assess.ring()
        return left
