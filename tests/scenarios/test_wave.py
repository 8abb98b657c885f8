"""200 servers go down with their region: a few at a time, the most important first, one ahead of all others."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from responder.core import decisions, servers
from responder.simulator import ledger
from tests.scenarios import night as nights
from tests.scenarios.conftest import Fall

CAP = 10
TAKES = timedelta(minutes=30)
LOOK = timedelta(minutes=10)
PROBES = {"interval": "10m", "interval_in_outage": "10m", "fresh": "25m", "confirm": "5m"}


def estate(count: int, first: int) -> list[dict[str, Any]]:
    """So many servers, and so many among them of priority 1, which are not the first by name."""
    return [
        nights.declared(f"s{n:03}", rto="24h", hedge="eager", priority="1" if n >= count - first else "3")
        for n in range(count)
    ]


class Slow:
    """Restores that take half an hour of the night's clock."""

    def __init__(self, night: nights.Night) -> None:
        self._night = night
        self._due: list[tuple[datetime, asyncio.Event]] = []
        self._restore = night.harbour.restore
        night.harbour.restore = self.restore  # type: ignore[method-assign]

    async def restore(self, name: str, region: str, **how: Any) -> str:
        over = asyncio.Event()
        self._due.append((self._night.clock.now() + TAKES, over))
        await over.wait()
        return await self._restore(name, region, **how)

    async def end_what_is_due(self) -> None:
        now = self._night.clock.now()
        for at, over in self._due:
            if at <= now:
                over.set()
        self._due = [(at, over) for at, over in self._due if at > now]
        await nights.until(self._settled)

    async def _settled(self) -> bool:
        """Only those that are not due are still being made."""
        busy = [one for one in self._night.sim.world.servers.values() if "-geo-" in one.name and one.state != "Ready"]
        return len(busy) <= len(self._due)


async def falls(fall: Fall, *described: dict[str, Any], **changes: Any) -> tuple[nights.Night, Slow]:
    night = await fall(*described, probes=PROBES, decision={"grace": "1m"}, **changes)
    return night, Slow(night)


async def look(night: nights.Night) -> None:
    """Everything that is due now."""
    await night.daemon.watch.turn(night.clock.now())
    busy = True
    while busy:
        await night.daemon.assess.turn(night.clock.now())
        busy = False
        while await night.carry_on_one() is not None:
            busy = True


async def passes(night: nights.Night, slow: Slow, times: int) -> None:
    for _ in range(times):
        night.clock.forward(LOOK)
        await slow.end_what_is_due()
        await look(night)


async def the_region_fails(night: nights.Night, slow: Slow) -> None:
    await night.region_down()
    await passes(night, slow, 1)
    night.clock.forward(LOOK)
    await night.tell()
    await look(night)


def creates(night: nights.Night) -> list[ledger.Entry]:
    return [entry for entry in night.writes(done=True) if entry.method == "PUT" and entry.detail == "GeoRestore"]


def names(entries: list[ledger.Entry]) -> list[str]:
    return [servers.server_id(entry.path).rpartition("/")[2].partition("-geo-")[0] for entry in entries]


def most_at_once(entries: list[ledger.Entry]) -> int:
    """By the ledger: an operation that was accepted runs for half an hour."""
    return max(sum(other.at <= entry.at < other.at + TAKES for other in entries) for entry in entries)


async def test_two_hundred_servers_a_few_at_a_time_the_most_important_first_and_one_ahead(fall: Fall) -> None:
    night, slow = await falls(fall, *estate(200, first=20))
    await the_region_fails(night, slow)
    assert len(creates(night)) == 1, "one is sent ahead"
    (ahead,) = names(creates(night))
    assert ahead >= "s180", "and it is one of priority 1"
    waiting = [await night.decision(name) for name in ("s000", "s199") if name != ahead]
    assert {decision.reasons[0].id for decision in waiting} == {"sent-ahead"}

    await passes(night, slow, 4)
    assert len(creates(night)) == 1 + CAP
    far = await night.decision("s000")
    assert (far.action, far.reasons[0].id) == (decisions.Action.WAIT, "its-turn")
    assert "before it" in far.reasons[0].text

    await passes(night, slow, 3)
    started = creates(night)
    assert len(started) == 1 + 2 * CAP
    assert most_at_once(started) == CAP
    assert set(names(started[:20])) == {f"s{n}" for n in range(180, 200)}
    assert len(set(names(started))) == len(started), "none twice"
    assert night.requests_to_the_failed_region() == []


async def test_a_few_servers_need_nobody_ahead(fall: Fall) -> None:
    night, slow = await falls(fall, *estate(3, first=0))
    await the_region_fails(night, slow)
    assert len(creates(night)) == 3


async def test_a_restore_by_hand_takes_a_place_and_is_not_held_back(fall: Fall) -> None:
    night, slow = await falls(fall, *estate(6, first=0), waves={"per_target": 2, "canary_above": 100})
    await night.starts("geo-restore", "s005")
    await look(night)
    await the_region_fails(night, slow)
    assert len(creates(night)) == 2
    assert names(creates(night))[0] == "s005"


@pytest.mark.parametrize("restarts", [False, True])
async def test_who_waits_for_its_turn_is_told_and_gets_it_even_from_a_new_process(fall: Fall, restarts: bool) -> None:
    night, slow = await falls(fall, *estate(4, first=1), waves={"per_target": 1, "canary_above": 100})
    await the_region_fails(night, slow)
    assert names(creates(night)) == ["s003"]
    assert [run.playbook.name for run in await night.runs("s000")] == ["wait-it-out"]
    told = [
        one
        for one in await night.told()
        if one.kind == "server.waits" and one.facts.get("server") == night.id_of("s000")
    ]
    assert "turn comes about" in told[0].text
    if restarts:
        await night.restart()
    await passes(night, slow, 13)
    assert sorted(names(creates(night))) == ["s000", "s001", "s002", "s003"]
    assert most_at_once(creates(night)) == 1
    assert [run.playbook.name for run in await night.runs("s000")] == ["wait-it-out", "geo-restore"]


async def test_where_copies_are_capped_the_least_important_is_given_up_for_a_more_important_one(fall: Fall) -> None:
    night = await fall(
        nights.declared("archive", rto="24h", hedge="eager", priority="5"),
        nights.declared("wiki", rto="24h", hedge="eager", priority="4"),
        nights.declared("orders", rto="24h", priority="1"),
        waves={"copies": 2},
        decision={"beliefs": {name: {"p50": "1h", "p95": "2h"} for name in ("small", "middle", "large")}},
    )
    await night.the_region_fails()
    for name in ("archive", "wiki"):
        await night.passes_until(lambda name=name: night.at_step("hold", name), step="10m")
    assert night.copies("orders") == []
    await night.passes_to((await night.decision("orders")).start_by)
    await night.passes("10m")
    assert [len(night.copies(name)) for name in ("archive", "wiki", "orders")] == [0, 1, 1]
    assert (await night.decision("archive")).reasons[0].id == "no-room"
    told = [one for one in await night.told() if one.kind == "copy.discarded"]
    assert ["the least important is thrown away" in one.text for one in told] == [True]
