"""kill -9 at writes on the shared store, once in each kind of write; `make fuzz`: in all, and in every course.

A kind of write is a function of the store, or a request of Azure, and whether it was just before or just after. That
every step of every course is survived is tested on files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts import postgresql_server
from tests.scenarios import courses

ALL = {**courses.CUT_OVER, **courses.RETURNING, **courses.BY_HAND}
QUICK = ("waits, then restores, then cuts over", "a copy that was left behind is thrown away")
COURSES = ALL if courses.EXHAUSTIVE else {name: ALL[name] for name in QUICK}


@pytest.fixture
def databases() -> Iterator[courses.Databases]:
    with postgresql_server.running() as server:
        yield courses.Databases(server)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("course", COURSES.values(), ids=COURSES)
async def test_killed_at_a_write_of_each_kind_it_ends_the_same_and_nothing_is_done_twice(
    course: courses.Course, memory: Path, databases: courses.Databases
) -> None:
    which = courses.ALL_FATES if courses.EXHAUSTIVE else courses.A_FATE_OF_EACH_KIND
    await courses.kill_at_every_write(course, memory, databases, which)
