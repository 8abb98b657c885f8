"""kill -9 at every write, with the journal in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios import courses, kills


@pytest.mark.slow
@pytest.mark.timeout(kills.PATIENCE)
@pytest.mark.parametrize("course", courses.ALL.values(), ids=courses.ALL)
async def test_killed_at_any_write_it_ends_the_same_and_nothing_is_done_twice(
    course: courses.Course, memory: Path, mother: kills.Mother
) -> None:
    await kills.kill_at_every_write(course, memory, kills.Files(), mother)
