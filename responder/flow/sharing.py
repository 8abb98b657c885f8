"""Sharing work between the instances of one store: one of them leads a stage, the others stand by.

What all of them do at once (act, intake, reconcile, the web) needs none of this: rows and claims keep it apart. Here
are the stages of which one is enough. Two of them for a moment do no harm; none for longer than a lease must not be.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from responder.flow import stages
from responder.store import instances

_log = structlog.get_logger(__name__)

_LOOK = timedelta(milliseconds=500)


def led(tenure: instances.Tenure, stage: str, job: stages.Job) -> stages.Job:
    """The job, run only while this instance leads the stage."""
    if isinstance(tenure, instances.Alone):
        return job

    async def lead() -> None:
        while True:
            while not tenure.leads(stage):  # noqa: ASYNC110 - the answer comes from another thread
                await asyncio.sleep(_until_look())
            _log.info("stage.led", stage=stage, instance=tenure.id)
            if await _ended(tenure, stage, job):
                return
            _log.warning("stage.handed-over", stage=stage)

    return lead


def _until_look() -> float:
    """Seconds. All stages look at the same moments, so that the process wakes once for them."""
    every = _LOOK.total_seconds()
    return every - asyncio.get_running_loop().time() % every


async def _ended(tenure: instances.Tenure, stage: str, job: stages.Job) -> bool:
    """Run it until it ends (True, or its error), or until somebody else may lead (False)."""
    task = asyncio.ensure_future(job())
    try:
        while tenure.leads(stage):
            done, _ = await asyncio.wait({task}, timeout=_until_look())
            if done:
                task.result()
                return True
        return False
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
