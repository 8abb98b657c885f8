"""Azure says nothing, or nothing yet, and many servers are silent: what is told, what is started, and what never is."""

from __future__ import annotations

from responder.core import announcements, decisions, outages
from tests.scenarios import night as nights
from tests.scenarios.conftest import Fall

NAMES = ("orders", "reports", "billing")
EUROPE = "northeurope"


async def estate(fall: Fall, *names: str, elsewhere: int = 1) -> nights.Night:
    east = [nights.declared(name) for name in names or NAMES]
    return await fall(*east, *(nights.declared(f"shop{i}", EUROPE) for i in range(elsewhere)))


async def suspected(night: nights.Night) -> outages.Outage:
    (found,) = [outage for outage in await night.store.outages.list() if outage.ours]
    assert isinstance(found, outages.Outage)
    return found


async def told(night: nights.Night, kind: str) -> list[announcements.Announcement]:
    return [announcement for announcement in await night.told() if announcement.kind == kind]


async def nothing_was_started(night: nights.Night) -> None:
    assert await night.runs() == []
    assert night.writes() == []
    assert await night.store.outages.list() == []


async def test_a_region_that_falls_silent_is_suspected_the_team_is_told_and_copies_are_started(fall: Fall) -> None:
    night = await estate(fall)
    await night.region_down()
    await night.passes("20m")
    outage = await suspected(night)
    assert (outage.active, outage.region) == (True, nights.EAST)
    (message,) = await told(night, "outage.suspected")
    assert "billing, orders, reports" in message.text
    assert [len(night.creates(name)) for name in NAMES] == [1, 1, 1]
    await night.passes("10m")
    assert len(await told(night, "outage.suspected")) == 1


async def test_by_a_suspicion_alone_nothing_is_ever_cut_over(fall: Fall) -> None:
    """Though its owner declared outage-cutover=auto: that was said of outages, not of our own guesses."""
    night = await estate(fall)
    await night.region_down()
    await night.passes("12h")
    for name in NAMES:
        decision = await night.decision(name, (await suspected(night)).id)
        assert decision.action is decisions.Action.ASK
        assert [reason.id for reason in decision.reasons] == ["cutover.suspected"]
        assert night.record(name) == f"{name}.postgres.database.azure.com"


async def test_a_human_may_cut_over_in_a_suspected_outage(fall: Fall) -> None:
    night = await estate(fall)
    await night.region_down()
    await night.passes("5h")
    await night.says("approve", "orders")
    await night.passes("10m")
    (copy,) = night.copies("orders")
    assert night.record("orders") == copy.fqdn
    assert night.record("reports") == "reports.postgres.database.azure.com"


async def test_when_the_servers_answer_again_everything_is_thrown_away_and_nothing_was_lost(fall: Fall) -> None:
    night = await estate(fall)
    await night.region_down()
    await night.passes("1h")
    await night.region_up()
    await night.passes("5h")
    assert [night.copies(name) for name in NAMES] == [[], [], []]
    outage = await suspected(night)
    assert outage.status is outages.Status.RESOLVED
    assert await night.store.outages.closed_at(outage.id) is not None
    assert len(await told(night, "outage.suspicion-ended")) == 1
    assert len(night.deletes()) == 3


async def test_when_azure_speaks_the_copies_made_by_suspicion_count_and_none_is_made_twice(fall: Fall) -> None:
    night = await estate(fall)
    await night.region_down()
    await night.passes("1h")
    before = {name: [run.id for run in await night.runs(name)] for name in NAMES}
    await night.tell()
    await night.turn()
    assert (await suspected(night)).merged_into == nights.OUTAGE_ID
    assert [outage.id for outage in await night.store.outages.open()] == [nights.OUTAGE_ID]
    assert len(await told(night, "outage.confirmed")) == 1
    await night.passes("5h")
    for name in NAMES:
        assert [run.id for run in await night.runs(name)] == before[name], "the same run, now under Azure's outage"
        assert len(night.creates(name)) == 1
        (copy,) = night.copies(name)
        assert night.record(name) == copy.fqdn, "named by Azure, and due: its owner had said yes to that"


async def test_a_restore_under_way_goes_on_under_the_outage_that_azure_reports(fall: Fall) -> None:
    night = await estate(fall)
    night.harbour.gate.clear()
    await night.region_down()
    await night.passes("20m")
    assert await night.at_step("restore")
    await night.tell()
    await night.restart()
    await night.passes("10m")
    night.harbour.gate.set()
    await night.passes_until(lambda: night.at_step("hold"))
    assert (await night.decision()).action is decisions.Action.HOLD
    assert len(night.creates()) == len(await night.runs("orders")) == 1


async def test_what_azure_reports_is_not_suspected_besides(fall: Fall) -> None:
    night = await estate(fall)
    await night.region_down()
    await night.tell()
    await night.passes("3h")
    assert [outage.id for outage in await night.store.outages.list()] == [nights.OUTAGE_ID]


async def test_when_nothing_answers_anywhere_it_is_us_and_an_alarm_is_raised_instead(fall: Fall) -> None:
    night = await estate(fall, elsewhere=2)
    await night.region_down()
    await night.region_down(EUROPE)
    await night.passes("6h")
    await nothing_was_started(night)
    (alarm,) = await told(night, "vantage.blind")
    assert alarm.subject == "No server answers: 5 are silent, and it is probably us"


async def test_an_estate_in_one_region_raises_an_alarm_and_starts_nothing(fall: Fall) -> None:
    night = await estate(fall, elsewhere=0)
    await night.region_down()
    await night.passes("6h")
    await nothing_was_started(night)
    assert len(await told(night, "vantage.blind")) == 1


async def test_two_silent_servers_are_troubles_of_their_own(fall: Fall) -> None:
    night = await estate(fall, "orders", "reports")
    await night.region_down()
    await night.passes("6h")
    await nothing_was_started(night)
    assert await night.told() == []


async def test_a_short_silence_of_a_whole_region_starts_nothing(fall: Fall) -> None:
    night = await estate(fall)
    await night.region_down()
    await night.passes("4m")
    await night.region_up()
    await night.passes("1h")
    await nothing_was_started(night)


async def test_more_servers_may_be_asked_for(fall: Fall) -> None:
    east = [nights.declared(name) for name in NAMES]
    night = await fall(*east, nights.declared("shop", EUROPE), suspicion={"least": 4})
    await night.region_down()
    await night.passes("6h")
    await nothing_was_started(night)
