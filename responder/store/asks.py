"""Questions that were put to people, with the price they were shown. Asks nobody itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from responder.core import announcements, approvals, runs
from responder.store import audit, codec, database, outbox, run_rows


class Asks:
    """Questions by run."""

    def __init__(self, base: database.Database) -> None:
        self._base = base

    async def newest(self, ids: Collection[runs.RunId]) -> Mapping[runs.RunId, approvals.Ask]:
        """The newest question about each of these runs; who was never asked about is not in the answer."""
        rows = await self._base.rows(_NEWEST, {"ids": codec.listed(ids)}) if ids else ()
        found = (codec.load(row["body"], approvals.Ask) for row in rows)
        return {ask.run_id: ask for ask in found}

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
        """The declared default was taken for these: the words to the runs and what is told come with it."""
        if asks:
            await self._base.execute_transaction(lambda c: _settle(c, asks, words, news, at))


_NEWEST = """
    SELECT body FROM asks WHERE run_id IN (SELECT value FROM json_each(:ids)) ORDER BY run_id, number
"""
_PUT = """
    INSERT INTO asks (run_id, number, asked_at, expires_at, settled_at, body)
    VALUES (:run, :number, :asked, :expires, :settled, :body)
    ON CONFLICT (run_id, number) DO {conflict}
"""
_UPDATE = "UPDATE SET settled_at = excluded.settled_at, body = excluded.body"


def _put(
    connection: database.Connection, asks: Sequence[approvals.Ask], news: Sequence[announcements.Announcement]
) -> None:
    connection.executemany(_PUT.format(conflict="NOTHING"), [_row(ask) for ask in asks])
    outbox.put(connection, news)


def _settle(
    connection: database.Connection,
    asks: Sequence[approvals.Ask],
    words: Sequence[runs.Signal],
    news: Sequence[announcements.Announcement],
    at: datetime,
) -> None:
    audit.hold(connection)
    settled = [approvals.settled(ask, at) for ask in asks]
    connection.executemany(_PUT.format(conflict=_UPDATE), [_row(ask) for ask in settled])
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
