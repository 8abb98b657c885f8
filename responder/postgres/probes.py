"""One look at a server: does something that speaks PostgreSQL answer? No login, no load, no trace in its log.

The probe sends SSLRequest, the first message any client may send, and wants the one-byte answer.
https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SSLREQUEST
"""

from __future__ import annotations

import asyncio
import os
import ssl
import struct
from datetime import timedelta

from responder import clock
from responder.core import evidence
from responder.postgres import addresses

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_OFFERS, _LACKS = "answers, offers TLS", "answers, no TLS"
_ANSWERS = {b"S": _OFFERS, b"N": _LACKS, b"E": "answers with an error"}


async def probe(address: addresses.Address, timeout: timedelta) -> evidence.Probe:
    """Look once. Never raises: whatever goes wrong is a probe that was not answered, and says how."""
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            return await _ask(address)
    except TimeoutError:
        detail = f"no answer within {timeout.total_seconds():g} s"
    except (OSError, UnicodeError) as error:
        detail = f"cannot connect: {plain(error)}"
    return evidence.Probe(at=clock.now(), answered=False, detail=detail, said="silent")


def offers_tls(seen: evidence.Probe) -> bool:
    """Whether it would go on encrypted."""
    return seen.detail == _OFFERS


def lacks_tls(seen: evidence.Probe) -> bool:
    """Whether it said that it knows no encryption."""
    return seen.detail == _LACKS


def plain(error: OSError | UnicodeError) -> str:
    """What a failed connection amounts to, in the system's words: asyncio's own name the address instead."""
    if isinstance(error, UnicodeError):
        return "this is no host name"
    if error.errno and error.errno > 0 and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__


async def knock(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> evidence.Probe:
    """Ask the first question on an open connection, which stays open."""
    writer.write(_SSL_REQUEST)
    answer = await reader.read(1)
    if answer in _ANSWERS:
        return evidence.Probe(at=clock.now(), answered=True, detail=_ANSWERS[answer], said="door")
    if not answer:
        detail = "closed the connection without a word"
        return evidence.Probe(at=clock.now(), answered=False, detail=detail, said="silent")
    return evidence.Probe(at=clock.now(), answered=False, detail="does not speak PostgreSQL", said="no-postgresql")


async def _ask(address: addresses.Address) -> evidence.Probe:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        return await knock(reader, writer)
    finally:
        # Not awaited to the end: a dead peer would hold us up, and the bytes said all we wanted.
        writer.transport.abort()
