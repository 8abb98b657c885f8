"""The servers as the inventory last saw them, what our probes have shown, and what Resource Health has said of them.
Never asks Azure, and forgets only what it is told to."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from responder.core import evidence, regions, witness
from responder.core import servers as core_servers
from responder.store import apart, codec, database

HERE = "here"
"""The name of the vantage point of an instance that was given none."""

_PAGE = 1000
"""Rows read at once where there may be a hundred thousand."""


class Estate:
    """Servers and their health."""

    def __init__(self, base: database.Database) -> None:
        self._base = base
        self._apart = apart.Apart("servers")
        self._statements_apart = apart.Apart("statements")

    async def put_servers(self, servers: Sequence[core_servers.Server]) -> None:
        """Insert or replace these. Servers not among them stay as they are: a partial answer forgets nothing."""
        rows = [
            (s.id, s.name, s.region, codec.dump(replace(s, seen_at=None), _SERVER), codec.stamp(s.seen_at))
            for s in {server.id: server for server in servers}.values()
        ]
        if rows:
            await self._base.execute_transaction(lambda c: _put(c, rows))

    async def seen(self, ids: Collection[core_servers.ServerId], at: datetime) -> None:
        """The inventory saw these at `at`, just as they are known."""
        asked = {"ids": codec.listed(ids), "at": codec.stamp(at)}
        if ids:
            await self._base.execute_transaction(lambda c: c.execute(_SEEN, asked))

    async def remove(self, ids: Collection[core_servers.ServerId]) -> None:
        """Forget these servers and all that is known of them. Their runs and decisions stay."""
        gone = {"ids": codec.listed(ids)}
        if ids:
            await self._base.execute_transaction(lambda c: [c.execute(sql, gone) for sql in _REMOVE])

    async def servers(self, region: regions.RegionName | str | None = None) -> list[core_servers.Server]:
        """All servers, or those of one region (programmatic name), by name."""
        sql = "SELECT body, seen_at FROM servers WHERE region = :region ORDER BY LOWER(name), id"
        if region is None:
            sql = "SELECT body, seen_at FROM servers ORDER BY LOWER(name), id"
        return [_server(row) for row in await self._base.rows(sql, {"region": region})]

    async def version(self) -> tuple[int, int]:
        """Numbers that rise with every write of a server, and with every removal of one."""
        rows = await self._base.rows("SELECT name, number FROM versions WHERE name IN ('estate', 'estate.removed')")
        found = {row["name"]: int(row["number"]) for row in rows}
        return found["estate"], found["estate.removed"]

    async def changed(
        self, since: int, after: core_servers.ServerId | str = ""
    ) -> tuple[list[core_servers.Server], core_servers.ServerId | None]:
        """Servers that are new or changed since that version, a page of them: those behind `after`, by id.

        A row that this version cannot read is left to the one that wrote it.

        Returns:
            The page, and where the next one begins; None: there is none.
        """
        rows = await self._base.rows(_CHANGED, {"since": since, "after": after, "page": _PAGE})
        read = (self._apart.read(row["id"], functools.partial(_server, row)) for row in rows)
        page = [server for server in read if server is not None]
        return page, rows[-1]["id"] if len(rows) == _PAGE else None

    async def ids(self) -> set[core_servers.ServerId]:
        """Of every server."""
        return {row["id"] for row in await self._base.rows("SELECT id FROM servers")}

    async def some(self, ids: Collection[core_servers.ServerId]) -> dict[core_servers.ServerId, core_servers.Server]:
        """Those of these ids that are known."""
        sql = "SELECT id, body, seen_at FROM servers WHERE id IN (SELECT value FROM json_each(:ids))"
        return {row["id"]: _server(row) for row in await self._base.rows(sql, {"ids": codec.listed(ids)})}

    async def count(self) -> int:
        """How many servers there are."""
        row = await self._base.row("SELECT COUNT(*) AS servers FROM servers")
        assert row is not None
        return int(row["servers"])

    async def server(self, id: core_servers.ServerId) -> core_servers.Server | None:
        """The server of that id."""
        row = await self._base.row("SELECT body, seen_at FROM servers WHERE id = :id", {"id": id})
        return _server(row) if row else None

    async def find(self, name_or_id: str) -> list[core_servers.Server]:
        """What a person means by a name or an ARM id in any case. Several: the name alone is not clear."""
        sql = "SELECT body, seen_at FROM servers WHERE id = :id OR LOWER(name) = LOWER(:name) ORDER BY id"
        text = codec.clean(name_or_id)
        wanted = {"id": core_servers.server_id(text), "name": text.strip()}
        return [_server(row) for row in await self._base.rows(sql, wanted)]

    async def names_like(self, name: str) -> list[str]:
        """Some names that begin as this one does, in lower case: for asking back after a typing error."""
        sql = (
            "SELECT DISTINCT LOWER(name) AS name FROM servers"
            " WHERE SUBSTR(LOWER(name), 1, 2) = LOWER(CAST(:start AS TEXT)) ORDER BY 1 LIMIT 500"
        )
        return [row["name"] for row in await self._base.rows(sql, {"start": codec.clean(name.strip())[:2]})]

    async def health(
        self, ids: Collection[core_servers.ServerId] | None = None, vantage: str = HERE
    ) -> dict[core_servers.ServerId, evidence.Health]:
        """What one vantage point has seen of all servers, or of these; one it never probed is not in the answer."""
        return {id_: looks[vantage] for id_, looks in (await self.looks(ids)).items() if vantage in looks}

    async def looks(
        self, ids: Collection[core_servers.ServerId] | None = None
    ) -> dict[core_servers.ServerId, dict[str, evidence.Health]]:
        """What each vantage point has seen of all servers, or of these; one never probed is not in the answer."""
        sql = _LOOKS if ids is None else _LOOKS_OF
        return _by_server(await self._base.rows(sql, {"ids": codec.listed(ids or ())}))

    async def silent(
        self, after: core_servers.ServerId | str = ""
    ) -> tuple[dict[core_servers.ServerId, dict[str, evidence.Health]], core_servers.ServerId | None]:
        """The looks, from every vantage point, at the servers that at least one of them finds silent.

        Returns:
            A page, of servers behind `after`, and where the next one begins; None: there is none.
        """
        found = _by_server(await self._base.rows(_LOOKS_SILENT, {"after": after, "page": _PAGE}))
        return found, max(found) if len(found) == _PAGE else None

    async def well(self, since: datetime) -> dict[regions.RegionName, int]:
        """How many servers of each region answered every vantage point's newest look, one of them after `since`."""
        rows = await self._base.rows(_WELL, {"since": codec.stamp(since)})
        return {row["region"]: int(row["servers"]) for row in rows}

    async def put_health(self, health: Mapping[core_servers.ServerId, evidence.Health], vantage: str = HERE) -> None:
        """Insert or replace what that vantage point has seen of these; the others stay."""
        rows = [(id_, vantage, *_look(value)) for id_, value in health.items()]
        if rows:
            await self._base.execute_transaction(lambda c: database.insert(c, _PUT_LOOK, rows))

    async def statements(
        self, ids: Collection[core_servers.ServerId] | None = None
    ) -> dict[core_servers.ServerId, witness.Statement]:
        """What Resource Health last said of all servers, or of these; who was never spoken of is not in the answer,
        nor what this version cannot read.

        `Intake.record` writes them, together with the events they come from.
        """
        sql = "SELECT * FROM statements WHERE server_id IN (SELECT value FROM json_each(:ids))"
        if ids is None:
            sql = "SELECT * FROM statements"
        rows = await self._base.rows(sql, {"ids": codec.listed(ids or ())})
        found = {}
        for row in rows:
            load = functools.partial(codec.load, row["body"], witness.Statement)
            said = self._statements_apart.read(row["server_id"], load)
            if said is not None:
                found[row["server_id"]] = said
        return found


