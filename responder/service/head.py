"""All of a daemon but its hands: what it hears, looks, decides and tells with, and its web server.

Loads most of what there is to load: `life` imports it when act has had its turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from responder import channels, settings
from responder.channels import log, webhook
from responder.flow import announce, intake, listening, sharing, stages, throttling
from responder.service import ears as service_ears
from responder.service import hands as service_hands
from responder.service import parts as service_parts
from responder.service import stations
from responder.web import desk, doorbell, server

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What is to be done beside acting, by name."""

    hearing: Mapping[str, stages.Job]
    """What hears and looks: the first to end."""
    deciding: Mapping[str, stages.Job]
    """What decides and tells: the last to end, for what was done is to be told."""


async def grown(hands: service_hands.Hands, again: asyncio.Event, stack: contextlib.AsyncExitStack) -> Head:
    """Build it on these hands, and open the web server; both go when the stack is left.

    Raises:
        InputError: something that the settings or the playbooks say cannot be.
    """
    parts = await service_parts.completed(hands, stack)
    parts.shelf.tell_unusable()
    config, ways = parts.config, ways_of(parts.config.channels)
    for way in ways:
        stack.push_async_callback(way.close)
    door = intake.Intake(parts.store.intake, parts.wakes["assess"])
    hubs, reconciler = service_ears.hubs(parts, door), service_ears.reconciliation(parts, door)
    pushed = listening.Door("webhooks", ("webhook", "event-grid"), door, config.hearing.webhook_every)
    ears = [listening.Steady(ear) for ear in (*hubs, *service_ears.polled(parts, reconciler, door), pushed)]
    port = await stack.enter_async_context(server.running(_desk(parts, door, ears)))
    _log.info("service.started", store=parts.store.database.place, hubs=len(hubs), mode=config.mode)
    hearing: dict[str, stages.Job] = {
        "throttling": throttling.Throttling(parts.store, parts.clients.budgets).run,
        "playbooks": functools.partial(parts.shelf.run, again),
        "reconcile": reconciler.run,
        "listening": listening.Listening(
            ears, config.hearing.policy(), parts.store.outbox, parts.wakes["announce"]
        ).run,
        "doorbell": functools.partial(doorbell.ring, config.web.host, port, pushed),
        **{f"hub {number}": hub.run for number, hub in enumerate(hubs)},
    }
    deciding: dict[str, stages.Job] = {
        "assess": stations.assessor(parts).run,
        "announce": announce.Announce(parts.store, ways, parts.wakes["announce"]).run,
    }
    return Head(hearing=hearing | _led(parts, stations.looking(parts)), deciding=_led(parts, deciding))


def _led(parts: service_parts.Parts, jobs: Mapping[str, stages.Job]) -> dict[str, stages.Job]:
    """Of all instances, one does each of these."""
    return {name: sharing.led(parts.store.tenure, name, job) for name, job in jobs.items()}


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
