"""kill -9 at every write: the next process ends where one that was not killed would have, and does nothing twice.

A life of the daemon is a forked process (`lives`) with a journal of its own; the local Azure, here, outlives them all.
Each life has a server of its own, so that the ledger tells what its daemon did.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from responder.core import regions, restores, servers
from responder.simulator import bulletins, server
from responder.store import codec, postgresql
from responder.store.postgresql import places
from tests.contracts import postgresql_server
from tests.scenarios import lives
from tests.scenarios import night as nights

PROJECT = Path(__file__).parents[2]
MOTHERS = 2
NO_FATE = ("", 0)
ALL_FATES, A_FATE_OF_EACH_STEP, A_FATE_OF_EACH_KIND = "all", "step", "kind"
"""Of the moments to die at."""
EXHAUSTIVE = os.environ.get("RESPONDER_TEST_PROFILE") == "fuzz"
"""With the moments, too, that are known to be the same as others."""
EVERY_STEP = ALL_FATES if EXHAUSTIVE else A_FATE_OF_EACH_STEP
"""Each write of each step, before and after; the same write met once more (another poll) only in `make fuzz`."""
DONE = {"PUT": 0, "PATCH": 0, "DELETE": 0, "SET": 0, "CNAME": 0}


@dataclass(frozen=True, kw_only=True)
class Course:
    """What happens to one server, and what it comes to."""

    server: Mapping[str, Any]
    region: str = "northeurope"
    """Of which only East US 2 is down in the local Azure; elsewhere servers answer as soon as anybody looks again."""
    back_at: tuple[str, ...] = ()
    """Steps at which the daemon looks again."""
    resolved: bool = False
    """Azure says then that it is over."""
    restore_p95: str = "5h"
    groups: bool = True
    """Copies have a resource group to go to."""
    ends_with: str = "geo-restore"
    everywhere: bool = False
    """Killed just after every commit, too."""
    starts: str = ""
    """A playbook that somebody starts by hand, with no outage known."""
    params: Mapping[str, Any] = field(default_factory=dict)
    spell_at: str = ""
    """A step before which the server answered once more, an hour ago."""
    approved_at: str = ""
    """A step at which somebody says yes."""
    other: str = ""
    """What else there is in the cloud: a `replica` of the server, or a `copy` that an earlier run has left."""
    login: bool = False
    """The settings name a login, which a new server gets. Nobody is let in by it here."""
    does: Mapping[str, int]
    """Creates, promotions, deletes, settings of copies, and DNS writes."""


CUT_OVER = {
    "waits, then restores, then cuts over": Course(
        server={"rto": "4h", "rpo": "1h", "cutover": "auto"}, region=nights.EAST, restore_p95="30m",
        everywhere=EXHAUSTIVE, does={**DONE, "PUT": 1, "PATCH": 1, "CNAME": 1},
    ),
    "it came back for a while, so a newer copy takes the place of the older": Course(
        server={"rto": "4h", "rpo": "1h", "cutover": "auto", "hedge": "eager"}, region=nights.EAST, restore_p95="30m",
        spell_at="hold", does={**DONE, "PUT": 2, "PATCH": 1, "DELETE": 1, "CNAME": 1},
    ),
}  # fmt: skip
RETURNING = {
    "the region returns while the copy is held": Course(
        server={"rto": "4h", "rpo": "1h", "cutover": "auto", "kind": "single", "sku": "GP_Gen5_4", "version": "11"},
        back_at=("hold", "discard", "tell-discarded"), does={**DONE, "PUT": 1, "DELETE": 1},
    ),
    "the server answers at the very last moment": Course(
        server={"rto": "4h", "rpo": "1h", "cutover": "auto"},
        back_at=("cut-over", "discard-late", "tell-discarded-late"), does={**DONE, "PUT": 1, "DELETE": 1},
    ),
    "waits until it is over": Course(
        server={"owner": "team-wiki"}, back_at=("watch", "tell-over"), resolved=True, ends_with="wait-it-out",
        does=DONE,
    ),
    "the restore fails for good, and it is waited out": Course(
        server={"rto": "4h", "rpo": "1h", "cutover": "auto"}, back_at=("watch", "tell-over"), resolved=True,
        groups=False, ends_with="wait-it-out", does=DONE,
    ),
}  # fmt: skip
BY_HAND = {
    "a replica is promoted": Course(
        server={"rto": "4h", "rpo": "1h", "cutover": "ask"}, region=nights.EAST, starts="promote-replica",
        approved_at="hold", other="replica", ends_with="promote-replica", does={**DONE, "PATCH": 2, "CNAME": 1},
    ),
    "a server is restored as it was": Course(
        server={}, starts="point-in-time-restore", ends_with="point-in-time-restore",
        does={**DONE, "PUT": 1, "SET": 2},
    ),
    "a restore is rehearsed": Course(
        server={}, starts="drill", ends_with="drill", does={**DONE, "PUT": 1, "DELETE": 1},
    ),
    "a copy that was left behind is thrown away": Course(
        server={}, starts="discard-copy", other="copy", ends_with="discard-copy", does={**DONE, "DELETE": 1},
    ),
    "a server moves into one with geo-redundant backup": Course(
        server={"geo_backup": False}, starts="migrate-to-geo-redundant", approved_at="hold", login=True,
        ends_with="migrate-to-geo-redundant", does={**DONE, "PUT": 1, "PATCH": 1},
    ),
    "the way back is planned": Course(
        server={}, starts="failback-plan", ends_with="failback-plan", does=DONE,
    ),
}  # fmt: skip


class Files:
    """Every life's store is a file in its folder."""

    async def prepare(self, name: str, folder: Path) -> dict[str, Any]:
        """The settings of a store for this server, with nothing in it."""
        return {"path": str(folder / "store.sqlite3")}

    async def clear(self, name: str) -> None:
        """Its last life is over. The folder goes with all others."""


