"""An empty store, a clock that moves when it is told to, and conditions to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from responder import clock
from responder.store import sqlite

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


class Time:
    """What `clock.now()` says."""

    def __init__(self) -> None:
        self.now = NOON

    def pass_(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    found = Time()
    monkeypatch.setattr(clock, "now", lambda: found.now)
    return found


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[sqlite.Store]:
    opened = await sqlite.open_store(tmp_path / "store.db")
    yield opened
    await opened.close()


@pytest.fixture
def until() -> Callable[[Callable[[], object]], object]:
    """Wait for a condition: `await until(lambda: ...)`."""

    async def wait(holds: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not holds():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.001)

    return wait