def put_statements(
    connection: database.Connection, statements: Mapping[core_servers.ServerId, witness.Statement]
) -> None:
    """Write them inside a transaction of the caller's. One that is older than what is known changes nothing."""
    rows = [(id_, codec.stamp(said.at), codec.dump(said, witness.Statement)) for id_, said in statements.items()]
    connection.executemany(_PUT_STATEMENT, rows)


def _put(connection: database.Connection, rows: Sequence[tuple[str, str, str, str, str | None]]) -> None:
    sql = "UPDATE versions SET number = number + 1 WHERE name = 'estate' RETURNING number"
    number = connection.execute(sql).fetchone()["number"]
    database.insert(connection, _PUT_SERVER, [(*row, number) for row in rows])


def _server(row: database.Row) -> core_servers.Server:
    server: core_servers.Server = codec.load(row["body"], _SERVER)
    return server if row["seen_at"] is None else replace(server, seen_at=codec.moment(row["seen_at"]))


def _look(health: evidence.Health) -> tuple[object, ...]:
    last = health.last
    times = (
        *(health.failing_since, health.answering_since, health.last_answer_at, health.unsettled_since),
        *(health.tls_at, health.spoke_at),
    )
    seen = (codec.stamp(last.at), int(last.answered), codec.clean(last.detail)) if last else (None, None, "")
    return (*seen, *(codec.stamp(at) for at in times), last.said if last else "")


