"""Connections that ask nothing do not keep Azure out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from responder.web import idlers
from tests.web import b_webhooks as b

HALF_A_HEAD = b"POST /webhooks/azure-monitor HTTP/1.1\r\nHost: x\r\nX-A: b"
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Served:
    """aiohttp's server with one slow page, and those who are connected to it."""

    server: web.Server
    port: int

    def __init__(self) -> None:
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()
        self.open: list[Pair] = []

    async def slow(self, _: web.Request) -> web.Response:
        self.asked.set()
        await self.go_on.wait()
        return web.Response(text="done")

    async def connect(self, sent: bytes, most: int = 1) -> list[Pair]:
        before = len(self.server.connections)
        made = [await asyncio.open_connection("127.0.0.1", self.port) for _ in range(most)]
        for _, writer in made:
            writer.write(sent)
            await writer.drain()
        self.open += made
        async with asyncio.timeout(10):
            while len(self.server.connections) < before + most:  # noqa: ASYNC110 - aiohttp's own list
                await asyncio.sleep(0)
        return made


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    made, app = Served(), web.Application()
    app.router.add_get("/slow", made.slow)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    assert runner.server is not None
    made.server, made.port = runner.server, int(runner.addresses[0][1])
    try:
        yield made
    finally:
        made.go_on.set()
        for _, writer in made.open:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        await runner.cleanup()


async def ended(pair: Pair) -> bool:
    """Whether the server has hung up; what lay unread makes that a reset."""
    try:
        async with asyncio.timeout(10):
            return await pair[0].read() == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("sent", [b"", HALF_A_HEAD])
async def test_who_asks_nothing_is_let_go_after_a_while(served: Served, sent: bytes) -> None:
    (pair,) = await served.connect(sent)
    watch = idlers.Idlers(served.server, timedelta(seconds=60))

    assert watch.turn(1000) == 0
    assert watch.turn(1059) == 0
    assert watch.turn(1060) == 1
    assert await ended(pair)


async def test_going_on_with_half_a_head_gains_no_time(served: Served) -> None:
    (pair,) = await served.connect(HALF_A_HEAD)
    watch = idlers.Idlers(served.server, timedelta(seconds=60))
    for second in range(0, 60, 10):
        assert watch.turn(second) == 0
        pair[1].write(b"b")
        await pair[1].drain()

    assert watch.turn(60) == 1


async def test_who_is_being_answered_is_not_let_go_however_long_it_takes(served: Served) -> None:
    (pair,) = await served.connect(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    await served.asked.wait()
    watch = idlers.Idlers(served.server, timedelta(seconds=60), most=0)

    assert watch.turn(0) == watch.turn(1000) == 0
    served.go_on.set()
    assert (await pair[0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_of_too_many_the_oldest_go_and_there_is_room_for_the_next(served: Served) -> None:
    watch = idlers.Idlers(served.server, timedelta(hours=1), most=5)
    old = await served.connect(HALF_A_HEAD, 5)
    assert watch.turn(0) == 0
    new = await served.connect(HALF_A_HEAD, 5)
    assert watch.turn(1) == 5
    assert all([await ended(pair) for pair in old])
    assert not any(pair[0].at_eof() for pair in new)


async def test_the_server_lets_them_go_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idlers, "_EVERY", timedelta(milliseconds=10))
    monkeypatch.setattr(idlers.Idlers.__init__, "__defaults__", (timedelta(0), 400))
    async with b.daemon(tmp_path) as daemon:
        async with asyncio.timeout(10):
            assert await daemon.raw(HALF_A_HEAD) == b""
