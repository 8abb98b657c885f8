"""Watch: every server now and then, those of a troubled region at every turn, and never too many at once."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest

from responder import clock
from responder.core import evidence, servers, ways
from responder.flow import wakes, watch
from responder.store import sqlite
from tests.contracts import samples

PACE = watch.Pace(peace=timedelta(minutes=1), outage=timedelta(seconds=15), concurrency=3)


class Wire:
    """What answers, and what was asked."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self.open = asyncio.Event()
        self.open.set()

    async def probe(self, fqdn: str) -> evidence.Probe:
        self.asked.append(fqdn)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.open.wait()
        self.at_once -= 1
        return evidence.Probe(at=clock.now(), answered=fqdn not in self.silent, detail="said so")


class Bell(wakes.Wake):
    rung = 0

    def ring(self) -> None:
        self.rung += 1
        super().ring()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def stage(store: sqlite.Store, wire: Wire, bell: Bell) -> watch.Watch:
    return watch.Watch(store, wire.probe, PACE, bell)


async def estate(store: sqlite.Store, *named: str, region: str = "eastus") -> list[servers.Server]:
    found = [samples.server(name, region=region, fqdn=f"{name}.example") for name in named]
    await store.estate.put_servers(found)
    return found


async def test_in_peace_a_server_is_looked_at_once_a_pace(
    store: sqlite.Store, stage: watch.Watch, wire: Wire, time: Any
):
    await estate(store, "a")
    counts = []
    for _ in range(9):
        counts.append(await stage.turn(time.now))
        time.pass_(seconds=15)
    assert counts == [1, 0, 0, 0, 1, 0, 0, 0, 1]


async def test_a_clock_that_is_stepped_back_makes_nobody_look_away(
    store: sqlite.Store, stage: watch.Watch, wire: Wire, time: Any
):
    await estate(store, "a")
    await stage.turn(time.now)
    assert await stage.turn(time.pass_(hours=-1)) == 1
    assert await stage.turn(time.pass_(seconds=15)) == 0


async def test_while_its_region_has_an_open_outage_a_server_is_looked_at_every_turn(
    store: sqlite.Store, stage: watch.Watch, wire: Wire, time: Any
):
    await estate(store, "hit")
    await estate(store, "elsewhere", region="westeurope")
    await stage.turn(time.now)
    await store.outages.put([samples.outage(region="eastus")])
    wire.asked.clear()
    for _ in range(3):
        await stage.turn(time.pass_(seconds=1))
    assert wire.asked == ["hit.example"] * 3


async def test_a_closed_outage_ends_the_sharp_look(store: sqlite.Store, stage: watch.Watch, wire: Wire, time: Any):
    await estate(store, "a")
    await store.outages.put([samples.outage(region="eastus")])
    await stage.turn(time.now)
    await store.outages.close(samples.outage(region="eastus").id, time.now)
    assert await stage.turn(time.pass_(seconds=1)) == 0


async def test_never_more_at_once_than_allowed(store: sqlite.Store, stage: watch.Watch, wire: Wire, until: Any):
    await estate(store, *"abcdefgh")
    wire.open.clear()
    turn = asyncio.create_task(stage.turn(clock.now()))
    await until(lambda: wire.at_once == PACE.concurrency)
    wire.open.set()
    assert await turn == 8
    assert wire.most_at_once == PACE.concurrency


async def test_a_server_without_an_address_is_left_out(store: sqlite.Store, stage: watch.Watch, wire: Wire):
    await store.estate.put_servers([samples.server("being-created")])
    assert await stage.turn(clock.now()) == 0


async def test_what_was_seen_is_stored_and_silence_keeps_its_beginning(
    store: sqlite.Store, stage: watch.Watch, wire: Wire, time: Any
):
    (server,) = await estate(store, "a")
    answered = time.now
    await stage.turn(answered)
    wire.silent.add("a.example")
    silent = time.pass_(minutes=1)
    await stage.turn(silent)
    await stage.turn(time.pass_(minutes=1))
    health = (await store.estate.health())[server.id]
    assert (health.last_answer_at, health.failing_since, health.answering_since) == (answered, silent, None)
    assert health.last == evidence.Probe(at=time.now, answered=False, detail="said so")


async def test_the_assessment_is_woken_by_silence_and_by_a_return_and_not_by_peace(
    store: sqlite.Store, stage: watch.Watch, wire: Wire, bell: Bell, time: Any
):
    await estate(store, "a")
    rings = []
    for silent in (False, False, True, True, False, False):
        wire.silent = {"a.example"} if silent else set()
        bell.rung = 0
        await stage.turn(time.pass_(minutes=1))
        rings.append(bell.rung)
    assert rings == [1, 0, 1, 1, 1, 0]


