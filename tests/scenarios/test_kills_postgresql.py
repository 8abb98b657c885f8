"""kill -9 at every write, on the shared store: an outage that lasts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts import postgresql_server
from tests.scenarios import courses


@pytest.fixture
def databases() -> Iterator[courses.Databases]:
    server = postgresql_server.Server()
    yield courses.Databases(server)
    server.remove()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("course", courses.CUT_OVER.values(), ids=courses.CUT_OVER)
async def test_killed_at_any_write_it_ends_the_same_and_nothing_is_done_twice(
    course: courses.Course, memory: Path, databases: courses.Databases
) -> None:
    await courses.kill_at_every_write(course, memory, databases)
