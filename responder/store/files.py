"""Whether the files of an embedded store are still the ones that were opened. Opens none and mends nothing.

A process goes on writing to a file that was deleted, moved or replaced under it, and all of that is gone when it ends.
When it is the lock that is gone, a second daemon may have the store already.
"""

from __future__ import annotations

import os
from pathlib import Path

from responder.core import errors

MOVED = "store.moved"
_BESIDE = ("", "-wal", "-shm", ".lock")
"""The database, what was committed last, who reads where, and who may write."""


class Files:
    """Those of one store."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[int, int]] = {}

    def remember(self) -> None:
        """These are the ones that are open now."""
        found = {name: _which(name) for name in (f"{self._path}{suffix}" for suffix in _BESIDE)}
        self._known = {name: which for name, which in found.items() if which is not None}

    def must_be_there(self) -> None:
        """Ask before anything is promised. Four looks of a microsecond.

        Raises:
            StoreError: `store.moved`.
        """
        for name, which in self._known.items():
            if _which(name) != which:
                raise errors.StoreError(
                    MOVED,
                    f"{name} was deleted, moved or replaced while it is open here; nothing is written any more.",
                    remedy="Stop this daemon and whatever else uses the store, put back what was there or the newest "
                    "backup, and start one daemon.",
                    place=str(self._path),
                )


def _which(name: str) -> tuple[int, int] | None:
    """What file that name means now."""
    try:
        found = os.stat(name)
    except OSError:
        return None
    return found.st_dev, found.st_ino
