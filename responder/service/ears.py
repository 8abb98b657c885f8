"""What hears: one source for each hub, and one for each subscription that is polled."""

from __future__ import annotations

import functools
from datetime import timedelta

from responder import clock, settings
from responder.azure import clients, event_hub, health
from responder.flow import intake, listening, reconcile
from responder.service import parts as service_parts
from responder.store import intake as rows


def hubs(parts: service_parts.Parts, door: intake.Intake) -> list[event_hub.HubSource]:
    """One source per configured hub; its arrivals are keyed by where they lie in the hub."""
    found, own = [], parts.store.checkpoints
    for hub, shared in zip(parts.config.event_hubs, parts.shared_checkpoints, strict=True):
        source = event_hub.HubSource(
            connection_of(hub, parts.clients), shared or own, accept(door), shelter=own if shared is not None else None
        )
        found.append(source)
    return found


def connection_of(hub: settings.EventHub, cloud: clients.Clients) -> event_hub.HubConnection:
    """Where a hub of the settings is, and how to log in."""
    return event_hub.HubConnection(
        hub=hub.hub,
        consumer_group=hub.consumer_group,
        connection_string=hub.connection_string.reveal() if hub.connection_string else None,
        namespace=hub.namespace or "",
        credential=cloud.credential,
    )


def polled(parts: service_parts.Parts, reconciler: reconcile.Reconcile, door: intake.Intake) -> list[listening.Ear]:
    """Every subscription that is asked, as one ear."""
    # A poll that is throttled or slow is not deaf at once.
    lasts = 4 * parts.config.reconciliation.interval + timedelta(minutes=1)
    return [listening.Polling("reconciliation", reconciler.sources, door, lasts)] if reconciler.sources else []


def reconciliation(parts: service_parts.Parts, door: intake.Intake) -> reconcile.Reconcile:
    """The stage that asks Resource Health, one source per subscription."""
    config = parts.config.reconciliation
    pace = reconcile.Pace(interval=config.interval, look_back=config.look_back)
    return reconcile.Reconcile(
        [
            reconcile.Poll(one, functools.partial(health.event_pages, parts.clients), door, parts.store.polls, pace)
            for one in dict.fromkeys(s.lower() for s in parts.config.azure.subscriptions)
        ]
    )


def accept(door: intake.Intake) -> event_hub.Accept:
    """Keyed by place and content: a hub that was made anew counts from 0 again, and its events are no repetitions."""

    async def keep(hub: str, partition: str, messages: list[event_hub.Message]) -> None:
        now, source = clock.now(), f"hub:{hub}"
        await door.accept(
            [rows.Arrival(source, f"{partition}/{sequence}", body, now, True) for sequence, body in messages]
        )

    return keep
