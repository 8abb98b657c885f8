"""The TCP front of a server: what clients connect to, and what falls silent when the server's region is down.

Down, it behaves as a host whose network answers and whose software does not: connections are accepted and nothing is
said, open ones freeze without an end. One that outlives its servers goes on greeting: it agrees on encryption, and then
nothing is said. Up again, new connections work and the frozen ones are closed.
It ends the encryption where there is one, carries bytes, and knows nothing of what they mean; `handshake` is the
conversation of a server without PostgreSQL.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from responder.simulator.data import handshake

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
"""Talks to one client until either side has had enough. The gateway closes the client's connection afterwards."""

_CHUNK = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the gateways of a cloud behave."""

    tls: ssl.SSLContext | None = None
    """Encryption is demanded, by this certificate. None: there is none."""
    outlive: bool = False
    """They go on greeting when the servers behind them are down."""


class Gateway:
    """One listening address on 127.0.0.1, at a port that stays the same through outages."""

    def __init__(self, conversation: Conversation, *, frozen: bool = False, manner: Manner | None = None) -> None:
        self._manner = manner or Manner()
        self._conversation = conversation
        self._silence = asyncio.Event()
        self._service = asyncio.Event()
        (self._silence if frozen else self._service).set()
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None

    async def open(self) -> str:
        """Listen; returns `127.0.0.1:port`."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    def freeze(self) -> None:
        """From now on nothing is said to anybody. The servers behind see their clients go, as in an outage."""
        self._service.clear()
        self._silence.set()

    def thaw(self) -> None:
        """Serve again. Connections that froze are closed: what was on its way in them is lost."""
        self._silence.clear()
        self._service.set()

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        if self._server:
            self._server.close()
        for task, writer in list(self._clients.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._attend(reader, writer), name="gateway client")
        self._clients[task] = writer
        task.add_done_callback(self._clients.pop)

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):  # either side may vanish at any moment
                if self._service.is_set():
                    await _first(self._converse(reader, writer), self._silence.wait())
                elif self._manner.outlive:
                    await _first(handshake.greet(reader, writer, self._manner.tls), self._service.wait())
                if self._silence.is_set():
                    await _first(_ignore(reader), self._service.wait())
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._manner.tls is None or await handshake.greet(reader, writer, self._manner.tls):
            await self._conversation(reader, writer)


def pipe_to(socket: Path) -> Conversation:
    """A conversation that a server on a Unix socket leads: bytes are passed both ways."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(socket)
        try:
            await _first(_pump(reader, server_writer), _pump(server_reader, writer))
        finally:
            server_writer.close()

    return converse


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        target.write(data)
        await target.drain()


async def _ignore(reader: asyncio.StreamReader) -> None:
    """Take what comes and answer nothing; returns when the client gives up."""
    while await reader.read(_CHUNK):
        pass


async def _first(*conversations: Awaitable[object]) -> None:
    """Run until the first of them ends, then stop the others. Its error is raised."""
    tasks = [asyncio.ensure_future(conversation) for conversation in conversations]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
