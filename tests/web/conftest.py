"""What the tests of the console share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from responder.store import sqlite
from tests.web import consoles


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[sqlite.Store]:
    """A store with an outage in it, and the tokens set that a console over it asks for."""
    for name, value in consoles.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    opened = await consoles.opened(tmp_path)
    yield opened
    await opened.close()
