"""Azure answers badly, or not at all: a write is sent once, and what became of it is found out by looking."""

from __future__ import annotations

from typing import Any

import pytest

from responder.core import runs
from tests.scenarios import night as nights
from tests.scenarios.conftest import Fall

COPIES = "*/flexibleservers/orders-geo-*"
RECORDS = "*/dnszones/*"
LATER = {"Retry-After": "11"}
"""More than the SDK waits for by itself, so that no test has to."""


async def ends_well(night: nights.Night) -> None:
    """The copy is there, and at the due time it is used."""
    await night.passes_until(lambda: night.at_step("hold"), step="5m")
    await night.passes_until(night.idle, step="10m")
    (copy,) = night.copies()
    assert night.record() == copy.fqdn
    assert night.requests_to_the_failed_region() == []
    assert [run.state for run in await night.runs()] == [runs.State.DONE]


async def test_the_handle_of_a_restore_is_stored_before_it_is_asked_after(fall: Fall) -> None:
    night = await fall()
    night.harbour.gate.clear()
    await night.region_down()
    await night.passes("10m")
    await night.tell()
    await night.turn()
    night.clock.forward(nights.timedelta(minutes=6))
    await night.daemon.watch.turn(night.clock.now())
    await night.daemon.assess.turn(night.clock.now())
    run = await night.carry_on_one()
    assert run is not None
    assert len(night.creates()) == 1
    assert night.polls() == []
    assert (await night.steps(run))["restore"].saved["token"]


async def test_after_a_restart_the_same_operation_is_asked_and_nothing_is_created_again(fall: Fall) -> None:
    night = await fall()
    night.harbour.gate.clear()
    await night.the_region_fails()
    asked_before = night.polls()
    assert asked_before
    await night.restart()
    await night.passes("5m")
    asked = night.polls()
    assert len(asked) > len(asked_before)
    assert len({entry.path for entry in asked}) == 1
    night.harbour.gate.set()
    await ends_well(night)
    assert len(night.creates(done=False)) == 1


@pytest.mark.parametrize("life", ["flexible", "single"])
async def test_an_answer_that_is_lost_is_found_out_by_looking(fall: Fall, life: str) -> None:
    product = {"kind": "single", "sku": "GP_Gen5_4", "version": "11"} if life == "single" else {}
    night = await fall(nights.declared(**product))
    night.sim.world.faults.drop_answer("PUT", "*/orders-geo-*")
    await night.the_region_fails()
    await ends_well(night)
    assert [entry.fault for entry in night.creates(done=False)] == ["drop_answer"]


async def test_an_answer_that_is_lost_while_the_restore_takes_long_is_waited_for(fall: Fall) -> None:
    night = await fall()
    night.harbour.gate.clear()
    night.sim.world.faults.drop_answer("PUT", COPIES)
    await night.the_region_fails()
    await night.passes("1h")
    assert await night.at_step("restore")
    night.harbour.gate.set()
    await ends_well(night)
    assert len(night.creates(done=False)) == 1


async def test_a_lost_answer_to_the_cut_over_is_found_out_by_looking(fall: Fall) -> None:
    night = await fall()
    await night.the_region_fails()
    night.sim.world.faults.drop_answer("PUT", RECORDS)
    await ends_well(night)
    assert len([entry for entry in night.writes() if "dnszones" in entry.path.lower()]) == 1


async def test_a_lost_answer_to_the_deletion_is_found_out_by_looking(fall: Fall) -> None:
    night = await fall()
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"))
    night.sim.world.faults.drop_answer("DELETE", COPIES)
    await night.region_up()
    await night.passes_until(night.idle, step="10m")
    assert night.copies() == []
    assert len(night.deletes()) == 1


