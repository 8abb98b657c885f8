"""The HTTP server as a whole: where it listens, what it says of trouble, and what it never says."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog import testing

from responder import settings
from responder.core import errors
from responder.flow import intake, wakes
from responder.store import sqlite
from responder.web import desk, server

CODE = "c0de" * 16

Serve = Callable[..., Awaitable[str]]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[sqlite.Store]:
    opened = await sqlite.open_store(tmp_path / "store.db")
    yield opened
    await opened.close()


def behind(store: sqlite.Store, door: Any = None, **web: Any) -> desk.Desk:
    assess = wakes.Wake()
    return desk.Desk(
        config=settings.Settings(web=settings.Web(**({"port": 0} | web))),
        store=store,
        intake=door or intake.Intake(store.intake, assess),
        playbooks={},
        sources=[],
        assess=assess,
        act=wakes.Wake(),
    )


async def post(port: int, path: str, body: bytes, **headers: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{port}{path}", data=body, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


async def raw(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


class SlowDoor:
    """Stores when it is let."""

    def __init__(self) -> None:
        self.asked, self.free = asyncio.Event(), asyncio.Event()
        self.fails: Exception | None = None

    async def accept(self, _: object) -> None:
        self.asked.set()
        await self.free.wait()
        if self.fails is not None:
            raise self.fails


async def test_a_webhook_is_acknowledged_when_its_row_is_durable_and_not_before(store: sqlite.Store):
    door = SlowDoor()
    async with server.running(behind(store, door)) as port:
        posting = asyncio.create_task(post(port, "/webhooks/azure-monitor", b"{}"))
        await door.asked.wait()
        assert not posting.done()
        door.free.set()
        assert (await posting)[0] == 202


@pytest.mark.parametrize(
    "error", [errors.StoreError("store.unavailable", "disk full"), RuntimeError("surprise"), OSError(28, "disk full")]
)
async def test_a_webhook_that_cannot_be_stored_is_to_be_sent_again(store: sqlite.Store, error: Exception):
    door = SlowDoor()
    door.free.set()
    door.fails = error
    async with server.running(behind(store, door)) as port:
        assert (await post(port, "/webhooks/azure-monitor", b"{}"))[0] == 503


async def test_what_a_webhook_brings_is_kept_byte_by_byte(store: sqlite.Store):
    body = b'{"data": "\xff\xfe\x00 no utf-8"}'
    async with server.running(behind(store)) as port:
        assert (await post(port, "/webhooks/azure-monitor", body))[0] == 202
        assert (await post(port, "/webhooks/azure-monitor", body))[0] == 202
    assert [arrival.body for arrival in await store.intake.pending()] == [body]


async def test_the_code_of_the_webhook_is_never_logged(
    store: sqlite.Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("HOOK", CODE)
    caplog.set_level(logging.DEBUG)
    path = f"/webhooks/azure-monitor?code={CODE}".encode()
    with testing.capture_logs() as logs:
        async with server.running(behind(store, webhook_secret=settings.Secret(env="HOOK"))) as port:
            assert (await post(port, path.decode(), b"{}"))[0] == 202
            head = b"Host: x\r\nConnection: close\r\n"
            for request in (
                b"GET " + path + b" HTTP/1.1\r\n" + head + b"\r\n",
                b"POST " + path + b" HTTP/9.9\r\n" + head + b"\r\n",
                b"POST " + path + b"&x=\xff HTTP/1.1\r\n" + head + b"\r\n",
                b"POST " + path + b" HTTP/1.1\r\n" + head + b"Bad Header\r\n\r\n",
                b"POST " + path + b" HTTP/1.1\r\n" + head + b"Content-Length: x\r\n\r\n",
                b"POST " + path[:-1] + b" HTTP/1.1\r\n" + head + b"Content-Length: 2\r\n\r\n{}",
            ):
                assert b" 40" in (await raw(port, request)).splitlines()[0]
    assert CODE[:-1] not in caplog.text
    assert CODE[:-1] not in str(logs)


async def test_an_address_that_is_taken_is_told_and_nothing_is_left_open(store: sqlite.Store):
    async with server.running(behind(store)) as port:
        with pytest.raises(errors.InputError, match=f"Cannot listen on 127.0.0.1 port {port}: ") as raised:
            async with server.running(behind(store, port=port)):
                pass
    assert "web.port" in raised.value.remedy


@pytest.mark.parametrize("host", ["nosuch.invalid", "203.0.113.7"])
async def test_an_address_that_is_not_ours_is_told(store: sqlite.Store, host: str):
    with pytest.raises(errors.InputError, match=f"Cannot listen on {host}"):
        async with server.running(behind(store, host=host)):
            pass


async def test_the_port_is_written_to_its_file_while_it_is_open(store: sqlite.Store, tmp_path: Path):
    file = tmp_path / "port"
    async with server.running(behind(store, port_file=file)) as port:
        assert file.read_text() == f"{port}\n"
    assert not file.exists()


async def test_a_port_file_that_cannot_be_written_is_told_with_its_place(store: sqlite.Store, tmp_path: Path):
    file = tmp_path / "missing" / "port"
    with pytest.raises(errors.InputError) as raised:
        async with server.running(behind(store, port_file=file)):
            pass
    assert raised.value.place == str(file)


async def test_a_server_that_does_not_start_leaves_the_port_file_of_another(store: sqlite.Store, tmp_path: Path):
    file = tmp_path / "port"
    async with server.running(behind(store, port_file=file)) as port:
        with contextlib.suppress(errors.InputError):
            async with server.running(behind(store, port=port, port_file=file)):
                pass
        assert file.exists()


async def test_a_secret_that_is_missing_is_told_before_anything_is_open(store: sqlite.Store):
    for name in ("token", "webhook_secret"):
        with pytest.raises(errors.InputError, match="NOSUCH_VARIABLE"):
            async with server.running(behind(store, **{name: settings.Secret(env="NOSUCH_VARIABLE")})):
                pass


async def test_what_is_not_there_is_answered_as_json(store: sqlite.Store):
    async with server.running(behind(store)) as port:
        assert await post(port, "/nosuch", b"") == (404, {"error": "http.404", "message": "Not Found"})


async def test_what_nobody_foresaw_is_answered_without_its_text(store: sqlite.Store):
    class Broken:
        async def servers(self) -> None:
            raise RuntimeError("with a secret in it")

    broken = dataclasses.replace(store, estate=Broken())
    async with (
        server.running(behind(broken)) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/readyz") as answer,
    ):
        assert answer.status == 500
        assert await answer.json() == {"error": "http.500", "message": "Look into the log."}


async def test_a_store_that_cannot_be_read_is_503(store: sqlite.Store):
    async with server.running(behind(store)) as port:
        await store.close()
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/readyz") as unready,
            session.get(f"http://127.0.0.1:{port}/healthz") as alive,
        ):
            assert (unready.status, (await unready.json())["error"]) == (503, "store.closed")
            assert alive.status == 200
