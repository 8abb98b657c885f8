"""Brings a database to the schema this code speaks: forward only, each step one transaction. Never touches a newer one.

`schema/NNNN.sql` leads from version NNNN - 1 to NNNN. A released file is never edited: the next one amends it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import partial
from importlib import resources
from pathlib import Path

from responder.core import errors
from responder.store import database


def scripts() -> dict[int, str]:
    """Every schema step by the version it leads to, in order."""
    files = (resources.files(__package__) / "schema").iterdir()
    return {int(file.name[:4]): file.read_text() for file in sorted(files, key=lambda f: f.name) if file.name[0] != "_"}


async def apply(target: database.Database, steps: dict[int, str]) -> None:
    """Take every step the database still lacks, or refuse it."""
    found = await _version(target)
    _refuse_newer(found, max(steps), target.path)
    for version, script in steps.items():
        if version > found:
            await target.execute_transaction(partial(_step, version=version, script=script))


async def verify(target: database.Database, steps: dict[int, str]) -> None:
    """Refuse a database that is not exactly of this code's schema; for those who may only read."""
    found, known = await _version(target), max(steps)
    _refuse_newer(found, known, target.path)
    if found < known:
        text = f"The store has schema {found}; this version of responder reads {known}."
        remedy = "Start the daemon of this version once: it brings the store up to date."
        raise errors.StoreError("store.older", text, remedy=remedy, place=str(target.path))


async def _version(target: database.Database) -> int:
    """The schema version; 0 for an empty file."""
    tables = {row["name"] for row in await target.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and "meta" not in tables:
        text = "This is a database of some other program."
        raise errors.StoreError("store.foreign", text, remedy="Name another path.", place=str(target.path))
    row = await target.row("SELECT value FROM meta WHERE key = 'schema'") if tables else None
    return int(row["value"]) if row else 0


def _refuse_newer(found: int, known: int, path: Path) -> None:
    if found > known:
        text = f"The store has schema {found}, made by a newer responder; this one knows up to {known}."
        remedy = "Run the newer version, or put the backup from before the upgrade in its place."
        raise errors.StoreError("store.newer", text, remedy=remedy, place=str(path))


def _step(connection: sqlite3.Connection, *, version: int, script: str) -> None:
    for statement in _statements(script):
        connection.execute(statement)
    sql = "INSERT INTO meta (key, value) VALUES ('schema', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    connection.execute(sql, (str(version),))


def _statements(script: str) -> Iterator[str]:
    """The statements one by one: `executescript` would commit behind our back."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
