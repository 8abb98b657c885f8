"""Webhook: requests acknowledged once stored, against a bare aiohttp handler that stores as durably.

The bare one commits in natural groups, too: what came in while one commit ran is the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from responder import settings
from responder.flow import intake, wakes
from responder.store import sqlite
from responder.web import desk, server
from tests.benchmarks import bare_store, measures, opposite

REQUESTS = 3_000
_PATH = "/webhooks/azure-monitor"


async def measure(effort: measures.Effort) -> list[measures.Row]:
    """One row."""
    count, runs = effort.of(REQUESTS), itertools.count()

    async def turn(port: int) -> measures.Sample:
        watch = measures.Stopwatch()
        async with opposite.running("callers", port, _PATH, count, next(runs)) as process:
            seconds = float(await opposite.line(process))
        return watch.read(count, seconds)

    with tempfile.TemporaryDirectory(prefix="responder-bench-") as folder:
        async with _our_way(Path(folder)) as ours, _bare_way(Path(folder)) as bare:
            return [await measures.compare("webhook", "request", lambda: turn(ours), lambda: turn(bare), effort)]


@contextlib.asynccontextmanager
async def _our_way(folder: Path) -> AsyncIterator[int]:
    store = await sqlite.open_store(folder / "ours.db")
    assess = wakes.Wake()
    behind = desk.Desk(
        config=settings.Settings(web=settings.Web(port=0)),
        store=store,
        intake=intake.Intake(store.intake, assess),
        playbooks={},
        sources=(),
        assess=assess,
        act=wakes.Wake(),
    )
    try:
        async with server.running(behind) as port:
            yield port
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def _bare_way(folder: Path) -> AsyncIterator[int]:
    door = _Door(bare_store.connect(folder / "bare.db"))
    app = web.Application()
    app.router.add_post(_PATH, door.post)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
        door.connection.close()


class _Door:
    """A handler and a thread for the commits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._queue: list[tuple[str, bytes, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def post(self, request: web.Request) -> web.Response:
        body = await request.read()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((hashlib.sha256(body).hexdigest(), body, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._drain())
        await done
        return web.Response(status=202)

    async def _drain(self) -> None:
        while self._queue:
            batch, self._queue = self._queue, []
            rows = [(key, body) for key, body, _ in batch]
            await asyncio.to_thread(bare_store.append, self.connection, rows)
            for _, _, done in batch:
                done.set_result(None)
