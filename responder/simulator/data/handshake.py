"""A server that is only there: it speaks the opening of PostgreSQL's protocol and then refuses.

Enough for a probe to tell a living server from a silent one, at the cost of a socket. Holds no data.
Messages: https://www.postgresql.org/docs/16/protocol-message-formats.html
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct

_SSL_REQUEST = 80877103
_GSS_ENCRYPTION_REQUEST = 80877104
_PROTOCOL_3 = 3
_LONGEST_STARTUP = 10_000
"""Bytes; PostgreSQL's own limit (MAX_STARTUP_PACKET_LENGTH)."""
_PATIENCE_SECONDS = 60
"""PostgreSQL's `authentication_timeout`."""


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The conversation: requests to encrypt are answered `N`, a startup message with a refusal, all else with nothing.

    The refusal is SQLSTATE 28P01, wrong password: it comes from a server that is up, whoever asks.
    """
    with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                length, code = struct.unpack("!II", await reader.readexactly(8))
                if code not in (_SSL_REQUEST, _GSS_ENCRYPTION_REQUEST):
                    break
                writer.write(b"N")
                await writer.drain()
            if code >> 16 == _PROTOCOL_3 and 8 <= length <= _LONGEST_STARTUP:
                user = _user(await reader.readexactly(length - 8))
                writer.write(refusal("28P01", f'password authentication failed for user "{user}"'))
                await writer.drain()


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: ssl.SSLContext | None) -> bool:
    """The opening that a gateway leads by itself, up to the encryption. True: encrypted, and the server's turn.

    Without encryption a request for it is answered `N` and nothing follows; a client that does not ask is refused.
    """
    with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                _, code = struct.unpack("!II", await reader.readexactly(8))
                if code == _SSL_REQUEST and tls is not None:
                    writer.write(b"S")
                    await writer.start_tls(tls)
                    return True
                if code not in (_SSL_REQUEST, _GSS_ENCRYPTION_REQUEST):
                    break
                writer.write(b"N")
                await writer.drain()
        if tls is not None:
            writer.write(refusal("28000", "SSL connection is required"))
            await writer.drain()
    return False


def refusal(sqlstate: str, message: str) -> bytes:
    """A fatal ErrorResponse. https://www.postgresql.org/docs/16/protocol-error-fields.html"""
    fields = {"S": "FATAL", "V": "FATAL", "C": sqlstate, "M": message, "F": "auth.c", "R": "auth_failed"}
    body = b"".join(kind.encode() + text.encode() + b"\0" for kind, text in fields.items()) + b"\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body


def _user(parameters: bytes) -> str:
    """The `user` among a startup message's parameters: names and values, each ended by a zero byte."""
    words = parameters.decode(errors="replace").split("\0")
    return dict(zip(words[::2], words[1::2], strict=False)).get("user", "")