class Databases:
    """Every life's store is a database of its own, a copy of one in which the schema was made."""

    def __init__(self, server: postgresql_server.Server) -> None:
        self._server = server
        self._made = False

    async def prepare(self, name: str, folder: Path) -> dict[str, Any]:
        if not self._made:
            self._made = True
            await self._server.ask("CREATE DATABASE pattern")
            store = await postgresql.open_store(places.Place(url=self._server.url_of("pattern")))
            await store.close()
        await self._server.ask(f"CREATE DATABASE {name} TEMPLATE pattern STRATEGY file_copy")
        (folder / "url").write_text(self._server.url_of(name))
        return {"url": {"file": str(folder / "url")}}

    async def clear(self, name: str) -> None:
        await self._server.ask(f"DROP DATABASE {name} WITH (FORCE)")


class Mother:
    """A process that gives birth to lives, one at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def live(self, order: Mapping[str, Any]) -> int:
        """How it ended: negative for a signal."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        answer = await self._process.stdout.readline()
        assert answer, "a mother outlives them all"
        return int(json.loads(answer)["code"])


@contextlib.asynccontextmanager
async def living(sim: server.Simulator) -> AsyncIterator[list[Mother]]:
    started: list[asyncio.subprocess.Process] = []
    try:
        for _ in range(MOTHERS):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", lives.__name__, cwd=PROJECT, env={**os.environ, **sim.environment},
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            started.append(process)
        yield [Mother(process) for process in started]
    finally:
        for process in started:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()


class Stage:
    """One course, played by as many servers as there are moments to die at."""

    def __init__(self, course: Course, sim: server.Simulator, folder: Path, stores: Files | Databases) -> None:
        self._course, self._sim, self._folder, self._stores = course, sim, folder, stores
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._used = 0

    async def order(self, fate: tuple[str, int] | None = NO_FATE) -> dict[str, Any]:
        """A life for a server that had none yet. Without a fate it is the mother's own."""
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
            "settings": {**config, "store": await self._stores.prepare(name, folder)},
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
            "fate": fate,
        }

    async def clear(self, order: Mapping[str, Any]) -> None:
        await self._stores.clear(order["name"])

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
        found = dict(DONE)
        for entry in self._sim.world.ledger.writes():
            if f"/{name}-" in entry.path:
                child = re.search("/(firewallRules|configurations)/", entry.path, re.IGNORECASE)
                found["SET" if child else entry.method] += 1
            elif entry.path.lower().endswith(f"/cname/{name}"):
                found["CNAME"] += 1
        return found

    def _others(self, name: str) -> list[str]:
        return [each["name"] for each in others_of(self._course, name)]

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
    found: dict[str, Any] = json.loads((Path(order["folder"]) / "end.json").read_text())
    return found


