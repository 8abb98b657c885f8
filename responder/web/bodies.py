"""Bodies of webhooks: read within a size, a time and a memory, and unpacked within the same size. Understands none.

aiohttp is told not to unpack (`auto_decompress=False`), so that both sizes are ours to bound.
"""

from __future__ import annotations

import asyncio
import zlib

from aiohttp import web

from responder import settings

_HELD = 64 * 1024 * 1024
"""Bytes of all bodies together that wait for their commit. Above it callers are told to come back (429)."""
_ODD = "br, zstd, several at once"
_JSON_LIKE = (b"{", b"[", b'"', b"'", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b")
"""How what Azure sends can begin: JSON, also in a string, also with a byte order mark, also packed once more."""


class Bodies:
    """The bodies of one server; knows how many bytes of them are held."""

    def __init__(self, config: settings.Web) -> None:
        self.limit = config.body_limit
        self.patience = config.body_timeout.total_seconds()
        self.most = max(_HELD, 4 * config.body_limit)
        self.held = 0

    def share(self) -> Share:
        """To read one body; what was read counts as held until the share is left."""
        return Share(self)


class Share:
    """One body's part of what is held."""

    __slots__ = ("_bodies", "_held")

    def __init__(self, whole: Bodies) -> None:
        self._bodies = whole
        self._held = 0

    def __enter__(self) -> Share:
        return self

    def __exit__(self, *_: object) -> None:
        self._bodies.held -= self._held

    async def read(self, request: web.Request) -> bytes:
        """The unpacked body.

        Raises:
            HTTPException: 400 empty, cut off or not what its coding says; 408 too slow; 413; 415; 429 too much held.
        """
        coding, limit = _coding(request), self._bodies.limit
        if (request.content_length or 0) > limit:
            raise _too_large(limit)
        if request.content.is_eof():  # nearly always: it came along with its head
            body = self._whole(request)
        else:
            try:
                async with asyncio.timeout(self._bodies.patience):
                    body = await self._chunks(request)
            except TimeoutError as error:
                raise web.HTTPRequestTimeout(reason="The body came too slowly, try again.") from error
        if coding:
            body = unpacked(body, coding, limit)
            self._hold(len(body))
        if not body or body.isspace():
            raise web.HTTPBadRequest(reason="The body is empty.")
        _check_type(request, body)
        return body

    def _whole(self, request: web.Request) -> bytes:
        try:
            body: bytes = request.content.read_nowait()
        except Exception as error:
            raise _unreadable() from error
        self._hold(len(body))
        if len(body) > self._bodies.limit:
            raise _too_large(self._bodies.limit)
        return body

    async def _chunks(self, request: web.Request) -> bytes:
        whole = bytearray()
        while chunk := await _next(request):
            whole += chunk
            self._hold(len(chunk))
            if len(whole) > self._bodies.limit:
                raise _too_large(self._bodies.limit)
        return bytes(whole)

    def _hold(self, size: int) -> None:
        self._held += size
        self._bodies.held += size
        if self._bodies.held > self._bodies.most:
            raise web.HTTPTooManyRequests(reason="Too much at once, try again.", headers={"Retry-After": "5"})


def unpacked(data: bytes, coding: str, limit: int) -> bytes:
    """The body without its content coding (`gzip`, `deflate` or empty), at most `limit` bytes.

    Raises:
        HTTPException: 413 above the limit; 400 cut off, followed by more, or no such data.
    """
    if not coding:
        return data
    # A zlib header is divisible by 31 and says method 8; some senders of `deflate` leave it out.
    zlibbed = len(data) >= 2 and data[0] & 0x0F == 8 and int.from_bytes(data[:2]) % 31 == 0
    bits = 31 if coding == "gzip" else 15 if zlibbed else -15
    inflater = zlib.decompressobj(wbits=bits)
    try:
        body = inflater.decompress(data, limit + 1)
    except zlib.error as error:
        raise web.HTTPBadRequest(reason=f"The body is no {coding}.") from error
    if len(body) > limit:
        raise _too_large(limit)
    if not inflater.eof or inflater.unused_data:
        raise web.HTTPBadRequest(reason=f"The body is no complete {coding}.")
    return body


def _coding(request: web.Request) -> str:
    given = ",".join(request.headers.getall("Content-Encoding", ())).strip().lower()
    known = {"": "", "identity": "", "gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}
    if given not in known:
        raise web.HTTPUnsupportedMediaType(
            reason=f"Send it plain, gzip or deflate; not {_ODD}.", headers={"Accept-Encoding": "gzip, deflate"}
        )
    return known[given]


def _check_type(request: web.Request, body: bytes) -> None:
    """What is declared as something other than JSON must at least look like it. JSON that is none is kept, to be read
    by the parser, which keeps what it cannot read."""
    if body.startswith(_JSON_LIKE) or body.lstrip().startswith(_JSON_LIKE):
        return
    kind = request.content_type
    if not kind.endswith(("/json", "+json")) and kind not in ("text/plain", "application/octet-stream"):
        raise web.HTTPUnsupportedMediaType(reason="This is no JSON, neither by its type nor by its look.")


async def _next(request: web.Request) -> bytes:
    try:
        return await request.content.readany()
    except Exception as error:
        raise _unreadable() from error


def _unreadable() -> web.HTTPBadRequest:
    """aiohttp hands over whatever its parser said of the chunks, or that the caller has hung up."""
    return web.HTTPBadRequest(reason="The body cannot be read.")


def _too_large(limit: int) -> web.HTTPRequestEntityTooLarge:
    return web.HTTPRequestEntityTooLarge(max_size=limit, reason=f"The body is larger than {limit} bytes.")
