"""How many rows a server has: written after a moment, or altogether. It reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import asyncpg

from responder.postgres import addresses, probes, verification

_EACH = timedelta(seconds=30)
"""For one table. A larger one is named instead of counted."""
_ALL = timedelta(minutes=3)
"""For all of them: a step has five minutes."""

_TABLES = """
select format('%I.%I', n.nspname, c.relname) as name, a.attname as moment, t.typname = 'timestamptz' as aware
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join lateral (
    select a.attname, a.atttypid from pg_attribute a
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      and a.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype)
    order by coalesce(pg_get_expr(d.adbin, d.adrelid) ~* 'now|timestamp', false) desc, a.attnotnull desc, a.attnum
    limit 1
) a on true
left join pg_type t on t.oid = a.atttypid
where c.relkind in ('r', 'p') and not c.relispartition
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and has_table_privilege(c.oid, 'select')
order by 1
"""
"""Every table of people's, and the column that most likely says when a row was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Rows by table."""

    rows: dict[str, int]
    uncounted: tuple[str, ...] = ()
    """Tables without a time of writing, or too large to count in time."""
    why: str = ""
    """Why nothing could be counted; empty: it could."""


async def count(
    address: addresses.Address, login: verification.Login | None, since: datetime | None, timeout: timedelta
) -> Counts:
    """Count rows written after `since`; None: all rows. Never raises: whatever goes wrong is said in `why`."""
    if login is None:
        return Counts(rows={}, why="No login is configured (settings: postgres.user and postgres.password).")
    seen = await probes.probe(address, timeout)
    if not seen.answered:
        return Counts(rows={}, why=f"It does not answer: {seen.detail}.")
    try:
        connection = await verification.connect(address, login, timeout)
    except verification.TROUBLE as error:
        return Counts(rows={}, why=f"The login failed: {verification.plain(error)}.")
    try:
        return await _each(connection, await connection.fetch(_TABLES), since)
    except verification.TROUBLE as error:
        return Counts(rows={}, why=f"The connection broke: {verification.plain(error)}.")
    finally:
        connection.terminate()


async def _each(
    connection: asyncpg.Connection[asyncpg.Record], tables: Sequence[asyncpg.Record], since: datetime | None
) -> Counts:
    rows: dict[str, int] = {}
    uncounted: list[str] = []
    left = _ALL
    await connection.execute(f"set statement_timeout = {int(_EACH.total_seconds() * 1000)}")
    for name, moment, aware in tables:
        if (since is not None and moment is None) or left <= timedelta():
            uncounted.append(name)
            continue
        where = (
            ""
            if since is None
            else f" where {_quoted(moment)} > $1::timestamptz" + ("" if aware else " at time zone 'UTC'")
        )
        started = monotonic()
        try:
            arguments = () if since is None else (since,)
            # Names come quoted from the catalogue.
            rows[name] = await connection.fetchval(
                f"select count(*) from {name}{where}",  # noqa: S608
                *arguments,
                timeout=2 * _EACH.total_seconds(),
            )
        except asyncpg.QueryCanceledError:
            uncounted.append(name)
        left -= timedelta(seconds=monotonic() - started)
    return Counts(rows=rows, uncounted=tuple(uncounted))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