ANSWERS: dict[str, tuple[int, Any, dict[str, str]]] = {
    "500": (500, {"error": {"code": "InternalServerError", "message": "Oh no."}}, {}),
    "503 with Retry-After": (503, None, {"Retry-After": "30"}),
    "429 with Retry-After": (429, {"error": {"code": "TooManyRequests", "message": "Slow."}}, {"Retry-After": "17"}),
    "409": (409, {"error": {"code": "Conflict", "message": "Something else is going on."}}, {}),
    "409 with Retry-After": (409, {"error": {"code": "ServerIsBusy", "message": "Busy."}}, {"Retry-After": "20"}),
    "no JSON": (502, b"<html>Bad gateway</html>", {}),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_a_create_that_is_refused_is_tried_again_later_and_done_once(
    fall: Fall, answer: tuple[int, Any, dict[str, str]]
) -> None:
    status, body, headers = answer
    night = await fall()
    night.sim.world.faults.answer("PUT", COPIES, status, body, headers)
    await night.the_region_fails()
    assert len(night.creates(done=False)) == 1, "not again at once: the SDK's own habit is off"
    assert "step.failed" in [announcement.kind for announcement in await night.told()]
    await ends_well(night)
    assert [entry.status for entry in night.creates(done=False)] == [status, 202]
    assert len({entry.path for entry in night.creates(done=False)}) == 1


async def test_a_create_is_not_sent_again_before_azure_says(fall: Fall) -> None:
    night = await fall()
    busy = {"error": {"code": "TooManyRequests", "message": "Slow."}}
    night.sim.world.faults.answer("PUT", COPIES, 429, busy, {"Retry-After": "3600"})
    await night.the_region_fails()
    await night.passes("50m")
    assert len(night.creates(done=False)) == 1
    await night.passes("20m")
    assert len(night.creates()) == 1


async def test_a_throttled_subscription_is_patient(fall: Fall) -> None:
    night = await fall()
    night.sim.world.faults.throttle("write", count=3, retry_after=nights.timedelta(seconds=5))
    await night.the_region_fails()
    await ends_well(night)
    assert [entry.status for entry in night.creates(done=False)] == [429, 429, 429, 202]


async def test_capacity_that_is_refused_is_asked_for_again_until_there_is_some(fall: Fall) -> None:
    night = await fall()
    night.sim.world.faults.refuse_capacity(nights.PAIR)
    await night.the_region_fails()
    await night.passes("30m")
    assert night.copies() == []
    assert len(night.creates(done=False)) > 2
    night.sim.world.faults.clear()
    await ends_well(night)
    assert len(night.creates()) == 1


@pytest.mark.parametrize(
    ("code", "remedy"),
    [("QuotaExceeded", "more vCores"), ("SubscriptionNotInAllowList", "access"), ("ServerSkuNotAvailable", "size")],
)
async def test_capacity_that_never_comes_ends_in_words_that_say_what_to_do(fall: Fall, code: str, remedy: str) -> None:
    night = await fall()
    night.sim.world.faults.refuse_capacity(nights.PAIR, code, "It is refused.")
    await night.the_region_fails()
    await night.passes("6h")
    (restore,) = [run for run in await night.runs() if run.playbook.name == "geo-restore"]
    assert restore.state is runs.State.FAILED
    (failed,) = [told for told in await night.told() if told.kind == "run.failed"]
    assert code in failed.text
    assert remedy in failed.text
    assert (await night.decision()).reasons[0].id == "gave-up"
    assert night.copies() == []


async def test_a_restore_that_fails_is_tried_again_under_another_name(fall: Fall) -> None:
    night = await fall()
    night.sim.world.faults.fail_operation("orders-geo-*", count=2)
    await night.the_region_fails()
    await ends_well(night)
    assert len({entry.path for entry in night.creates()}) == len(night.creates()) == 3


async def test_a_restore_that_never_succeeds_is_given_up_and_told(fall: Fall) -> None:
    night = await fall()
    night.sim.world.faults.fail_operation("orders-geo-*", count=1000)
    await night.the_region_fails()
    await night.passes("6h")
    (restore,) = [run for run in await night.runs() if run.playbook.name == "geo-restore"]
    assert restore.state is runs.State.FAILED
    assert len(night.creates()) == restore.playbook.steps[0].attempts
    assert "run.failed" in [announcement.kind for announcement in await night.told()]
    assert (await night.decision()).reasons[0].id == "gave-up"
    assert await night.at_step("watch"), "and it is waited out from there"
    assert night.record() == "orders.postgres.database.azure.com"


async def test_bad_answers_to_the_looks_at_a_long_restore_cost_it_nothing(fall: Fall) -> None:
    """A restore takes hours, and the control plane is not at its best: a look that failed is no failed restore."""
    night = await fall()
    night.harbour.gate.clear()
    await night.the_region_fails()
    for status in (500, 503, 429, 502) * 8:
        night.sim.world.faults.answer("GET", "*/azureasyncoperation/*", status)
        await night.passes("5m")
    assert await night.at_step("restore")
    night.harbour.gate.set()
    await ends_well(night)
    assert len(night.creates(done=False)) == 1


async def test_bad_answers_while_looking_at_the_copy_cost_it_nothing(fall: Fall) -> None:
    """The same where the handle of the operation is of no use, and the copy itself is looked at."""
    night = await fall()
    night.harbour.gate.clear()
    night.sim.world.faults.drop_answer("PUT", COPIES)
    await night.the_region_fails()
    for _ in range(30):
        night.sim.world.faults.answer("GET", COPIES, 503, None, LATER, count=3)
        await night.passes("5m")
        night.sim.world.faults.clear()
    night.harbour.gate.set()
    await ends_well(night)
    assert len(night.creates(done=False)) == 1


async def test_an_operation_that_azure_has_forgotten_is_replaced_by_looking_at_the_copy(fall: Fall) -> None:
    night = await fall()
    night.harbour.gate.clear()
    await night.the_region_fails()
    night.sim.world.faults.answer("GET", "*/azureasyncoperation/*", 404, count=1000)
    await night.passes("10m")
    night.harbour.gate.set()
    await ends_well(night)
    assert len(night.creates(done=False)) == 1


async def test_a_name_that_somebody_else_has_is_left_alone(fall: Fall) -> None:
    night = await fall()
    night.harbour.gate.clear()
    night.sim.world.faults.drop_answer("PUT", COPIES)
    night.sim.world.faults.answer("GET", COPIES, 503, None, LATER, count=100)
    await night.the_region_fails()
    (copy,) = night.copies()
    copy.tags.clear()
    night.sim.world.faults.clear()
    await night.passes("3h")
    assert [run.state for run in await night.runs() if run.playbook.name == "geo-restore"] == [runs.State.FAILED]
    night.harbour.gate.set()
    await night.region_up()
    await night.passes("6h")
    assert night.deletes() == []


async def test_a_failed_region_that_hangs_holds_nothing_up(fall: Fall) -> None:
    """The daemon asks nothing there, so it does not notice."""
    night = await fall()
    night.sim.world.faults.down_hangs = True
    await night.the_region_fails()
    await ends_well(night)


async def test_a_zone_that_cannot_be_written_delays_the_cut_over_and_no_more(fall: Fall) -> None:
    night = await fall()
    await night.the_region_fails()
    night.sim.world.faults.answer("*", RECORDS, 503, None, LATER, count=10_000)
    await night.passes("6h")
    assert await night.at_step("cut-over")
    assert "step.failed" in [announcement.kind for announcement in await night.told()]
    night.sim.world.faults.clear()
    await night.passes_until(night.idle)
    (copy,) = night.copies()
    assert night.record() == copy.fqdn


async def test_a_copy_that_applications_were_sent_to_is_kept_though_the_answer_was_lost(fall: Fall) -> None:
    """The record was written, nobody told us, and in that moment the region came back."""
    night = await fall()
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"))
    night.sim.world.faults.drop_answer("PUT", RECORDS)
    await night.passes_to((await night.decision()).cut_over_at)
    (copy,) = night.copies()
    assert night.record() == copy.fqdn
    assert not await night.idle(), "the daemon does not know yet"
    await night.region_up()
    await night.passes("6h")
    assert night.copies() == [copy]
    assert night.deletes() == []
    assert (await night.runs())[0].state is runs.State.DONE


async def test_a_record_that_somebody_else_changes_at_the_same_moment_is_looked_at_again(fall: Fall) -> None:
    night = await fall()
    await night.the_region_fails()
    changed = {"error": {"code": "PreconditionFailed", "message": "The etag does not match."}}
    night.sim.world.faults.answer("PUT", RECORDS, 412, changed)
    await ends_well(night)


async def test_a_deletion_that_fails_is_tried_again(fall: Fall) -> None:
    night = await fall()
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"))
    night.sim.world.faults.fail_operation("orders-geo-*", count=2)
    await night.region_up()
    await night.passes_until(night.idle, step="10m")
    assert night.copies() == []
    assert [run.state for run in await night.runs()] == [runs.State.DONE]
