"""What every test leaves as it found it: the process-wide set-up of logging."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

_TOUCHED = ("", "azure", "aiohttp.server", "aiohttp.access", "asyncio")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """`logs.configure` is meant for a process of its own; a test that calls it must not change those after it."""
    before = {name: logging.getLogger(name).level for name in _TOUCHED}
    yield
    structlog.reset_defaults()
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)