def one_of_each(fates: Iterable[tuple[str, int]], met: Sequence[str], by: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The first of those that die in the same way in the same function of the store, or request of Azure."""
    known = set()
    for what, count in fates:
        places = [number for number, each in enumerate(met) if each == what]
        kind = (what, by[places[count - 1]])
        if kind not in known:
            known.add(kind)
            yield what, count


def fates_of(met: Sequence[str], *, everywhere: bool) -> Iterator[tuple[str, int]]:
    """Every moment to die at, given what a life met.

    Just after a commit everything durable is as just before the next one, unless something was asked of Azure between
    the two. So that moment is left out where nothing was, but in one course.
    """
    for number, what in enumerate(met):
        following = met[number + 1] if number + 1 < len(met) else ""
        if what != "after-commit" or following != "before-commit" or everywhere:
            yield what, met[: number + 1].count(what)


def others_of(course: Course, name: str) -> list[dict[str, Any]]:
    """What the estate has besides the server."""
    if course.other == "replica":
        return [{"name": f"{name}-r", "region": "westus3", "resource_group": "rg-dns", "replica_of": name}]
    if course.other == "copy":
        source = (
            f"/subscriptions/{nights.SUBSCRIPTION}/resourcegroups/rg-data-europe"
            f"/providers/microsoft.dbforpostgresql/flexibleservers/{name}"
        )
        tags = {restores.CREATED_BY_TAG: restores.CREATED_BY, restores.SOURCE_TAG: source}
        home = {"region": "northeurope", "resource_group": "rg-data-europe"}
        return [{"name": f"{name}-pit-0123abcd", "tags": tags, **home}]
    return []


def name_of(number: int) -> str:
    return f"s{number:03}"


async def kill_at_every_write(course: Course, memory: Path, stores: Files | Databases, which: str = ALL_FATES) -> None:
    """Play a course once undisturbed, and then killed at every moment that was met: the same end, and nothing twice."""
    names = [name_of(number) for number in range(250)]
    described = [nights.a_server(name, course.region, **course.server) for name in names]
    described += [other for name in names for other in others_of(course, name)]
    options = server.Options(data_plane=False, data_dir=memory / "cloud")
    async with server.running(nights.an_estate(described), options) as sim, living(sim) as mothers:
        sim.world.data = nights.Harbour(sim.world.now)
        await sim.world.start()
        await sim.world.take_region_down(nights.EAST)
        stage = Stage(course, sim, memory, stores)

        for mother in mothers:
            assert await mother.live(await stage.order(None)) == lives.SURVIVED
        undisturbed = await stage.order()
        assert await mothers[0].live(undisturbed) == lives.SURVIVED
        expected = stage.ended(undisturbed)
        assert expected["wrote"] == course.does
        said = last_words(undisturbed)
        fates = list(fates_of(said["met"], everywhere=course.everywhere))
        if which == A_FATE_OF_EACH_STEP:
            fates = list(one_of_each(fates, said["met"], said["by"]))
        elif which == A_FATE_OF_EACH_KIND:  # whatever the step
            fates = list(one_of_each(fates, said["met"], [by.split()[0] for by in said["by"]]))

        async def play(mother: Mother) -> None:
            while fates:
                fate = fates.pop()
                order = await stage.order(fate)
                assert await mother.live(order) == -9, f"{fate} comes in every life"
                assert await mother.live({**order, "fate": NO_FATE}) == lives.SURVIVED, f"the life after {fate}"
                assert stage.ended(order) == expected, f"killed {fate}"
                await stage.clear(order)

        async with asyncio.TaskGroup() as group:
            for mother in mothers:
                group.create_task(play(mother))
