"""Fixtures of the scenarios: a night with servers of the test's choice."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.contracts import postgresql_server
from tests.scenarios import kills
from tests.scenarios import night as nights

Fall = Callable[..., Awaitable[nights.Night]]


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory in memory, where there is such a thing: durable writes are most of what a scenario waits for."""
    where = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="responder-", dir=where if os.access(where, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def mother() -> Iterator[kills.Mother]:
    """Who gives birth to daemons that are to be killed."""
    with kills.living() as living:
        yield living


@pytest.fixture(scope="session")
def databases() -> Iterator[kills.Databases]:
    """A PostgreSQL in which every daemon that is to be killed gets a database of its own."""
    with postgresql_server.running() as server:
        yield kills.Databases(server)


@pytest.fixture
async def fall(memory: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fall]:
    """Let night fall: `await fall(declared("orders"), ..., probes={...})`. Keywords change the settings."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*described: Mapping[str, Any], **changes: Any) -> nights.Night:
            night = nights.falling(described or (nights.declared(),), memory, monkeypatch, **changes)
            return await stack.enter_async_context(night)

        yield start
