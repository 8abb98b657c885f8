"""SQLite's errors in our words. Maps what the world did to us; our own mistakes (`IntegrityError`) it lets through."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from responder.core import errors

UNAVAILABLE = "store.unavailable"
_PRIMARY = 0xFF
"""SQLite keeps the primary result code in the low byte of an extended one."""

_REMEDIES = {
    sqlite3.SQLITE_FULL: "Free space on its volume; the write is tried again.",
    sqlite3.SQLITE_BUSY: "Another process is writing; end it, or try again when it is done.",
    sqlite3.SQLITE_LOCKED: "Another process is writing; end it, or try again when it is done.",
    sqlite3.SQLITE_IOERR: "Look at the volume and the system log; the write is tried again.",
    sqlite3.SQLITE_CANTOPEN: "Check that the directory exists and that this user may read and write there.",
    # For reading, too, SQLite keeps its shared memory beside the file.
    sqlite3.SQLITE_READONLY: "Give this user the right to write the file and its directory; a copy is best read in a "
    "folder of your own.",
    sqlite3.SQLITE_CORRUPT: "Stop, keep the file for study, and put the last backup in its place.",
    sqlite3.SQLITE_NOTADB: "Name another path: this file was not made by responder.",
}
_OURS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError)


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    """Turn what SQLite raises inside into a StoreError, the cause chained."""
    try:
        yield
    except _OURS:
        raise
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        remedy = _REMEDIES.get(code & _PRIMARY, "") if code is not None else ""
        id_ = "store.full" if code is not None and code & _PRIMARY == sqlite3.SQLITE_FULL else UNAVAILABLE
        raise unavailable(path, str(error), remedy=remedy, id_=id_) from error


def unavailable(path: Path, what: str, *, remedy: str = "", id_: str = UNAVAILABLE) -> errors.StoreError:
    """The store cannot be read or written now; nothing was half done."""
    return errors.StoreError(
        id_,
        f"The store cannot be used now: {what}.",
        remedy=remedy or "Look at the volume and the system log, then try again.",
        place=str(path),
    )
