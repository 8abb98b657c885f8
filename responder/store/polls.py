"""Up to when each polled source has been asked, so that a restart asks for what was missed. Keeps no answers."""

from __future__ import annotations

from datetime import datetime

from responder.store import codec, database


class Polls:
    """One time per source."""

    def __init__(self, base: database.Database) -> None:
        self._base = base

    async def asked_at(self, source: str) -> datetime | None:
        """When the newest complete poll began; None: there was none yet."""
        row = await self._base.row("SELECT asked_at FROM polls WHERE source = :source", {"source": codec.clean(source)})
        return codec.moment_or_none(row["asked_at"]) if row else None

    async def complete(self, source: str, asked_at: datetime) -> None:
        """A poll that began then was answered whole, and everything it told is stored. An older one changes nothing."""
        row = (codec.clean(source), codec.stamp(asked_at))
        await self._base.execute_transaction(lambda c: c.execute(_COMPLETE, row))


_COMPLETE = """
    INSERT INTO polls (source, asked_at) VALUES (?, ?)
    ON CONFLICT (source) DO UPDATE SET asked_at = excluded.asked_at
    WHERE excluded.asked_at > polls.asked_at
"""
