"""Runs that raised: left alone for a while, told once, tried again. Claimed again at once, they would raise for ever.

In memory only: the strikes of a run are in its row, and outlive the process. See `core.brakes` for the quarantine.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from responder import clock
from responder.core import errors, runs
from responder.flow import told
from responder.store import apart, stores

_log = structlog.get_logger(__name__)

_FIRST_PARK = timedelta(seconds=5)
_LONGEST_PARK = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parked:
    """A run that raised: when it may be claimed again, and how often in a row that happened."""

    until: datetime
    times: int
    pardoned: int
    """How often it was the store that failed, which is no trouble of this run."""

    def stands(self, now: datetime) -> bool:
        """Whether it is still to be left alone. More left than there ever was: the clock was stepped back."""
        return now < self.until <= now + _LONGEST_PARK


class Parking:
    """The runs that this process leaves alone."""

    def __init__(self, store: stores.Store) -> None:
        self._store = store
        self._parked: dict[runs.RunId, _Parked] = {}

    def now(self) -> tuple[runs.RunId, ...]:
        """Those that are not to be claimed yet."""
        now = clock.now()
        return tuple(id_ for id_, parked in self._parked.items() if parked.stands(now))

    def ends(self) -> list[datetime]:
        """When they may be claimed again."""
        now = clock.now()
        return [parked.until for parked in self._parked.values() if parked.stands(now)]

    def strikes(self, run: runs.Run) -> int:
        """The strikes of a run that are its own doing."""
        parked = self._parked.get(run.id)
        return run.strikes - (parked.pardoned if parked else 0)

    def release(self, id_: runs.RunId) -> None:
        """It was carried on."""
        self._parked.pop(id_, None)

    async def park(self, run: runs.Run, error: Exception) -> None:
        """It raised."""
        before = self._parked.get(run.id)
        times = before.times + 1 if before else 1
        pause: timedelta = min(_FIRST_PARK * 2.0 ** min(times - 1, 16), _LONGEST_PARK)
        blameless = isinstance(error, errors.StoreError) and error.error_id != apart.UNREADABLE
        pardoned = (before.pardoned if before else 0) + blameless
        self._parked[run.id] = _Parked(until=clock.now() + pause, times=times, pardoned=pardoned)
        known = isinstance(error, errors.StoreError)
        _log.error(
            "run.parked", **run.log_context(), error=str(error), pause_s=pause.total_seconds(), exc_info=not known
        )
        if not blameless:
            await self._tell(run, error)

    async def _tell(self, run: runs.Run, error: Exception) -> None:
        """Once, by the key. While the store is out of order nothing can be told."""
        why = str(error) or type(error).__name__
        text = f"{run.id} cannot be carried on and is tried again now and then: {why}. The log has the details."
        stuck = told.announcement(run, "parked", "run.parked", f"{run.playbook.name} is stuck", text)
        try:
            await self._store.outbox.put([stuck])
        except errors.StoreError as failed:
            _log.error("run.parked-untold", **run.log_context(), error=str(failed))
