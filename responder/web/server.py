"""The HTTP server: what is mounted where, and its life."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from responder.web import answers, api, desk, health, webhooks

_log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def running(behind: desk.Desk) -> AsyncIterator[int]:
    """Serve until left; gives the port in use. New requests are refused first, then those under way are finished."""
    config = behind.config.web
    app = web.Application(middlewares=[answers.plain_errors], client_max_size=config.body_limit)
    webhooks.mount(app, config, behind.intake)
    health.mount(app, behind.store, behind.sources)
    api.mount(app, behind)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5.0)
    await runner.setup()
    site = web.TCPSite(runner, config.host, config.port)
    await site.start()
    port = int(runner.addresses[0][1])
    if config.port_file is not None:
        config.port_file.write_text(f"{port}\n", encoding="utf-8")
    _log.info("web.listening", host=config.host, port=port)
    try:
        yield port
    finally:
        await runner.cleanup()
        if config.port_file is not None:
            config.port_file.unlink(missing_ok=True)
