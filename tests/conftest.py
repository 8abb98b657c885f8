"""What every test leaves as it found it: the process-wide set-up of logging. And which files begin first."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
import structlog

_LONGEST = (
    "test_kills_returning_postgresql", "test_kills", "test_kills_postgresql", "test_kills_by_hand_postgresql",
    "test_soak", "test_outages", "test_azure_troubles", "test_hub_troubles", "test_benchmarks_run",
    "test_payloads_recovery", "test_b_full_disk", "test_store_postgresql", "test_clock_steps", "test_hub_source",
)  # fmt: skip
"""Files, the longest first."""
_TOUCHED = ("", "azure", "aiohttp.server", "aiohttp.access", "asyncio")

os.environ.pop("RESPONDER_CONFIG", None)  # whoever works on it may try it out in the same shell


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files begin first. One worker has a whole file; begun at the end, all others would wait for it."""
    places = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """`logs.configure` is meant for a process of its own; a test that calls it must not change those after it."""
    before = {name: logging.getLogger(name).level for name in _TOUCHED}
    yield
    structlog.reset_defaults()
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)
