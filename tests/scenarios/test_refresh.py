"""The server comes back for a while and goes again: its copy lacks rows, and a newer one is made beside it."""

from __future__ import annotations

from responder.core import copies, decisions, runs
from tests.scenarios import night as nights
from tests.scenarios.conftest import Fall

PATIENT = {"rto": "12h", "hedge": "eager", "storage_gb": 64}


async def with_a_copy_and_a_healthy_spell(fall: Fall, **tolerance: object) -> nights.Night:
    """An eager copy is ready after an hour; then the server answers for ten minutes, and is silent again."""
    night = await fall(nights.declared(**{**PATIENT, **tolerance}))
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"), step="10m")
    await night.region_up()
    await night.passes("10m")
    assert (await night.decision()).action is decisions.Action.SETTLE
    await night.region_down()
    await night.passes("20m")
    return night


async def copy_of(night: nights.Night) -> copies.Copy:
    (run,) = [run for run in await night.runs() if run.playbook.name == "geo-restore"]
    return runs.copy_of(run, await night.steps(run))


async def test_a_newer_copy_takes_the_place_of_one_that_lacks_the_rows_of_a_healthy_spell(fall: Fall) -> None:
    night = await with_a_copy_and_a_healthy_spell(fall)
    (older,) = night.copies()
    assert "refresh-soon" in [reason.id for reason in (await night.decision()).reasons], "backups reach the pair late"
    await night.passes_until(lambda: night.at_step("hold-again"), step="10m")
    (newer,) = night.copies()
    assert newer.name != older.name
    assert (len(night.creates()), len(night.deletes())) == (2, 1)
    decision = await night.decision()
    assert (decision.action, decision.refresh) == (decisions.Action.HOLD, False)
    assert [reason.id for reason in decision.reasons] == ["hold"]
    await night.passes_to(decision.cut_over_at)
    assert await night.idle()
    assert night.record() == newer.fqdn
    assert night.copies() == [newer]
    assert "copy.refreshed" in [announcement.kind for announcement in await night.told()]
    assert night.requests_to_the_failed_region() == []


async def test_the_older_copy_is_kept_until_the_newer_one_is_there(fall: Fall) -> None:
    night = await with_a_copy_and_a_healthy_spell(fall)
    (older,) = night.copies()
    night.harbour.gate.clear()
    await night.passes_until(lambda: night.at_step("refresh"), step="10m")
    await night.restart()
    await night.passes("20m")
    assert night.deletes() == []
    assert older in night.copies()
    assert "refreshing" in [reason.id for reason in (await night.decision()).reasons]
    assert (await copy_of(night)).server_id == nights.servers.server_id(older.id)
    assert len(night.creates()) == 2
    night.harbour.gate.set()
    await night.passes_until(lambda: night.at_step("hold-again"), step="1m")
    assert older not in night.copies()


async def test_a_newer_copy_that_is_late_is_not_waited_for(fall: Fall) -> None:
    night = await with_a_copy_and_a_healthy_spell(fall, rpo="1d")
    (older,) = night.copies()
    night.harbour.gate.clear()
    await night.passes_until(lambda: night.at_step("refresh"), step="10m")
    await night.passes_to((await night.decision()).cut_over_at)
    assert night.record() == older.fqdn
    night.harbour.gate.set()
    await night.passes_until(night.idle)
    assert night.copies() == [older], "the newer one was of no use"


async def test_a_region_that_stays_back_leaves_neither_copy(fall: Fall) -> None:
    night = await with_a_copy_and_a_healthy_spell(fall)
    night.harbour.gate.clear()
    await night.passes_until(lambda: night.at_step("refresh"), step="10m")
    await night.region_up()
    await night.tell(status="Resolved", impact_mitigation="PT0S")
    await night.passes("3h")
    night.harbour.gate.set()
    await night.passes_until(night.idle)
    assert night.copies() == []
    assert (len(night.creates()), len(night.deletes())) == (2, 2)
    assert night.record() == "orders.postgres.database.azure.com"


async def test_no_newer_copy_is_begun_that_would_come_too_late(fall: Fall) -> None:
    night = await with_a_copy_and_a_healthy_spell(fall, rto="5h", rpo="1d")
    assert "stale" in [reason.id for reason in (await night.decision()).reasons]
    await night.passes_until(night.idle, step="10m")
    assert len(night.creates()) == 1
    assert [night.record()] == [copy.fqdn for copy in night.copies()]


async def test_of_a_second_healthy_spell_no_third_copy_is_made(fall: Fall) -> None:
    night = await with_a_copy_and_a_healthy_spell(fall)
    await night.passes_until(lambda: night.at_step("hold-again"), step="10m")
    await night.region_up()
    await night.passes("10m")
    await night.region_down()
    await night.passes("2h")
    assert "stale-once" in [reason.id for reason in (await night.decision()).reasons]
    assert len(night.creates()) == 2
