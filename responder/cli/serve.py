"""`responder serve`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from responder.cli import reach
from responder.flow import pauses


@click.command()
@reach.with_config
def serve(config: Path) -> None:
    """Run the daemon until it is told to stop (SIGTERM, Ctrl-C)."""
    with pauses.loading():
        from responder import logs, settings
        from responder.core import errors
        from responder.service import life

    loaded = settings.load(config)
    logs.configure(loaded.log_level)
    try:
        asyncio.run(life.serve(loaded))
    except BaseExceptionGroup as group:
        first = _leaf(group)
        if isinstance(first, errors.ResponderError) and group.split(errors.ResponderError)[1] is None:
            raise first from None  # foreseen: one line, not a stack
        raise


def _leaf(error: BaseException) -> BaseException:
    return _leaf(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
