"""The wave: hundreds of servers want a copy at once, and the paired region takes a few at a time. Who is next?

    wanted ──► order ──► caps ──► canary ──► go
                                     └─────► held: its turn comes about then, so many before it

Order: by priority; inside it those that can still be in time, by deadline, leaving out the longest when not all can be
(J. M. Moore, Management Science 15(1), 1968; with several restores at a time it is a heuristic). Sorting by the latest
start instead would be late for nearly everybody. Knows no store and starts nothing; the error budget is in `brakes`.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from responder.core import regions, servers

_LEAST_LEFT = timedelta(minutes=5)
"""A restore that takes longer than believed is not over at once."""

_PRIORITIES = range(1, 7)
AFTER_ALL = 6
"""The priority of a copy for a server that has one already: behind all who have none."""

Group = tuple[regions.RegionName, str, regions.RegionName]
"""Servers whose restores go the same way: from a region, of a product, to a region. One of them is the canary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the organisation decided once about waves."""

    per_target: int = 10
    """Restores into one region at a time. Azure names no limit for PostgreSQL; its capacity there is not guaranteed."""
    per_subscription: int = 30
    """Restores of one subscription at a time; Azure SQL's own limit."""
    canary_above: int = 3
    """A wave of more servers than this sends one ahead."""
    few: int = 3
    """So many are sent ahead when waiting for one would make others late."""
    copies: int | None = None
    """Copies in one region at a time, being made or held: what they cost by the hour. None: any number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One restore that is wanted now, and not begun."""

    server: servers.ServerId
    group: Group
    subscription: str
    priority: int
    """1 first, 5 last; `AFTER_ALL` where there is a copy already."""
    takes: timedelta
    """Half of such restores take no longer."""
    deadline: datetime
    """When the copy must be there."""

    @property
    def target(self) -> regions.RegionName:
        """Where the copy goes."""
        return self.group[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """One restore that is being made; whoever started it, it takes a place."""

    server: servers.ServerId
    group: Group
    subscription: str
    left: timedelta
    """How much longer it is believed to take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Why a restore that is wanted is not begun yet."""

    before: int
    """So many come before it."""
    about: datetime
    """When its turn comes, if everything takes as long as is believed."""
    canary: bool = False
    """There is room: it waits for the one that was sent ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What follows for a moment."""

    go: tuple[servers.ServerId, ...] = ()
    """To be begun now, in this order."""
    held: Mapping[servers.ServerId, Held] = field(default_factory=dict)
    load: Mapping[tuple[regions.RegionName, int], timedelta] = field(default_factory=dict)
    """By target and priority: how long a further restore of that priority would wait."""

    def wait(self, target: regions.RegionName | None, priority: int) -> timedelta:
        """How long one more restore into that region would wait for its turn."""
        return self.load.get((target, priority), timedelta()) if target is not None else timedelta()


def still(takes: timedelta, running: timedelta) -> timedelta:
    """How much longer a restore is believed to take that has been running."""
    return max(takes - running, _LEAST_LEFT)


def plan(
    wanted: Sequence[Job],
    under_way: Sequence[UnderWay],
    proven: Collection[Group],
    policy: Policy,
    now: datetime,
) -> Plan:
    """Who goes now, and when the turn of the others comes.

    Args:
        proven: groups of which a copy was restored and verified in this wave.
    """
    by_target: dict[regions.RegionName, list[Job]] = {one.group[2]: [] for one in under_way}
    for job in wanted:
        by_target.setdefault(job.target, []).append(job)
    gate = _Gate(wanted, under_way, proven, policy, now)
    go: list[servers.ServerId] = []
    held: dict[servers.ServerId, Held] = {}
    load: dict[tuple[regions.RegionName, int], timedelta] = {}
    for target, jobs in sorted(by_target.items()):
        running = [one.left for one in under_way if one.group[2] == target]
        queue = order(jobs, policy.per_target, now, left=running)
        ahead = _Before(count=len(running), work=sum(running, timedelta()))
        waiting = 0
        for job in queue:
            room = gate.room(job)
            if gate.lets(job):
                go.append(job.server)
            else:
                start = max(_start(ahead.work, ahead.count, policy.per_target), _LEAST_LEFT)
                held[job.server] = Held(before=waiting, about=now + start, canary=room)
                waiting += 1
            ahead = _Before(count=ahead.count + 1, work=ahead.work + job.takes)
        load |= {(target, priority): wait for priority, wait in _waits(queue, running, policy.per_target).items()}
    return Plan(go=tuple(go), held=held, load=load)


def order(jobs: Iterable[Job], slots: int, now: datetime, *, left: Sequence[timedelta] = ()) -> list[Job]:
    """The jobs as they should be begun when `slots` of them can run at a time.

    Args:
        left: how much longer each of those that run already takes.
    """
    by_priority: dict[int, list[Job]] = defaultdict(list)
    for job in jobs:
        by_priority[job.priority].append(job)
    before = _Before(count=len(left), work=sum(left, timedelta()))
    found: list[Job] = []
    for _, alike in sorted(by_priority.items()):
        in_time, late = _moore_hodgson(alike, slots, now, before)
        found += in_time
        # What cannot be in time comes last, the shortest first: so most of them are back soonest.
        found += sorted(late, key=lambda job: (now + job.takes > job.deadline, job.takes, job.deadline, job.server))
        before = _Before(
            count=before.count + len(alike), work=before.work + sum((job.takes for job in alike), timedelta())
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """What comes before a queue."""

    count: int
    work: timedelta


def _moore_hodgson(jobs: Iterable[Job], slots: int, now: datetime, before: _Before) -> tuple[list[Job], list[Job]]:
    """(those in time, by deadline; those left out). Of a queue that would make one late the longest is left out."""
    kept: list[tuple[timedelta, int, Job]] = []  # the longest first: a heap of negative durations
    late: list[Job] = []
    work = before.work
    for number, job in enumerate(sorted(jobs, key=lambda job: (job.deadline, job.takes, job.server))):
        heapq.heappush(kept, (-job.takes, number, job))
        work += job.takes
        while now + _start(work - job.takes, before.count + len(kept) - 1, slots) + job.takes > job.deadline:
            _, _, longest = heapq.heappop(kept)
            work -= longest.takes
            late.append(longest)
            if longest is job:
                break
    return [job for _, _, job in sorted(kept, key=lambda one: one[1])], late


def _start(work: timedelta, count: int, slots: int) -> timedelta:
    """When a job begins that has so much work, in so many jobs, before it.

    The first find a free slot. After that a slot is free when its share of the work is done, less half a job: on
    average the others are in the middle of one.
    """
    if count < slots:
        return timedelta()
    return max((work - work / count * (slots - 1) / 2) / slots, timedelta())


class _Gate:
    """The caps and the canary, while a queue goes past them."""

    def __init__(
        self,
        wanted: Sequence[Job],
        under_way: Sequence[UnderWay],
        proven: Collection[Group],
        policy: Policy,
        now: datetime,
    ) -> None:
        self._policy = policy
        self._targets = Counter(one.group[2] for one in under_way)
        self._subscriptions = Counter(one.subscription for one in under_way)
        self._groups = Counter(one.group for one in under_way)
        self._ahead = _ahead(wanted, self._groups, proven, policy, now)

    def lets(self, job: Job) -> bool:
        """Whether it may go now; then its place is taken."""
        if not self.room(job) or self._groups[job.group] >= self._ahead.get(job.group, self._policy.per_target):
            return False
        self._targets[job.target] += 1
        self._subscriptions[job.subscription] += 1
        self._groups[job.group] += 1
        return True

    def room(self, job: Job) -> bool:
        """Whether the caps leave it a place."""
        full = self._targets[job.target] >= self._policy.per_target
        return not full and self._subscriptions[job.subscription] < self._policy.per_subscription


def _ahead(
    wanted: Sequence[Job], running: Mapping[Group, int], proven: Collection[Group], policy: Policy, now: datetime
) -> dict[Group, int]:
    """How many of each group may be under way before one of them is proven; a group that is not in it has no limit."""
    groups: dict[Group, list[Job]] = defaultdict(list)
    for job in wanted:
        groups[job.group].append(job)
    found = {}
    for group, jobs in groups.items():
        if group in proven or len(jobs) + running.get(group, 0) <= policy.canary_above:
            continue
        canary = min(job.takes for job in jobs)
        hurry = any(now + job.takes <= job.deadline < now + canary + job.takes for job in jobs)
        found[group] = policy.few if hurry else 1
    return found


def _waits(queue: Sequence[Job], running: Sequence[timedelta], slots: int) -> dict[int, timedelta]:
    """How long one more of each priority would wait: for everything that runs, and for what is as urgent or more."""
    count, work = len(running), sum(running, timedelta())
    alike = Counter(job.priority for job in queue)
    takes = {priority: timedelta() for priority in _PRIORITIES}
    for job in queue:
        takes[job.priority] += job.takes
    found = {}
    for priority in _PRIORITIES:
        count, work = count + alike[priority], work + takes[priority]
        found[priority] = _start(work, count, slots)
    return found
