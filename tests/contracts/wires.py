"""A wire between a store and PostgreSQL that a test cuts at a chosen question, or lets fall silent. Knows no SQL.

Messages are those of the protocol: a byte for the kind, four for the length (its own four counted), and the rest; the
first of a connection has no kind. https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from responder.store.postgresql import places

_QUESTIONS = (b"Q", b"S")
"""Messages that are answered: a query, and the end of a series of messages."""


class Wire:
    """Hands on what is said on the connections of a store, in both directions."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._ends: list[tuple[bytes, tuple[asyncio.StreamWriter, ...]]] = []
        """The first message of each connection, and where it is written to."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._left: int | None = None
        self._purpose, self._arrives = b"", False
        self._deaf: set[asyncio.StreamWriter] = set()

    def cut(self, purpose: str, questions: int, *, arrives: bool) -> None:
        """At that question from now on of the connections of that purpose: just before it, or before it is answered."""
        self._purpose, self._left, self._arrives = _name(purpose), questions, arrives

    def whole(self) -> bool:
        """Cut it no more. False: it was."""
        was, self._left = self._left, None
        return was is not None

    def fall_silent(self, purpose: str) -> None:
        """As where a router has forgotten the connections there are of that purpose; new ones work."""
        self._deaf.update(end for first, ends in self._ends if _name(purpose) in first for end in ends)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            back, forth = await asyncio.open_unix_connection(self._server)
            answers = asyncio.create_task(self._answer(back, writer))
            try:
                first = await _first(reader)
                self._ends.append((first, (writer, forth)))
                await self._send(forth, first)
                await self._ask(first, reader, forth)
            finally:
                answers.cancel()
                for end in (writer, forth):
                    end.transport.abort()
                await asyncio.gather(answers, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # one of them has gone, or the test is over
        finally:
            self._tasks.discard(task)

    async def close(self) -> None:
        """End all connections."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self, first: bytes, reader: asyncio.StreamReader, forth: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readexactly(5)
            message = head + await reader.readexactly(int.from_bytes(head[1:]) - 4)
            if head[:1] in _QUESTIONS and self._left is not None and self._purpose in first:
                self._left -= 1
                if self._left <= 0:
                    self._left = None
                    if self._arrives:
                        await self._send(forth, message)
                    return
            await self._send(forth, message)

    async def _answer(self, back: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await back.read(65_536):
            await self._send(writer, data)
        writer.transport.abort()

    async def _send(self, end: asyncio.StreamWriter, data: bytes) -> None:
        if end not in self._deaf:
            end.write(data)
            await end.drain()


def _name(purpose: str) -> bytes:
    return f"responder {purpose} ".encode()


async def _first(reader: asyncio.StreamReader) -> bytes:
    size = await reader.readexactly(4)
    return size + await reader.readexactly(int.from_bytes(size) - 4)


@contextlib.asynccontextmanager
async def between(place: places.Place) -> AsyncIterator[tuple[places.Place, Wire]]:
    """A place that is reached over a wire; `place`: one on a Unix socket."""
    _, _, sockets = place.url.partition("host=")
    with tempfile.TemporaryDirectory() as folder:
        name = ".s.PGSQL.5432"
        wire = Wire(str(Path(sockets) / name))
        server = await asyncio.start_unix_server(wire.serve, Path(folder) / name)
        try:
            yield dataclasses.replace(place, url=place.url.replace(sockets, folder)), wire
        finally:
            server.close()
            await wire.close()
