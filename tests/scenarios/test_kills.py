"""kill -9 at every write: an outage that lasts.

In the first course at every moment. The second is the first one with the steps of a newer copy in it: at each write of
each step, once; `make fuzz`: at every moment.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios import courses


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("course", courses.CUT_OVER.values(), ids=courses.CUT_OVER)
async def test_killed_at_any_write_it_ends_the_same_and_nothing_is_done_twice(
    course: courses.Course, memory: Path
) -> None:
    which = courses.EVERY_STEP if course.spell_at else courses.ALL_FATES
    await courses.kill_at_every_write(course, memory, courses.Files(), which)
