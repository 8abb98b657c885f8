"""What servers were set to while they were healthy, the last time it was read. Asks nobody."""

from __future__ import annotations

from datetime import datetime

from responder.core import configurations as core_configurations
from responder.core import servers
from responder.store import codec, database


class Configurations:
    """One a server."""

    def __init__(self, base: database.Database) -> None:
        self._base = base

    async def get(self, server_id: servers.ServerId) -> core_configurations.Captured | None:
        """The newest of a server; None: it was never read."""
        row = await self._base.row("SELECT body FROM configurations WHERE server_id = :id", {"id": server_id})
        return codec.load(row["body"], core_configurations.Captured) if row else None

    async def put(self, server_id: servers.ServerId, captured: core_configurations.Captured) -> None:
        """Keep this one instead of what was known. One that is older changes nothing."""
        row = {
            "id": server_id,
            "at": codec.stamp(captured.at),
            "body": codec.dump(captured, core_configurations.Captured),
        }
        await self._base.execute_transaction(lambda c: c.execute(_PUT, row))

    async def read_at(self) -> dict[servers.ServerId, datetime]:
        """When each was last read."""
        rows = await self._base.rows("SELECT server_id, at FROM configurations")
        return {row["server_id"]: codec.moment(row["at"]) for row in rows}


_PUT = """
    INSERT INTO configurations (server_id, at, body) VALUES (:id, :at, :body)
    ON CONFLICT (server_id) DO UPDATE SET at = excluded.at, body = excluded.body WHERE excluded.at >= configurations.at
"""
