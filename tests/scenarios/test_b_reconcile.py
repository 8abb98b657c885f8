"""What a push has lost is found by asking, whatever became of hubs and webhooks; asking by itself starts nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from responder import service
from responder.core import outages
from responder.flow import reconcile
from responder.simulator import scenarios
from tests.scenarios import night as nights
from tests.scenarios.conftest import Fall

HUB = f"hub:{nights.HUB}"


async def asked(night: nights.Night) -> reconcile.Poll:
    """A daemon that has just started asks once."""
    (source,) = service.reconciliation(night.daemon.parts, night.daemon.door).sources
    await again(night, source)
    return source


async def again(night: nights.Night, source: reconcile.Poll) -> timedelta:
    pause = await source.turn(night.clock.now())
    await night.turn()
    return pause


async def outage_of(night: nights.Night) -> outages.Outage | None:
    found: outages.Outage | None = await night.store.outages.get(nights.OUTAGE_ID)
    return found


def publish(night: nights.Night, *channels: str, **changes: Any) -> None:
    """As `tell`, and nobody cares whether it arrives."""
    described = scenarios.Bulletin.model_validate({**nights.BULLETIN, "impact_start": "-PT30M", **changes})
    night.sim.cloud.publish(described, channels or ("rest",))


def event_of(night: nights.Night, number: int = -1) -> dict[str, Any]:
    """An event as Azure lists it, to be changed."""
    found: dict[str, Any] = night.sim.world.events[number]["properties"]  # type: ignore[assignment]
    return found


async def test_an_outage_is_found_and_acted_on_with_hub_and_webhook_dead(fall: Fall) -> None:
    night = await fall()
    night.sim.publisher.webhooks[:] = ["http://127.0.0.1:1/nobody"]
    night.sim.broker.faults.refuse_connections()
    await night.region_down()
    await night.passes("10m")
    async with night.hearing_the_hub():
        publish(night, HUB, "webhook", "rest", impact_start="region_down")
        source = await asked(night)
        await night.passes("5m")

    assert [outage.id for outage in await night.store.outages.list()] == [nights.OUTAGE_ID]
    assert {one.source for one in await night.store.intake.recorded()} == {source.name}
    assert len(night.creates()) == 1, "the copy is made"
    decision = await night.decision()
    assert decision.playbook == "geo-restore"


async def test_azure_named_the_subscription_that_was_asked(fall: Fall) -> None:
    """The event's id lacks it, and one event can name many."""
    night = await fall()
    await night.region_down()
    publish(night)
    (impact,) = event_of(night)["impact"][0]["impactedRegions"]
    impact["impactedSubscriptions"].append("7d0c9d0e-0000-4000-8000-000000000000")
    await asked(night)

    (server,) = await night.store.estate.servers()
    outage = await outage_of(night)
    assert outage is not None
    assert outage.concern(server) is outages.Concern.NAMED


async def test_what_was_said_while_the_daemon_was_down_is_heard_at_its_start(fall: Fall) -> None:
    night = await fall()
    await asked(night)
    await night.stop()
    await night.region_down()
    publish(night, impact_start="region_down")
    night.clock.forward(timedelta(minutes=50))
    await night.start()
    source = await asked(night)

    assert source.last_error is None
    outage = await outage_of(night)
    assert outage is not None
    assert outage.active
    assert outage.impact_start <= night.clock.now() - timedelta(minutes=50), "deadlines count from the impact"


@pytest.mark.parametrize("ended", [False, True])
async def test_an_outage_that_began_while_the_daemon_was_down_for_hours_is_known_with_its_end(
    fall: Fall, ended: bool
) -> None:
    night = await fall()
    await asked(night)
    await night.stop()
    over = {"status": "Resolved", "impact_mitigation": "-PT1H"} if ended else {}
    publish(night, impact_start="-PT5M", updated_at="-PT5M")
    night.clock.forward(timedelta(hours=6))
    if ended:
        publish(night, impact_start="-PT6H5M", updated_at="-PT1H", **over)
    await night.start()
    await asked(night)

    outage = await outage_of(night)
    assert outage is not None
    assert outage.status is (outages.Status.RESOLVED if ended else outages.Status.ACTIVE)
    assert night.clock.now() - outage.impact_start == timedelta(hours=6, minutes=5)
    await night.passes("10m")
    assert night.creates() == [], "the servers answer, so nothing is started"


