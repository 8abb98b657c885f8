"""Outages and the decisions about them. Does not correlate, does not decide: it keeps what the core answered."""

from __future__ import annotations

import builtins
import dataclasses
import functools
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from responder.core import decisions as core_decisions
from responder.core import outages as core_outages
from responder.core import servers
from responder.store import apart, audit, audited, codec, database, instances

Decided = tuple[core_decisions.Decision, core_decisions.Facts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which of many decisions are wanted."""

    limit: int = 500
    offset: int = 0
    action: str | None = None
    """Only those. None: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A decision, with what it knew as it is stored."""

    decision: core_decisions.Decision
    facts: dict[str, Any]


class Outages:
    """Outages by id, each with its latest decision per server and the history of all."""

    def __init__(self, base: database.Database, tenure: instances.Tenure) -> None:
        self._base = base
        self._tenure = tenure
        self._apart = apart.Apart("outages")
        self._decisions_apart = apart.Apart("decisions")
        self._read: dict[str, tuple[str, core_outages.Outage]] = {}

    async def put(self, outages: Sequence[core_outages.Outage]) -> None:
        """Insert or replace. A closed outage reopens when the new value is active and newer (by Azure's time)."""
        await self._write(lambda c: upsert(c, outages))

    async def _write(self, work: database.Work[object], *, recorded: bool = False) -> None:
        """What assessing writes is computed from what it has read: two who assess must not mix."""

        def guarded(connection: database.Connection) -> None:
            if recorded:
                audit.add_last(connection)
            instances.guard(connection, "assess", self._tenure)
            work(connection)

        await self._base.execute_transaction(guarded)

    async def get(self, id: core_outages.OutageId) -> core_outages.Outage | None:
        """The outage of that id."""
        row = await self._base.row("SELECT body FROM outages WHERE id = :id", {"id": id})
        return codec.load(row["body"], core_outages.Outage) if row else None

    async def of_tracking(self, tracking_id: str) -> builtins.list[core_outages.Outage]:
        """One outage a region, by region; the case of the tracking id does not matter."""
        sql = "SELECT body FROM outages WHERE tracking_id = :tracking ORDER BY id"
        return await self._outages(sql, tracking=tracking_id.upper())

    async def open(self) -> builtins.list[core_outages.Outage]:
        """Those we are not finished with, oldest first; Azure may call some of them resolved.

        What this version cannot read is left to the one that wrote it.
        """
        rows = await self._base.rows("SELECT id, body FROM outages WHERE closed_at IS NULL ORDER BY heard_at, id")
        read = (self._apart.read(row["id"], functools.partial(self._known, row["id"], row["body"])) for row in rows)
        found = [outage for outage in read if outage is not None]
        self._read = {outage.id: self._read[outage.id] for outage in found}
        return found

    def _known(self, id: str, body: str) -> core_outages.Outage:
        """One that thousands of subscriptions were told of takes a while to read: only when it has changed."""
        if self._read.get(id, ("", None))[0] != body:
            self._read[id] = body, codec.load(body, core_outages.Outage)
        return self._read[id][1]

    async def list(self, limit: int = 100) -> builtins.list[core_outages.Outage]:
        """All, newest first."""
        return await self._outages("SELECT body FROM outages ORDER BY heard_at DESC, id LIMIT :limit", limit=limit)

    async def close(self, id: core_outages.OutageId, at: datetime) -> None:
        """We are finished with it. Closing twice keeps the first time."""
        sql = "UPDATE outages SET closed_at = COALESCE(closed_at, ?) WHERE id = ?"
        await self._write(lambda c: c.execute(sql, (codec.stamp(at), id)))

    async def merge(self, suspected: core_outages.Outage, into: core_outages.OutageId, at: datetime) -> None:
        """The suspected outage turned out to be that one: its runs, with their copies, count for that one from now on.

        One transaction, and once for all: it is written with `merged_into`, closed, and has no run left. Its decisions
        stay its own, as history.
        """
        merged = dataclasses.replace(suspected, merged_into=into)
        await self._write(lambda c: _merge(c, merged, into, at), recorded=True)

    async def closed_at(self, id: core_outages.OutageId) -> datetime | None:
        """When we finished with it; None while it is open, or unknown."""
        row = await self._base.row("SELECT closed_at FROM outages WHERE id = :id", {"id": id})
        return codec.moment_or_none(row["closed_at"]) if row else None

    async def put_decisions(self, decided: Sequence[Decided]) -> None:
        """Append to the history and make them the latest of their servers, all in one transaction."""
        if decided:
            await self._write(lambda c: _append(c, decided), recorded=True)

    async def said(self, outage_id: core_outages.OutageId) -> dict[servers.ServerId, str]:
        """What the latest decision of each server says (`Decision.says`)."""
        sql = _LATEST_OF.format(what="d.says") + _OF_OUTAGE
        return {row["server_id"]: row["says"] for row in await self._base.rows(sql, {"outage": outage_id})}

    async def actions(self, outage_id: core_outages.OutageId) -> dict[str, int]:
        """How many of the latest decisions about an outage there are, by action."""
        rows = await self._base.rows(_ACTIONS, {"outage": outage_id})
        return {row["action"]: int(row["servers"]) for row in rows}

    async def decided(self, outage_id: core_outages.OutageId, page: Page) -> builtins.list[Known]:
        """A page of the latest decisions about an outage, by server id, each with its facts as stored.

        One that this version cannot read is left to the one that wrote it.
        """
        only = "AND d.action = :action" if page.action is not None else ""
        asked = {"outage": outage_id, "action": page.action, "limit": page.limit, "offset": page.offset}
        sql = f"{_LATEST} {_OF_OUTAGE} {only} ORDER BY latest.server_id LIMIT :limit OFFSET :offset"
        found = []
        for row in await self._base.rows(sql, asked):
            decision = self._decision(row, outage_id)
            if decision is not None:
                found.append(Known(decision=decision, facts=json.loads(row["facts"])))
        return found

    async def decisions(self, outage_id: core_outages.OutageId) -> dict[servers.ServerId, core_decisions.Decision]:
        """The latest decision of each server that has one. One that this version cannot read is taken anew."""
        rows = await self._base.rows(_LATEST + _OF_OUTAGE, {"outage": outage_id})
        found = {row["server_id"]: self._decision(row, outage_id) for row in rows}
        return {server_id: decision for server_id, decision in found.items() if decision is not None}

    async def decision(
        self, server_id: servers.ServerId, outage_id: core_outages.OutageId
    ) -> core_decisions.Decision | None:
        """The latest decision for one server; None also for one that this version cannot read."""
        row = await self._base.row(_LATEST_OF_SERVER, {"outage": outage_id, "server": server_id})
        return self._decision(row, outage_id) if row else None

    async def newest(
        self, wanted: Collection[tuple[core_outages.OutageId, servers.ServerId]]
    ) -> dict[tuple[core_outages.OutageId, servers.ServerId], core_decisions.Decision]:
        """The same for many servers, read in bulk; who has none that can be read is not in the answer."""
        found = {}
        for outage_id in {outage for outage, _ in wanted}:
            ids = codec.listed(server for outage, server in wanted if outage == outage_id)
            for row in await self._base.rows(
                f"{_LATEST} {_OF_OUTAGE} {_OF_SERVERS}", {"outage": outage_id, "servers": ids}
            ):
                decision = self._decision(row, outage_id)
                if decision is not None:
                    found[outage_id, decision.server] = decision
        return found

    async def facts(self, server_id: servers.ServerId, outage_id: core_outages.OutageId) -> core_decisions.Facts | None:
        """What the latest decision for one server knew."""
        row = await self._base.row(_LATEST_OF_SERVER, {"outage": outage_id, "server": server_id})
        return codec.load(row["facts"], _FACTS) if row else None

    def _decision(self, row: database.Row, outage_id: core_outages.OutageId) -> core_decisions.Decision | None:
        """The decision of a row; None for one that this version cannot read, which is told once."""
        load = functools.partial(codec.load, row["body"], _DECISION)
        return self._decisions_apart.read(f"{outage_id} {row['server_id']}", load)

    async def _outages(self, sql: str, **parameters: object) -> builtins.list[core_outages.Outage]:
        return [codec.load(row["body"], core_outages.Outage) for row in await self._base.rows(sql, parameters)]


_DECISION, _FACTS = core_decisions.Decision, core_decisions.Facts

_LATEST_OF = """
    SELECT latest.server_id, {what}
    FROM latest_decisions AS latest JOIN decisions AS d ON d.id = latest.decision_id
"""
_LATEST = _LATEST_OF.format(what="d.body, d.facts")
_OF_OUTAGE = "WHERE latest.outage_id = :outage"
_LATEST_OF_SERVER = f"{_LATEST} {_OF_OUTAGE} AND latest.server_id = :server"
_OF_SERVERS = "AND latest.server_id IN (SELECT value FROM json_each(:servers))"
_ACTIONS = f"{_LATEST_OF.format(what='d.action')} {_OF_OUTAGE}"
_ACTIONS = f"SELECT action, COUNT(*) AS servers FROM ({_ACTIONS}) AS newest GROUP BY action"  # noqa: S608
_DECIDED = "INSERT INTO decisions (outage_id, server_id, at, action, says, body, facts) VALUES {rows} RETURNING id"
_DECIDED_LATEST = """
    INSERT INTO latest_decisions (outage_id, server_id, decision_id) VALUES {rows}
    ON CONFLICT (outage_id, server_id) DO UPDATE SET decision_id = excluded.decision_id
"""
_UPSERT = """
    INSERT INTO outages (id, tracking_id, status, heard_at, updated_at, body)
    SELECT CAST(:id AS TEXT), :tracking, :status, :heard, :updated, :body
    WHERE NOT EXISTS (SELECT 1 FROM pruned WHERE kind = 'outage' AND id = :id)
    ON CONFLICT (id) DO UPDATE SET
        status = excluded.status, heard_at = excluded.heard_at, updated_at = excluded.updated_at, body = excluded.body,
        closed_at = CASE WHEN excluded.status = 'active' AND excluded.updated_at > outages.updated_at
                         THEN NULL ELSE outages.closed_at END
"""


def upsert(connection: database.Connection, outages: Sequence[core_outages.Outage]) -> None:
    """Write outages inside a transaction of the caller's. One that was deleted by age is over, and stays deleted."""
    for outage in outages:
        heard, updated = codec.stamp(outage.heard_at), codec.stamp(outage.updated_at)
        body = codec.dump(outage, core_outages.Outage)
        row = {"id": codec.clean(outage.id), "tracking": codec.clean(outage.tracking_id), "status": outage.status}
        connection.execute(_UPSERT, {**row, "heard": heard, "updated": updated, "body": body})


def _merge(
    connection: database.Connection, merged: core_outages.Outage, into: core_outages.OutageId, at: datetime
) -> None:
    upsert(connection, [merged])
    closed = "UPDATE outages SET closed_at = ? WHERE id = ? AND closed_at IS NULL"
    news = connection.execute(closed, (codec.stamp(at), merged.id)).rowcount
    move = "UPDATE runs SET outage_id = ? WHERE outage_id = ? RETURNING id"
    moved = [row["id"] for row in connection.execute(move, (into, merged.id)).fetchall()]
    if news or moved:
        audit.append(connection, [audited.merged(merged.id, into, moved, at)])


def _row(decision: core_decisions.Decision, facts: core_decisions.Facts) -> tuple[str, ...]:
    body = (codec.dump(decision, _DECISION), codec.dump(facts, _FACTS))
    at = codec.stamp(decision.at)
    return decision.outage, decision.server, at, decision.action.value, codec.clean(decision.says), *body


def _append(connection: database.Connection, decided: Sequence[Decided]) -> None:
    # As text only here, on a thread of the store's: for a thousand it takes longer than an event loop may be held up.
    rows = [_row(decision, facts) for decision, facts in decided]
    taken = [decision for decision, _ in decided]
    ids = sorted(row["id"] for row in database.insert(connection, _DECIDED, rows))  # given in the order of the rows
    latest = {row[:2]: id for id, row in zip(ids, rows, strict=True)}
    database.insert(connection, _DECIDED_LATEST, [(*about, latest[about]) for about in sorted(latest)])
    recorded = zip(ids, taken, rows, strict=True)
    audit.append(connection, [audited.decided(id, decision, row[-1]) for id, decision, row in recorded])
