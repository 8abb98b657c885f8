"""kill -9 at each write of each step: an outage that ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios import courses


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("course", courses.RETURNING.values(), ids=courses.RETURNING)
async def test_killed_at_any_write_it_ends_the_same_and_nothing_is_done_twice(
    course: courses.Course, memory: Path
) -> None:
    await courses.kill_at_every_write(course, memory, courses.Files(), courses.EVERY_STEP)
