"""`responder serve`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from responder.cli import reach


@click.command()
@reach.with_config
def serve(config: Path) -> None:
    """Run the daemon until it is told to stop (SIGTERM, Ctrl-C)."""
    from responder import logs, service, settings

    loaded = settings.load(config)
    logs.configure(loaded.log_level)
    asyncio.run(service.serve(loaded))
