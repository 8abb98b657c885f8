"""Rows that this version cannot read: told once, then left alone, so that one of them stops nobody. Mends nothing.

They stay as they are; the version that wrote them, or a corrected one, finds them again when it starts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog

from responder.core import errors

_log = structlog.get_logger(__name__)

T = TypeVar("T")

UNREADABLE = "store.unreadable"
"""Id of the error about one row. Every other error of the store is about the store."""


class Apart:
    """The rows of one table that were set apart in this process."""

    def __init__(self, table: str) -> None:
        self._table = table
        self.keys: set[str] = set()

    def read(self, key: str, load: Callable[[], T]) -> T | None:
        """What `load` gives, or None for a row that is set apart."""
        try:
            return load()
        except errors.StoreError as error:
            if error.error_id != UNREADABLE:
                raise
            if key not in self.keys:
                self.keys.add(key)
                _log.error("store.row-set-apart", table=self._table, row=key, error=str(error))
            return None
