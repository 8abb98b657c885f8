"""SQLite with nothing around it, as durable as our store: a table, an index by key, a commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path


def connect(path: Path) -> sqlite3.Connection:
    """A new database with the durability of ours: write-ahead log, and every commit on the disk."""
    # The thread of the commits is not always the same one; never two at once.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, body BLOB)")
    return connection


def append(connection: sqlite3.Connection, rows: Sequence[tuple[str, bytes | str]]) -> None:
    """Keep rows; one commit."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO kept (key, body) VALUES (?, ?) ON CONFLICT (key) DO NOTHING", rows)
    connection.execute("COMMIT")
