"""How a scenario is performed: in order, on time, against a clock that need not be the wall's."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from responder.simulator import cloud, estates, player, publisher, scenarios, switches, world
from responder.simulator.amqp import broker

BEGAN = datetime(2026, 5, 6, 7, 0, tzinfo=UTC)
ESTATE = """
tenant: 5b0e5c5e-2f53-4a53-9a0d-3a3f5d9b7701
subscriptions:
  - {id: 5b0e5c5e-2f53-4a53-9a0d-3a3f5d9b7702, name: One}
  - {id: 5b0e5c5e-2f53-4a53-9a0d-3a3f5d9b7703, name: Two}
hubs: [{name: events, partitions: 1}]
"""


class SlowServers:
    """A data plane without servers, whose regions take time to go down and come up."""

    def __init__(self, rehearsal: "Rehearsal") -> None:
        self.rehearsal = rehearsal

    async def region_down(self, region: str) -> None:
        self.rehearsal.note("down", region)
        await self.rehearsal.sleep(timedelta(seconds=1))

    async def region_up(self, region: str) -> None:
        await self.rehearsal.sleep(timedelta(seconds=2))
        self.rehearsal.note("up", region)


class Rehearsal:
    """A cloud that nobody serves, with a clock that moves only while somebody sleeps."""

    def __init__(self) -> None:
        self.time = BEGAN
        self.happened: list[tuple[float, str, Any]] = []
        self.world = world.World(
            estates.parse(ESTATE),
            data=SlowServers(self),  # type: ignore[arg-type]
            clock=lambda: self.time,
        )
        self.publisher = publisher.Publisher(
            hubs=self, hub_names={"events"}, events=self.world.events, clock=self.world.now
        )
        hub_faults = broker.Broker({"events": 1}).faults
        self.cloud = cloud.Cloud(self.world, self.publisher, switches.Switches(self.world.faults, hub_faults))

    def player(self, text: str | None) -> player.Player:
        return player.Player(scenarios.parse(text) if text else None, self.cloud, sleep=self.sleep)

    async def sleep(self, duration: timedelta) -> None:
        self.time += duration

    def publish(self, hub: str, body: bytes) -> tuple[int, int]:
        (record,) = json.loads(body)["records"]
        self.note("told", (record["resourceId"][-1], record["resultDescription"]))
        return 0, 0

    def note(self, what: str, about: Any) -> None:
        self.happened.append(((self.time - BEGAN).total_seconds(), what, about))


WHOLE = """
title: There and back
steps:
  - {at: PT5S, region_down: eastus2}
  - at: PT10S
    bulletin: {tracking_id: LWT0-4XB, title: Outage, regions: [eastus2], impact_start: region_down}
    channels: [hub:events, rest]
    times: 2
  - {at: PT20S, fault: {refuse_capacity: {region: centralus}, throttle: {kind: read, retry_after: PT7S}}}
  - {at: PT30S, region_up: eastus2}
  - at: PT31S
    bulletin: {tracking_id: LWT0-4XB, title: Over, regions: [eastus2], status: Resolved, impact_start: region_down,
               impact_mitigation: region_up}
    channels: [hub:events, rest]
  - {at: PT1M, end: true}
"""


async def test_every_step_happens_when_its_time_has_come_or_at_once_when_an_earlier_one_took_too_long():
    rehearsal = Rehearsal()
    performance = rehearsal.player(WHOLE)
    await performance.play()
    assert rehearsal.happened == [
        (5, "down", "eastus2"),
        (10, "told", ("2", "Active: Outage")),
        (10, "told", ("2", "Active: Outage")),
        (10, "told", ("3", "Active: Outage")),
        (10, "told", ("3", "Active: Outage")),
        (32, "up", "eastus2"),
        (32, "told", ("2", "Resolved: Over")),
        (32, "told", ("3", "Resolved: Over")),
    ]
    assert rehearsal.time == BEGAN + timedelta(minutes=1)
    assert performance.state == "ended"
    assert rehearsal.world.faults.capacity_refusal("centralus") is not None
    assert rehearsal.world.faults.take_throttle("read") == timedelta(seconds=7)


async def test_the_impact_starts_when_the_region_went_down_and_ends_when_it_was_back():
    rehearsal = Rehearsal()
    await rehearsal.player(WHOLE).play()
    assert len(rehearsal.world.events) == 2, "one event for each subscription"
    for event in rehearsal.world.events:
        properties = event["properties"]
        assert isinstance(properties, dict)
        assert properties["impactStartTime"] == "2026-05-06T07:00:05Z"
        assert properties["impactMitigationTime"] == "2026-05-06T07:00:32Z"
        assert properties["lastUpdateTime"] == "2026-05-06T07:00:32Z"


async def test_a_region_that_is_down_already_keeps_the_moment_it_went_down():
    rehearsal = Rehearsal()
    await rehearsal.cloud.take_region_down("East US 2")
    await rehearsal.sleep(timedelta(minutes=1))
    await rehearsal.cloud.take_region_down("eastus2")
    await rehearsal.cloud.bring_region_up("westeurope")
    assert rehearsal.cloud.landmarks == {"region_down": BEGAN}


async def test_a_scenario_plays_once():
    performance = Rehearsal().player(WHOLE)
    await performance.play()
    with pytest.raises(player.NotPlayable, match="the scenario is ended"):
        await performance.play()


async def test_without_a_scenario_there_is_nothing_to_start():
    with pytest.raises(player.NotPlayable, match="start the simulator with --scenario"):
        Rehearsal().player(None).start()


async def test_a_step_that_fails_is_told_by_its_number_and_ends_the_performance():
    performance = Rehearsal().player(
        "title: T\nsteps:\n  - {at: 1, region_down: eastus2}\n  - {at: 2, fault: {throttle: {kind: sideways}}}\n"
    )
    performance.start()
    async with asyncio.timeout(5):
        await performance.over()
    assert performance.state == "failed"
    assert performance.error.startswith("step 1: fault throttle: kind: Input should be 'read' or 'write'")
    steps = performance.jsonable()["steps"]
    assert isinstance(steps, list)
    assert [step["played"] for step in steps] == [True, False]


@pytest.mark.parametrize("reach_the_wait", [True, False], ids=["in the middle of a wait", "before its first step"])
async def test_a_performance_can_be_stopped(reach_the_wait: bool):
    rehearsal = Rehearsal()
    waiting = asyncio.Event()

    async def wait_for_ever(_: timedelta) -> None:
        waiting.set()
        await asyncio.Event().wait()

    performance = player.Player(scenarios.parse(WHOLE), rehearsal.cloud, sleep=wait_for_ever)
    performance.start()
    if reach_the_wait:
        async with asyncio.timeout(5):
            await waiting.wait()
    await performance.stop()
    await performance.over()
    assert performance.state == "stopped"
    assert rehearsal.happened == []


async def test_progress_is_told_step_by_step():
    performance = Rehearsal().player(WHOLE)
    before = performance.jsonable()
    assert (before["state"], before["started_at"]) == ("waiting", None)
    await performance.play()
    after = performance.jsonable()
    assert (after["state"], after["started_at"]) == ("ended", BEGAN.isoformat())
    steps = after["steps"]
    assert isinstance(steps, list)
    assert [step["what"] for step in steps][:3] == [
        "eastus2 goes down",
        "LWT0-4XB: Outage -> hub:events, rest",
        "faults: refuse_capacity, throttle",
    ]
