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
_ANSWERS = {b"S": "answers, offers TLS", b"N": "answers, no TLS", b"E": "answers with an error"}


async def probe(address: addresses.Address, timeout: timedelta) -> evidence.Probe:
    """Look once. Never raises: whatever goes wrong is a probe that was not answered, and says how."""
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            detail, answered = await _ask(address)
    except TimeoutError:
        detail, answered = f"no answer within {timeout.total_seconds():g} s", False
    except (OSError, UnicodeError) as error:
        detail, answered = f"cannot connect: {plain(error)}", False
    return evidence.Probe(at=clock.now(), answered=answered, detail=detail)


def plain(error: OSError | UnicodeError) -> str:
    """What a failed connection amounts to, in the system's words: asyncio's own name the address instead."""
    if isinstance(error, UnicodeError):
        return "this is no host name"
    if error.errno and error.errno > 0 and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__


async def _ask(address: addresses.Address) -> tuple[str, bool]:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(_SSL_REQUEST)
        answer = await reader.read(1)
    finally:
        # Not awaited to the end: a dead peer would hold us up, and the bytes said all we wanted.
        writer.transport.abort()
    if answer in _ANSWERS:
        return _ANSWERS[answer], True
    return ("closed the connection without a word" if not answer else "does not speak PostgreSQL"), False
