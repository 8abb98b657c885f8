"""Fixtures of the scenarios: a night with servers of the test's choice."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios import night as nights

Fall = Callable[..., Awaitable[nights.Night]]


@pytest.fixture
async def fall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fall]:
    """Let night fall: `await fall(declared("orders"), ..., probes={...})`. Keywords change the settings."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*described: Mapping[str, Any], **changes: Any) -> nights.Night:
            night = nights.falling(described or (nights.declared(),), tmp_path, monkeypatch, **changes)
            return await stack.enter_async_context(night)

        yield start
