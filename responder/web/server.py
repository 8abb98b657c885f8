"""The HTTP server: what is mounted where, and its life."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from responder import settings
from responder.core import errors
from responder.web import answers, api, console, desk, health, idlers, logins, roles, webhooks

_log = structlog.get_logger(__name__)

# aiohttp logs a request that it cannot parse as it came, and its URL may hold the code of the webhook.
_MUTE = logging.getLogger(f"{__name__}.aiohttp")
_MUTE.disabled = True


@contextlib.asynccontextmanager
async def running(behind: desk.Desk) -> AsyncIterator[int]:
    """Serve until left; gives the port in use. New requests are refused first, then those under way are finished.

    Raises:
        InputError: the address cannot be listened on, or the port file not written.
    """
    config = behind.config.web
    app = web.Application(middlewares=[answers.plain_errors], client_max_size=config.body_limit)
    webhooks.mount(app, config, behind.intake)
    health.mount(app, behind)
    register = roles.Register(config)
    doors = logins.Logins(register)
    api.mount(app, behind, register, doors)
    console.mount(app, doors, register)
    # Not unpacked by aiohttp: a packed body is bounded before and after, see `bodies`.
    runner = web.AppRunner(app, access_log=None, logger=_MUTE, auto_decompress=False, shutdown_timeout=5.0)
    await runner.setup()
    assert runner.server is not None
    watch = asyncio.create_task(idlers.Idlers(runner.server).run(), name="web-idlers")
    try:
        port = await _listen(runner, config)
        _log.info("web.listening", host=config.host, port=port)
        try:
            yield port
        finally:
            if config.port_file is not None:
                config.port_file.unlink(missing_ok=True)
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await runner.cleanup()


async def _listen(runner: web.AppRunner, config: settings.Web) -> int:
    try:
        await web.TCPSite(runner, config.host, config.port).start()
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or type(error).__name__
        raise errors.InputError(
            "web.cannot-listen",
            f"Cannot listen on {config.host} port {config.port}: {why}.",
            remedy="End what listens there, or name another in web.host and web.port.",
        ) from error
    port = int(runner.addresses[0][1])
    try:
        if config.port_file is not None:
            config.port_file.write_text(f"{port}\n", encoding="utf-8")
    except OSError as error:
        raise errors.InputError(
            "web.port-file",
            f"Cannot be written: {error.strerror}.",
            remedy="Name a file in a directory that exists and is writable in web.port_file.",
            place=str(config.port_file),
        ) from error
    return port
