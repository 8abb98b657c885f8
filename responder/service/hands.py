"""What carrying out runs takes, and no more: a daemon has it, and acts, before it has loaded anything else.

So nothing is imported here that a due run can do without: no web server, no playbook files, no Azure SDK. A run carries
its playbook with it. What the settings name for these parts, and is not there, is found here: before anything acts.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import structlog

from responder import clock, settings, steps
from responder.azure import clients, control_plane, dns, endpoints
from responder.core import errors
from responder.flow import act, auditing, records, rules, wakes
from responder.outward import http, programs
from responder.service import databases as estate_databases
from responder.steps import doors
from responder.store import instances, stores

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What carrying out runs takes."""

    config: settings.Settings
    store: stores.Store
    registry: steps.Registry
    clients: clients.Clients
    """Not open yet; they open by themselves for a step that needs them."""
    doors: doors.Doors
    databases: estate_databases.Databases
    wakes: dict[str, wakes.Wake]


@contextlib.asynccontextmanager
async def ready(config: settings.Settings, role: stores.Role) -> AsyncIterator[Hands]:
    """Build them, holding the store's lock or a place among its instances; let go of them in reverse order."""
    registry = steps.discovered(settings.switched_off(config))
    store = await stores.open_store(config.store, role=role)
    try:
        async with contextlib.AsyncExitStack() as stack:
            databases = estate_databases.Databases(config.postgres, config.probes)
            stack.push_async_callback(databases.dumps.close)
            cloud = clients.Clients(endpoints_of(config))
            stack.push_async_callback(cloud.close)
            await store.audit.put([auditing.started(store, role)])
            await store.audit.put_news([auditing.about_settings(config)])
            stack.push_async_callback(_record_end, store, role)
            yield Hands(
                config=config,
                store=store,
                registry=registry,
                clients=cloud,
                databases=databases,
                doors=_doors(config, store, cloud, databases),
                wakes=bells(store.tenure),
            )
    finally:
        await store.close()
        clock.follow(None)


def actor(hands: Hands) -> act.Act:
    """The stage that carries out runs; also used on its own, for a run by hand while the daemon is down."""
    return act.Act(
        hands.store,
        hands.doors,
        hands.config.tolerance(),
        wake=hands.wakes["act"],
        assess=hands.wakes["assess"],
        policy=hands.config.brakes.policy(),
        registry=hands.registry,
    )


async def _record_end(store: stores.Store, role: stores.Role) -> None:
    """That we have stopped. A store that is away now keeps nobody from stopping."""
    try:
        await store.audit.put([auditing.stopped(store, role)])
        await auditing.tell_head(store.audit)
    except errors.StoreError as error:
        _log.warning("audit.end-not-recorded", error=str(error))


def bells(tenure: instances.Tenure) -> dict[str, wakes.Wake]:
    """A bell for each stage, heard by all instances; from now on we go by the clock that all of them go by.

    New runs and words ring for act by themselves, in the store (`schema/postgresql`).
    """
    shared = {name: wakes.SharedWake(functools.partial(tenure.ring, name)) for name in ("assess", "announce")}
    act_bell, loop = wakes.Wake(), asyncio.get_running_loop()

    def from_afar(ring: Callable[[], None]) -> Callable[[], None]:
        def rung() -> None:
            loop.call_soon_threadsafe(ring)

        return rung

    bells = {name: from_afar(bell.ring_here) for name, bell in shared.items()}
    tenure.hear({**bells, "act": from_afar(act_bell.ring)}, clock.follow)
    return {**shared, "act": act_bell}


def endpoints_of(config: settings.Settings) -> endpoints.Endpoints:
    """Where Azure is, and how to log in."""
    azure = config.azure
    return endpoints.Endpoints(
        resource_manager=azure.resource_manager,
        audience=azure.audience,
        ca_file=azure.ca_file,
        credential=azure.credential,
        connect_timeout=azure.connect_timeout,
        read_timeout=azure.read_timeout,
        reserve=config.brakes.azure_reserve,
    )


def _doors(
    config: settings.Settings, store: stores.Store, cloud: clients.Clients, databases: estate_databases.Databases
) -> doors.Doors:
    if databases.login is not None:
        administrator = clients.Login(databases.login.user, databases.login.password)
        cloud.administrator = lambda: administrator
    return doors.Doors(
        control_plane=control_plane.ControlPlane(cloud),
        dns=dns.Dns(cloud),
        databases=databases,
        outbox=store.outbox,
        records=records.Records(store),
        dumps=databases.dumps,
        rules=rules.of(config),
        http=http.Http(config.steps.http_request),
        programs=programs.Programs(config.steps.command),
    )
