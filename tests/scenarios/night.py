"""One outage, driven by hand: the daemon's real parts against the local Azure, and a clock that only the test moves.

Nothing of the daemon is faked. Of the local Azure only the servers' sockets are ours, so that a test can hold a restore
up and need not wait for time-outs: a server whose region is down hangs up without a word.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from responder import clock, playbook_files, service, settings
from responder.core import announcements, decisions, durations, outages, playbooks, runs, servers
from responder.flow import act, announce, assess, intake, requests, watch
from responder.simulator import estates, ledger, scenarios, server, world
from responder.web import desk
from responder.web import server as web
from tests.scenarios import at_once

EAST, PAIR = "eastus2", "centralus"
SUBSCRIPTION = "7d0c9d0e-31f5-4c53-9a3e-0c7f4f6b1001"
ZONE = "db.contoso.example"
HUB = "health-events"
OUTAGE_ID = outages.OutageId("8TGK-9Q0@eastus2")
PATIENCE = 90.0  # seconds; only reached when something is broken

WEBHOOK = "webhook-activity-log"
"""An action group of the older schema, whose level is a word: in the common one Azure's level remains to be settled."""
BULLETIN: Mapping[str, Any] = {
    "tracking_id": "8TGK-9Q0",
    "title": "Azure Database for PostgreSQL - East US 2 - Investigating loss of power",
    "level": "Error",
    "services": ["Azure Database for PostgreSQL flexible servers", "Azure Database for PostgreSQL"],
    "regions": ["East US 2"],
    "impact_start": "region_down",
}
"""What Azure says of the outage that most tests are about."""


