"""Where a server's name leads: DNS, unless the address book says otherwise."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import structlog

from responder.core import errors

_log = structlog.get_logger(__name__)

PORT = 5432


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect to."""

    host: str
    port: int


class AddressBook:
    """A JSON file `{"name": "host:port"}`, read again at each change; for split horizons and the simulator.

    A file that is spoiled while we run changes nothing: taking its servers for silent would be worse than being late.

    Raises:
        InputError: it is unreadable at the start.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._stamp: int | None = None
        self._entries: dict[str, Address] = {}
        self._refresh()

    def find(self, name: str) -> Address:
        """The address of a host name; the name itself, port 5432, when the book does not list it."""
        try:
            self._refresh()
        except errors.InputError as error:
            _log.error("addresses.spoiled", error=str(error))
        return self._entries.get(name.lower(), Address(name, PORT))

    def _refresh(self) -> None:
        if self._path is None:
            return
        try:
            stamp = self._path.stat().st_mtime_ns
            if stamp == self._stamp:
                return
            document = json.loads(self._path.read_text(encoding="utf-8"))
            self._entries = {name.lower(): _address(text) for name, text in document.items()}
            self._stamp = stamp
        except (OSError, ValueError, AttributeError) as error:
            raise errors.InputError(
                "addresses.unreadable",
                "The address book is not a readable JSON object of `name: host:port`.",
                remedy="Correct it, or take `postgres.address_book` out of the settings.",
                place=str(self._path),
            ) from error


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not 0 < int(port) < 65_536:
        raise ValueError(text)
    return Address(host, int(port))
