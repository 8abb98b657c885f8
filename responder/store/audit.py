"""The audit as rows: entries are added in the transaction of what they record, and read in order. Changes none.

The chain has one end, and everybody writes there. Whoever adds says first in the transaction how it comes to its turn:

    add_last   on PostgreSQL the database itself seals the entries, in one message with the commit. Nobody waits for
               another's process, be it slow, killed or frozen. What every run writes does this.
    hold       waits for its turn at once, and keeps it until the commit. For what people do, and what reads the end.

Who does neither is done again when another was faster (`execute_transaction`); the chain stays one line in any case.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from responder.core import audits
from responder.store import codec, database


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries are wanted. None: whichever."""

    since: datetime | None = None
    """That early or later."""
    until: datetime | None = None
    """Earlier than that."""
    kinds: Sequence[str] = ()
    """One of these; a kind ending in `.` stands for all that begin so. Empty: any."""
    run: str | None = None
    server: str | None = None
    outage: str | None = None
    """An id, or the start of one."""
    actor: str | None = None


class Audit:
    """Every entry, oldest first."""

    def __init__(self, base: database.Database) -> None:
        self._base = base

    async def put(self, entries: Sequence[audits.Entry]) -> None:
        """Add entries that belong to no other write."""

        def added(connection: database.Connection) -> None:
            hold(connection)
            append(connection, entries)

        await self._base.execute_transaction(added)

    async def put_news(self, entries: Sequence[audits.Entry]) -> int:
        """Add those whose body is another than in the newest entry of their kind and subject; how many."""

        def added(connection: database.Connection) -> int:
            hold(connection)
            new = [entry for entry in entries if _is_news(connection, entry)]
            append(connection, new)
            return len(new)

        return await self._base.execute_transaction(added)

    async def loaded(self, playbook: str) -> str | None:
        """The version of a playbook that a process loaded last. None: none ever did."""
        row = await self._base.row(_LOADED, {"playbook": playbook})
        return str(json.loads(row["body"])["version"]) if row else None

    async def head(self) -> audits.Head | None:
        """Where the chain ends, as it is kept apart; None: somebody has removed it."""
        row = await self._base.row(_HEAD)
        return audits.Head(number=row["number"], hash=row["hash"]) if row else None

    async def after(self, number: int, limit: int = 1000) -> list[audits.Line]:
        """The entries that follow a number, oldest first."""
        return [_line(row) for row in await self._base.rows(_AFTER, {"number": number, "limit": limit})]

    async def find(self, wanted: Wanted) -> AsyncIterator[audits.Line]:
        """The entries wanted, oldest first; read in pages."""
        where, given = _where(wanted)
        number = 0
        while True:
            sql = f"SELECT * FROM audit WHERE number > :number{where} ORDER BY number LIMIT :limit"  # noqa: S608 - literals
            rows = await self._base.rows(sql, {**given, "number": number, "limit": _PAGE})
            for row in rows:
                yield _line(row)
            if len(rows) < _PAGE:
                return
            number = rows[-1]["number"]

    async def newest(self, wanted: Wanted, limit: int) -> list[audits.Line]:
        """The newest of the entries wanted, oldest first."""
        where, given = _where(wanted)
        sql = f"SELECT * FROM audit WHERE number > 0{where} ORDER BY number DESC LIMIT :limit"  # noqa: S608 - literals
        return [_line(row) for row in reversed(await self._base.rows(sql, {**given, "limit": limit}))]


_PAGE = 1000
_HEAD = "SELECT number, hash FROM audit_head WHERE id = 1"
_AFTER = "SELECT * FROM audit WHERE number > :number ORDER BY number LIMIT :limit"
_LAST = "SELECT COALESCE(MAX(number), 0) AS last FROM audit"
_MOVE = """
    INSERT INTO audit_head (id, number, hash) VALUES (1, :number, :hash)
    ON CONFLICT (id) DO UPDATE SET number = excluded.number, hash = excluded.hash
"""
_COLUMNS = (
    "number", "at", "kind", "actor", "run_id", "server_id", "outage_id", "subject", "body", "previous", "hash",
)  # fmt: skip
_ADD = f"INSERT INTO audit ({', '.join(_COLUMNS)}) VALUES {{rows}}"  # noqa: S608 - literals
_LOADED = """
    SELECT body FROM audit WHERE kind = 'playbook.loaded' AND subject = :playbook ORDER BY number DESC LIMIT 1
"""
_NEWEST = "SELECT body FROM audit WHERE kind = ? AND subject = ? ORDER BY number DESC LIMIT 1"


def hold(connection: database.Connection) -> None:
    """Wait until no other transaction adds entries, and keep others waiting until the end of this one. First in it."""
    connection.queue("audit_head")


def add_last(connection: database.Connection) -> None:
    """Add entries at the very end of this transaction, whose statements are each whole alone. First in it."""
    connection.each_alone()


def head(connection: database.Connection) -> audits.Head:
    """Where the chain ends, inside a transaction."""
    row = connection.execute(_HEAD).fetchone()
    return audits.Head(number=row["number"], hash=row["hash"]) if row else audits.Head()


