"""The servers as the inventory last saw them, what our probes have shown, and what Resource Health has said of them.
Never asks Azure, and forgets only what it is told to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from responder.core import evidence, regions, witness
from responder.core import servers as core_servers
from responder.store import codec, database


class Estate:
    """Servers and their health."""

    def __init__(self, base: database.Database) -> None:
        self._base = base

    async def put_servers(self, servers: Sequence[core_servers.Server]) -> None:
        """Insert or replace these. Servers not among them stay as they are: a partial answer forgets nothing."""
        rows = [(s.id, s.name, s.region, codec.dump(s, _SERVER)) for s in servers]
        if rows:
            await self._base.execute_transaction(lambda c: c.executemany(_PUT_SERVER, rows))

    async def remove(self, ids: Collection[core_servers.ServerId]) -> None:
        """Forget these servers, their health and what was said of them. Their runs and decisions stay."""
        gone = {"ids": codec.listed(ids)}
        if ids:
            await self._base.execute_transaction(lambda c: [c.execute(sql, gone) for sql in _REMOVE])

    async def servers(self, region: regions.RegionName | str | None = None) -> list[core_servers.Server]:
        """All servers, or those of one region (programmatic name), by name."""
        sql = "SELECT body FROM servers WHERE region = :region ORDER BY LOWER(name), id"
        if region is None:
            sql = "SELECT body FROM servers ORDER BY LOWER(name), id"
        return [codec.load(row["body"], _SERVER) for row in await self._base.rows(sql, {"region": region})]

    async def count(self) -> int:
        """How many servers there are."""
        row = await self._base.row("SELECT COUNT(*) AS servers FROM servers")
        assert row is not None
        return int(row["servers"])

    async def server(self, id: core_servers.ServerId) -> core_servers.Server | None:
        """The server of that id."""
        row = await self._base.row("SELECT body FROM servers WHERE id = :id", {"id": id})
        return codec.load(row["body"], _SERVER) if row else None

    async def find(self, name_or_id: str) -> list[core_servers.Server]:
        """What a person means by a name or an ARM id in any case. Several: the name alone is not clear."""
        sql = "SELECT body FROM servers WHERE id = :id OR LOWER(name) = LOWER(:name) ORDER BY id"
        text = codec.clean(name_or_id)
        wanted = {"id": core_servers.server_id(text), "name": text.strip()}
        return [codec.load(row["body"], _SERVER) for row in await self._base.rows(sql, wanted)]

    async def health(
        self, ids: Collection[core_servers.ServerId] | None = None
    ) -> dict[core_servers.ServerId, evidence.Health]:
        """Of all servers, or of these; one that was never probed is not in the answer."""
        sql = "SELECT * FROM health WHERE server_id IN (SELECT value FROM json_each(:ids))"
        if ids is None:
            sql = "SELECT * FROM health"
        rows = await self._base.rows(sql, {"ids": codec.listed(ids or ())})
        return {row["server_id"]: codec.load(row["body"], evidence.Health) for row in rows}

    async def put_health(self, health: Mapping[core_servers.ServerId, evidence.Health]) -> None:
        """Insert or replace these; the others stay."""
        rows = [(id_, codec.dump(value, evidence.Health)) for id_, value in health.items()]
        if rows:
            await self._base.execute_transaction(lambda c: c.executemany(_PUT_HEALTH, rows))

    async def statements(
        self, ids: Collection[core_servers.ServerId] | None = None
    ) -> dict[core_servers.ServerId, witness.Statement]:
        """What Resource Health last said of all servers, or of these; who was never spoken of is not in the answer.

        `Intake.record` writes them, together with the events they come from.
        """
        sql = "SELECT * FROM statements WHERE server_id IN (SELECT value FROM json_each(:ids))"
        if ids is None:
            sql = "SELECT * FROM statements"
        rows = await self._base.rows(sql, {"ids": codec.listed(ids or ())})
        return {row["server_id"]: codec.load(row["body"], witness.Statement) for row in rows}


def put_statements(
    connection: database.Connection, statements: Mapping[core_servers.ServerId, witness.Statement]
) -> None:
    """Write them inside a transaction of the caller's. One that is older than what is known changes nothing."""
    rows = [(id_, codec.stamp(said.at), codec.dump(said, witness.Statement)) for id_, said in statements.items()]
    connection.executemany(_PUT_STATEMENT, rows)


_SERVER = core_servers.Server

_PUT_SERVER = """
    INSERT INTO servers (id, name, region, body) VALUES (?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, region = excluded.region, body = excluded.body
"""
_REMOVE = (
    "DELETE FROM servers WHERE id IN (SELECT value FROM json_each(:ids))",
    "DELETE FROM health WHERE server_id IN (SELECT value FROM json_each(:ids))",
    "DELETE FROM statements WHERE server_id IN (SELECT value FROM json_each(:ids))",
)
_PUT_STATEMENT = """
    INSERT INTO statements (server_id, at, body) VALUES (?, ?, ?)
    ON CONFLICT (server_id) DO UPDATE SET at = excluded.at, body = excluded.body WHERE excluded.at >= statements.at
"""
_PUT_HEALTH = """
    INSERT INTO health (server_id, body) VALUES (?, ?) ON CONFLICT (server_id) DO UPDATE SET body = excluded.body
"""
