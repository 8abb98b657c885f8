"""kill -9 at writes on the shared store, as `test_kills_postgresql`: other playbooks; `make fuzz`: all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts import postgresql_server
from tests.scenarios import courses

ALL = {**courses.RETURNING, **courses.BY_HAND}
QUICK = ("a copy that was left behind is thrown away",)
OTHERS = ALL if courses.EXHAUSTIVE else {name: ALL[name] for name in QUICK}


@pytest.fixture
def databases() -> Iterator[courses.Databases]:
    server = postgresql_server.Server()
    yield courses.Databases(server)
    server.remove()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("course", OTHERS.values(), ids=OTHERS)
async def test_killed_at_a_write_of_each_kind_it_ends_the_same_and_nothing_is_done_twice(
    course: courses.Course, memory: Path, databases: courses.Databases
) -> None:
    which = courses.ALL_FATES if courses.EXHAUSTIVE else courses.A_FATE_OF_EACH_KIND
    await courses.kill_at_every_write(course, memory, databases, which)