async def test_a_server_that_has_just_fallen_silent_is_looked_at_sharply_by_itself(
    store: sqlite.Store, stage: watch.Watch, wire: Wire, time: Any
):
    """Nobody has spoken of an outage yet; an hour later somebody has, or it is no outage."""
    await estate(store, "a")
    await stage.turn(time.now)
    wire.silent.add("a.example")
    await stage.turn(time.pass_(minutes=1))
    counts = [await stage.turn(time.pass_(seconds=15)) for _ in range(4)]
    assert counts == [1, 1, 1, 1]
    for _ in range(60):
        await stage.turn(time.pass_(minutes=1))
    assert [await stage.turn(time.pass_(seconds=15)) for _ in range(3)] == [0, 0, 0]


async def test_one_that_was_never_reached_is_not_looked_at_sharply(
    store: sqlite.Store, stage: watch.Watch, wire: Wire, time: Any
):
    await estate(store, "walled")
    wire.silent.add("walled.example")
    await stage.turn(time.now)
    assert [await stage.turn(time.pass_(seconds=15)) for _ in range(3)] == [0, 0, 0]


async def test_servers_that_come_and_go_are_looked_at_and_left_alone(
    store: sqlite.Store, stage: watch.Watch, wire: Wire, time: Any
):
    (a,) = await estate(store, "a")
    assert await stage.turn(time.now) == 1
    await estate(store, "b")
    assert await stage.turn(time.pass_(seconds=1)) == 1
    await store.estate.remove([a.id])
    wire.asked.clear()
    await stage.turn(time.pass_(minutes=2))
    assert wire.asked == ["b.example"]


async def test_every_vantage_writes_its_own_looks(store: sqlite.Store, wire: Wire, bell: Bell, time: Any):
    (server,) = await estate(store, "a")
    for name in ("here", "west"):
        wire.silent = {"a.example"} if name == "west" else set()
        await watch.Watch(store, wire.probe, PACE, bell, vantage=name).turn(time.now)
    looks = (await store.estate.looks())[server.id]
    assert {name: health.last.answered for name, health in looks.items() if health.last} == {
        "here": True,
        "west": False,
    }


async def test_a_tick_begins_no_more_than_the_cap_and_waits_for_no_answer(
    store: sqlite.Store, wire: Wire, bell: Bell, time: Any, until: Any
):
    """A thousand servers: ten a second, three sockets, and not a task for each server."""
    await estate(store, *(f"s{number}" for number in range(1000)))
    pace = watch.Pace(peace=timedelta(minutes=1), outage=timedelta(seconds=15), concurrency=3, per_second=10)
    stage = watch.Watch(store, wire.probe, pace, bell)
    wire.open.clear()
    assert [await stage.tick(time.pass_(seconds=1)) for _ in range(3)] == [3, 0, 0]
    await until(lambda: wire.at_once == 3)
    wire.open.set()
    await until(lambda: not stage._under_way)
    pace = watch.Pace(peace=timedelta(minutes=1), outage=timedelta(seconds=15), concurrency=500, per_second=10)
    stage = watch.Watch(store, wire.probe, pace, bell)
    assert [await stage.tick(time.pass_(seconds=1)) for _ in range(3)] == [10, 10, 10]
    await until(lambda: not stage._under_way)
    await stage.tick(time.pass_(seconds=1))
    assert len(await store.estate.health()) == 30
    await until(lambda: not stage._under_way)


async def test_an_answer_that_takes_several_ticks_counts_and_is_looked_for_again(
    store: sqlite.Store, wire: Wire, bell: Bell, time: Any, until: Any
):
    (server,) = await estate(store, "slow")
    stage = watch.Watch(store, wire.probe, PACE, bell)
    wire.open.clear()
    assert [await stage.tick(time.pass_(seconds=1)) for _ in range(3)] == [1, 0, 0]
    wire.open.set()
    await until(lambda: not stage._under_way)
    assert await stage.tick(time.pass_(seconds=1)) == 0
    assert server.id in await store.estate.health()
    assert await stage.tick(time.pass_(minutes=1)) == 1
    await until(lambda: not stage._under_way)


async def test_a_region_that_fails_is_looked_at_at_once_and_before_all_others(
    store: sqlite.Store, wire: Wire, bell: Bell, time: Any, until: Any
):
    await estate(store, *(f"other{number}" for number in range(200)), region="westeurope")
    await estate(store, *(f"hit{number}" for number in range(5)))
    pace = watch.Pace(peace=timedelta(minutes=1), outage=timedelta(seconds=15), concurrency=500, per_second=10)
    stage = watch.Watch(store, wire.probe, pace, bell)
    await stage.turn(time.now)
    await store.outages.put([samples.outage(region="eastus")])
    wire.asked.clear()
    assert await stage.tick(time.pass_(seconds=1)) >= 5
    await until(lambda: not stage._under_way)
    assert sorted(wire.asked)[:5] == [f"hit{number}.example" for number in range(5)]


async def test_it_looks_again_and_again_until_cancelled(store: sqlite.Store, wire: Wire, bell: Bell, until: Any):
    await estate(store, "a")
    quick = watch.Pace(peace=timedelta(milliseconds=1), outage=timedelta(milliseconds=1), concurrency=1)
    task = asyncio.create_task(watch.Watch(store, wire.probe, quick, bell).run())
    await until(lambda: len(wire.asked) >= 3)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


