"""The applications that use a server: rows written through its front at a steady rate, for as long as it answers.

An ordinary client without time-outs: an outage cuts it off, it comes back with the server, and makes up for nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

import asyncpg

from responder.simulator.data import clusters

_SHORTEST_PAUSE = 0.05
"""Seconds between two transactions. Higher rates write several rows at a time."""
_RETRY = 0.1
"""Seconds from a lost or refused connection to the next attempt."""

_WRITE = """
with beats as (insert into heartbeat select from generate_series(1, $1::int) returning id)
insert into orders (amount) select round((5 + 95 * random())::numeric, 2) from beats
"""
"""One transaction: both tables gain the same number of rows, or neither does."""


class Load:
    """Writes `rows_per_second` rows into `heartbeat` and as many into `orders`."""

    def __init__(
        self, address: str, credentials: clusters.Credentials, *, rows_per_second: float, encrypted: bool = False
    ) -> None:
        self._address = address
        self._encryption: Literal["require", "disable"] = "require" if encrypted else "disable"
        self._credentials = credentials
        self._rate = rows_per_second
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Begin to write. At a rate of 0 nothing is started."""
        if self._rate > 0:
            self._task = asyncio.create_task(self._run(), name=f"load on {self._address}")

    async def stop(self) -> None:
        """Stop writing; a statement under way may or may not have been committed."""
        if self._task is None:
            return
        self._stopping.set()
        if self._connection:
            # Not cancelled: asyncpg would ask the server, over a new connection, to cancel the statement.
            self._connection.terminate()
        else:
            self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._write()
            await self._pause(_RETRY)

    async def _write(self) -> None:
        host, port = self._address.split(":")
        connection = await asyncpg.connect(
            host=host,
            port=int(port),
            user=self._credentials.login,
            password=self._credentials.password,
            database=clusters.DATABASE,
            ssl=self._encryption,
        )
        self._connection = connection
        try:
            await self._insert(connection)
        finally:
            self._connection = None
            connection.terminate()

    async def _insert(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """Insert at the rate until stopped or cut off. Rows that fell due during a slow statement go into the next."""
        loop = asyncio.get_running_loop()
        written, began = 0, loop.time()
        while not self._stopping.is_set():
            due = int((loop.time() - began) * self._rate) + 1 - written
            if due > 0:
                await connection.execute(_WRITE, due)
                written += due
            await self._pause(max(_SHORTEST_PAUSE, 1 / self._rate))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
