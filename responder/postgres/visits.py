"""One look at a server as deep as it goes: handshake, TLS, and with a login `SELECT 1`. It reads only.

    knock (SSLRequest) ─► TLS, certificate checked where authorities are given ─► login ─► SELECT 1, lag of a replica

Each phase has its own bound, and a visit has one socket at a time. The password goes nowhere before the handshake has
shown PostgreSQL, nor past a certificate that is not good. What each outcome means is a table in the core (`answers`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg

from responder import clock
from responder.core import answers, errors, evidence
from responder.postgres import addresses, probes, verification

_LAG = """
select case
    when not pg_is_in_recovery() then null
    when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() and exists (select from pg_stat_wal_receiver)
        then interval '0'
    else greatest(clock_timestamp() - pg_last_xact_replay_timestamp(), interval '0')
end
"""
"""A replica that has replayed all it received, and still receives, is not behind: its primary may just be idle.
https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-RECOVERY-CONTROL"""
_GOODBYE = 1.0
"""Seconds for closing politely, so that the server's log shows no broken connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How to log in for a look. `repr` hides the password."""

    user: str
    password: str
    database: str
    tls: bool = True
    """False: in the clear. Only for servers that offer no encryption."""

    def __repr__(self) -> str:
        return f"Login(user={self.user!r}, database={self.database!r}, tls={self.tls!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Whom to look at, and how."""

    address: addresses.Address
    name: str
    """What the certificate has to be made out to."""
    timeout: timedelta
    """For each phase."""
    login: Login | None = None
    replica: bool = False
    """It follows a primary: measure how far behind."""


class Trust:
    """Whose certificates are believed. None given: nobody's is checked.

    Raises:
        InputError: the file of authorities cannot be used.
    """

    def __init__(self, ca_file: Path | None = None) -> None:
        self.context = _Context(ssl.PROTOCOL_TLS_CLIENT)
        if ca_file is None:
            self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
            return
        try:
            self.context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise errors.InputError(
                "probes.ca-unusable",
                f"The file of authorities for probes cannot be used: {error.strerror or type(error).__name__}.",
                remedy="Give a readable PEM file in probes.ca_file, or leave it out.",
                place=str(ca_file),
            ) from error


@dataclass(slots=True)
class _Handshake:
    """One handshake: the name it is for, and the encryption once it was begun."""

    name: str
    seen: ssl.SSLObject | None = None

    @property
    def done(self) -> bool:
        """Both sides have agreed."""
        return self.seen is not None and self.seen.version() is not None


_handshake: ContextVar[_Handshake | None] = ContextVar("handshake", default=None)