async def test_the_first_start_looks_back_as_far_as_the_settings_say(fall: Fall) -> None:
    night = await fall(reconciliation={"look_back": "2d"})
    publish(night, tracking_id="OLD-1", impact_start="-P5D", updated_at="-P4D")
    publish(night, tracking_id="NEW-1", impact_start="-PT20H", updated_at="-PT19H")
    await asked(night)

    assert {outage.tracking_id for outage in await night.store.outages.list()} == {"NEW-1"}


async def test_pages_are_followed_to_the_end(fall: Fall) -> None:
    night = await fall()
    night.sim.world.estate.limits.__dict__["page_size"] = 3
    for number in range(10):
        publish(night, tracking_id=f"ABC{number}-XYZ", impact_start="-PT1H")
    await asked(night)

    assert len(await night.store.outages.list()) == 10


async def test_pushed_and_polled_an_outage_is_one_and_so_is_its_run(fall: Fall) -> None:
    night = await fall()
    await night.region_down()
    await night.passes("10m")
    async with night.hearing_the_hub():
        await night.tell(HUB, "webhook", "webhook-activity-log", "rest", times=2)
        source = await asked(night)
        for _ in range(5):
            await night.passes("2m")
            await again(night, source)
    counts = await night.store.intake.counts()
    for _ in range(5):
        await again(night, source)
        await asked(night)

    assert [outage.id for outage in await night.store.outages.list()] == [nights.OUTAGE_ID]
    assert len(await night.runs()) == len(night.creates()) == 1
    assert await night.store.intake.counts() == counts, "asking does not fill the store"


async def test_a_resolution_that_no_push_brought_ends_the_outage(fall: Fall) -> None:
    night = await fall()
    await night.tell(impact_start="-PT30M")
    await night.tell("rest", impact_start="-PT30M")
    source = await asked(night)
    night.clock.forward(timedelta(minutes=20))
    publish(night, status="Resolved", impact_start="-PT50M", impact_mitigation="-PT1M")
    await again(night, source)

    outage = await outage_of(night)
    assert outage is not None
    assert outage.status is outages.Status.RESOLVED
    assert outage.reopened == 0


async def test_a_throttled_question_is_asked_again_when_azure_said_and_loses_nothing(fall: Fall) -> None:
    night = await fall()
    source = await asked(night)
    publish(night)
    night.sim.world.faults.throttle("read", count=1, retry_after=timedelta(minutes=3))
    questions = len(night.sim.world.ledger)
    pause = await again(night, source)

    assert pause >= timedelta(minutes=3)
    assert len(night.sim.world.ledger) == questions + 1, "no question in between"
    assert "SubscriptionRequestsThrottled" in str(source.last_error)
    assert await outage_of(night) is None

    night.clock.forward(pause)
    assert await again(night, source) <= timedelta(minutes=1)
    assert await outage_of(night) is not None


async def test_an_answer_that_was_lost_or_spoiled_is_asked_for_again(fall: Fall) -> None:
    night = await fall()
    publish(night)
    events = "*/providers/microsoft.resourcehealth/events"
    night.sim.world.faults.answer("GET", events, 200, "<html>Please log in</html>")
    source = await asked(night)
    assert source.last_ok_at is None
    night.sim.world.faults.answer("GET", events, 500, {"error": {"code": "x", "message": "y"}}, count=20)
    await again(night, source)
    assert source.last_ok_at is None
    night.sim.world.faults.clear()
    await again(night, source)

    assert source.last_ok_at == night.clock.now()
    assert await outage_of(night) is not None
    assert (await night.store.intake.counts())["quarantined"] == 0


