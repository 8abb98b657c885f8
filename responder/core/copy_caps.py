"""How many copies are paid for at a time: who may have one, and whose is given up for somebody more important.

A copy that is held costs money by the hour. Where their number is capped, the least important go first: those of
servers that answer again, then those of the lowest priority. Pure; begins and deletes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from responder.core import regions, servers, waves


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A copy that exists, or is being made."""

    server: servers.ServerId
    target: regions.RegionName
    """Where it is."""
    priority: int
    """1 first, 5 last."""
    held: bool
    """It is ready and its cut-over is not due: it can be given up."""
    settling: bool = False
    """The server answers again, and the copy is kept in case that does not last."""
    due: datetime | None = None
    """When it would be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What follows from a cap."""

    no_room: frozenset[servers.ServerId] = frozenset()
    """Whose copy must wait until there is room."""
    given_up: frozenset[servers.ServerId] = frozenset()
    """Whose copy is thrown away to make room."""


def share(wanted: Sequence[waves.Job], kept: Iterable[Kept], cap: int | None) -> Shares:
    """Who may have a copy, of those that want one. A copy is given up only for a server of a higher priority, or when
    its own server answers again.

    Args:
        wanted: restores that are to be begun, in any order.
        cap: copies in one region at a time. None: any number.
    """
    if cap is None:
        return Shares()
    there: dict[regions.RegionName, list[Kept]] = {}
    for one in kept:
        there.setdefault(one.target, []).append(one)
    no_room: set[servers.ServerId] = set()
    given_up: set[servers.ServerId] = set()
    for job in sorted(wanted, key=lambda job: (job.priority, job.deadline, job.server)):
        here = there.setdefault(job.target, [])
        if len(here) < cap:
            here.append(Kept(server=job.server, target=job.target, priority=job.priority, held=False))
            continue
        no_room.add(job.server)  # also when another makes room: only when that copy is gone
        least = max((one for one in here if _yields(one, job)), key=_rank, default=None)
        if least is not None:
            here.remove(least)
            here.append(Kept(server=job.server, target=job.target, priority=job.priority, held=False))
            given_up.add(least.server)
    return Shares(no_room=frozenset(no_room), given_up=frozenset(given_up))


def _yields(one: Kept, job: waves.Job) -> bool:
    if job.priority == waves.AFTER_ALL:  # there is a copy of that server already
        return False
    return one.settling or (one.held and one.priority > job.priority)


def _rank(one: Kept) -> tuple[bool, int, float, str]:
    """The greatest goes first: settling, then the lowest priority, then what would be used last."""
    return one.settling, one.priority, one.due.timestamp() if one.due else 0.0, one.server
