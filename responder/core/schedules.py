"""When each server is looked at next: spread out in peace, first and often in trouble, never faster than the cap.

Two queues, one of servers in trouble and one of all others; a server is in one of them or being looked at. Pure but for
the chance that keeps servers apart, which is given.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from responder.core import evidence, servers

_FOR_PEACE = 0.1
"""The share of looks that servers without trouble get even while many are in trouble: they prove that we can see."""
_EARLIER = 0.1
"""A look may come earlier by up to this share of the interval, so that servers do not march in step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often, how many at once, and how many a second."""

    peace: timedelta
    outage: timedelta
    concurrency: int
    per_second: float = 500.0
    proof: evidence.Policy = field(default_factory=evidence.Policy)
    """How long a silence is proof, and how long answers end a time of trouble."""

    def interval(self, count: int) -> timedelta:
        """Between two looks at a server in peace, when there are so many: stretched, so that the cap holds."""
        return max(self.peace, timedelta(seconds=count / (self.per_second * (1 - _EARLIER))))


class Schedule:
    """Servers by when they are due."""

    def __init__(self, pace: Pace, chance: Callable[[], float]) -> None:
        self._pace = pace
        self._chance = chance
        self._due: dict[servers.ServerId, tuple[datetime, bool]] = {}
        self._queues: dict[bool, list[tuple[datetime, servers.ServerId]]] = {True: [], False: []}

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, id_: servers.ServerId) -> bool:
        return id_ in self._due

    def put(self, id_: servers.ServerId, at: datetime, *, sharp: bool) -> None:
        """Look at it then; it is in trouble, or not. What was planned before for it counts no more."""
        self._due[id_] = at, sharp
        heapq.heappush(self._queues[sharp], (at, id_))

    def sharpen(self, ids: Iterable[servers.ServerId], now: datetime) -> None:
        """They are in trouble since now: those that wait for their turn in peace are due at once."""
        for id_ in ids:
            if id_ in self._due and not self._due[id_][1]:
                self.put(id_, now, sharp=True)

    def forget(self, ids: Iterable[servers.ServerId]) -> None:
        """They are not looked at any more."""
        for id_ in ids:
            self._due.pop(id_, None)

    def take(self, now: datetime, most: int) -> list[servers.ServerId]:
        """Up to so many of those that are due, and out of the schedule until they are put in again.

        Those in trouble first; but a tenth goes to the others, when they are due.
        """
        calm = self._taken(False, now, max(1, round(most * _FOR_PEACE))) if most else []
        sharp = self._taken(True, now, most - len(calm))
        return sharp + calm + self._taken(False, now, most - len(sharp) - len(calm))

    def after(self, id_: servers.ServerId, now: datetime, *, sharp: bool, count: int, first: bool) -> datetime:
        """When to look again at one that was looked at now; puts it in.

        Args:
            count: how many servers there are.
            first: it was looked at for the first time. Those that became known together are drawn apart.
        """
        if sharp:
            return self._put(id_, now + self._pace.outage, sharp=True)
        apart = 0.5 if first and count > self._pace.concurrency else _EARLIER
        return self._put(id_, now + self._pace.interval(count) * (1 - apart * self._chance()), sharp=False)

    def _put(self, id_: servers.ServerId, at: datetime, *, sharp: bool) -> datetime:
        self.put(id_, at, sharp=sharp)
        return at

    def _taken(self, sharp: bool, now: datetime, most: int) -> list[servers.ServerId]:
        queue, found = self._queues[sharp], list[servers.ServerId]()
        while queue and len(found) < most and queue[0][0] <= now:
            at, id_ = heapq.heappop(queue)
            if self._due.get(id_) == (at, sharp):  # else it was put in again since, or forgotten
                del self._due[id_]
                found.append(id_)
        return found


class Allowance:
    """How many looks may go deep: so many a second, and half of what has been saved up is kept for trouble."""

    def __init__(self, per_second: float) -> None:
        self._rate = per_second
        self._most = self._left = max(2 * per_second, 2.0)
        self._at: float | None = None

    def take(self, ticks: float, *, urgent: bool) -> bool:
        """Whether one may go deep now.

        Args:
            ticks: seconds by a clock that only goes forward.
            urgent: its region is in trouble.
        """
        spent = max(ticks - self._at, 0.0) if self._at is not None else 0.0
        self._at, self._left = ticks, min(self._left + spent * self._rate, self._most)
        if self._left - 1 < (0 if urgent else self._most / 2):
            return False
        self._left -= 1
        return True
