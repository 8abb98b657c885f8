"""The daemon's life: its stages as named tasks, until it is told to stop."""

from __future__ import annotations

import asyncio
import functools
import signal
from collections.abc import Mapping, Sequence

import structlog

from responder import channels, settings
from responder.channels import log, webhook
from responder.flow import announce, intake, listening, pauses, sharing, stages, throttling
from responder.service import ears as service_ears
from responder.service import parts as service_parts
from responder.service import stations
from responder.store import stores
from responder.web import desk, doorbell, server

_log = structlog.get_logger(__name__)


async def serve(config: settings.Settings) -> None:
    """Run the daemon until SIGTERM or SIGINT; SIGHUP loads the playbooks anew. Returns after an orderly shutdown.

    Raises:
        ExceptionGroup: a part failed for good; everything else was stopped first.
    """
    pauses.spare_what_is_loaded()
    pauses.collect_seldom()
    stop, again = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, again.set)
    async with service_parts.assembled(config, stores.Role.DAEMON) as parts:
        await _run_until(stop, again, parts)
    _log.info("service.stopped")


async def _run_until(stop: asyncio.Event, again: asyncio.Event, parts: service_parts.Parts) -> None:
    config, ways = parts.config, ways_of(parts.config.channels)
    door = intake.Intake(parts.store.intake, parts.wakes["assess"])
    hubs, reconciler = service_ears.hubs(parts, door), service_ears.reconciliation(parts, door)
    pushed = listening.Door("webhooks", ("webhook", "event-grid"), door, config.hearing.webhook_every)
    ears = [listening.Steady(ear) for ear in (*hubs, *service_ears.polled(parts, reconciler, door), pushed)]
    hearing: dict[str, stages.Job] = {
        "throttling": throttling.Throttling(parts.store, parts.clients.budgets).run,
        "playbooks": functools.partial(parts.shelf.run, again),
        "reconcile": reconciler.run,
        "listening": listening.Listening(
            ears, config.hearing.policy(), parts.store.outbox, parts.wakes["announce"]
        ).run,
        **{f"hub {number}": hub.run for number, hub in enumerate(hubs)},
    }
    deciding: dict[str, stages.Job] = {
        "assess": stations.assessor(parts).run,
        "announce": announce.Announce(parts.store, ways, parts.wakes["announce"]).run,
    }
    try:
        async with server.running(_desk(parts, door, ears)) as port:
            hearing["doorbell"] = functools.partial(doorbell.ring, config.web.host, port, pushed)
            _log.info("service.started", store=parts.store.database.place, hubs=len(hubs), mode=config.mode)
            looking, deciding = _led(parts, stations.looking(parts)), _led(parts, deciding)
            await _all_until(stop, [hearing | looking, {"act": stations.actor(parts).run}, deciding])
    finally:
        for way in ways:
            await way.close()


def _led(parts: service_parts.Parts, jobs: Mapping[str, stages.Job]) -> dict[str, stages.Job]:
    """Of all instances, one does each of these."""
    return {name: sharing.led(parts.store.tenure, name, job) for name, job in jobs.items()}


async def _all_until(stop: asyncio.Event, rounds: Sequence[Mapping[str, stages.Job]]) -> None:
    """Run all jobs until told to stop; then end them round by round, each when those before it have ended."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            [group.create_task(stages.patiently(name, job), name=name) for name, job in jobs.items()] for jobs in rounds
        ]
        await stop.wait()
        _log.info("service.stopping")
        for ending in tasks:
            for task in ending:
                task.cancel()
            await asyncio.wait(ending)


def _desk(parts: service_parts.Parts, door: intake.Intake, ears: Sequence[listening.Ear]) -> desk.Desk:
    """What the web server answers from."""
    return desk.Desk(
        config=parts.config,
        store=parts.store,
        intake=door,
        playbooks=parts.shelf,
        shelf=parts.shelf,
        registry=parts.registry,
        sources=ears,
        assess=parts.wakes["assess"],
        act=parts.wakes["act"],
    )


def ways_of(config: Sequence[settings.Channel]) -> list[channels.Channel]:
    """Where the team is told: one for each channel of the settings."""
    return [webhook.WebhookChannel(c.url.reveal()) if c.url else log.LogChannel() for c in config]
