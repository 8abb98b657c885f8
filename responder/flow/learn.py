"""Learn: what restores really took moves what is believed of the next ones. Knows no step and starts nothing.

The wave's own finished restores count as soon as they are written, and rehearsals for as long as they are kept.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from responder.core import decisions, restore_times
from responder.store import stores

_log = structlog.get_logger(__name__)

_NEWEST = 50
"""Of a size class so many count: what is older was another Azure."""
_SHORTEST = timedelta(minutes=1)
"""What fails sooner was refused, and what is done sooner was restored by no Azure: neither says how long restores take.
The shortest that was ever measured there took five minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a belief has learned from, of one size class."""

    drills: int = 0
    real: int = 0
    """Restores in an outage."""
    failed: int = 0
    """Of both together: they count as restores that take longer."""


class Beliefs:
    """The policy of the settings, with beliefs that follow what was measured."""

    def __init__(self, store: stores.Store, policy: decisions.Policy) -> None:
        self._store = store
        self._settings = self._policy = policy
        self._read = 0
        self._samples: dict[str, deque[restore_times.Sample]] = defaultdict(lambda: deque(maxlen=_NEWEST))

    async def policy(self, *, quiet: bool = False) -> decisions.Policy:
        """As of now; what has not changed is not computed again. `quiet`: nothing is logged."""
        news: Sequence[object] = ()
        while found := await self._store.samples.since(self._read):
            self._read, news = found[-1].number, found
            for one in found:
                if one.sample.took >= _SHORTEST:
                    self._samples[one.size_class].append(one.sample)
        if news:
            self._policy = replace(self._settings, beliefs=self._updated())
            if not quiet:
                _log.info("beliefs.moved", **{name: len(samples) for name, samples in self._samples.items()})
        return self._policy

    def learned(self, size_class: str) -> Learned:
        """As of the last look."""
        found = self._samples.get(size_class, ())
        real = sum(sample.real for sample in found)
        failed = sum(sample.failed for sample in found)
        return Learned(drills=len(found) - real, real=real, failed=failed)

    def _updated(self) -> dict[str, restore_times.Belief]:
        return {
            name: belief.updated(list(self._samples[name])) if self._samples.get(name) else belief
            for name, belief in self._settings.beliefs.items()
        }
