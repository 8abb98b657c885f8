"""Fixtures of the contracts: each store there is, and nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from responder.store import sqlite
from tests.contracts import sqlite_backend


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """A closed store leaves no thread behind."""
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("store")]


@pytest.fixture(params=["sqlite"])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[sqlite_backend.Backend]:
    """Every database the store runs on; PostgreSQL joins here."""
    made = {"sqlite": sqlite_backend.Backend}[request.param](tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def store(backend: sqlite_backend.Backend) -> sqlite.Store:
    """An empty store, closed after the test."""
    return await backend.open()
