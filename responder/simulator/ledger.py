"""What was asked of Resource Manager and how it was answered: an append-only list, the witness of every test.

Holds no secrets: of a caller only the object id that its token claims. Refused and faulted requests are in it, too.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

WRITES = frozenset({"PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request and its answer."""

    at: datetime
    method: str
    path: str
    """Without the query, decoded."""
    resource_id: str
    """The path of the resource as the caller spelt it; empty for operations and collections."""
    region: str
    """The server's region; of an operation or a location, the one in the URL; else empty."""
    status: int
    """0: the request hangs, or hung until its caller went away."""
    client_request_id: str
    principal: str
    detail: str = ""
    """What the body asked for, when that tells writes apart: a create mode such as `GeoRestore`."""
    fault: str = ""
    """The fault that decided the answer, if any: `throttle`, `answer`, `drop_answer`, `region_down`, `capacity`."""

    def jsonable(self) -> dict[str, object]:
        """The entry with its time in ISO 8601."""
        return {**dataclasses.asdict(self), "at": self.at.isoformat()}


class Ledger:
    """The list. Appending is not awaited; waiting for an entry is `wait_for`."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._grew = asyncio.Event()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def append(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._grew.set()
        self._grew = asyncio.Event()

    def entries(self, *, method: str = "", region: str = "", since: datetime | None = None) -> tuple[Entry, ...]:
        """Entries in order; an empty criterion matches all."""
        return tuple(
            e
            for e in self._entries
            if (not method or e.method == method.upper())
            and (not region or e.region == region)
            and (since is None or e.at >= since)
        )

    def writes(self, resource_id: str = "") -> tuple[Entry, ...]:
        """PUT, PATCH and DELETE, of one resource when an id is given."""
        wanted = resource_id.lower()
        return tuple(e for e in self._entries if e.method in WRITES and (not wanted or e.resource_id.lower() == wanted))

    async def wait_for(self, matches: Callable[[Entry], bool], *, timeout: float = 5) -> Entry:
        """The first entry, past or coming, that matches. Raises `TimeoutError` after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            seen = 0
            while True:
                grew = self._grew
                for entry in self._entries[seen:]:
                    if matches(entry):
                        return entry
                seen = len(self._entries)
                await grew.wait()

    def jsonable(self) -> list[dict[str, object]]:
        return [e.jsonable() for e in self._entries]
