"""What every test leaves as it found it: the process-wide set-up of logging. And how hypothesis searches.

Without its stopwatch, because a busy machine is no defect; and the same examples every time, because a change must not
fail for what somebody else wrote. `make fuzz` searches where nobody has been.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("RESPONDER_TEST_PROFILE", "steady"))

_TOUCHED = ("", "azure", "aiohttp.server", "aiohttp.access", "asyncio")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """`logs.configure` is meant for a process of its own; a test that calls it must not change those after it."""
    before = {name: logging.getLogger(name).level for name in _TOUCHED}
    yield
    structlog.reset_defaults()
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)
