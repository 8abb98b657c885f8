"""kill -9 at every write of every step, with the journal on a shared store: the runs that somebody starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios import courses, kills


@pytest.mark.slow
@pytest.mark.timeout(kills.PATIENCE)
@pytest.mark.parametrize("course", courses.BY_HAND.values(), ids=courses.BY_HAND)
async def test_killed_at_any_write_of_a_step_it_ends_the_same_and_nothing_is_done_twice(
    course: courses.Course, memory: Path, mother: kills.Mother, databases: kills.Databases
) -> None:
    await kills.kill_at_every_write(course, memory, databases, mother)
