"""Stages that outlive a bad hour of the store. Decides nothing, and hides no failure but the store's.

While the store cannot be used, a stage rests and tries again; the web server answers 503 meanwhile, so that whoever
delivers events keeps them. Any other failure is a defect of ours and goes up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from responder import clock
from responder.core import errors

_log = structlog.get_logger(__name__)

Job = Callable[[], Awaitable[None]]

_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(seconds=30)


async def patiently(name: str, job: Job) -> None:
    """Run the job until it returns or is cancelled; begin it again, after growing pauses, when the store fails."""
    pause = _FIRST_PAUSE
    while True:
        began = clock.now()
        try:
            await job()
            return
        except (errors.StoreError, ExceptionGroup) as error:
            failed = _of_the_store(error)
            if failed is None:
                raise
        if clock.now() - began > _LONGEST_PAUSE:
            pause = _FIRST_PAUSE  # it had recovered
        _log.error("stage.store-failed", stage=name, error=str(failed), pause_s=pause.total_seconds())
        await asyncio.sleep(pause.total_seconds())
        pause = min(2 * pause, _LONGEST_PAUSE)


def _of_the_store(error: errors.StoreError | ExceptionGroup[Exception]) -> errors.StoreError | None:
    """The store's error, also when it comes in a group of nothing else."""
    if isinstance(error, errors.StoreError):
        return error
    inside, other = error.split(errors.StoreError)
    if inside is None or other is not None:
        return None
    first: BaseException = inside
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first if isinstance(first, errors.StoreError) else None