# Some looks only knock, some go deep.


class Deep:
    """Servers behind a gateway that always answers; `said` is what comes from inside."""

    def __init__(self) -> None:
        self.said = "served"
        self.lag: timedelta | None = None
        self.asked: list[str] = []

    async def look(self, server: servers.Server) -> evidence.Probe:
        self.asked.append(server.name)
        return evidence.Probe(at=clock.now(), answered=True, said=self.said, lag=self.lag)


async def knock(_: str) -> evidence.Probe:
    return evidence.Probe(at=clock.now(), answered=True, said="door")


@pytest.fixture
def inside() -> Deep:
    return Deep()


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch, time: Any) -> None:
    began = time.now
    monkeypatch.setattr(clock, "ticks", lambda: (time.now - began).total_seconds())


def deep_watch(store: sqlite.Store, inside: Deep, per_second: float = 100, every: float = 0) -> watch.Watch:
    deep = watch.Deep(inside.look, per_second, timedelta(seconds=every))
    return watch.Watch(store, knock, PACE, Bell(), deep=deep)


async def health_of(store: sqlite.Store, name: str) -> evidence.Health:
    return (await store.estate.health())[samples.server_id(name)]


async def test_a_server_that_fails_inside_is_asked_all_at_every_look(
    store: sqlite.Store, inside: Deep, time: Any, ticking: None
):
    await estate(store, "a")
    stage = deep_watch(store, inside, every=60)
    for said in ("served", "login-silent", "login-silent", "login-silent"):
        inside.said = said
        await stage.turn(time.now)
        time.pass_(seconds=61)
    assert inside.asked == ["a"] * 4
    stage = deep_watch(store, inside, every=3600)
    for _ in range(3):
        await stage.turn(time.now)
        time.pass_(seconds=61)
    assert inside.asked == ["a"] * 7
    health = await health_of(store, "a")
    assert health.failing_since is not None
    assert health.last is not None
    assert (health.last.said, health.last.answered) == ("login-silent", False)


async def test_a_knock_after_a_restart_does_not_end_a_silence_behind_the_door(
    store: sqlite.Store, inside: Deep, time: Any, ticking: None
):
    (server,) = await estate(store, "a")
    before = evidence.observe(evidence.Health(), evidence.Probe(at=time.now, answered=True, said="served"))
    failed = evidence.Probe(at=time.pass_(minutes=1), answered=True, said="login-silent")
    failing = evidence.observe(before, failed)
    await store.estate.put_health({server.id: failing})
    inside.said = "login-silent"
    time.pass_(minutes=30)
    stage = deep_watch(store, inside, per_second=0.0001)
    stage._allowance.take(clock.ticks(), urgent=True)  # nothing is left for looks that go deep
    await stage.turn(time.now)
    assert (await health_of(store, "a"), inside.asked) == (failing, [])
    await stage.turn(time.now)
    assert inside.asked == ["a"]
    assert (await health_of(store, "a")).failing_since is not None


async def test_in_peace_a_server_is_looked_into_once_an_interval(
    store: sqlite.Store, inside: Deep, time: Any, ticking: None
):
    await estate(store, "a")
    stage = deep_watch(store, inside, every=240)
    for _ in range(6):
        assert await stage.turn(time.now) == 1
        time.pass_(seconds=70)
    assert inside.asked == ["a", "a"]


async def test_in_trouble_as_often_as_is_allowed(store: sqlite.Store, inside: Deep, time: Any, ticking: None):
    await estate(store, *"abcdef")
    await store.outages.put([samples.outage(region="eastus")])
    stage = deep_watch(store, inside, per_second=0.5, every=3600)
    await stage.turn(time.now)
    assert len(inside.asked) == 2
    for _ in range(4):
        time.pass_(seconds=2)
        await stage.turn(time.now)
    assert len(inside.asked) == 6


async def test_the_lag_of_a_replica_is_kept_while_its_primary_answers(
    store: sqlite.Store, inside: Deep, time: Any, ticking: None
):
    (primary,) = await estate(store, "a")
    replica = samples.server("r", region="westus", fqdn="r.example", replica_of=primary.id)
    await store.estate.put_servers([replica])
    stage = deep_watch(store, inside)
    inside.lag = timedelta(seconds=20)
    await stage.turn(time.now)
    time.pass_(seconds=61)
    await stage.turn(time.now)
    known = {replica.id: ways.Lag(behind=timedelta(seconds=20), at=time.now)}
    assert await store.peacetime.lags([replica.id]) == known
    inside.said, inside.lag = "login-silent", timedelta()
    time.pass_(seconds=61)
    await stage.turn(time.now)  # whichever was looked at first, the primary is known as silent afterwards
    assert await store.peacetime.lags([replica.id]) == known
