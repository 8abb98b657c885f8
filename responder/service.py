"""The composition root: builds every part, runs them as named tasks, and shuts down in order.

    sources ─► intake ─► assess ─► act ─► announce        one store under all of them, one process, one lock

A store that fails makes the stages rest; the web server stays up and answers 503. Any other failed task takes the
service down: systemd starts it again, and the journal knows where it was. Told to stop, it first hears no more, then
begins no run any more and lets the steps under way write their outcome.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from responder import channels, clock, playbook_files, settings, steps
from responder.azure import (
    blob_checkpoints,
    clients,
    control_plane,
    dns,
    endpoints,
    event_hub,
    health,
    inventory,
    offers,
)
from responder.channels import log, webhook
from responder.core import decisions, errors, evidence, playbooks, servers, tolerances
from responder.flow import (
    act,
    announce,
    assess,
    auditing,
    by_hand,
    capture,
    intake,
    known_estate,
    listening,
    offering,
    pauses,
    plans,
    reconcile,
    records,
    retention,
    sharing,
    shelf,
    stages,
    throttling,
    wakes,
    watch,
)
from responder.flow import inventory as inventory_stage
from responder.outward import http, programs
from responder.postgres import addresses, counts, dumps, probes, verification, visits
from responder.steps import doors
from responder.store import instances, stores
from responder.store import intake as rows
from responder.web import desk, doorbell, server

_log = structlog.get_logger(__name__)


class Databases:
    """PostgreSQL over the wire, by the names servers have."""

    def __init__(self, config: settings.Postgres, looks: settings.Probes) -> None:
        self._book = addresses.AddressBook(config.address_book)
        self._timeout = timeout = looks.timeout
        self._trust, self._logins = visits.Trust(looks.ca_file), _logins(looks)
        self._newest_row = config.newest_row
        self.login = None
        if config.user is not None and config.password is not None:
            self.login = verification.Login(
                user=config.user, password=config.password.reveal(), database=config.database, tls=config.tls
            )
        self.dumps = dumps.Dumps(self._book.find, self.login, timeout)
        """Copies under way; to be closed."""

    async def probe(self, fqdn: str) -> evidence.Probe:
        """Is it there?"""
        return await probes.probe(self._book.find(fqdn), self._timeout)

    async def visit(self, server: servers.Server) -> evidence.Probe:
        """Does it work? As deep as a login lets us ask."""
        asked = tolerances.probe_login(server.tags)
        wanted = visits.Visit(
            address=self._book.find(server.fqdn),
            name=server.fqdn,
            timeout=self._timeout,
            login=self._logins.get(asked),
            replica=server.replica_of is not None,
        )
        seen = await visits.visit(wanted, self._trust)
        if asked is None or asked.lower() == "none" or asked in self._logins:
            return seen
        return replace(seen, detail=f"{seen.detail}; its tag outage-probe names no login of the settings")

    async def look(self, fqdn: str) -> verification.Look:
        """What does it hold?"""
        return await verification.look(self._book.find(fqdn), self.login, self._newest_row, self._timeout)

    async def count(self, fqdn: str, since: datetime | None) -> counts.Counts:
        """How many rows does it hold, or has it got since?"""
        return await counts.count(self._book.find(fqdn), self.login, since, self._timeout)


def _logins(looks: settings.Probes) -> Mapping[str | None, visits.Login]:
    """What probes log in with, by the name that a tag gives; None: where there is no tag."""
    found: dict[str | None, visits.Login] = {
        name: visits.Login(
            user=one.user, password=one.password.reveal(), database=one.database, tls=one.tls == "require"
        )
        for name, one in looks.logins.items()
    }
    return found | ({None: found[looks.login]} if looks.login is not None else {})


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
    databases: Databases
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
        databases = Databases(config.postgres, config.probes)
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
                wakes=_wakes(store.tenure),
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
    playbook_files.insist(found, (decisions.WAIT_IT_OUT, decisions.GEO_RESTORE))
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


def _wakes(tenure: instances.Tenure) -> dict[str, wakes.Wake]:
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


def _doors(config: settings.Settings, store: stores.Store, cloud: clients.Clients, databases: Databases) -> doors.Doors:
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


def actor(parts: Parts) -> act.Act:
    """The stage that carries out runs; also used on its own, for a run by hand while the daemon is down."""
    return act.Act(
        parts.store,
        parts.doors,
        parts.config.tolerance(),
        wake=parts.wakes["act"],
        assess=parts.wakes["assess"],
        policy=parts.config.brakes.policy(),
        registry=parts.registry,
    )


def assessor(parts: Parts) -> assess.Assess:
    """The stage that decides."""
    rules = assess.Rules(
        policy=parts.config.policy(),
        defaults=parts.config.tolerance(),
        playbooks=parts.shelf,
        suspicion=parts.config.suspicions(),
        brakes=parts.config.brakes.policy(),
        wave=parts.config.waves.policy(),
        approvals=parts.config.approvals_policy(),
        shadow=parts.config.shadow(),
    )
    return assess.Assess(parts.store, rules, wake=parts.wakes["assess"], act=parts.wakes["act"], estate=parts.estate)


def planner(parts: Parts) -> plans.Planner:
    """What plans runs by hand."""
    return plans.Planner(
        store=parts.store,
        books=parts.shelf,
        config=parts.config,
        registry=parts.registry,
    )


async def refresh_inventory(parts: Parts) -> None:
    """List the estate once, for a run by hand on a store that never saw it."""
    listed = await inventory.list_servers(parts.config.azure.subscriptions, parts.clients.graph())
    await parts.store.estate.put_servers(listed)


def one_run(parts: Parts) -> by_hand.ByHand:
    """What carries out one run and no other, for a run by hand while the daemon is down."""
    probes = parts.config.probes
    looks = by_hand.Looks(
        probe=parts.databases.visit, every=probes.interval_in_outage, longest_gap=probes.fresh, vantage=probes.vantage
    )
    return by_hand.ByHand(parts.store, actor(parts), looks, parts.wakes["act"])


def _ways(config: Sequence[settings.Channel]) -> list[channels.Channel]:
    return [webhook.WebhookChannel(c.url.reveal()) if c.url else log.LogChannel() for c in config]


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
    async with assembled(config, stores.Role.DAEMON) as parts:
        await _run_until(stop, again, parts)
    _log.info("service.stopped")


async def _run_until(stop: asyncio.Event, again: asyncio.Event, parts: Parts) -> None:
    config, ways = parts.config, _ways(parts.config.channels)
    door = intake.Intake(parts.store.intake, parts.wakes["assess"])
    hubs, reconciler = _hubs(parts, door), reconciliation(parts, door)
    pushed = listening.Door("webhooks", ("webhook", "event-grid"), door, config.hearing.webhook_every)
    ears = [listening.Steady(ear) for ear in (*hubs, *_polled(parts, reconciler, door), pushed)]
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
        "assess": assessor(parts).run,
        "announce": announce.Announce(parts.store, ways, parts.wakes["announce"]).run,
    }
    try:
        async with server.running(_desk(parts, door, ears)) as port:
            hearing["doorbell"] = functools.partial(doorbell.ring, config.web.host, port, pushed)
            _log.info("service.started", store=parts.store.database.place, hubs=len(hubs), mode=config.mode)
            looking, deciding = _led(parts, _looking(parts)), _led(parts, deciding)
            await _all_until(stop, [hearing | looking, {"act": actor(parts).run}, deciding])
    finally:
        for way in ways:
            await way.close()


def _led(parts: Parts, jobs: Mapping[str, stages.Job]) -> dict[str, stages.Job]:
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


def _looking(parts: Parts) -> dict[str, stages.Job]:
    """What looks at the estate itself: its list, and whether its servers answer."""
    config, probing = parts.config, parts.config.probes
    pace = watch.Pace(
        peace=probing.interval,
        outage=probing.interval_in_outage,
        concurrency=probing.concurrency,
        proof=config.policy().evidence,
        per_second=probing.per_second,
    )
    lister = inventory_stage.Inventory(
        parts.store,
        lambda: inventory.list_servers(config.azure.subscriptions, parts.clients.graph()),
        config.azure.inventory_refresh,
        parts.wakes["assess"],
        parts.estate,
    )
    watcher = watch.Watch(
        parts.store,
        parts.databases.probe,
        pace,
        parts.wakes["assess"],
        vantage=probing.vantage,
        estate=parts.estate,
        deep=watch.Deep(parts.databases.visit, probing.deep_per_second, probing.deep_interval),
    )
    keeping = config.retention
    cleaner = retention.Retention(parts.store.retention, retention.ages(keeping.ages()), keeping.every)
    return {
        "inventory": lister.run,
        f"watch {probing.vantage}": watcher.run,
        "capture": capturer(parts).run,
        "offering": offering.Offering(
            parts.store, functools.partial(offers.ask, parts.clients), config.azure.offer_refresh, parts.estate
        ).run,
        "retention": cleaner.run,
        "audit": auditing.Daily(parts.store.audit).run,
    }


def capturer(parts: Parts) -> capture.Capture:
    """The stage that keeps what servers are set to."""
    every = parts.config.azure.configuration_refresh
    return capture.Capture(parts.store, parts.doors.control_plane.configuration, parts.config.tolerance(), every)


def _desk(parts: Parts, door: intake.Intake, ears: Sequence[listening.Ear]) -> desk.Desk:
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


def _hubs(parts: Parts, door: intake.Intake) -> list[event_hub.HubSource]:
    """One source per configured hub; its arrivals are keyed by where they lie in the hub."""
    found, own = [], parts.store.checkpoints
    for hub, shared in zip(parts.config.event_hubs, parts.shared_checkpoints, strict=True):
        source = event_hub.HubSource(
            connection_of(hub, parts.clients), shared or own, _accept(door), shelter=own if shared is not None else None
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


def _polled(parts: Parts, reconciler: reconcile.Reconcile, door: intake.Intake) -> list[listening.Ear]:
    """Every subscription that is asked, as one ear."""
    # A poll that is throttled or slow is not deaf at once.
    lasts = 4 * parts.config.reconciliation.interval + timedelta(minutes=1)
    return [listening.Polling("reconciliation", reconciler.sources, door, lasts)] if reconciler.sources else []


def reconciliation(parts: Parts, door: intake.Intake) -> reconcile.Reconcile:
    """The stage that asks Resource Health, one source per subscription."""
    config = parts.config.reconciliation
    pace = reconcile.Pace(interval=config.interval, look_back=config.look_back)
    return reconcile.Reconcile(
        [
            reconcile.Poll(one, functools.partial(health.event_pages, parts.clients), door, parts.store.polls, pace)
            for one in dict.fromkeys(s.lower() for s in parts.config.azure.subscriptions)
        ]
    )


def _accept(door: intake.Intake) -> event_hub.Accept:
    """Keyed by place and content: a hub that was made anew counts from 0 again, and its events are no repetitions."""

    async def accept(hub: str, partition: str, messages: list[event_hub.Message]) -> None:
        now, source = clock.now(), f"hub:{hub}"
        await door.accept(
            [rows.Arrival(source, f"{partition}/{sequence}", body, now, True) for sequence, body in messages]
        )

    return accept
