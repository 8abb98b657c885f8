"""kill -9 at every write: the next process ends where one that was not killed would have, and does nothing twice.

A life of the daemon is a forked process (`lives`) with a journal of its own; the local Azure, here, outlives them all.
Each journal has a server of its own, so that the ledger tells what its daemons did.

A course is played once undisturbed, which tells the moments to die at. Then it is played again, and dies at some of
them, one after the other and well apart, so that all the moments cost few whole courses. Those that did not come, as
a death before them changed the way, get a course each. `make fuzz`: each moment has a course of its own.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from responder.core import regions, runs, servers
from responder.simulator import bulletins, server
from responder.store import codec, postgresql
from responder.store.postgresql import places
from tests.contracts import postgresql_server
from tests.scenarios import courses, lives
from tests.scenarios import night as nights

PROJECT = Path(__file__).parents[2]
EACH_ALONE = os.environ.get("RESPONDER_TEST_PROFILE") == "fuzz"
"""Every moment has a course of its own, in which nobody dies at another."""
PATIENCE = 7200 if EACH_ALONE else 1800
"""Seconds, for one course on a busy machine. The mark of a test is stronger than `--timeout`."""
APART = 8
"""Moments between two deaths in one course: the next one comes some writes after the one before was outlived."""
_KILLED = -9


class Death(NamedTuple):
    """A moment to die at."""

    what: str
    """`before-commit`, `after-commit`, or `after-azure`."""
    by: str
    """The function of the store, with the step that it wrote of; or the method of the request."""
    number: int
    """How many of these there have been then in the whole course, with itself."""


class Files:
    """Every life's store is a file in its folder."""

    EVERYWHERE = True

    async def prepare(self, folder: Path) -> dict[str, Any]:
        """The settings of a store with nothing in it."""
        return {"path": str(folder / "store.sqlite3")}

    async def clear(self, folder: Path) -> None:
        """Its last life is over. The folder goes with all others."""


class Databases:
    """Every life's store is a database of its own, a copy of one in which the schema was made.

    A life costs three times as much as on a file, for each new connection reads the server's catalogues and plans every
    statement anew. So the moments in which the same is durable as in others are left out (`Course.everywhere`).
    """

    EVERYWHERE = EACH_ALONE

    def __init__(self, server: postgresql_server.Server) -> None:
        self._server = server
        self._made = 0

    async def prepare(self, folder: Path) -> dict[str, Any]:
        if not self._made:
            await self._server.ask("CREATE DATABASE pattern")
            store = await postgresql.open_store(places.Place(url=self._server.url_of("pattern")))
            await store.close()
        self._made += 1
        made = f"life_{self._made}"
        await self._server.ask(f"CREATE DATABASE {made} TEMPLATE pattern STRATEGY file_copy")
        (folder / "url").write_text(self._server.url_of(made))
        return {"url": {"file": str(folder / "url")}}

    async def clear(self, folder: Path) -> None:
        made = (folder / "url").read_text().partition("@/")[2].partition("?")[0]
        await self._server.ask(f"DROP DATABASE {made} WITH (FORCE)")


