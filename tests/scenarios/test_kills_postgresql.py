"""kill -9 at every write, with the journal on a shared store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts import postgresql_server
from tests.scenarios import courses, kills


@pytest.fixture(scope="module")
def databases() -> Iterator[kills.Databases]:
    with postgresql_server.running() as server:
        yield kills.Databases(server)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("course", courses.ALL.values(), ids=courses.ALL)
async def test_killed_at_any_write_it_ends_the_same_and_nothing_is_done_twice(
    course: courses.Course, memory: Path, mother: kills.Mother, databases: kills.Databases
) -> None:
    await kills.kill_at_every_write(course, memory, databases, mother)
