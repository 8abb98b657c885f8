"""Announcements until they are delivered. Delivers nothing itself."""

from __future__ import annotations

import builtins
import dataclasses
import functools
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from responder.core import announcements as core_announcements
from responder.core import audits
from responder.store import apart, audit, codec, database


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """What has not been delivered."""

    announcements: int
    failing: int
    """Of these, tried at least once in vain."""
    since: datetime | None
    """When the oldest was put. None: there is none."""


class Outbox:
    """Announcements in the order they were put."""

    def __init__(self, base: database.Database) -> None:
        self._base = base
        self._apart = apart.Apart("announcements")

    async def put(self, announcements: Sequence[core_announcements.Announcement]) -> None:
        """Keep them, all or none. A known key is ignored: the same happening is told once."""
        if announcements:
            await self._base.execute_transaction(lambda c: put(c, announcements))

    async def due(
        self, now: datetime, limit: int = 100
    ) -> builtins.list[tuple[int, core_announcements.Announcement, int]]:
        """Id, announcement and failed attempts of what is to be delivered now, in the order it was put.

        What this version cannot read is left to the one that wrote it.
        """
        left_out = codec.listed(self._apart.keys)
        rows = await self._base.rows(_DUE, {"now": codec.stamp(now), "limit": limit, "apart": left_out})
        found = []
        for row in rows:
            load = functools.partial(codec.load, row["body"], _ANNOUNCEMENT)
            announcement = self._apart.read(str(row["id"]), load)
            if announcement is not None:
                found.append((row["id"], announcement, row["attempts"]))
        return found

    async def sent(self, id: int | Sequence[int], at: datetime) -> None:
        """It was delivered, or all of these were. The first time counts."""
        sql = f"UPDATE announcements SET sent_at = COALESCE(sent_at, :at) WHERE id IN ({_THESE})"  # noqa: S608
        asked = {"at": codec.stamp(at), "ids": _listed(id)}
        await self._base.execute_transaction(lambda c: c.execute(sql, asked))

    async def failed(self, id: int | Sequence[int], retry_at: datetime, why: str) -> None:
        """It, or all of these, could not be delivered and are due again at `retry_at`. One more failed attempt."""
        these = f"WHERE id IN ({_THESE})"
        sql = f"UPDATE announcements SET attempts = attempts + 1, retry_at = :retry, why = :why {these}"  # noqa: S608
        asked = {"retry": codec.stamp(retry_at), "why": codec.clean(why), "ids": _listed(id)}
        await self._base.execute_transaction(lambda c: c.execute(sql, asked))

    async def unsent(self) -> Unsent:
        """How much waits, and since when."""
        row = await self._base.row(
            "SELECT COUNT(*) AS waiting, COALESCE(SUM(CASE WHEN attempts > 0 THEN 1 ELSE 0 END), 0) AS failing,"
            " MIN(at) AS since FROM announcements WHERE sent_at IS NULL"
        )
        assert row is not None
        since = codec.moment_or_none(row["since"])
        return Unsent(announcements=int(row["waiting"]), failing=int(row["failing"]), since=since)

    async def list(self, limit: int = 100) -> builtins.list[dict[str, Any]]:
        """Newest first: id, announcement, attempts, retry_at, why, sent_at."""
        rows = await self._base.rows("SELECT * FROM announcements ORDER BY id DESC LIMIT :limit", {"limit": limit})
        return [
            {
                "id": row["id"],
                "announcement": codec.load(row["body"], _ANNOUNCEMENT),
                "attempts": row["attempts"],
                "retry_at": codec.moment_or_none(row["retry_at"]),
                "why": row["why"],
                "sent_at": codec.moment_or_none(row["sent_at"]),
            }
            for row in rows
        ]


_THESE = "SELECT CAST(value AS BIGINT) FROM json_each(:ids)"
_ANNOUNCEMENT = core_announcements.Announcement

_PUT = "INSERT INTO announcements (key, at, body) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING"
_DUE = """
    SELECT id, body, attempts FROM announcements
    WHERE sent_at IS NULL AND (retry_at IS NULL OR retry_at <= :now)
        AND CAST(id AS TEXT) NOT IN (SELECT value FROM json_each(:apart))
    ORDER BY id LIMIT :limit
"""


def _listed(id: int | Sequence[int]) -> str:
    return json.dumps([id] if isinstance(id, int) else list(id))


def put(connection: database.Connection, announcements: Sequence[core_announcements.Announcement]) -> None:
    """Keep them inside a transaction of the caller's."""
    if names_head(announcements):
        announcements = _signed(announcements, audit.head(connection))
    rows = [(codec.clean(a.key), codec.stamp(a.at), codec.dump(a, _ANNOUNCEMENT)) for a in announcements]
    connection.executemany(_PUT, rows)


def names_head(announcements: Sequence[core_announcements.Announcement]) -> bool:
    """Whether the head of the audit is read for what is told: then its own entries must be added before."""
    return any(_CUT_OVER in a.kind for a in announcements)


_CUT_OVER = "cut-over"
"""In the kind of what is told of a cut-over."""


def _signed(
    announcements: Sequence[core_announcements.Announcement], head: audits.Head
) -> list[core_announcements.Announcement]:
    """Those of cut-overs with the head of the audit in them: whoever gets one can hold it against the store later."""
    return [
        dataclasses.replace(a, text=f"{a.text} Audit: {head}", facts={**a.facts, "audit_head": str(head)})
        if _CUT_OVER in a.kind
        else a
        for a in announcements
    ]
