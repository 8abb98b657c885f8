"""What is left of an outage: its silences, its decisions in the order they were taken, and the news about it.

Reads for scorecards, exports and stories; writes only silences. Judges nothing.
"""

from __future__ import annotations

import asyncio
import builtins
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from responder.core import decisions as core_decisions
from responder.core import events as core_events
from responder.core import outages, servers
from responder.core import silences as core_silences
from responder.store import codec, database

Decided = tuple[core_decisions.Decision, core_decisions.Facts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One decision of the history, without its facts and most of its figures."""

    server: servers.ServerId
    at: datetime
    action: core_decisions.Action
    why: str
    """Its weightiest reason."""
    shadow: bool
    loss: timedelta | None


class History:
    """The past, by outage."""

    def __init__(self, base: database.Database) -> None:
        self._base = base

    async def put_silences(
        self, outage_id: outages.OutageId, silences: Mapping[servers.ServerId, core_silences.Silences]
    ) -> None:
        """Write the records of these servers anew, in one transaction."""
        if silences:
            await self._base.execute_transaction(lambda c: _put(c, outage_id, silences))

    async def silences(
        self, outage_id: outages.OutageId, server_id: servers.ServerId | None = None
    ) -> dict[servers.ServerId, core_silences.Silences]:
        """By server, of one or of all; one that never fell silent is not in it."""
        rows = await self._of("SELECT server_id, body FROM silences WHERE outage_id = :outage", outage_id, server_id)
        return await asyncio.to_thread(_read_silences, rows)  # of a whole region it takes long

    async def taken(
        self, outage_id: outages.OutageId, server_id: servers.ServerId | None = None
    ) -> builtins.list[Taken]:  # fmt: skip
        """Every decision of an outage, oldest first; of one server, or of all."""
        sql = "SELECT server_id, at, action, body FROM decisions WHERE outage_id = :outage"
        return [_taken(row) for row in await self._of(sql, outage_id, server_id, " ORDER BY id")]

    async def latest(
        self, outage_id: outages.OutageId, server_id: servers.ServerId | None = None
    ) -> dict[servers.ServerId, Decided]:
        """The newest decision of each server, and what it knew; of one, or of all."""
        rows = await self._of(_LATEST, outage_id, server_id)
        return await asyncio.to_thread(_read_decided, rows)

    async def concerned(self, outage_id: outages.OutageId) -> builtins.list[servers.ServerId]:
        """Those that were decided about."""
        sql = "SELECT server_id FROM latest_decisions WHERE outage_id = :outage ORDER BY server_id"
        return [servers.ServerId(row["server_id"]) for row in await self._base.rows(sql, {"outage": outage_id})]

    async def decided(
        self, outage_id: outages.OutageId, server_id: servers.ServerId | None = None
    ) -> builtins.list[Decided]:
        """Every decision with what it knew, oldest first; of one server, or of all."""
        return [_decided(row) for row in await self._of(_DECIDED, outage_id, server_id, " ORDER BY id")]

    async def events(self, tracking_id: str) -> builtins.list[tuple[datetime, core_events.HealthEvent]]:
        """The news of one tracking id that is kept, with the time we heard it, in that order."""
        rows = await self._base.rows(_EVENTS, {"tracking": codec.clean(tracking_id.upper())})
        return [(codec.moment(row["received_at"]), codec.load(row["body"], core_events.HealthEvent)) for row in rows]

    async def _of(
        self, sql: str, outage_id: outages.OutageId, server_id: servers.ServerId | None, order: str = ""
    ) -> Sequence[database.Row]:
        """Rows of one server, or of all; the statement ends with its first condition."""
        if server_id is None:
            return await self._base.rows(sql + order, {"outage": outage_id})
        asked = {"outage": outage_id, "server": server_id}
        return await self._base.rows(f"{sql} AND server_id = :server{order}", asked)


_LATEST = """
    SELECT server_id, body, facts FROM (
        SELECT latest.outage_id, latest.server_id, d.body, d.facts
        FROM latest_decisions AS latest JOIN decisions AS d ON d.id = latest.decision_id
    ) AS newest
    WHERE outage_id = :outage
"""
_DECIDED = "SELECT body, facts FROM decisions WHERE outage_id = :outage"
_EVENTS = "SELECT received_at, body FROM events WHERE tracking_id = :tracking ORDER BY received_at, id"
_PUT = """
    INSERT INTO silences (outage_id, server_id, body) VALUES {rows}
    ON CONFLICT (outage_id, server_id) DO UPDATE SET body = excluded.body
"""


def _put(
    connection: Any, outage_id: outages.OutageId, silences: Mapping[servers.ServerId, core_silences.Silences]
) -> None:
    rows = [(outage_id, id_, codec.dump(known, core_silences.Silences)) for id_, known in silences.items()]
    database.insert(connection, _PUT, rows)


def _taken(row: Any) -> Taken:
    body = json.loads(row["body"])  # the whole decision would take ten times as long to read, and there are many
    loss = body.get("data_loss_bound")
    return Taken(
        server=row["server_id"],
        at=codec.moment(row["at"]),
        action=core_decisions.Action(row["action"]),
        why=next((str(reason["text"]) for reason in body.get("reasons", ())), ""),
        shadow=bool(body.get("shadow", False)),
        loss=codec.load(json.dumps(loss), timedelta) if loss is not None else None,
    )


def _read_silences(rows: Sequence[Any]) -> dict[servers.ServerId, core_silences.Silences]:
    return {row["server_id"]: codec.load(row["body"], core_silences.Silences) for row in rows}


def _read_decided(rows: Sequence[Any]) -> dict[servers.ServerId, Decided]:
    return {row["server_id"]: _decided(row) for row in rows}


def _decided(row: Any) -> Decided:
    return codec.load(row["body"], core_decisions.Decision), codec.load(row["facts"], core_decisions.Facts)