class Clock:
    """The time of everybody, daemon and Azure. It stands still unless a test moves it."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        return self._now

    def forward(self, span: timedelta) -> None:
        self._now += span


class Harbour:
    """The servers' sockets. `world.DataPlane` as the local Azure wants it."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.gate = asyncio.Event()
        """Restores end only while it is set."""
        self.gate.set()
        self._now = now
        self._down: set[str] = set()
        self._listening: dict[str, asyncio.Server] = {}

    async def create(self, name: str, region: str, **_: object) -> str:
        greet = functools.partial(self._greet, region)
        self._listening[name] = listening = await asyncio.start_server(greet, "127.0.0.1", 0)
        host, port = listening.sockets[0].getsockname()
        return f"{host}:{port}"

    async def restore(self, name: str, region: str, *, source: str, to: datetime | None = None) -> str:
        await self.gate.wait()
        return await self.create(name, region)

    async def replicate(self, name: str, region: str, *, source: str) -> str:
        return await self.create(name, region)

    async def promote(self, name: str) -> None:
        await self.gate.wait()

    async def remove(self, name: str) -> None:
        self._listening.pop(name).close()

    async def region_down(self, region: str) -> None:
        self._down.add(region)

    async def region_up(self, region: str) -> None:
        self._down.discard(region)

    def newest_backup(self, source: str) -> datetime | None:
        return self._now()

    async def close(self) -> None:
        for name in list(self._listening):
            await self.remove(name)

    async def _greet(self, region: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await reader.read(8) and region not in self._down:
                writer.write(b"N")
                await writer.drain()
        except OSError:
            pass  # a probe that has seen enough hangs up hard
        finally:
            writer.close()


def a_server(name: str, region: str = EAST, **values: Any) -> dict[str, Any]:
    """A server for an estate: geo-redundant, with a DNS record. Tags are given without `outage-`: `rto="4h"`."""
    fields = {"kind", "tier", "geo_backup", "storage_gb", "sku", "version"}
    tags = {f"outage-{key}": value for key, value in values.items() if key not in fields}
    home = {EAST: "rg-data-east", "northeurope": "rg-data-europe"}[region]
    return {
        "name": name,
        "region": region,
        "resource_group": home,
        "geo_backup": True,
        "tags": {"outage-dns": f"{ZONE}/{name}", **tags},
        **{key: value for key, value in values.items() if key in fields},
    }


def declared(name: str = "orders", region: str = EAST, **values: Any) -> dict[str, Any]:
    """A server whose copy is due at once and used after 3 h 35 m, without asking anybody."""
    return a_server(name, region, **{"rto": "4h", "rpo": "1h", "cutover": "auto", "owner": f"team-{name}", **values})


def an_estate(described: Iterable[Mapping[str, Any]]) -> estates.Estate:
    """An estate of these servers. Its operations end as soon as they may."""
    listed = [dict(one) for one in described]
    return estates.Estate.model_validate(
        {
            "tenant": "5f0c7a52-9a57-4c2f-8a7c-3d1c64c70a10",
            "subscriptions": [{"id": SUBSCRIPTION, "name": "Contoso Production"}],
            "resource_groups": [
                {"name": "rg-data-east", "region": EAST},
                {"name": "rg-data-europe", "region": "northeurope"},
                {"name": "rg-recovery", "region": PAIR},
                {"name": "rg-recovery-europe", "region": "westeurope"},
                {"name": "rg-dns", "region": "westus3"},
            ],
            "dns_zones": [
                {
                    "name": ZONE,
                    "resource_group": "rg-dns",
                    "records": {one["name"]: f"{one['name']}.postgres.database.azure.com" for one in listed},
                }
            ],
            "hubs": [{"name": HUB, "partitions": 2}],
            "servers": listed,
            "core_quotas": {PAIR: 1_000_000, "westeurope": 1_000_000},
            "timing": {name: "PT0S" for name in ("create", "restore", "delete", "retry_after")},
            "limits": {name: {"size": 1_000_000, "per_second": 1000} for name in ("reads", "writes", "deletes")},
        }
    )


def settings_of(sim: server.Simulator, store: Path, **changes: Any) -> settings.Settings:
    """The daemon's settings, as a real installation has them. In peace it looks at its servers more seldom."""
    return settings.Settings.model_validate(written_settings(sim, store, **changes))


def written_settings(sim: server.Simulator, store: Path, **changes: Any) -> dict[str, Any]:
    """The same as they would be written in the file."""
    zones = {ZONE: {"subscription": SUBSCRIPTION, "resource_group": "rg-dns"}}
    values: dict[str, Any] = {
        "store": {"path": str(store)},
        "azure": {
            "subscriptions": [SUBSCRIPTION],
            "resource_manager": sim.http,
            "audience": f"{sim.http}/.default",
            "credential": "managed-identity",
        },
        "event_hubs": [{"hub": HUB, "connection_string": {"env": "TEST_EVENT_HUB"}}],
        "web": {"port": 0, "webhook_secret": {"env": "TEST_WEBHOOK_SECRET"}},
        "probes": {"interval": "10m", "fresh": "20m"},
        "postgres": {"address_book": str(sim.address_book)},
        "restore": {"resource_groups": {PAIR: "rg-recovery", "westeurope": "rg-recovery-europe"}},
        "dns_zones": zones,
        "channels": [{"kind": "webhook", "url": {"env": "TEST_INBOX"}}],
    }
    return values | changes


@dataclass(kw_only=True)
class Daemon:
    """One life of the daemon: what a process would hold in memory, and nothing more."""

    parts: service.Parts
    watch: watch.Watch
    assess: assess.Assess
    act: act.Act
    announce: announce.Announce
    door: intake.Intake
    stack: contextlib.AsyncExitStack


@dataclass(kw_only=True)
class Night:
    """The stage and its levers."""

    sim: server.Simulator
    clock: Clock
    harbour: Harbour
    config: settings.Settings
    daemon: Daemon = field(init=False)

    # What happens in the world

    async def region_down(self, region: str = EAST) -> None:
        await self.sim.cloud.take_region_down(region)

    async def region_up(self, region: str = EAST) -> None:
        await self.sim.cloud.bring_region_up(region)

    async def tell(self, *channels: str, times: int = 1, **changes: Any) -> None:
        """Azure publishes a bulletin, and it has reached the daemon's store when this returns."""
        described = scenarios.Bulletin.model_validate({**BULLETIN, **changes})
        self.sim.cloud.publish(described, channels or (WEBHOOK,), times=times)
        await self.sim.publisher.settle()
        failed = [d.jsonable() for d in self.sim.publisher.deliveries if d.outcome != "delivered"]
        assert not failed, "the daemon's webhook takes everything"
        sent = sum(d.channel.startswith("hub") for d in self.sim.publisher.deliveries)
        await until(lambda: self._heard_from_hubs(sent))

    async def the_region_fails(self, **changes: Any) -> None:
        """It goes down, Azure says so ten minutes later, and five more make the silence proof."""
        await self.region_down()
        await self.passes("10m")
        await self.tell(**changes)
        await self.turn()
        await self.passes("5m")

    # What the daemon does

    async def turn(self) -> None:
        """Everything that is due at this moment, until nothing is."""
        await self.daemon.watch.turn(self.clock.now())
        for _ in range(50):
            await self.daemon.assess.turn(self.clock.now())
            if not await self.carry_on():
                return
        raise AssertionError("the flow does not come to rest")

    async def carry_on(self) -> int:
        """Carry out whatever is due now; how many claims that took."""
        for claims in range(200):
            if await self.carry_on_one() is None:
                return claims
        raise AssertionError("a run is due again and again")

    async def carry_on_one(self) -> runs.Run | None:
        """One claim."""
        run = await self.store.runs.claim(self.clock.now())
        return await self.daemon.act.carry_on(run) if run is not None else None

    async def passes(self, span: str) -> None:
        """Time passes, and the daemon looks again; on the way, too, as often as it must to know what it knows."""
        left = durations.parse(span)
        while left:
            step = min(left, self.config.probes.interval)
            self.clock.forward(step)
            await self.turn()
            left -= step

    async def passes_until(self, holds: Callable[[], Any], step: str = "1m", most: int = 60) -> None:
        """Time passes step by step until a coroutine function answers truly."""
        for _ in range(most):
            if await holds():
                return
            await self.passes(step)
        raise AssertionError(f"not within {most} steps of {step}")

    async def passes_to(self, moment: datetime | None) -> None:
        """Time passes up to that moment, and the daemon looks at it."""
        assert moment is not None
        left = moment - self.clock.now()
        assert left > timedelta(), "that is over"
        await self.passes(f"{left.total_seconds()}s")

    async def restart(self) -> None:
        """The process ends and another one begins: only the store outlives it."""
        await self.stop()
        await self.start()

    async def start(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            parts = await stack.enter_async_context(service.assembled(self.config))
            door = intake.Intake(parts.store.intake, parts.wakes["assess"])
            ways = service.ways_of(self.config.channels)
            for way in ways:
                stack.push_async_callback(way.close)
            probes = self.config.probes
            pace = watch.Pace(peace=probes.interval, outage=probes.interval_in_outage, concurrency=probes.concurrency)
            behind = desk.Desk(
                config=self.config, store=parts.store, intake=door, playbooks=parts.playbooks, sources=(),
                assess=parts.wakes["assess"], act=parts.wakes["act"],
            )  # fmt: skip
            port = await stack.enter_async_context(web.running(behind))
            self.sim.publisher.webhooks[:] = [f"http://127.0.0.1:{port}/webhooks/azure-monitor?code=s3cret"]
            self.daemon = Daemon(
                parts=parts,
                watch=watch.Watch(parts.store, parts.databases.probe, pace, parts.wakes["assess"]),
                assess=service.assessor(parts),
                act=service.actor(parts),
                announce=announce.Announce(parts.store, ways, parts.wakes["announce"]),
                door=door,
                stack=stack.pop_all(),
            )

    async def stop(self) -> None:
        self.sim.publisher.webhooks.clear()
        await self.daemon.stack.aclose()

    @contextlib.asynccontextmanager
    async def hearing_the_hub(self) -> AsyncIterator[None]:
        """The daemon reads its event hubs meanwhile, by the real SDK."""
        sources = service.hubs(self.daemon.parts, self.daemon.door)
        tasks = [asyncio.create_task(source.run(), name=f"hub {source.name}") for source in sources]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # What people do

    async def starts(self, playbook: str = "geo-restore", name: str = "orders") -> runs.Run:
        """Somebody starts a playbook by hand."""
        asked = requests.RunRequest(playbook=playbook, server=name, by="ada")
        run = await requests.planned(self.store, self.daemon.parts.playbooks, asked, self.clock.now())
        return await requests.submit(self.store, run)

    async def says(self, topic: str, name: str = "orders", *, accept_loss: str | None = None, by: str = "ada") -> None:
        run = await self.active(name)
        assert run is not None, f"{name} has a run to say something to"
        loss = durations.parse(accept_loss) if accept_loss else None
        word = requests.Word(topic=runs.Topic(topic), by=by, reason="because", accept_loss=loss)
        await requests.say(self.store, run.id, word, self.clock.now())

    # What can be seen

    @property
    def store(self) -> Any:
        return self.daemon.parts.store

    def id_of(self, name: str) -> servers.ServerId:
        found = self.sim.world.server_named(name)
        assert found is not None
        return servers.server_id(found.id)

    async def runs(self, name: str | None = None) -> list[runs.Run]:
        """Oldest first."""
        found = reversed(await self.store.runs.list(1000))
        return [run for run in found if name is None or run.server_id == self.id_of(name)]

    async def active(self, name: str = "orders") -> runs.Run | None:
        found: runs.Run | None = await self.store.runs.active_for(self.id_of(name))
        return found

    async def steps(self, run: runs.Run) -> dict[str, runs.StepRecord]:
        found: dict[str, runs.StepRecord] = await self.store.runs.steps(run.id)
        return found

    async def at_step(self, step: str, name: str = "orders") -> bool:
        run = await self.active(name)
        return run is not None and run.step == step

    async def idle(self, name: str = "orders") -> bool:
        return await self.active(name) is None

    async def decision(self, name: str = "orders", outage: outages.OutageId = OUTAGE_ID) -> decisions.Decision:
        found = await self.store.outages.decision(self.id_of(name), outage)
        assert isinstance(found, decisions.Decision)
        return found

    async def told(self) -> list[announcements.Announcement]:
        """Everything in the outbox, oldest first."""
        return [row["announcement"] for row in reversed(await self.store.outbox.list(1000))]

    def record(self, name: str = "orders") -> str | None:
        """Where the server's DNS record leads."""
        (zone,) = self.sim.world.zones.values()
        return zone.record_sets["CNAME", name].target

    def writes(self, *, done: bool = False) -> list[ledger.Entry]:
        """Every PUT, PATCH and DELETE that reached Resource Manager; `done`: only those it took."""
        taken = {200, 201, 202, 204}
        return [e for e in self.sim.world.ledger.writes() if not done or (e.status in taken and e.fault != "answer")]

    def creates(self, name: str = "orders", *, done: bool = True) -> list[ledger.Entry]:
        """PUTs of copies of a server."""
        return [e for e in self.writes(done=done) if e.method == "PUT" and f"/{name}-geo-" in e.path]

    def deletes(self) -> list[ledger.Entry]:
        return [e for e in self.writes(done=True) if e.method == "DELETE"]

    def polls(self) -> list[ledger.Entry]:
        return [e for e in self.sim.world.ledger if "/azureasyncoperation/" in e.path.lower()]

    def copies(self, name: str = "orders") -> list[world.Server]:
        return [s for s in self.sim.world.servers.values() if s.name.startswith(f"{name}-geo-")]

    def requests_to_the_failed_region(self) -> list[ledger.Entry]:
        """Of whatever method: to a server or an operation there, and to any server of the estate by its name."""
        own = {self.id_of(one.name) for one in self.sim.world.estate.servers}
        return [
            e
            for e in self.sim.world.ledger
            if e.region == EAST or f"/locations/{EAST}" in e.path.lower() or servers.server_id(e.path) in own
        ]

    async def _heard_from_hubs(self, count: int) -> bool:
        await self.store.intake.pending(10_000)  # takes apart what lies together
        row = await self.store.database.row("SELECT COUNT(*) AS n FROM arrivals WHERE source LIKE 'hub:%'")
        return bool(row["n"] >= count)


_read = playbook_files.library
_shipped: dict[tuple[str, ...], playbook_files.Library] = {}
"""By the step kinds there are: reading and checking them is a third of what it costs to start."""


def _library(
    overlay: Path | Sequence[Path] | None, speech: playbooks.Language, *, spare: bool = False
) -> playbook_files.Library:  # fmt: skip
    """The shipped playbooks are read once for all nights; those with files of their own read theirs."""
    if overlay:
        return _read(overlay, speech, spare=spare)
    key = (*sorted(speech.kinds), "", *sorted(speech.unusable))
    if key not in _shipped:
        _shipped[key] = _read(overlay, speech)
    return _shipped[key]


async def until(holds: Callable[[], Any]) -> None:
    """Wait until a coroutine function answers truly."""
    async with asyncio.timeout(PATIENCE):
        while not await holds():  # noqa: ASYNC110 - what it waits for lies in the store, which rings no bell
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def falling(
    described: Iterable[Mapping[str, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any
) -> AsyncIterator[Night]:
    """A night with these servers, all of them well, known to the daemon, and once answered. Settings may be changed."""
    time = Clock()
    monkeypatch.setattr(clock, "now", time.now)
    monkeypatch.setattr(playbook_files, "library", _library)
    for room, name, instead in at_once.REPLACED:
        monkeypatch.setattr(room, name, instead)
    options = server.Options(data_plane=False, data_dir=folder / "cloud")
    async with server.running(an_estate(described), options) as sim:
        sim.world._clock = time.now
        sim.world.data = harbour = Harbour(time.now)
        await sim.world.start()
        for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
            monkeypatch.setenv(name, sim.environment[name])
        monkeypatch.setenv("TEST_EVENT_HUB", sim.environment["SIM_EVENT_HUB_HEALTH_EVENTS"])
        monkeypatch.setenv("TEST_INBOX", f"{sim.http}/sim/inbox")
        monkeypatch.setenv("TEST_WEBHOOK_SECRET", "s3cret")
        config = settings_of(sim, folder / "store.sqlite3", **changes)
        night = Night(sim=sim, clock=time, harbour=harbour, config=config)
        await night.start()
        try:
            await service.refresh_inventory(night.daemon.parts)
            await night.turn()
            time.forward(timedelta(minutes=1))
            yield night
        finally:
            harbour.gate.set()
            await night.stop()


async def post(night: Night, body: bytes) -> int:
    """Post to the daemon's webhook as somebody else would; the status it answers."""
    async with aiohttp.ClientSession() as session, session.post(night.sim.publisher.webhooks[0], data=body) as answer:
        return answer.status
