"""`responder serve`."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import click

from responder.cli import reach
from responder.flow import pauses


@click.command()
@reach.with_config
def serve(config: Path) -> None:
    """Run the daemon until it is told to stop (SIGTERM, Ctrl-C)."""
    with pauses.uncollected():
        from responder import logs, service, settings
        from responder.core import errors
    gc.freeze()  # what modules are made of stays: no collection need look at it

    loaded = settings.load(config)
    logs.configure(loaded.log_level)
    try:
        asyncio.run(service.serve(loaded))
    except BaseExceptionGroup as group:
        first = _leaf(group)
        if isinstance(first, errors.ResponderError) and group.split(errors.ResponderError)[1] is None:
            raise first from None  # foreseen: one line, not a stack
        raise


def _leaf(error: BaseException) -> BaseException:
    return _leaf(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
