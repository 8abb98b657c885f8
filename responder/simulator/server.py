"""Composition root of the simulator: builds every part, opens the doors in order, and closes them in reverse.

In a test: `async with server.running(estates.load_shipped("small")) as sim`. As a process: `responder simulate`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from responder.simulator import (
    arm,
    certificates,
    cloud,
    control,
    estates,
    files,
    inbox,
    player,
    publisher,
    scenarios,
    switches,
)
from responder.simulator import world as worlds
from responder.simulator.amqp import broker as brokers
from responder.simulator.data import gateway, plane

_HOST = "127.0.0.1"

_GRACE_SECONDS = 2.0
"""How long requests under way may take to finish at the end."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run. The defaults suit a test: free ports, a directory of its own, nobody told."""

    scenario: scenarios.Scenario | None = None
    play: bool = False
    """Start the scenario as soon as everything is ready; else POST /sim/scenario/start does."""
    webhooks: tuple[str, ...] = ()
    """URLs that the webhook channels post to."""
    patience: publisher.Patience = publisher.Patience()  # noqa: RUF009 - frozen
    """Gaps between attempts on a webhook, and the silence after the last."""
    data_plane: bool = True
    """False: servers are records of Resource Manager only, with nothing behind them."""
    data_dir: Path | None = None
    """Where files go; made if missing, and left as it was found. None: a temporary directory."""
    env_file: Path | None = None
    """Where to write the environment once everything is ready; removed at the end."""
    http_port: int = 0
    tls_port: int = 0
    event_hub_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    """A running simulator."""

    world: worlds.World
    cloud: cloud.Cloud
    """Regions down and up, bulletins, faults."""
    broker: brokers.Broker
    publisher: publisher.Publisher
    player: player.Player
    inbox: inbox.Inbox
    http: str
    """`http://127.0.0.1:PORT`"""
    tls: str
    """`https://localhost:PORT`, to be verified with `ca_file`."""
    ca_file: Path
    address_book: Path

    @property
    def environment(self) -> dict[str, str]:
        """What clients need to know, as environment variables."""
        estate = self.world.estate
        hubs = {
            f"SIM_EVENT_HUB_{hub.name.upper().replace('-', '_')}": self.broker.connection_string(hub.name)
            for hub in estate.hubs
        }
        return {
            "SIM_ARM_HTTP": self.http,
            "SIM_ARM_TLS": self.tls,
            "SIM_CA_FILE": str(self.ca_file),
            "SIM_CONTROL": f"{self.http}/sim",
            "SIM_ADDRESS_BOOK": str(self.address_book),
            **hubs,
            "IDENTITY_ENDPOINT": f"{self.http}/msi/token",
            "IDENTITY_HEADER": arm.IDENTITY_HEADER,
            "SIM_SUBSCRIPTION": str(estate.subscriptions[0].id),
            "SIM_TENANT": str(estate.tenant),
            "PGUSER": estate.administrator.login,
            "PGPASSWORD": estate.administrator.password,
            "PGSSLMODE": "require" if estate.encrypted else "disable",
            "PGDATABASE": "app",
        }

    @property
    def environment_lines(self) -> str:
        """`KEY=VALUE`, one a line, unquoted."""
        return "".join(f"{key}={value}\n" for key, value in self.environment.items())


@asynccontextmanager
async def running(estate: estates.Estate, options: Options | None = None) -> AsyncIterator[Simulator]:
    """A simulator that is ready when it is yielded, and of which nothing is left afterwards: no process, task, file.

    Raises ValueError when the scenario needs a hub that the estate does not have, OSError when a port is taken.
    """
    options = options or Options()
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(_folder(options.data_dir))
        authority = certificates.Authority()
        gateways = gateway.Manner(
            tls=authority.postgresql_context() if estate.encrypted else None, outlive=estate.gateways_outlive
        )
        world = await stack.enter_async_context(_world(estate, folder, options, gateways))
        broker = await stack.enter_async_context(_broker(world, options))
        publishing = await stack.enter_async_context(_publisher(world, broker, options))
        levers = cloud.Cloud(world, publishing, switches.Switches(world.faults, broker.faults))
        playing = player.Player(options.scenario, levers)
        box = inbox.Inbox()
        desk = control.Control(world=world, cloud=levers, publisher=publishing, player=playing, inbox=box)
        http, tls = await stack.enter_async_context(_listening(world, desk, authority, options))
        simulator = Simulator(
            world=world,
            cloud=levers,
            broker=broker,
            publisher=publishing,
            player=playing,
            inbox=box,
            http=http,
            tls=tls,
            ca_file=stack.enter_context(_file(authority.write(folder / "ca.pem"))),
            address_book=folder / "addresses.json",
        )
        await stack.enter_async_context(_open(simulator, options))
        yield simulator
        log.info("simulator.closing")


