"""Measuring two ways of doing the same work, turn by turn, so that a noisy machine disturbs both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One turn of one way."""

    items: int
    seconds: float
    cpu: float
    """CPU seconds of this process, its threads included; whoever stands opposite is another process."""

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.seconds

    @property
    def cpu_each(self) -> float:
        """CPU seconds an item."""
        return self.cpu / self.items


class Stopwatch:
    """Runs from its making."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self, items: int, seconds: float | None = None) -> Sample:
        """What so many items took. `seconds`: the wall time, where somebody else has measured it."""
        wall = time.perf_counter() - self._wall if seconds is None else seconds
        return Sample(items=items, seconds=wall, cpu=time.process_time() - self._cpu)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much work a benchmark may do."""

    turns: int = 5
    """Of each way."""
    seconds: float = 60.0
    """No new turn begins after this long, so that a slow machine gives fewer turns and not a long wait."""
    scale: float = 1.0

    def of(self, items: int) -> int:
        """How many items a turn has; at least 8, so that connections that share them all get one."""
        return max(8, round(items * self.scale))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came out for one piece of work: pairs of our turn and the bare one beside it."""

    name: str
    unit: str
    pairs: Sequence[tuple[Sample, Sample]]
    notes: Sequence[str] = ()
    """What else is worth a line."""

    def median(self, of: Callable[[Sample, Sample], float]) -> float:
        """The median over the pairs."""
        return statistics.median(of(ours, bare) for ours, bare in self.pairs)


Way = Callable[[], Awaitable[Sample]]


async def compare(name: str, unit: str, ours: Way, bare: Way, effort: Effort) -> Row:
    """Both ways in turn. Who is first changes, because the second finds warmer caches."""
    ends, pairs = time.perf_counter() + effort.seconds, []
    for turn in range(effort.turns):
        if turn % 2 == 0:
            mine = await ours()
            other = await bare()
        else:
            other = await bare()
            mine = await ours()
        pairs.append((mine, other))
        if time.perf_counter() > ends:
            break
    return Row(name=name, unit=unit, pairs=pairs)
