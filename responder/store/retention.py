"""What is old goes, a batch at a time. Never what an open outage or a run that has not ended may still need.

Whatever came, was said or decided since the oldest of these began is kept, however short the ages in the settings are.
Ended runs and closed outages go by rules of their own (`pruning`); the newest decision about a server goes with its
outage only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from responder import clock
from responder.store import codec, database, pruning


class Kind(StrEnum):
    """What can be deleted by age."""

    ARRIVALS = "arrivals"
    """Deliveries that were read to the end, with the events that came out of them."""
    QUARANTINE = "quarantine"
    """Deliveries of which something could not be read, with everything that came out of them."""
    ANNOUNCEMENTS = "announcements"
    """What was delivered."""
    DECISIONS = "decisions"
    """What a later decision about the same server and outage has replaced."""
    JOURNALS = "journals"
    """The lines written about runs that have ended."""
    RUNS = "runs"
    """Runs that have ended, with all that is about them."""
    OUTAGES = "outages"
    """Outages that we are finished with, and that no run belongs to any more."""


class Retention:
    """Deletes by age."""

    def __init__(self, base: database.Database, pruned: pruning.Pruning) -> None:
        self._base = base
        self._pruning = pruned

    async def delete(self, kind: Kind, before: datetime, limit: int = 500) -> int:
        """Delete the oldest of a kind, in one transaction.

        Args:
            kind: of what.
            before: what is as old as this or younger stays.
            limit: not more than so many.

        Returns:
            How many were deleted; fewer than the limit: nothing is left to do.
        """
        if kind in (Kind.RUNS, Kind.OUTAGES):
            return await self._prune(kind, before, limit)
        return await self._base.execute_transaction(lambda c: _delete(c, kind, before, limit))

    async def sweep(self, limit: int = 500) -> bool:
        """Delete a batch of what deleted outages have left. False: there is nothing."""
        return await self._pruning.sweep(clock.now(), limit)

    async def give_back(self, pages: int) -> bool:
        """Give unused space back to the disk, so much at most. False: there is none, or the database does it itself."""
        return await self._base.give_back(pages)

    async def _prune(self, kind: Kind, before: datetime, limit: int) -> int:
        row, now = await self._base.row(_NEEDED), clock.now()
        needed = codec.moment_or_none(row["since"]) if row else None
        before = before if needed is None else min(before, needed - _MARGIN)
        return await (self._pruning.runs if kind is Kind.RUNS else self._pruning.outages)(before, now, limit)


_MARGIN = timedelta(days=1)
"""News of an outage may have come a little before the outage was made of them."""
_NEEDED = """
    SELECT MIN(since) AS since FROM (
        SELECT MIN(heard_at) AS since FROM outages WHERE closed_at IS NULL
        UNION ALL
        SELECT MIN(created_at) AS since FROM runs WHERE state IN ('ready', 'waiting')
    ) AS needed
"""
_READ = """
    SELECT id FROM arrivals
    WHERE recorded = 1 AND received_at < :before
        AND NOT EXISTS (SELECT 1 FROM quarantine WHERE quarantine.arrival_id = arrivals.id)
    ORDER BY received_at LIMIT :limit
"""
_QUARANTINED = """
    SELECT id FROM arrivals
    WHERE recorded = 1 AND received_at < :before
        AND EXISTS (SELECT 1 FROM quarantine WHERE quarantine.arrival_id = arrivals.id)
    ORDER BY received_at LIMIT :limit
"""
_SENT = "SELECT id FROM announcements WHERE sent_at IS NOT NULL AND sent_at < :before ORDER BY sent_at LIMIT :limit"
_SUPERSEDED = """
    SELECT id FROM decisions
    WHERE at < :before AND NOT EXISTS (SELECT 1 FROM latest_decisions WHERE latest_decisions.decision_id = decisions.id)
    ORDER BY at LIMIT :limit
"""
_ENDED = """
    SELECT journal.id FROM journal JOIN runs ON runs.id = journal.run_id
    WHERE runs.ended_at IS NOT NULL AND runs.ended_at < :before
    ORDER BY runs.ended_at LIMIT :limit
"""
_THESE = "IN (SELECT CAST(value AS BIGINT) FROM json_each(:ids))"
_ARRIVALS = (
    f"DELETE FROM quarantine WHERE arrival_id {_THESE}",  # noqa: S608 - literals, as all of these
    f"DELETE FROM events WHERE arrival_id {_THESE}",  # noqa: S608
    f"DELETE FROM arrivals WHERE id {_THESE}",  # noqa: S608
)
_HOW: Mapping[Kind, tuple[str, tuple[str, ...]]] = {
    Kind.ARRIVALS: (_READ, _ARRIVALS),
    Kind.QUARANTINE: (_QUARANTINED, _ARRIVALS),
    Kind.ANNOUNCEMENTS: (_SENT, (f"DELETE FROM announcements WHERE id {_THESE}",)),  # noqa: S608
    Kind.DECISIONS: (_SUPERSEDED, (f"DELETE FROM decisions WHERE id {_THESE}",)),  # noqa: S608
    Kind.JOURNALS: (_ENDED, (f"DELETE FROM journal WHERE id {_THESE}",)),  # noqa: S608
}
"""What is found, and how it goes: what points at a row before the row."""


def _delete(connection: database.Connection, kind: Kind, before: datetime, limit: int) -> int:
    needed = codec.moment_or_none(connection.execute(_NEEDED).fetchone()["since"])
    if needed is not None:
        before = min(before, needed - _MARGIN)
    find, deletes = _HOW[kind]
    rows = connection.execute(find, {"before": codec.stamp(before), "limit": limit}).fetchall()
    ids = codec.listed(str(row["id"]) for row in rows)
    if rows:
        for sql in deletes:
            connection.execute(sql, {"ids": ids})
    return len(rows)
