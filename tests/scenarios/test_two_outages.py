"""Two tracking ids for one region: a server has one run and one copy, and the most urgent decision about it counts."""

from __future__ import annotations

from responder.core import decisions, outages, runs
from tests.scenarios import night as nights
from tests.scenarios.conftest import Fall

SECOND = outages.OutageId("9ABC-1D0@eastus2")


async def active(night: nights.Night) -> list[runs.Run]:
    return [run for run in await night.runs() if not run.state.ended]


async def signals(night: nights.Night, run: runs.Run) -> int:
    return len(await night.store.runs.signals(run.id))


async def test_an_outage_that_is_waited_out_does_not_keep_another_from_its_restore(fall: Fall) -> None:
    night = await fall(nights.declared(rto="24h", hedge="lazy"))
    await night.the_region_fails()
    (waiting,) = await active(night)
    assert waiting.playbook.name == "wait-it-out"
    await night.tell(tracking_id="9ABC-1D0", impact_start="-PT23H")  # an older one, so its tolerance is nearly spent
    await night.turn()
    (restoring,) = await active(night)
    assert (restoring.playbook.name, restoring.outage_id) == ("geo-restore", SECOND)
    assert (await night.steps(waiting))["watch"].output["verdict"] == "handed-over"
    assert len(night.creates()) == 1
    assert (await night.decision()).playbook == "geo-restore"  # the copy counts for both
    await night.passes("30m")
    assert [run.id for run in await night.runs()] == [waiting.id, restoring.id]
    assert len(night.creates()) == 1


async def test_a_copy_of_one_outage_counts_for_another_until_applications_run_on_it(fall: Fall) -> None:
    night = await fall()
    await night.the_region_fails()
    (run,) = await active(night)
    await night.tell(tracking_id="9ABC-1D0")
    await night.passes("30m")
    assert [one.id for one in await night.runs()] == [run.id]
    await night.passes("4h")
    for outage in (nights.OUTAGE_ID, SECOND):
        assert (await night.decision(outage=outage)).action is decisions.Action.DONE
    assert [one.id for one in await night.runs()] == [run.id]
    assert len(night.creates()) == 1


async def test_the_end_of_one_outage_throws_no_copy_away_that_another_wants(fall: Fall) -> None:
    night = await fall(nights.declared(rto="24h", hedge="eager"))
    await night.the_region_fails()
    await night.tell(tracking_id="9ABC-1D0")
    await night.passes("10m")
    await night.tell(stage="Resolved", impact_mitigation="-PT1M")
    await night.passes("5h")
    assert night.deletes() == []
    assert len(night.creates()) == 1


async def test_a_decision_that_has_not_changed_is_told_to_a_run_once(fall: Fall) -> None:
    night = await fall(nights.declared(rto="24h", hedge="lazy"))
    await night.starts("geo-restore")
    await night.the_region_fails()
    (run,) = await active(night)
    told = await signals(night, run)
    for _ in range(10):
        await night.turn()
    assert await signals(night, run) == told
