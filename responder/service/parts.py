"""Everything the daemon, and a run by hand, is made of: built in order, and let go of in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from responder import clock, playbook_files, settings, steps
from responder.azure import blob_checkpoints, clients, control_plane, dns, endpoints, event_hub
from responder.core import decisions, errors, playbooks
from responder.flow import auditing, known_estate, plans, records, shelf, wakes
from responder.outward import http, programs
from responder.service import databases as estate_databases
from responder.steps import doors
from responder.store import instances, stores

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything the daemon, and a run by hand, is made of."""

    config: settings.Settings
    store: stores.Store
    estate: known_estate.KnownEstate
    """All servers, in memory; one for all stages."""
    registry: steps.Registry
    shelf: shelf.Shelf
    """Every playbook by name; loaded anew when somebody asks for it."""
    clients: clients.Clients
    doors: doors.Doors
    databases: estate_databases.Databases
    wakes: dict[str, wakes.Wake]
    shared_checkpoints: tuple[blob_checkpoints.BlobCheckpoints | None, ...] = ()
    """One for each hub of the settings; None: its checkpoints are in our own store."""

    @property
    def playbooks(self) -> Mapping[str, playbooks.Playbook]:
        """Every playbook by name, as last loaded."""
        return self.shelf


@contextlib.asynccontextmanager
async def assembled(config: settings.Settings, role: stores.Role = stores.Role.HAND) -> AsyncIterator[Parts]:
    """Build the parts, holding the store's lock or a place among its instances; let go of them in reverse order."""
    registry = steps.discovered(settings.switched_off(config))
    library = _library(config, registry)
    store = await stores.open_store(config.store, role=role)
    try:
        databases = estate_databases.Databases(config.postgres, config.probes)
        async with (
            clients.open_clients(endpoints_of(config)) as cloud,
            contextlib.AsyncExitStack() as stack,
        ):
            stack.push_async_callback(databases.dumps.close)
            books = _shelf(config, registry, store, library)
            await _record_start(config, store, books, role)
            stack.push_async_callback(_record_end, store, role)
            yield Parts(
                shared_checkpoints=tuple(_shared(hub, cloud, stack) for hub in config.event_hubs),
                config=config,
                store=store,
                estate=known_estate.KnownEstate(store, config.tolerance()),
                registry=registry,
                shelf=books,
                clients=cloud,
                databases=databases,
                doors=_doors(config, store, cloud, databases),
                wakes=bells(store.tenure),
            )
    finally:
        await store.close()
        clock.follow(None)


async def _record_start(config: settings.Settings, store: stores.Store, books: shelf.Shelf, role: stores.Role) -> None:
    """In the audit: that we begin, and by which settings and playbooks where they are other than before."""
    await store.audit.put([auditing.started(store, role)])
    await store.audit.put_news(auditing.about_start(config, books.values()))


def _library(config: settings.Settings, registry: steps.Registry) -> playbook_files.Library:
    """All playbooks, those that the daemon starts by itself among them."""
    found = playbook_files.library(config.playbooks, playbook_files.language(registry.kinds, registry.unusable))
    playbook_files.insist(found, decisions.NEEDED, decisions.STARTED)
    return found


def _shelf(
    config: settings.Settings, registry: steps.Registry, store: stores.Store, first: playbook_files.Library
) -> shelf.Shelf:
    async def record(books: Sequence[playbooks.Playbook]) -> None:
        await store.audit.put_news(auditing.about_playbooks(books))

    return shelf.Shelf(functools.partial(_library, config, registry), config.playbooks, record, first)


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


def _shared(
    hub: settings.EventHub, cloud: clients.Clients, stack: contextlib.AsyncExitStack
) -> blob_checkpoints.BlobCheckpoints | None:
    """The checkpoints that a hub's readers share, until the stack is left."""
    found = hub.checkpoints
    if found is None:
        return None
    place = blob_checkpoints.Place(
        container=found.container,
        account_url=found.account_url or "",
        connection_string=found.connection_string.reveal() if found.connection_string else None,
        credential=cloud.credential,
    )
    opened = blob_checkpoints.open_checkpoints(place, event_hub.Timing().store)
    stack.push_async_callback(opened.close)
    return opened


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
        rules=plans.rules(config),
        http=http.Http(config.steps.http_request),
        programs=programs.Programs(config.steps.command),
    )
