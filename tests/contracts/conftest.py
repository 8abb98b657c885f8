"""Fixtures of the contracts: each store there is, and nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from responder.store import stores
from tests.contracts import postgresql_backend, postgresql_server, sqlite_backend

Backend = sqlite_backend.Backend | postgresql_backend.Backend


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """A closed store leaves no thread behind."""
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("store")]


@pytest.fixture(scope="session")
def server() -> Iterator[postgresql_server.Server]:
    """A PostgreSQL of this session's own."""
    with postgresql_server.running() as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    """Every database the store runs on."""
    made: Backend = (
        sqlite_backend.Backend(tmp_path)
        if request.param == "sqlite"
        else postgresql_backend.Backend(request.getfixturevalue("server"))
    )
    yield made
    await made.close()


@pytest.fixture
async def store(backend: Backend) -> stores.Store:
    """An empty store, closed after the test."""
    return await backend.open()
