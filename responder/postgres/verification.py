"""What a restored copy holds: connect as a user would, and find the newest row. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import asyncpg

from responder.postgres import addresses, probes

_SIZE = """
select sum(pg_database_size(oid)) from pg_database
where datallowconn and has_database_privilege(oid, 'connect')
"""

TROUBLE = (
    OSError,
    TimeoutError,
    UnicodeError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

TlsMode = Literal["disable", "prefer", "require", "verify-full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How to log in to a copy. `repr` hides the password."""

    user: str
    password: str
    database: str
    tls: TlsMode

    def __repr__(self) -> str:
        return f"Login(user={self.user!r}, database={self.database!r}, tls={self.tls!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look at a copy showed."""

    answers: bool
    """It speaks PostgreSQL."""
    sql: bool
    """A login and a query worked."""
    newest_row: datetime | None = None
    """Aware UTC. None: not measured."""
    used_bytes: int | None = None
    """What its databases take on disk together. None: not measured."""
    replica: bool = False
    """It follows a primary and takes no writes."""
    version: str = ""
    why: str = ""
    """Why there is no SQL or no newest row, in a sentence."""


async def look(address: addresses.Address, login: Login | None, newest_row: str, timeout: timedelta) -> Look:
    """Look at a copy. Never raises: whatever goes wrong, with the copy or with the query, is said in `why`."""
    # First the handshake: the driver spins for ever on bytes that are not PostgreSQL's, and everything with it.
    seen = await probes.probe(address, timeout)
    if not seen.answered:
        return Look(answers=False, sql=False, why=f"It does not answer: {seen.detail}.")
    if login is None:
        why = "No login is configured (settings: postgres.user and postgres.password)."
        return Look(answers=True, sql=False, why=why)
    try:
        connection = await connect(address, login, timeout)
    except TROUBLE as error:
        return Look(answers=True, sql=False, why=f"The login failed: {plain(error)}.")
    try:
        return await _measure(connection, newest_row)
    except TROUBLE as error:
        return Look(answers=False, sql=False, why=f"The connection broke: {plain(error)}.")
    finally:
        connection.terminate()


async def connect(address: addresses.Address, login: Login, timeout: timedelta) -> asyncpg.Connection[asyncpg.Record]:
    """Log in. Raises one of `TROUBLE`. Only where PostgreSQL is known to speak: see `look`."""
    seconds = timeout.total_seconds()
    return await asyncpg.connect(
        host=address.host,
        port=address.port,
        user=login.user,
        password=login.password,
        database=login.database,
        ssl=login.tls,
        timeout=seconds,
        command_timeout=seconds,
    )


async def _measure(connection: asyncpg.Connection[asyncpg.Record], newest_row: str) -> Look:
    version = connection.get_server_version()
    used, replica = await _size(connection), await connection.fetchval("select pg_is_in_recovery()")
    seen = Look(
        answers=True, sql=True, used_bytes=used, replica=bool(replica), version=f"{version.major}.{version.minor}"
    )
    try:
        row = await connection.fetchrow(newest_row)
    except asyncpg.PostgresConnectionError:
        raise  # it broke meanwhile: that says nothing about the rows
    except asyncpg.PostgresError as error:
        return replace(seen, why=f"The newest row cannot be read: {plain(error)}.")
    values = (None,) if row is None else tuple(row)
    newest = values[0] if len(values) == 1 else ...
    if newest is None:
        return replace(seen, why="There is no row to measure by.")
    if not isinstance(newest, datetime) or newest.tzinfo is None:
        # No reason to give a good copy up: its loss is not measured, and the bound of geo-backup counts.
        return replace(seen, why="The query does not return one timestamptz (settings: postgres.newest_row).")
    return replace(seen, newest_row=newest.astimezone(UTC))


async def _size(connection: asyncpg.Connection[asyncpg.Record]) -> int | None:
    """Of the databases that the login may connect to; no reason to give a copy up when it cannot be told."""
    try:
        found = await connection.fetchval(_SIZE)
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError:
        return None
    return int(found) if found is not None else None


def plain(error: BaseException) -> str:
    """One line, without addresses or names that a driver may have put in."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError | UnicodeError):
        return probes.plain(error)
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