def _by_server(rows: Sequence[database.Row]) -> dict[core_servers.ServerId, dict[str, evidence.Health]]:
    found: dict[core_servers.ServerId, dict[str, evidence.Health]] = {}
    for row in rows:  # by position, which is faster, in the order of `_LOOKS`
        at = codec.moment_or_none(row[2])
        found.setdefault(row[0], {})[row[1]] = evidence.Health(
            last=evidence.Probe(at=at, answered=bool(row[3]), detail=row[4], said=row[11]) if at else None,
            failing_since=codec.moment_or_none(row[5]),
            answering_since=codec.moment_or_none(row[6]),
            last_answer_at=codec.moment_or_none(row[7]),
            unsettled_since=codec.moment_or_none(row[8]),
            tls_at=codec.moment_or_none(row[9]),
            spoke_at=codec.moment_or_none(row[10]),
        )
    return found


_SERVER = core_servers.Server

_PUT_SERVER = """
    INSERT INTO servers (id, name, region, body, seen_at, changed) VALUES {rows}
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, region = excluded.region, body = excluded.body,
        seen_at = excluded.seen_at,
        changed = CASE WHEN servers.body = excluded.body THEN servers.changed ELSE excluded.changed END
"""
_SEEN = "UPDATE servers SET seen_at = :at WHERE id IN (SELECT value FROM json_each(:ids))"
_CHANGED = """
    SELECT id, body, seen_at FROM servers WHERE changed > :since AND id > :after ORDER BY id LIMIT :page
"""
_REMOVE = (
    "DELETE FROM servers WHERE id IN (SELECT value FROM json_each(:ids))",
    "DELETE FROM looks WHERE server_id IN (SELECT value FROM json_each(:ids))",
    "DELETE FROM statements WHERE server_id IN (SELECT value FROM json_each(:ids))",
    "DELETE FROM lags WHERE server_id IN (SELECT value FROM json_each(:ids))",
    "DELETE FROM configurations WHERE server_id IN (SELECT value FROM json_each(:ids))",
    "UPDATE versions SET number = number + 1 WHERE name = 'estate'",
    """UPDATE versions SET number = (SELECT number FROM versions WHERE name = 'estate')
       WHERE name = 'estate.removed'""",
)
_PUT_STATEMENT = """
    INSERT INTO statements (server_id, at, body) VALUES (?, ?, ?)
    ON CONFLICT (server_id) DO UPDATE SET at = excluded.at, body = excluded.body WHERE excluded.at >= statements.at
"""
_LOOKS = """
    SELECT server_id, vantage, at, answered, detail, failing_since, answering_since, last_answer_at,
        unsettled_since, tls_at, spoke_at, said
    FROM looks
"""
_LOOKS_OF = f"{_LOOKS} WHERE server_id IN (SELECT value FROM json_each(:ids))"  # noqa: S608 - literals of this module
_SILENT = "SELECT server_id FROM looks WHERE failing_since IS NOT NULL"
_LOOKS_SILENT = f"""
    {_LOOKS} WHERE server_id IN (
        SELECT DISTINCT server_id FROM looks WHERE failing_since IS NOT NULL AND server_id > :after
        ORDER BY server_id LIMIT :page)
"""  # noqa: S608 - the same
_WELL = f"""
    SELECT s.region, COUNT(DISTINCT s.id) AS servers
    FROM looks AS l JOIN servers AS s ON s.id = l.server_id
    WHERE l.answered = 1 AND l.at >= :since AND l.server_id NOT IN ({_SILENT})
    GROUP BY s.region
"""  # noqa: S608 - literals of this module
_PUT_LOOK = """
    INSERT INTO looks
        (server_id, vantage, at, answered, detail, failing_since, answering_since, last_answer_at, unsettled_since,
        tls_at, spoke_at, said)
    VALUES {rows}
    ON CONFLICT (server_id, vantage) DO UPDATE SET
        at = excluded.at, answered = excluded.answered, detail = excluded.detail,
        failing_since = excluded.failing_since, answering_since = excluded.answering_since,
        last_answer_at = excluded.last_answer_at, unsettled_since = excluded.unsettled_since,
        tls_at = excluded.tls_at, spoke_at = excluded.spoke_at, said = excluded.said
"""
