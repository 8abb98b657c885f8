"""The daemon's life: its stages as named tasks, until it is told to stop.

    hands: store, act ─► a head start ─► head: playbooks, clients, web server, ears, and what looks and decides

What is due is acted on first: it needs nothing of what takes long to load. The head is imported as a whole, here and
nowhere else, when act has had its turn. What keeps the rest from starting then ends the daemon as any other failure
does: in order, with every outcome written.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import signal
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from responder import settings
from responder.flow import act, pauses, stages
from responder.service import hands as service_hands
from responder.store import stores

if TYPE_CHECKING:
    from responder.service import head

_log = structlog.get_logger(__name__)

_HEAD_START = timedelta(milliseconds=500)
"""For act, at most: steps may wait for Azure, and what hears and decides is not to be late because of them."""


async def serve(config: settings.Settings) -> None:
    """Run the daemon until SIGTERM or SIGINT; SIGHUP loads the playbooks anew. Returns after an orderly shutdown.

    Raises:
        ExceptionGroup: a part failed for good; everything else was stopped first.
    """
    pauses.collect_seldom()
    stop, again = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, again.set)
    async with service_hands.ready(config, stores.Role.DAEMON) as hands:
        await _lived(stop, again, hands)
    _log.info("service.stopped")


async def _lived(stop: asyncio.Event, again: asyncio.Event, hands: service_hands.Hands) -> None:
    """Begin all stages, act first. Told to stop, end them round by round, each when those before it have ended."""
    actor = service_hands.actor(hands)
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        acting = _begun(group, {"act": actor.run})
        await _head_start(actor)
        jobs = await _whole(hands, again, stack)
        hearing, deciding = _begun(group, jobs.hearing), _begun(group, jobs.deciding)
        await stop.wait()
        _log.info("service.stopping")
        for ending in (hearing, acting, deciding):
            for task in ending:
                task.cancel()
            await asyncio.wait(ending)


def _begun(group: asyncio.TaskGroup, jobs: Mapping[str, stages.Job]) -> list[asyncio.Task[None]]:
    return [group.create_task(stages.patiently(name, job), name=name) for name, job in jobs.items()]


async def _head_start(actor: act.Act) -> None:
    """Let act carry on what is due, before anybody else has a turn."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_HEAD_START.total_seconds()):
            await actor.settled.wait()


async def _whole(hands: service_hands.Hands, again: asyncio.Event, stack: contextlib.AsyncExitStack) -> head.Head:
    """The head on its hands. Imported on a thread: it takes half a second, and act goes on meanwhile."""
    with pauses.loading():
        await asyncio.to_thread(importlib.import_module, "responder.service.head")
        from responder.service import head
    return await head.grown(hands, again, stack)
