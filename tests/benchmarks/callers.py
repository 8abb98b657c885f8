"""A process that posts to a webhook over many connections at once, and says how many seconds that took.

`python -m tests.benchmarks.callers PORT PATH COUNT RUN`. No HTTP client: it would cost more than what is measured.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import time
from collections.abc import Iterator

from tests.benchmarks import cloud

CONNECTIONS = 32


class Caller(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._done = done
        self._heard = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, end, rest = self._heard.partition(b"\r\n\r\n")
        if not end or len(rest) < _length(head):
            return
        if not head.startswith(b"HTTP/1.1 202"):
            self._end(RuntimeError(head.decode()))
            return
        self._heard = b""
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or RuntimeError("the server has closed the connection"))

    def _ask(self) -> None:
        assert self._transport is not None
        request = next(self._requests, None)
        if request is None:
            self._end(None)
        else:
            self._transport.write(request)

    def _end(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error) if error else self._done.set_result(None)
        if self._transport is not None:
            self._transport.close()


def _length(head: bytes) -> int:
    _, _, after = head.lower().partition(b"content-length: ")
    return int(after.partition(b"\r\n")[0])


def _requests(path: str, count: int, run: int) -> list[bytes]:
    """Every body is another, for the same one again is known and kept once."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    bodies = (cloud.event(run * 10_000_000 + number) for number in range(count))
    return [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]


async def _call(port: int, path: str, count: int, run: int) -> float:
    loop = asyncio.get_running_loop()
    requests = iter(_requests(path, count, run))
    ends = [loop.create_future() for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    async with asyncio.timeout(60):
        for end in ends:
            await loop.create_connection(functools.partial(Caller, requests, end), "127.0.0.1", port)
        await asyncio.gather(*ends)
    return time.perf_counter() - began


if __name__ == "__main__":
    print(asyncio.run(_call(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
