"""What arrived from Azure: kept before it is acknowledged, read later, once. Does not understand a payload."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from responder.core import chronicles, errors, servers, witness
from responder.core import events as core_events
from responder.core import outages as core_outages
from responder.store import batches, codec, database, estate, instances, outages

Arrival = batches.Arrival


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An arrival that is stored and not yet recorded."""

    id: int
    source: str
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event as it was read, and out of which arrival."""

    id: int
    arrival_id: int
    source: str
    received_at: datetime
    event: core_events.HealthEvent


class Intake:
    """Arrivals, and what was read out of them.

    They come in as batches, one row for what is committed together, which is all that whoever sent them waits for.
    `pending` takes batches apart; only then does it show which messages are repetitions.
    """

    def __init__(self, base: database.Database, tenure: instances.Tenure) -> None:
        self._base = base
        self._tenure = tenure

    async def append(self, arrivals: Sequence[Arrival]) -> None:
        """Keep arrivals, all or none; durable when this returns. A known (source, key) will be ignored."""
        if arrivals:
            await self._base.execute_transaction(lambda c: _append(c, arrivals))

    async def pending(self, limit: int = 100) -> list[Received]:
        """Arrivals that are not recorded yet, oldest first. Takes batches apart when there are fewer than the limit."""
        found = await self._pending(limit)
        while len(found) < limit and await self._base.row("SELECT 1 FROM batches LIMIT 1"):
            await self._base.execute_transaction(_take_apart)
            found = await self._pending(limit)
        return found

    async def _pending(self, limit: int) -> list[Received]:
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
        statements: Mapping[servers.ServerId, witness.Statement] | None = None,
    ) -> None:
        """Write everything that was read out of one arrival, in one transaction, and mark it recorded.

        An arrival that is recorded already changes nothing: who crashed after this may safely ask again. One that is
        read again (`reparse`) leaves in the quarantine only what is unreadable now, each piece under its old number.

        Args:
            received_id: `Received.id`.
            events: those with a known identity are ignored.
            unreadable: (reason, position, raw) of what could not be read.
            outages: as they stand after these events.
            statements: what Resource Health says of servers after these events; None: nothing new.

        Raises:
            RefusedError: `store.unknown-arrival`.
            StoreError: `store.not-leading`: another instance reads now.
        """

        def work(connection: database.Connection) -> None:
            instances.guard(connection, "assess", self._tenure)
            _record(connection, received_id, events, unreadable, (outages, statements or {}))

        await self._base.execute_transaction(work)

    async def events(self, limit: int = 100) -> list[tuple[datetime, core_events.HealthEvent]]:
        """When it was received and what it says, newest first."""
        sql = "SELECT received_at, body FROM events ORDER BY id DESC LIMIT :limit"
        rows = await self._base.rows(sql, {"limit": limit})
        return [(codec.moment(row["received_at"]), codec.load(row["body"], core_events.HealthEvent)) for row in rows]

    async def of_tracking(self, tracking_id: str, *, after: int = 0, limit: int = 200) -> dict[int, chronicles.Heard]:
        """Recorded events of one tracking id by their numbers, oldest first; its case does not matter.

        Args:
            after: only those with a higher number.
        """
        asked = {"tracking": codec.clean(tracking_id.upper()), "after": after, "limit": limit}
        return {
            row["id"]: chronicles.Heard(
                codec.load(row["body"], core_events.HealthEvent), codec.moment(row["received_at"])
            )
            for row in await self._base.rows(_OF_TRACKING, asked)
        }

    async def quarantine(self, limit: int = 100) -> list[dict[str, Any]]:
        """What could not be read, newest first: id, arrival_id, source, received_at, reason, position, raw (bytes)."""
        return [_piece(row) for row in await self._base.rows(_QUARANTINE_NEWEST, {"limit": limit})]

    async def piece(self, id: int) -> dict[str, Any] | None:
        """One piece of the quarantine, as `quarantine` gives it."""
        row = await self._base.row(_QUARANTINE + "WHERE q.id = :id", {"id": id})
        return _piece(row) if row else None

    async def recorded(self, limit: int = 100) -> list[Recorded]:
        """Events with where they came from, newest first."""
        rows = await self._base.rows(_RECORDED + "ORDER BY e.id DESC LIMIT :limit", {"limit": limit})
        return [_recorded(row) for row in rows]

    async def event(self, id: int) -> Recorded | None:
        """One event by its number."""
        row = await self._base.row(_RECORDED + "WHERE e.id = :id", {"id": id})
        return _recorded(row) if row else None

    async def body(self, arrival_id: int) -> bytes | None:
        """A whole arrival, as it came."""
        row = await self._base.row("SELECT body FROM arrivals WHERE id = :id", {"id": arrival_id})
        return row["body"] if row else None

    async def reparse(self, pieces: Collection[int] | None = None) -> int:
        """Make the arrivals of these quarantined pieces pending again, in one transaction; None: of all pieces.

        `record` then replaces what the quarantine holds of them. Numbers of no piece are ignored.

        Returns:
            How many arrivals are read again.
        """
        sql = _REPARSE + (_ALL if pieces is None else _THESE)
        asked = {"pieces": json.dumps(sorted(pieces or ()))}
        return await self._base.execute_transaction(lambda c: c.execute(sql, asked).rowcount)

    async def counts(self) -> dict[str, int]:
        """How many there are: `arrivals`, `pending`, `events`, `quarantined`.

        Messages of a batch that nobody has taken apart yet count as arrivals and pending, repetitions included.
        """
        row = await self._base.row(_COUNTS)
        assert row is not None
        return dict(row)


_OF_TRACKING = """
    SELECT id, received_at, body FROM events WHERE tracking_id = :tracking AND id > :after ORDER BY id LIMIT :limit
