"""PostgreSQL's errors: which of them mean "do it again", and all others in our words. Our own mistakes go through."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from responder.core import errors
from responder.store import database

RACES = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidCachedStatementError,  # another instance has changed the schema
)
"""Another transaction was faster; done again, this one may well succeed."""

LOST = (
    OSError,  # with ConnectionError and TimeoutError
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,  # `connection is closed`
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,  # terminated, shut down, crashed, still starting
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,  # the old primary after a fail-over: connect anew, the name has moved
)
"""The connection is of no use any more. What a COMMIT came to before it broke must be found out."""


class Pooled(asyncpg.InterfaceError):
    """Something stands between us and the server that keeps our settings to itself."""


_REMEDIES: tuple[tuple[type[BaseException], str], ...] = (
    (Pooled, "Name the server itself in store.url, not a pooler."),
    (asyncpg.ProtocolViolationError, "Name the server itself in store.url, not a pooler."),
    (asyncpg.DiskFullError, "Free space on its volume; the write is tried again."),
    (asyncpg.InvalidAuthorizationSpecificationError, "Check user and password in store.url and store.password."),
    (asyncpg.InvalidCatalogNameError, "Create the database, or name another in store.url."),
    (asyncpg.InsufficientPrivilegeError, "Give the store's user CREATE on the database, or make it own the schema."),
    (asyncpg.TooManyConnectionsError, "Raise max_connections; each instance takes up to 8."),
    (asyncpg.ReadOnlySQLTransactionError, "Name the primary in store.url; this is a standby."),
    (ssl.SSLError, "Check sslmode and sslrootcert in store.url."),
    (OSError, "Is it up, and does store.url name the right host and port? It is tried again."),
)
_FOREIGN = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


@contextmanager
def mapped(place: str) -> Iterator[None]:
    """Turn what PostgreSQL and the network raise inside into a StoreError, the cause chained."""
    try:
        yield
    except (asyncpg.SyntaxOrAccessError, asyncpg.DataError) as error:
        if not isinstance(error, asyncpg.InsufficientPrivilegeError):
            raise  # ours
        raise unavailable(place, error) from error
    except _FOREIGN as error:
        raise unavailable(place, error) from error


@contextmanager
def integrity() -> Iterator[None]:
    """Broken constraints as the port calls them."""
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        raise database.IntegrityError(f"{error.constraint_name or ''}: {error}") from error


def unavailable(place: str, error: BaseException) -> errors.StoreError:
    """The store cannot be read or written now; nothing was half done."""
    remedy = next((text for kind, text in _REMEDIES if isinstance(error, kind)), "")
    what = str(error).splitlines()[0].rstrip(".") if str(error) else "no answer in time"
    return errors.StoreError(
        "store.full" if isinstance(error, asyncpg.DiskFullError) else "store.unavailable",
        f"The store cannot be used now: {what}.",
        remedy=remedy or "Look at the database server and its log, then try again.",
        place=place,
    )
