"""Bodies that lie, swell, never end or never come: bounded, answered in the right class; the next one is served."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from responder.core import errors
from responder.store import intake as rows
from responder.web import bodies, webhooks
from tests.web import b_webhooks as b

LIMIT = 64 * 1024
HEAD = f"POST {b.MONITOR} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[b.Daemon]:
    async with b.daemon(tmp_path, body_limit=LIMIT) as made:
        yield made


async def test_a_body_up_to_the_limit_is_taken_and_a_larger_one_is_not(daemon: b.Daemon) -> None:
    assert await daemon.status(data=b"[" + b" " * (LIMIT - 2) + b"]") == 202
    assert await daemon.status(data=b"[" + b" " * (LIMIT - 1) + b"]") == 413


async def test_a_declared_size_is_refused_before_the_body_comes(daemon: b.Daemon) -> None:
    answer = await daemon.raw(HEAD + b"Content-Length: 999999999999\r\n\r\n")
    assert answer.split()[1] == b"413"


async def test_chunks_without_end_are_ended_by_the_limit(daemon: b.Daemon) -> None:
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
    answer = await daemon.raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 40)
    assert answer.split()[1] == b"413"


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", id="a chunk of no size"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n", id="a chunk of less than nothing"),
        pytest.param(b"Content-Length: -1\r\n\r\n{}", id="less than nothing"),
        pytest.param(b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", id="two sizes"),
        pytest.param(b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="a size and chunks"),
        pytest.param(b"X: " + b"x" * 100_000 + b"\r\n\r\n", id="a giant header"),
        pytest.param(b"".join(b"X%d: x\r\n" % i for i in range(5000)) + b"\r\n", id="thousands of headers"),
        pytest.param(b"X\x00Y: z\r\n\r\n", id="a header with a null"),
        pytest.param(b"Content-Length: 0\r\n\r\n", id="no body"),
        pytest.param(b"Content-Length: 3\r\n\r\n \r\n", id="blanks"),
    ],
)
async def test_what_is_no_request_is_400_and_the_next_one_is_served(daemon: b.Daemon, rest: bytes) -> None:
    assert (await daemon.raw(HEAD + rest)).split()[1] == b"400"
    assert await daemon.status() == 202


async def test_a_caller_that_hangs_up_half_way_leaves_nothing(daemon: b.Daemon) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
    writer.write(HEAD + b'Content-Length: 100\r\n\r\n{"half": ')
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert await reader.read() == b""
    assert await daemon.status() == 202
    assert await daemon.stored() == [b.ALERT]


async def test_a_slow_body_is_given_up_with_an_answer_that_azure_tries_again_after(tmp_path: Path) -> None:
    async with b.daemon(tmp_path, body_timeout="1s") as daemon:
        answer = await daemon.raw(HEAD + b'Content-Length: 100\r\n\r\n{"slow": ')
        assert answer.split()[1] == b"408"
        assert await daemon.status() == 202


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        pytest.param("gzip", gzip.compress(b.ALERT), id="gzip"),
        pytest.param("X-GZip", gzip.compress(b.ALERT), id="gzip by its old name"),
        pytest.param("deflate", zlib.compress(b.ALERT), id="deflate"),
        pytest.param("deflate", zlib.compress(b.ALERT)[2:-4], id="deflate without a header"),
        pytest.param("identity", b.ALERT, id="nothing"),
    ],
)
async def test_packed_bodies_are_the_same_alert(daemon: b.Daemon, coding: str, packed: bytes) -> None:
    assert await daemon.status() == 202
    assert await daemon.status(data=packed, headers={"Content-Encoding": coding}) == 202
    assert await daemon.stored() == [b.ALERT]


@pytest.mark.parametrize(
    ("coding", "packed", "status"),
    [
        pytest.param("gzip", gzip.compress(b"[" + b" " * 50_000_000 + b"]"), 413, id="a bomb"),
        pytest.param("deflate", zlib.compress(b" " * 50_000_000), 413, id="a deflated bomb"),
        pytest.param("gzip", gzip.compress(gzip.compress(b" " * 50_000_000)), 202, id="a bomb in a wrapping"),
        pytest.param("gzip", b.ALERT, 400, id="not packed"),
        pytest.param("deflate", b"\xff\xff\xff", 400, id="not deflated"),
        pytest.param("gzip", gzip.compress(b.ALERT)[:-9], 400, id="cut off"),
        pytest.param("gzip", gzip.compress(b.ALERT)[:-8] + b"12345678", 400, id="with a wrong sum"),
        pytest.param("gzip", gzip.compress(b.ALERT) + b"more", 400, id="followed by more"),
        pytest.param("gzip", gzip.compress(b""), 400, id="nothing packed"),
        pytest.param("br", b.ALERT, 415, id="brotli"),
        pytest.param("gzip, gzip", gzip.compress(gzip.compress(b.ALERT)), 415, id="packed twice"),
        pytest.param("x" * 2000, b.ALERT, 415, id="some coding"),
    ],
)
async def test_packed_bodies_that_are_none(daemon: b.Daemon, coding: str, packed: bytes, status: int) -> None:
    answered, _, headers = await daemon.post(data=packed, headers={"Content-Encoding": coding})
    assert answered == status
    assert (status == 415) == ("Accept-Encoding" in headers)
    assert await daemon.status() == 202


def test_a_bomb_is_not_unpacked_to_see_how_large_it_is() -> None:
    packed = gzip.compress(b" " * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(web.HTTPRequestEntityTooLarge):
            bodies.unpacked(packed, "gzip", LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 20 * LIMIT
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=2000), st.sampled_from(["gzip", "deflate"]))
def test_no_bytes_break_the_unpacking(data: bytes, coding: str) -> None:
    try:
        assert len(bodies.unpacked(data, coding, 100)) <= 100
    except web.HTTPException as error:
        answered = error.status
        assert answered in (400, 413)


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        pytest.param("text/plain", b.ALERT, 202, id="JSON as text"),
        pytest.param("application/x-www-form-urlencoded", b.ALERT, 202, id="JSON as a form"),
        pytest.param("text/html", b"\xef\xbb\xbf" + b.ALERT, 202, id="JSON with a mark as a page"),
        pytest.param("nonsense", b.ALERT, 202, id="JSON as nonsense"),
        pytest.param("application/json; charset=no-such", b.ALERT, 202, id="JSON in no charset"),
        pytest.param("application/json", b'{"cut": ', 202, id="no JSON as JSON, for the quarantine"),
        pytest.param("application/json", b'{"a": "\xff\xfe"}', 202, id="bytes that are no text"),
        pytest.param("application/json", b"\x00\x01\x02", 202, id="bytes as JSON, for the quarantine"),
        pytest.param("text/html", b"<html>", 415, id="a page"),
        pytest.param("application/x-www-form-urlencoded", b"a=b", 415, id="a form"),
        pytest.param("image/png", b"\x89PNG", 415, id="a picture"),
    ],
)
async def test_the_content_type_is_forgiven_when_it_looks_like_json(
    daemon: b.Daemon, kind: str, body: bytes, status: int
) -> None:
    assert await daemon.status(data=body, headers={"Content-Type": kind}) == status
    assert await daemon.stored() == ([body] if status == 202 else [])


async def test_the_same_delivery_twice_is_taken_twice_and_stored_once(daemon: b.Daemon) -> None:
    assert [await daemon.status() for _ in range(3)] == [202] * 3
    assert await daemon.stored() == [b.ALERT]


class Down:
    """A table of arrivals that cannot be written."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    async def append(self, arrivals: Sequence[rows.Arrival]) -> None:
        if self.error is None:
            await asyncio.Event().wait()
            return
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(errors.StoreError("store.unavailable", "The disk is full."), id="the store says so"),
        pytest.param(RuntimeError("s3cret detail"), id="nobody foresaw it"),
        pytest.param(None, id="it hangs"),
    ],
)
async def test_what_cannot_be_stored_is_503_with_a_time_to_come_back(
    tmp_path: Path, error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if error is None:
        monkeypatch.setattr(webhooks, "_COMMIT", webhooks.timedelta(seconds=0.05))
    async with b.daemon(tmp_path, Down(error)) as daemon:
        for path in (b.MONITOR, b.GRID):
            status, answer, headers = await daemon.post(path)
            assert (status, headers["Retry-After"]) == (503, "5")
            assert "s3cret" not in str(answer)


async def test_bodies_that_wait_for_the_store_are_bounded_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that hangs must not make us hold everything that Azure has to say."""
    monkeypatch.setattr(bodies, "_HELD", 0)  # then four bodies of the largest size
    async with b.daemon(tmp_path, Down(None), body_limit=LIMIT) as daemon:
        body = b"[" + b" " * (LIMIT - 10) + b"]"
        waiting = {asyncio.create_task(daemon.status(data=body)) for _ in range(6)}
        done, held = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result() for task in done} == {429}
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)


async def test_bodies_are_let_go_when_they_are_stored_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "_HELD", 0)
    async with b.daemon(tmp_path, body_limit=LIMIT) as daemon:
        blank = b" " * (LIMIT - 10)
        assert [await daemon.status(data=blank + f"[{i}]".encode()) for i in range(9)] == [202] * 9
        assert [await daemon.status(data=blank) for _ in range(9)] == [400] * 9
        assert await daemon.status() == 202


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"/webhooks/azure-monitor/", 404),
        (b"/webhooks//azure-monitor", 404),
        (b"//webhooks/azure-monitor", 404),
        (b"/webhooks/../webhooks/azure-monitor", 404),
        (b"/webhooks/%2e%2e/api/v1/runs", 404),
        (b"/webhooks/azure-monitor%00", 404),
        (b"/WEBHOOKS/azure-monitor", 404),
        (b"/webhooks/azure-monitor;x=/api/v1/runs", 404),
        (b"/api/v1/runs", 401),
        (b"/webhooks/../api/v1/runs", 401),
    ],
)
async def test_no_spelling_of_a_path_leads_past_a_guard(daemon: b.Daemon, path: bytes, status: int) -> None:
    request = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    answer = await daemon.raw(request)
    assert int(answer.split()[1]) in (status, 400, 404)
    assert await daemon.stored() == []


async def test_other_methods_are_not_taken(daemon: b.Daemon) -> None:
    for method, path in (("GET", b.MONITOR), ("PUT", b.MONITOR), ("OPTIONS", b.MONITOR), ("GET", b.GRID)):
        status, _, headers = await daemon.call(method, path)
        assert status == 405
        assert "POST" in headers["Allow"]