class Mother:
    """A process that gives birth to lives, one at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    async def live(self, order: Mapping[str, Any], *, herself: bool = False) -> int:
        """How it ended: negative for a signal. What she has lived herself, nobody after her has to import."""
        return await asyncio.to_thread(self._live, {**order, "herself": herself})

    def _live(self, order: Mapping[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "a mother outlives them all"
        return int(json.loads(answer)["code"])


@contextlib.contextmanager
def living() -> Iterator[Mother]:
    """A mother, who ends with the block."""
    command = [sys.executable, "-m", lives.__name__]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Mother(process)


class Stage:
    """One course, played by a server after the other."""

    def __init__(self, course: courses.Course, sim: server.Simulator, folder: Path, stores: Files | Databases) -> None:
        self._course, self._sim, self._folder, self._stores = course, sim, folder, stores
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._used = 0

    async def order(self) -> dict[str, Any]:
        """A life for a server that had none yet, in which nobody dies."""
        name = name_of(self._used)
        self._used += 1
        folder = self._folder / name
        folder.mkdir()
        groups = {"westeurope": "rg-recovery-europe", nights.PAIR: "rg-recovery"} if self._course.groups else {}
        login = {"user": "admin", "password": {"env": "PATH"}} if self._course.login else {}
        config = nights.written_settings(
            self._sim, folder, event_hubs=[], channels=[],
            restore={"resource_groups": groups, "poll": "10s"},
            probes={"fresh": "30d", "timeout": "1s"},
            postgres={"address_book": str(self._sim.address_book), **login},
            decision={
                "beliefs": {"small": {"p50": "10m", "p95": self._course.restore_p95}}, "surge": 1, "grace": "1m",
            },
        )  # fmt: skip
        return {
            "folder": str(folder),
            "name": name,
            "now": self._now.isoformat(),
            "settings": {**config, "store": await self._stores.prepare(folder)},
            "server": self._described(name),
            "event": self._bulletin(),
            "resolution": self._bulletin(over=True) if self._course.resolved else None,
            "others": [self._described(other) for other in self._others(name)],
            "settings_known": self._course.does["SET"] > 0,
            "starts": self._course.starts,
            "params": dict(self._course.params),
            "approved_at": self._course.approved_at,
            "back_at": self._course.back_at,
            "spell_at": self._course.spell_at,
            "ends_with": self._course.ends_with,
            "step_minutes": 65,
            "environment": self._sim.environment,
            "deaths": [],
        }

    async def clear(self, order: Mapping[str, Any]) -> None:
        await self._stores.clear(Path(order["folder"]))

    def ended(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """How it ended, as the last life saw it and as Azure did."""
        end: dict[str, Any] = last_words(order)["end"]
        name = order["name"]
        (zone,) = self._sim.world.zones.values()
        copies = [s for s in self._sim.world.servers.values() if s.name.startswith(f"{name}-")]
        leads_to = zone.record_sets["CNAME", name].target
        return {
            **end,
            "wrote": self._wrote(name),
            "copies": [copy.state for copy in copies],
            "record": "copy" if leads_to in [copy.fqdn for copy in copies] else "source",
        }

    def _wrote(self, name: str) -> dict[str, int]:
        found = dict(courses.DONE)
        for entry in self._sim.world.ledger.writes():
            if f"/{name}-" in entry.path:
                child = re.search("/(firewallRules|configurations)/", entry.path, re.IGNORECASE)
                found["SET" if child else entry.method] += 1
            elif entry.path.lower().endswith(f"/cname/{name}"):
                found["CNAME"] += 1
        return found

    def _others(self, name: str) -> list[str]:
        return [each["name"] for each in courses.others_of(self._course, name)]

    def _described(self, name: str) -> Any:
        return json.loads(codec.dump(self._server(name), servers.Server))

    def _server(self, name: str) -> servers.Server:
        there = self._sim.world.server_named(name)
        assert there is not None
        return servers.Server(
            id=servers.server_id(there.id),
            name=name,
            family=servers.Family(there.kind),
            subscription_id=there.subscription,
            resource_group=there.resource_group,
            region=regions.normalise(there.region),
            tier=there.tier,
            sku=there.sku,
            storage_gb=there.storage_gb,
            geo_backup=there.geo_backup,
            fqdn=there.fqdn,
            tags=there.tags,
            replica_of=servers.server_id(there.source_id) if there.is_replica and there.source_id else None,
        )

    def _bulletin(self, *, over: bool = False) -> dict[str, Any]:
        return bulletins.activity_log_alert(
            bulletins.Bulletin(
                tracking_id="8TGK-9Q0",
                subscription_id=nights.SUBSCRIPTION,
                title="Outage",
                updated_at=self._now - timedelta(minutes=1 if over else 5),
                impact_start=self._now - timedelta(minutes=10),
                services=tuple(nights.BULLETIN["services"]),
                regions=(self._course.region,),
                status="Resolved" if over else "Active",
            )
        )


def last_words(order: Mapping[str, Any]) -> dict[str, Any]:
    """What the life that came to the end of its course has left: `end`, and `met`."""
    found: dict[str, Any] = json.loads((Path(order["folder"]) / "end.json").read_text())
    return found


def deaths_of(met: Sequence[Sequence[str]], *, everywhere: bool) -> list[Death]:
    """Every moment to die at, given what a life met.

    Just after a commit everything durable is as just before the next one, unless something was asked of Azure between
    the two. So that moment is left out where nothing was, but in one course.
    """
    found, seen = [], collections.Counter[tuple[str, str]]()
    for place, (what, by) in enumerate(met):
        seen[what, by] += 1
        following = met[place + 1][0] if place + 1 < len(met) else ""
        if what != "after-commit" or following != "before-commit" or everywhere:
            found.append(Death(what, by, seen[what, by]))
    return found


def unannounced(met: Sequence[Sequence[str]]) -> list[str]:
    """What was asked of Azure while the journal knew of no step that had begun and not ended."""
    found, last = [], "nothing"
    for what, by in met:
        if what == "after-commit" and by.startswith("Runs.write"):
            last = by
        elif what == "after-azure" and not last.endswith((f" {runs.StepState.BEGUN}", f" {runs.StepState.WAITING}")):
            found.append(f"{by} after {last}")
    return found


def name_of(number: int) -> str:
    return f"s{number:03}"


class Play:
    """The same course again and again, each time with other deaths."""

    def __init__(self, stage: Stage, mother: Mother) -> None:
        self._stage, self._mother = stage, mother
        self.died: set[Death] = set()

    async def undisturbed(self, does: Mapping[str, int]) -> Sequence[Sequence[str]]:
        """What is met in a course in which nobody dies. How that ends is what all others are held to."""
        order = await self._stage.order()
        assert await self._mother.live(order) == lives.SURVIVED
        self._expected = self._stage.ended(order)
        assert self._expected["wrote"] == does
        await self._stage.clear(order)
        met: Sequence[Sequence[str]] = last_words(order)["met"]
        assert unannounced(met) == [], "an intent is durable before its effect"
        return met

    async def outlive(self, deaths: Sequence[Death]) -> None:
        """Play it once more and die at those moments, as far as they come: it ends like the undisturbed one."""
        order, left, died = await self._stage.order(), set(deaths), list[Death]()
        while (ended := await self._mother.live({**order, "deaths": sorted(left)})) == _KILLED:
            died.append(Death(*json.loads((Path(order["folder"]) / "died.json").read_text())))
            left.remove(died[-1])
        assert ended == lives.SURVIVED, f"the life after {died}"
        end = self._stage.ended(order)
        assert end == self._expected, f"killed {died}: {end} and not {self._expected} (`make fuzz` tells of which)"
        await self._stage.clear(order)
        self.died |= set(died)


async def kill_at_every_write(course: courses.Course, folder: Path, stores: Files | Databases, mother: Mother) -> None:
    """Play a course until somebody has died at every moment of it: always the same end, and nothing twice."""
    names = [name_of(number) for number in range(260 if EACH_ALONE else 60)]
    described = [nights.a_server(name, course.region, **course.server) for name in names]
    described += [other for name in names for other in courses.others_of(course, name)]
    options = server.Options(data_plane=False, data_dir=folder / "cloud")
    async with server.running(nights.an_estate(described), options) as sim:
        sim.world.data = nights.Harbour(sim.world.now)
        await sim.world.start()
        await sim.world.take_region_down(nights.EAST)
        stage = Stage(course, sim, folder, stores)
        assert await mother.live(await stage.order(), herself=True) == lives.SURVIVED
        play = Play(stage, mother)

        met = await play.undisturbed(course.does)
        deaths = deaths_of(met, everywhere=course.everywhere and stores.EVERYWHERE)
        for first in range(0 if EACH_ALONE else APART):
            await play.outlive(deaths[first::APART])
        for death in [each for each in deaths if each not in play.died]:
            await play.outlive([death])
            assert death in play.died, f"{death} comes in every life"