def append(connection: database.Connection, entries: Sequence[audits.Entry]) -> None:
    """Add entries inside a transaction of the caller's.

    Whatever somebody did to the table, the daemon goes on in the middle of the night: a break stays one, and is found.
    """
    if not entries or connection.at_commit(_SEAL, (_drafted(entry) for entry in entries)):
        return
    end, last = head(connection), connection.execute(_LAST).fetchone()["last"]
    number, previous = max(end.number, last), end.hash
    lines = []
    for entry in entries:
        line = audits.seal(entry, audits.Head(number=number, hash=previous))
        number, previous = line.number, line.hash
        lines.append(line)
    # The head first: on PostgreSQL, that is where a transaction which did not `hold` learns that it is late.
    connection.execute(_MOVE, {"number": number, "hash": previous})
    database.insert(connection, _ADD, [_row(line) for line in lines])


_SEAL = f"""
    LOCK TABLE audit_head IN SHARE ROW EXCLUSIVE MODE;
    DO $$
    DECLARE
        place bigint;
        last text;
        digest text;
        given record;
    BEGIN
        SELECT number, hash INTO place, last FROM audit_head WHERE id = 1;
        last := COALESCE(last, '{audits.GENESIS}');
        place := GREATEST(COALESCE(place, 0), (SELECT COALESCE(MAX(number), 0) FROM audit));
        FOR given IN
            SELECT * FROM ROWS FROM (json_to_recordset(CAST(current_setting('responder.items') AS json)) AS (
                piece_1 text, piece_2 text, piece_3 text, piece_4 text, at text, kind text, actor text,
                run_id text, server_id text, outage_id text, subject text, body text)) WITH ORDINALITY
            ORDER BY ordinality
        LOOP
            place := place + 1;
            digest := encode(sha256(convert_to(given.piece_1 || given.body || given.piece_2 || place || given.piece_3
                || last || given.piece_4, 'UTF8')), 'hex');
            INSERT INTO audit
                (number, at, kind, actor, run_id, server_id, outage_id, subject, body, previous, hash)
            VALUES (place, given.at, given.kind, given.actor, given.run_id, given.server_id, given.outage_id,
                given.subject, given.body, last, digest);
            last := digest;
        END LOOP;
        INSERT INTO audit_head (id, number, hash) VALUES (1, place, last)
        ON CONFLICT (id) DO UPDATE SET number = excluded.number, hash = excluded.hash;
    END
    $$
"""  # noqa: S608 - a literal
"""What `append` does, in PostgreSQL's own words and inside the server. `audits.Line.whole` checks every hash again."""


def _drafted(entry: audits.Entry) -> dict[str, str | None]:
    draft = audits.draft(entry)
    columns = zip(_COLUMNS, _row(draft.line), strict=True)
    kept = {name: value for name, value in columns if name not in ("number", "previous", "hash")}
    around = (draft.before, draft.between, draft.middle, draft.after)
    return {**kept, **{f"piece_{number}": text for number, text in enumerate(around, start=1)}}


def _is_news(connection: database.Connection, entry: audits.Entry) -> bool:
    row = connection.execute(_NEWEST, (entry.kind, entry.subject)).fetchone()
    return row is None or row["body"] != audits.canonical(audits.harmless(entry.body))


def _where(wanted: Wanted) -> tuple[str, dict[str, Any]]:
    found, given = [], {}
    for sql, name, value in (
        ("at >= :since", "since", codec.stamp(wanted.since)),
        ("at < :until", "until", codec.stamp(wanted.until)),
        ("run_id = :run", "run", wanted.run),
        ("server_id = :server", "server", wanted.server),
        ("actor = :actor", "actor", wanted.actor),
        ("SUBSTR(outage_id, 1, LENGTH(CAST(:outage AS TEXT))) = :outage", "outage", wanted.outage),
    ):
        if value is not None:
            found.append(sql)
            given[name] = value
    if wanted.kinds:
        found.append(_KINDS)
        given["kinds"] = codec.listed(wanted.kinds)
        given["families"] = codec.listed(kind for kind in wanted.kinds if kind.endswith("."))
    return "".join(f" AND {sql}" for sql in found), given


_KINDS = """(kind IN (SELECT value FROM json_each(:kinds))
    OR EXISTS (SELECT 1 FROM (SELECT value FROM json_each(:families)) AS f WHERE kind LIKE f.value || '%'))"""


def _row(line: audits.Line) -> tuple[Any, ...]:
    return (
        line.number, line.at, line.kind, line.actor, line.run, line.server, line.outage, line.subject, line.body,
        line.previous, line.hash,
    )  # fmt: skip


def _line(row: database.Row) -> audits.Line:
    return audits.Line(
        number=row["number"],
        at=row["at"],
        kind=row["kind"],
        actor=row["actor"],
        run=row["run_id"],
        server=row["server_id"],
        outage=row["outage_id"],
        subject=row["subject"],
        body=row["body"],
        previous=row["previous"],
        hash=row["hash"],
    )
