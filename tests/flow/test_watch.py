"""Watch: every server now and then, those of a troubled region at every turn, and never too many at once."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest

from responder import clock
from responder.core import evidence, servers
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


async def test_it_looks_again_and_again_until_cancelled(store: sqlite.Store, wire: Wire, bell: Bell, until: Any):
    await estate(store, "a")
    quick = watch.Pace(peace=timedelta(milliseconds=1), outage=timedelta(milliseconds=1), concurrency=1)
    task = asyncio.create_task(watch.Watch(store, wire.probe, quick, bell).run())
    await until(lambda: len(wire.asked) >= 3)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
