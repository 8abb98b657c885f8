"""Who is logged in at the console. Kept in memory: a restart logs everybody out. Knows no request and no token.

A browser is given an id that says nothing; the token itself never leaves the login. Only a digest of the id is kept, so
that nothing here, and no time that a look-up takes, gives one away.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from datetime import timedelta
from typing import NamedTuple

from responder.web import roles

LASTS = timedelta(hours=12)
"""A shift. A console is left open on a wall, so being idle ends nothing."""
_MOST = 1000
"""Sessions at once. Each took a right token; above it the one that was opened first is forgotten."""


class _Session(NamedTuple):
    caller: roles.Caller
    until: float


class Sessions:
    """Who is logged in. Time is an argument, in ticks: no clock that is set back makes a session longer."""

    def __init__(self, lasts: timedelta = LASTS, most: int = _MOST) -> None:
        self._lasts = lasts.total_seconds()
        self._most = most
        self._open: OrderedDict[bytes, _Session] = OrderedDict()

    def open(self, caller: roles.Caller, now: float) -> str:
        """Log somebody in; gives the id for the browser."""
        id_ = secrets.token_urlsafe(32)
        self._open[_digest(id_)] = _Session(caller, now + self._lasts)
        while len(self._open) > self._most or next(iter(self._open.values())).until <= now:
            self._open.popitem(last=False)  # in the order of their ends, for all last equally long
        return id_

    def caller(self, id_: str, now: float) -> roles.Caller | None:
        """Whoever has this id; None: nobody, or not any more."""
        found = self._open.get(_digest(id_))
        return found.caller if found is not None and now < found.until else None

    def close(self, id_: str) -> None:
        """Log out. Twice is once."""
        self._open.pop(_digest(id_), None)

    def __len__(self) -> int:
        return len(self._open)


def _digest(id_: str) -> bytes:
    return hashlib.sha256(id_.encode(errors="surrogatepass")).digest()
