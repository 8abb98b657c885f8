"""Shadow mode: everything is heard, decided, recorded and told, and nothing is started."""

from __future__ import annotations

from responder.core import decisions
from tests.scenarios import night as nights
from tests.scenarios.conftest import Fall

Action = decisions.Action


async def said(night: nights.Night, name: str = "orders") -> list[Action]:
    """The actions of every decision about one server, in order, each once in a row."""
    (server,) = [one for one in await night.store.estate.servers() if one.name == name]
    found = [decision.action for decision, _ in await night.store.history.decided(nights.OUTAGE_ID, server.id)]
    return [action for i, action in enumerate(found) if i == 0 or action is not found[i - 1]]


async def nothing_was_started(night: nights.Night) -> None:
    assert night.writes() == []
    assert await night.store.runs.list() == []


async def test_the_decisions_go_all_the_way_and_nothing_is_started(fall: Fall) -> None:
    night = await fall(mode="shadow")
    await night.the_region_fails()
    await night.passes_until(lambda: is_at(night, Action.HOLD), step="10m")
    held = await night.decision()
    assert held.shadow
    await night.passes_to(held.cut_over_at)
    await night.turn()

    steps = [Action.OBSERVE, Action.START, Action.RESTORING, Action.HOLD, Action.CUT_OVER, Action.DONE]
    assert await said(night) == steps
    await nothing_was_started(night)
    told = {one.kind: one for one in await night.told()}
    assert told.keys() >= {"shadow.start-restore", "shadow.hold", "shadow.cut-over"}
    assert all("nothing was started" in f"{one.subject} {one.text}" for one in told.values())
    assert all(one.to == "team-orders" for one in told.values())


async def test_the_region_comes_back_first_and_the_supposed_copy_is_thrown_away(fall: Fall) -> None:
    night = await fall(mode="shadow")
    await night.the_region_fails()
    await night.passes_until(lambda: is_at(night, Action.HOLD), step="10m")
    await night.region_up()
    await night.tell(status="Resolved")
    await night.passes("2h10m")
    await night.turn()

    steps = [Action.OBSERVE, Action.START, Action.RESTORING, Action.HOLD]
    assert await said(night) == [*steps, Action.SETTLE, Action.STAND_DOWN, Action.OBSERVE]
    assert await night.store.outages.open() == []
    await nothing_was_started(night)


async def test_a_restart_goes_on_with_the_copy_that_was_supposed(fall: Fall) -> None:
    night = await fall(mode="shadow")
    await night.the_region_fails()
    await night.passes_until(lambda: is_at(night, Action.RESTORING))
    await night.restart()
    await night.passes_until(lambda: is_at(night, Action.HOLD), step="10m")
    assert await said(night) == [Action.OBSERVE, Action.START, Action.RESTORING, Action.HOLD]


async def test_only_what_is_in_shadow_is_left_alone(fall: Fall) -> None:
    night = await fall(nights.declared("orders"), nights.declared("till", mode="shadow"))
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"))
    assert [copy.name for copy in night.copies("orders")] != []
    assert [run.server_id.rpartition("/")[2] for run in await night.store.runs.list()] == ["orders"]
    assert (await night.decision("till")).shadow
    assert not (await night.decision("orders")).shadow


async def test_a_run_that_a_human_starts_is_carried_out_in_shadow_mode_too(fall: Fall) -> None:
    night = await fall(mode="shadow")
    await night.the_region_fails()
    await night.starts()
    await night.passes_until(lambda: night.at_step("hold"))
    assert len(night.copies()) == 1


async def test_silences_are_kept_from_their_beginning_to_their_end(fall: Fall) -> None:
    night = await fall(mode="shadow")
    went = night.clock.now()
    await night.the_region_fails()
    await night.passes("1h")
    await night.region_up()
    back = night.clock.now()
    await night.passes("10m")
    ((silence,),) = (await night.store.history.silences(nights.OUTAGE_ID)).values()
    assert went <= silence.since <= went + nights.durations.parse("10m")
    assert silence.until is not None
    assert back <= silence.until <= night.clock.now()


async def is_at(night: nights.Night, action: Action) -> bool:
    return (await night.decision()).action is action
