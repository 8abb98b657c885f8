"""What arrived from Azure: kept before it is acknowledged, read later, once. Does not understand a payload."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from responder.core import errors
from responder.core import events as core_events
from responder.core import outages as core_outages
from responder.store import codec, database, outages


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One delivery, unread."""

    source: str
    key: str
    """The same delivery has the same key within its source; the caller makes it."""
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An arrival that is stored and not yet recorded."""

    id: int
    source: str
    body: bytes
    received_at: datetime


class Intake:
    """Arrivals, and what was read out of them."""

    def __init__(self, base: database.Database) -> None:
        self._base = base

    async def append(self, arrivals: Sequence[Arrival]) -> int:
        """Keep arrivals, all or none; durable when this returns. A known (source, key) is ignored.

        Returns:
            How many were new.
        """
        rows = [(codec.clean(a.source), codec.clean(a.key), a.body, codec.stamp(a.received_at)) for a in arrivals]
        return await self._base.execute_transaction(lambda c: c.executemany(_APPEND, rows).rowcount) if rows else 0

    async def pending(self, limit: int = 100) -> list[Received]:
        """Arrivals that are not recorded yet, oldest first."""
        sql = "SELECT * FROM arrivals WHERE recorded = 0 ORDER BY id LIMIT :limit"
        return [_received(row) for row in await self._base.rows(sql, {"limit": limit})]

    async def known(self, identities: Collection[str]) -> set[str]:
        """Those of these event identities that are recorded already."""
        sql = "SELECT identity FROM events WHERE identity IN (SELECT value FROM json_each(:identities))"
        found = {row["identity"] for row in await self._base.rows(sql, {"identities": codec.listed(identities)})}
        return {identity for identity in identities if codec.clean(identity) in found}

    async def record(
        self,
        received_id: int,
        *,
        events: Sequence[core_events.HealthEvent],
        unreadable: Sequence[tuple[str, str, bytes]],
        outages: Sequence[core_outages.Outage],
    ) -> None:
        """Write everything that was read out of one arrival, in one transaction, and mark it recorded.

        An arrival that is recorded already changes nothing: who crashed after this may safely ask again.

        Args:
            received_id: `Received.id`.
            events: those with a known identity are ignored.
            unreadable: (reason, position, raw) of what could not be read.
            outages: as they stand after these events.

        Raises:
            RefusedError: `store.unknown-arrival`.
        """
        await self._base.execute_transaction(lambda c: _record(c, received_id, events, unreadable, outages))

    async def events(self, limit: int = 100) -> list[tuple[datetime, core_events.HealthEvent]]:
        """When it was received and what it says, newest first."""
        sql = "SELECT received_at, body FROM events ORDER BY id DESC LIMIT :limit"
        rows = await self._base.rows(sql, {"limit": limit})
        return [(codec.moment(row["received_at"]), codec.load(row["body"], core_events.HealthEvent)) for row in rows]

    async def quarantine(self, limit: int = 100) -> list[dict[str, Any]]:
        """What could not be read, newest first: id, arrival_id, source, received_at, reason, position, raw (bytes)."""
        rows = await self._base.rows(_QUARANTINE, {"limit": limit})
        return [{**dict(row), "received_at": codec.moment(row["received_at"])} for row in rows]

    async def counts(self) -> dict[str, int]:
        """How many there are: `arrivals`, `pending`, `events`, `quarantined`."""
        row = await self._base.row(_COUNTS)
        assert row is not None
        return dict(row)

    async def last_arrival(self) -> dict[str, datetime]:
        """When the newest arrival of each source was received."""
        sql = "SELECT source, MAX(received_at) AS newest FROM arrivals GROUP BY source"
        return {row["source"]: codec.moment(row["newest"]) for row in await self._base.rows(sql)}


_APPEND = """
    INSERT INTO arrivals (source, key, body, received_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (source, key) DO NOTHING
"""
_RECORD_EVENT = """
    INSERT INTO events (identity, arrival_id, received_at, body) VALUES (?, ?, ?, ?)
    ON CONFLICT (identity) DO NOTHING
"""
_QUARANTINE = """
    SELECT q.id, q.arrival_id, a.source, a.received_at, q.reason, q.position, q.raw
    FROM quarantine AS q JOIN arrivals AS a ON a.id = q.arrival_id
    ORDER BY q.id DESC LIMIT :limit
"""
_COUNTS = """
    SELECT (SELECT COUNT(*) FROM arrivals) AS arrivals,
           (SELECT COUNT(*) FROM arrivals WHERE recorded = 0) AS pending,
           (SELECT COUNT(*) FROM events) AS events,
           (SELECT COUNT(*) FROM quarantine) AS quarantined
"""


def _received(row: sqlite3.Row) -> Received:
    at = codec.moment(row["received_at"])
    return Received(id=row["id"], source=row["source"], body=row["body"], received_at=at)


def _record(
    connection: sqlite3.Connection,
    received_id: int,
    found: Sequence[core_events.HealthEvent],
    unreadable: Sequence[tuple[str, str, bytes]],
    after: Sequence[core_outages.Outage],
) -> None:
    arrival = connection.execute("SELECT * FROM arrivals WHERE id = ?", (received_id,)).fetchone()
    if arrival is None:
        text = f"There is no arrival {received_id}."
        raise errors.RefusedError("store.unknown-arrival", text, remedy="Record only what `pending` returned.")
    if arrival["recorded"]:
        return
    at = arrival["received_at"]
    rows = [(codec.clean(e.identity), received_id, at, codec.dump(e, core_events.HealthEvent)) for e in found]
    connection.executemany(_RECORD_EVENT, rows)
    connection.executemany(
        "INSERT INTO quarantine (arrival_id, reason, position, raw) VALUES (?, ?, ?, ?)",
        [(received_id, codec.clean(reason), codec.clean(position), raw) for reason, position, raw in unreadable],
    )
    outages.upsert(connection, after)
    connection.execute("UPDATE arrivals SET recorded = 1 WHERE id = ?", (received_id,))
