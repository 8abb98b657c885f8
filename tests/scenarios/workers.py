"""An instance of the daemon that carries out runs, for `test_soak`: its real parts, and the local Azure behind them.

It is killed and frozen at any moment. What it did is in the ledger of the local Azure, which outlives it.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from responder import playbook_files, service, settings, steps
from responder.store import postgresql, stores
from responder.store.postgresql import tenures

AMONG_OTHERS = tenures.Timing(lease=timedelta(seconds=4), beat=timedelta(seconds=1), look=timedelta(seconds=0.25))
ALONE = tenures.Timing(lease=timedelta(seconds=1.5), beat=timedelta(seconds=0.3), look=timedelta(seconds=0.1))
"""Whoever comes after it waits until it is known to be dead."""
SHIPPED = playbook_files.library(None, playbook_files.language(steps.KINDS))


async def work(config: settings.Settings) -> None:
    """Carry out runs for ever."""
    async with service.assembled(config, stores.Role.DAEMON) as parts:
        await service.actor(parts).run()


def live(written: Mapping[str, Any], environment: Mapping[str, str], log: str, several: bool) -> None:
    """The life of one instance, until it is killed."""
    os.environ.update(environment)
    playbook_files.library = lambda *_: SHIPPED  # reading YAML would be most of a short life
    timing = AMONG_OTHERS if several else ALONE
    postgresql.open_store = functools.partial(postgresql.open_store, timing=timing)  # type: ignore[assignment]
    with Path(log).open("a", buffering=1) as file:
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(file))
        asyncio.run(work(settings.Settings.model_validate(written)))
