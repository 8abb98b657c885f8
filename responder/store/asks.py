"""Questions that were put to people, with the price they were shown. Asks nobody itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from responder.core import announcements, approvals, outages, runs, servers
from responder.store import audit, audited, codec, database, outbox, run_rows


class Lacking(NamedTuple):
    """A run that may lack a yes."""

    run: runs.RunId
    server: servers.ServerId
    outage: outages.OutageId | None


class Asks:
    """Questions by run."""

    def __init__(self, base: database.Database) -> None:
        self._base = base

    async def newest(self, ids: Collection[runs.RunId]) -> Mapping[runs.RunId, approvals.Ask]:
        """The newest question about each of these runs; who was never asked about is not in the answer."""
        rows = await self._base.rows(_NEWEST, {"ids": codec.listed(ids)}) if ids else ()
        found = (codec.load(row["body"], approvals.Ask) for row in rows)
        return {ask.run_id: ask for ask in found}

    async def lacking(self, *, early: bool, limit: int) -> Sequence[Lacking]:
        """Runs that may lack somebody's yes, oldest first; who looks at each of them finds out.

        Args:
            early: those, too, whose cut-over is not due.
            limit: so many at most.
        """
        rows = await self._base.rows(_LACKING, {"early": int(early), "limit": limit})
        return [Lacking(row["id"], row["server_id"], row["outage_id"]) for row in rows]

    async def put(self, asks: Sequence[approvals.Ask], news: Sequence[announcements.Announcement]) -> None:
        """Keep questions, and tell them: all or none. One that is known is kept as it is."""
        if asks:
            await self._base.execute_transaction(lambda c: _put(c, asks, news))

    async def settle(
        self,
        asks: Sequence[approvals.Ask],
        words: Sequence[runs.Signal],
        news: Sequence[announcements.Announcement],
        at: datetime,
    ) -> None:
        """The declared default was taken for these: the words to the runs and what is told come with it.

        Not for a run that somebody has said yes, no or hold to since it was asked: that was no silence, and the newest
        word counts. What is told of a run names it in its facts.

        Args:
            at: when it is noted that nobody had.
        """
        if asks:
            await self._base.execute_transaction(lambda c: _settle(c, asks, words, news, at))


_LACKING = """
    SELECT runs.id, runs.server_id, runs.outage_id FROM runs
    LEFT JOIN latest_decisions AS latest ON latest.outage_id = runs.outage_id AND latest.server_id = runs.server_id
    LEFT JOIN decisions AS d ON d.id = latest.decision_id
    WHERE runs.state IN ('ready', 'waiting')
        AND (runs.waiting_for = 'approval' OR d.action = 'ask'
             OR (:early = 1 AND d.body LIKE '%"consent_needed":true%'))
    ORDER BY runs.number LIMIT :limit
"""
_SETTLED = """
    SELECT run_id, number FROM asks
    WHERE settled_at IS NOT NULL AND run_id IN (SELECT value FROM json_each(:ids))
"""
_ANSWERED = """
    SELECT run_id, max(at) AS at FROM signals
    WHERE run_id IN (SELECT value FROM json_each(:ids)) AND by <> :nobody AND topic IN ('approve', 'decline', 'hold')
    GROUP BY run_id
"""
_NEWEST = """
    SELECT body FROM asks WHERE run_id IN (SELECT value FROM json_each(:ids)) ORDER BY run_id, number
"""
_COLUMNS = "INSERT INTO asks (run_id, number, asked_at, expires_at, settled_at, body)"
_ASK = _COLUMNS + " VALUES {rows} ON CONFLICT (run_id, number) DO NOTHING RETURNING run_id, number"
_SETTLE = f"""
    {_COLUMNS} VALUES (:run, :number, :asked, :expires, :settled, :body)
    ON CONFLICT (run_id, number) DO UPDATE SET settled_at = excluded.settled_at, body = excluded.body
"""


def _put(
    connection: database.Connection, asks: Sequence[approvals.Ask], news: Sequence[announcements.Announcement]
) -> None:
    audit.hold(connection)
    rows = [tuple(_row(ask).values()) for ask in asks]
    new = {(row["run_id"], row["number"]) for row in database.insert(connection, _ASK, rows)}
    put = [ask for ask in asks if (ask.run_id, ask.number) in new]
    audit.append(connection, audited.asked(connection, put, "approval.asked", lambda ask: ask.asked_at))
    outbox.put(connection, news)


def _settle(
    connection: database.Connection,
    asks: Sequence[approvals.Ask],
    words: Sequence[runs.Signal],
    news: Sequence[announcements.Announcement],
    at: datetime,
) -> None:
    audit.hold(connection)
    given = {"ids": codec.listed(ask.run_id for ask in asks), "nobody": approvals.NOBODY}
    said = {row["run_id"]: row["at"] for row in connection.execute(_ANSWERED, given)}
    late = {ask.run_id for ask in asks if ask.run_id in said and said[ask.run_id] >= codec.stamp(ask.asked_at)}
    asks = [ask for ask in asks if ask.run_id not in late]
    words = [word for word in words if word.run_id not in late]
    news = [one for one in news if one.facts.get("run") not in late]
    settled = [approvals.settled(ask, at) for ask in asks]
    rows = connection.execute(_SETTLED, {"ids": codec.listed(ask.run_id for ask in asks)}).fetchall()
    before = {(row["run_id"], row["number"]) for row in rows}
    over = [ask for ask in settled if (ask.run_id, ask.number) not in before]
    connection.executemany(_SETTLE, [_row(ask) for ask in settled])
    audit.append(connection, audited.asked(connection, over, "approval.expired", lambda _: at))
    for word in words:
        run_rows.add_signal(connection, word)
    outbox.put(connection, news)


def _row(ask: approvals.Ask) -> dict[str, object]:
    return {
        "run": ask.run_id,
        "number": ask.number,
        "asked": codec.stamp(ask.asked_at),
        "expires": codec.stamp(ask.expires_at),
        "settled": codec.stamp(ask.settled_at),
        "body": codec.dump(ask, approvals.Ask),
    }
