"""Rings at our own door: does the HTTP server answer? What happens behind the door is not its business."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import aiohttp
import structlog

from responder import clock
from responder.flow import listening

_log = structlog.get_logger(__name__)

_EVERY = timedelta(seconds=30)
_PATIENCE = aiohttp.ClientTimeout(total=10)


async def ring(host: str, port: int, door: listening.Door) -> None:
    """Ask our own /healthz over the network again and again, until cancelled, and tell the ear at the door.

    A connection of its own each time, because what fails first is taking new ones (no file descriptors left).
    """
    # An address that means "all of them" is asked at the one that is always there.
    url = f"http://{_LOCAL.get(host, host)}:{port}/healthz"
    while True:
        try:
            async with aiohttp.ClientSession(timeout=_PATIENCE) as session, session.get(url) as answer:
                answer.raise_for_status()
            door.open_at, door.error = clock.now(), None
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is one of the latter
            door.error = f"our own HTTP server does not answer: {type(error).__name__}"
            _log.warning("web.no-answer", url=url, why=str(error))
        await asyncio.sleep(_EVERY.total_seconds())


_LOCAL = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}
