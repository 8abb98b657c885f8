"""Brings a database to the schema this code speaks: forward only, each step one transaction. Leaves a newer one alone.

`schema/KIND/NNNN.sql` leads to version NNNN. Each database has a twin of each step, under the same number. A released
file is never edited: the next one amends it.
"""

from __future__ import annotations

from functools import partial
from importlib import resources

from responder.core import errors
from responder.store import database


def scripts(kind: str) -> dict[int, str]:
    """Every schema step of that database by the version it leads to, in order."""
    files = [file for file in (resources.files(__package__) / "schema" / kind).iterdir() if file.name.endswith(".sql")]
    return {int(file.name[:4]): file.read_text() for file in sorted(files, key=lambda f: f.name)}


async def apply(target: database.Database, steps: dict[int, str]) -> None:
    """Take every step the database still lacks, or refuse it."""
    found = await _version(target)
    _refuse_newer(found, max(steps), target.place)
    if found == max(steps):
        return
    async with target.migrating():
        found = await _version(target)
        for version, script in steps.items():
            if version > found:
                await target.execute_transaction(partial(_step, version=version, script=script))


async def verify(target: database.Database, steps: dict[int, str]) -> None:
    """Refuse a database that is not exactly of this code's schema; for those who may only read."""
    found, known = await _version(target), max(steps)
    _refuse_newer(found, known, target.place)
    if found < known:
        text = f"The store has schema {found}; this version of responder reads {known}."
        remedy = "Start the daemon of this version once: it brings the store up to date."
        raise errors.StoreError("store.older", text, remedy=remedy, place=target.place)


async def _version(target: database.Database) -> int:
    """The schema version; 0 where there is nothing yet."""
    tables = await target.tables()
    if tables and "meta" not in tables:
        text = "This is a database of some other program."
        raise errors.StoreError("store.foreign", text, remedy="Name another place.", place=target.place)
    row = await target.row("SELECT value FROM meta WHERE key = 'schema'") if tables else None
    return int(row["value"]) if row else 0


def _refuse_newer(found: int, known: int, place: str) -> None:
    if found > known:
        text = f"The store has schema {found}, made by a newer responder; this one knows up to {known}."
        remedy = "Run the newer version, or put the backup from before the upgrade in its place."
        raise errors.StoreError("store.newer", text, remedy=remedy, place=place)


def _step(connection: database.Connection, *, version: int, script: str) -> None:
    connection.take_time()
    connection.run_script(script)
    sql = "INSERT INTO meta (key, value) VALUES ('schema', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    connection.execute(sql, (str(version),))