NOISE: dict[str, dict[str, Any]] = {
    "a test of Azure's": {"title": "A test from synthetics service"},
    "one that is over": {"status": "Resolved", "impact_start": "-PT6H", "impact_mitigation": "-PT3H"},
    "the review of an earlier outage": {
        "stage": "RCA", "tags": ["Final PIR"], "impact_start": "-P21D", "impact_mitigation": "-P20D",
    },
    "a review that is called active": {"title": "Post Incident Review (PIR) - PostgreSQL", "impact_start": "-P3D"},
    "one that was withdrawn": {"tags": ["False Positive"]},
    "another region": {"regions": ["North Europe"]},
    "no region": {"regions": ["Global", "Region Unknown"]},
    "informational": {"level": "Informational"},
    "maintenance": {"kind": "maintenance", "stage": "InProgress"},
    "an advisory": {"kind": "advisory"},
}  # fmt: skip


async def test_noise_that_is_polled_starts_nothing_while_every_server_is_silent(fall: Fall) -> None:
    night = await fall(nights.declared("orders"))
    await night.region_down()
    for number, said in enumerate(NOISE.values()):
        publish(night, **{**said, "tracking_id": f"ABC{number}-XYZ"})
    source = await asked(night)
    await night.passes("10m")
    await again(night, source)
    await night.passes("4h")

    assert (await night.store.intake.counts())["events"] == len(NOISE), "all of it was heard"
    assert await night.runs() == []
    assert night.writes() == []


async def test_an_event_of_another_subscription_is_not_even_heard(fall: Fall) -> None:
    night = await fall()
    publish(night)
    for impact in event_of(night)["impact"]:
        impact["impactedRegions"][0]["impactedSubscriptions"] = ["7d0c9d0e-0000-4000-8000-000000000000"]
    source = await asked(night)

    assert source.last_ok_at is not None
    assert (await night.store.intake.counts())["arrivals"] == 0


# Azure's vocabulary there


async def test_the_year_one_is_no_end(fall: Fall) -> None:
    """An impact that goes on has `0001-01-01T00:00:00`, without a zone, for its end."""
    night = await fall()
    publish(night)
    assert event_of(night)["impactMitigationTime"] == "0001-01-01T00:00:00"
    await asked(night)

    outage = await outage_of(night)
    assert outage is not None
    assert (outage.active, outage.expected_end, outage.resolved_at) == (True, None, None)


async def test_an_end_that_has_passed_does_not_end_what_is_called_active(fall: Fall) -> None:
    night = await fall()
    publish(night, impact_start="-PT3H", impact_mitigation="-PT1H")
    await asked(night)

    outage = await outage_of(night)
    assert outage is not None
    assert outage.active


async def test_each_region_is_over_when_it_is_over_though_the_event_goes_on(fall: Fall) -> None:
    night = await fall(nights.declared("orders"), nights.declared("shop", "northeurope"))
    publish(night, regions=["East US 2", "North Europe"], impact_start="-PT1H")
    source = await asked(night)
    assert {(o.region, o.active) for o in await night.store.outages.list()} == {
        ("eastus2", True),
        ("northeurope", True),
    }

    night.clock.forward(timedelta(minutes=10))
    publish(night, regions=["East US 2"], impact_start="-PT70M")
    assert event_of(night)["status"] == "Active"
    await again(night, source)
    assert {(o.region, o.active) for o in await night.store.outages.list()} == {
        ("eastus2", True),
        ("northeurope", False),
    }


@pytest.mark.parametrize("where", ["event", "region"])
async def test_a_region_that_is_over_is_heard_wherever_azure_puts_the_time_of_it(fall: Fall, where: str) -> None:
    """The event's own time can stand still while a region's moves on."""
    night = await fall()
    publish(night, regions=["East US 2", "North Europe"], impact_start="-PT1H")
    source = await asked(night)
    night.clock.forward(timedelta(minutes=10))
    properties = event_of(night)
    now = night.clock.now().isoformat().replace("+00:00", "Z")
    for impact in properties["impact"]:
        europe = next(each for each in impact["impactedRegions"] if each["impactedRegion"] == "North Europe")
        europe["status"] = "Resolved"
        europe["lastUpdateTime"] = now
    if where == "event":
        properties["lastUpdateTime"] = now
    await again(night, source)

    assert {(o.region, o.active) for o in await night.store.outages.list()} == {
        ("eastus2", True),
        ("northeurope", False),
    }
