"""kill -9 at every write: an outage that lasts.

The second course is the first one with the steps of a newer copy in it: once in each kind of write of each step, as its
other moments are known; `make fuzz`: in all.
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
    known = course.spell_at and not courses.EXHAUSTIVE
    which = courses.A_FATE_OF_EACH_STEP if known else courses.ALL_FATES
    await courses.kill_at_every_write(course, memory, courses.Files(), which)