"""
_APPEND = "INSERT INTO batches (messages, contents, body) VALUES (:messages, :contents, :body)"
_OLDEST = "SELECT id FROM batches ORDER BY id LIMIT 1"
_TAKE = "DELETE FROM batches WHERE id = :id RETURNING contents, body"
_ARRIVE = """
    INSERT INTO arrivals (source, key, body, received_at) VALUES {rows}
    ON CONFLICT (source, key) DO NOTHING
"""
_ROWS_AT_ONCE = 500
"""In one statement. SQLite takes 32,766 values."""
_RECORD_EVENT = """
    INSERT INTO events (identity, tracking_id, arrival_id, received_at, body) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (identity) DO NOTHING
"""
_QUARANTINE = """
    SELECT q.id, q.arrival_id, a.source, a.received_at, q.reason, q.position, q.raw
    FROM quarantine AS q JOIN arrivals AS a ON a.id = q.arrival_id
"""
_QUARANTINE_NEWEST = _QUARANTINE + "ORDER BY q.id DESC LIMIT :limit"
_RECORDED = """
    SELECT e.id, e.arrival_id, a.source, e.received_at, e.body
    FROM events AS e JOIN arrivals AS a ON a.id = e.arrival_id
"""
_REPARSE = """
    UPDATE arrivals SET recorded = 0
    WHERE recorded = 1 AND id IN (SELECT arrival_id FROM quarantine"""
_ALL = ")"
_THESE = " WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(:pieces)))"
_SET_APART = "INSERT INTO quarantine (arrival_id, reason, position, raw) VALUES (?, ?, ?, ?)"
_COUNTS = """
    WITH waiting AS (SELECT CAST(COALESCE(SUM(messages), 0) AS BIGINT) AS many FROM batches)
    SELECT (SELECT COUNT(*) FROM arrivals) + (SELECT many FROM waiting) AS arrivals,
           (SELECT COUNT(*) FROM arrivals WHERE recorded = 0) + (SELECT many FROM waiting) AS pending,
           (SELECT COUNT(*) FROM events) AS events,
           (SELECT COUNT(*) FROM quarantine) AS quarantined
"""


def _append(connection: database.Connection, arrivals: Sequence[Arrival]) -> None:
    for batch in batches.pack(arrivals):
        connection.execute(_APPEND, batch._asdict())


def _take_apart(connection: database.Connection) -> None:
    """Turn the oldest batch into arrivals. Whoever else was faster leaves nothing to do."""
    oldest = connection.execute(_OLDEST).fetchone()
    taken = connection.execute(_TAKE, {"id": oldest["id"]}).fetchone() if oldest else None
    rows = list(batches.unpack(taken["contents"], taken["body"])) if taken else []
    # Not `executemany`: it has to win the interpreter back from a busy event loop for each row.
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[first : first + _ROWS_AT_ONCE]
        sql = _ARRIVE.format(rows=", ".join(["(?, ?, ?, ?)"] * len(part)))
        connection.execute(sql, [value for row in part for value in row])


def _received(row: database.Row) -> Received:
    at = codec.moment(row["received_at"])
    return Received(id=row["id"], source=row["source"], body=row["body"], received_at=at)


def _record(
    connection: database.Connection,
    received_id: int,
    found: Sequence[core_events.HealthEvent],
    unreadable: Sequence[tuple[str, str, bytes]],
    after: tuple[Sequence[core_outages.Outage], Mapping[servers.ServerId, witness.Statement]],
) -> None:
    arrival = connection.execute("SELECT * FROM arrivals WHERE id = ?", (received_id,)).fetchone()
    if arrival is None:
        text = f"There is no arrival {received_id}."
        raise errors.RefusedError("store.unknown-arrival", text, remedy="Record only what `pending` returned.")
    if arrival["recorded"]:
        return
    at = arrival["received_at"]
    connection.executemany(_RECORD_EVENT, [_event_row(event, received_id, at) for event in found])
    _set_apart(connection, received_id, unreadable)
    changed, statements = after
    outages.upsert(connection, changed)
    estate.put_statements(connection, statements)
    connection.execute("UPDATE arrivals SET recorded = 1 WHERE id = ?", (received_id,))


def _event_row(event: core_events.HealthEvent, arrival_id: int, received_at: str) -> tuple[object, ...]:
    tracking_id = codec.clean(event.tracking_id.upper()) if event.tracking_id else None
    return codec.clean(event.key), tracking_id, arrival_id, received_at, codec.dump(event, core_events.HealthEvent)


def _set_apart(connection: database.Connection, received_id: int, unreadable: Sequence[tuple[str, str, bytes]]) -> None:
    """Make the quarantine hold exactly these pieces of the arrival. What it holds already keeps its number."""
    before: dict[tuple[str, bytes], list[int]] = defaultdict(list)
    for row in connection.execute("SELECT * FROM quarantine WHERE arrival_id = ? ORDER BY id DESC", (received_id,)):
        before[row["position"], row["raw"]].append(row["id"])
    for reason, position, raw in unreadable:
        why, where = codec.clean(reason), codec.clean(position)
        if held := before[where, raw]:
            connection.execute("UPDATE quarantine SET reason = ? WHERE id = ?", (why, held.pop()))
        else:
            connection.execute(_SET_APART, (received_id, why, where, raw))
    readable = [(id,) for ids in before.values() for id in ids]
    connection.executemany("DELETE FROM quarantine WHERE id = ?", readable)


def _piece(row: database.Row) -> dict[str, Any]:
    return {**dict(row), "received_at": codec.moment(row["received_at"])}


def _recorded(row: database.Row) -> Recorded:
    return Recorded(
        id=row["id"],
        arrival_id=row["arrival_id"],
        source=row["source"],
        received_at=codec.moment(row["received_at"]),
        event=codec.load(row["body"], core_events.HealthEvent),
    )