@asynccontextmanager
async def _open(simulator: Simulator, options: Options) -> AsyncIterator[None]:
    """Bring the servers up, say where everything is, and begin the play. The end of it comes first at the end."""
    world, book, playing = simulator.world, simulator.address_book, simulator.player

    def write() -> None:
        files.write_whole(book, json.dumps(world.address_book(), indent=1))

    with ExitStack() as stack:
        await world.start()
        stack.enter_context(_file(book))
        write()
        world.listeners.append(write)
        stack.callback(world.listeners.remove, write)
        if options.env_file is not None:
            stack.enter_context(_file(options.env_file))
            files.write_whole(options.env_file, simulator.environment_lines)
        log.info("simulator.ready", http=simulator.http, tls=simulator.tls, servers=len(world.servers))
        try:
            if options.play:
                playing.start()
            yield
        finally:
            await playing.stop()


@asynccontextmanager
async def _world(
    estate: estates.Estate, folder: Path, options: Options, gateways: gateway.Manner
) -> AsyncIterator[worlds.World]:
    servers = None
    if options.data_plane:
        servers = plane.Plane(
            folder / "data",
            login=estate.administrator.login,
            password=estate.administrator.password,
            backup_interval=estate.timing.backup_interval,
            backup_replication=estate.timing.backup_replication,
            # The two know each other; the plane asks only once the world is there.
            is_down=lambda region: world.region_down(region),
            gateways=gateways,
        )
    world = worlds.World(estate, data=servers)
    try:
        yield world
    finally:
        await world.close()


@asynccontextmanager
async def _broker(world: worlds.World, options: Options) -> AsyncIterator[brokers.Broker]:
    hubs = {hub.name: hub.partitions for hub in world.estate.hubs}
    broker = brokers.Broker(hubs, host=_HOST, port=options.event_hub_port, clock=world.now)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.close()


def _publisher(world: worlds.World, broker: brokers.Broker, options: Options) -> publisher.Publisher:
    publishing = publisher.Publisher(
        hubs=broker,
        hub_names=[hub.name for hub in world.estate.hubs],
        events=world.events,
        webhooks=options.webhooks,
        clock=world.now,
        patience=options.patience,
    )
    if options.scenario is not None:
        publishing.check([f"hub:{hub}" for hub in sorted(options.scenario.hubs)])
    return publishing


@asynccontextmanager
async def _listening(
    world: worlds.World, desk: control.Control, authority: certificates.Authority, options: Options
) -> AsyncIterator[tuple[str, str]]:
    """Serve Resource Manager and the control endpoint; yields where, over HTTP and over TLS."""
    app = arm.build_app(world)
    app.add_routes(desk.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, _HOST, options.http_port).start()
        await web.TCPSite(runner, _HOST, options.tls_port, ssl_context=authority.server_context()).start()
        http, tls = (address[1] for address in runner.addresses)
        yield f"http://{_HOST}:{http}", f"https://localhost:{tls}"
    finally:
        await runner.cleanup()


@contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    """A directory for our files; removed if it was not there before."""
    if wanted is None:
        with tempfile.TemporaryDirectory(prefix="responder-simulator-", ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    was_there = wanted.exists()
    wanted.mkdir(parents=True, exist_ok=True)
    try:
        yield wanted.absolute()
    finally:
        if not was_there and not any(wanted.iterdir()):
            wanted.rmdir()


@contextmanager
def _file(path: Path) -> Iterator[Path]:
    """A file of ours, wherever it stands; gone afterwards."""
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