class _Context(ssl.SSLContext):
    """Checks the name of the server and not of the address we connect to, which the address book may have given."""

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Begin a handshake."""
        expected = _handshake.get()
        if expected is None:
            return super().wrap_bio(*args, **options)
        expected.seen = super().wrap_bio(*args, **options | {"server_hostname": expected.name})
        return expected.seen


async def visit(to: Visit, trust: Trust) -> evidence.Probe:
    """Look once, as deep as it goes. Never raises: whatever goes wrong is an outcome with its words."""
    if to.login is not None:
        knocked = await probes.probe(to.address, to.timeout)
        if not knocked.answered or not (to.login.tls is False or probes.offers_tls(knocked)):
            said = "no-tls" if knocked.answered and probes.lacks_tls(knocked) else knocked.said
            return _found(said, knocked.detail, answered=knocked.answered)
        return await _log_in(to, to.login, trust)
    return await _encrypt(to, trust)


async def _encrypt(to: Visit, trust: Trust) -> evidence.Probe:
    """Without a login: knock, and agree on encryption on the same connection."""
    try:
        async with asyncio.timeout(to.timeout.total_seconds()):
            reader, writer = await asyncio.open_connection(to.address.host, to.address.port)
            try:
                knocked = await probes.knock(reader, writer)
            except BaseException:
                writer.transport.abort()
                raise
    except TimeoutError:
        return _found("silent", _late(to), answered=False)
    except (OSError, UnicodeError) as error:
        return _found("silent", f"cannot connect: {probes.plain(error)}", answered=False)
    try:
        if not probes.offers_tls(knocked):
            said = "no-tls" if probes.lacks_tls(knocked) else knocked.said
            return _found(said, knocked.detail, answered=knocked.answered)
        _handshake.set(_Handshake(to.name))
        async with asyncio.timeout(to.timeout.total_seconds()):
            await writer.start_tls(trust.context, server_hostname=to.name)
        return _found("tls", "agrees on TLS")
    except (OSError, TimeoutError, UnicodeError) as error:
        return _tls_trouble(to, error)
    finally:
        writer.transport.abort()


async def _log_in(to: Visit, login: Login, trust: Trust) -> evidence.Probe:
    """With a login: the driver knocks again, encrypts and logs in; then the query."""
    handshake = _Handshake(to.name)
    _handshake.set(handshake)
    try:
        async with _connected(to, login, trust) as connection:
            return await _ask(to, connection)
    except (OSError, TimeoutError, UnicodeError) as error:
        if login.tls and not handshake.done:
            return _tls_trouble(to, error)
        how = _late(to) if isinstance(error, TimeoutError) else probes.plain(error)
        return _found("login-silent", f"the login was not answered: {how}")
    except asyncpg.ConnectionDoesNotExistError:
        return _found("login-silent", "the connection was closed during the login")
    except asyncpg.PostgresError as error:
        return _refused("the login", error)
    except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        return _found("other", f"the login failed: {verification.plain(error)}")


@contextlib.asynccontextmanager
async def _connected(to: Visit, login: Login, trust: Trust) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    seconds = to.timeout.total_seconds()
    connection = await asyncpg.connect(
        host=to.address.host,
        port=to.address.port,
        user=login.user,
        password=login.password,
        database=login.database,
        ssl=trust.context if login.tls else False,
        timeout=seconds,
        command_timeout=seconds,
        server_settings={"application_name": "responder probe"},
    )
    try:
        yield connection
    finally:
        try:
            async with asyncio.timeout(_GOODBYE):
                await connection.close()
        except verification.TROUBLE:
            connection.terminate()


async def _ask(to: Visit, connection: asyncpg.Connection[asyncpg.Record]) -> evidence.Probe:
    try:
        await connection.execute("select 1")  # no prepared statement: poolers in between do not like them
    except (OSError, TimeoutError, asyncpg.ConnectionDoesNotExistError, asyncpg.InterfaceError) as error:
        return _found("query-silent", f"SELECT 1 was not answered: {verification.plain(error)}")
    except asyncpg.PostgresError as error:
        return _refused("SELECT 1", error)
    lag = None
    if to.replica:
        with contextlib.suppress(*verification.TROUBLE):
            lag = await connection.fetchval(_LAG)
    return _found("served", "answers SELECT 1", lag=lag if isinstance(lag, timedelta) else None)


def _tls_trouble(to: Visit, error: BaseException) -> evidence.Probe:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".") or "it is not trusted"
        return _found("certificate", f"its certificate is not good: {why}")
    how = _late(to) if isinstance(error, TimeoutError) else verification.plain(error)
    return _found("tls-broken", f"offers TLS and does not agree on it: {how}")


def _refused(what: str, error: asyncpg.PostgresError) -> evidence.Probe:
    """The code says it all; the server's own words may hold names of people."""
    code = str(error.sqlstate or "")
    said = answers.of_code(code)
    return _found(said, f"{what} was answered with the error {code or 'without a code'}")


def _late(to: Visit) -> str:
    return f"no answer within {to.timeout.total_seconds():g} s"


def _found(said: str, detail: str, *, answered: bool = True, lag: timedelta | None = None) -> evidence.Probe:
    return evidence.Probe(at=clock.now(), answered=answered, detail=detail, said=said, lag=lag)
