"""A region fails: what is done for whom, when, and what is left alone. Times are those the product ships with."""

from __future__ import annotations

from typing import Any

import pytest

from responder import service
from responder.core import copies, decisions, errors, outages, runs
from tests.scenarios import night as nights
from tests.scenarios.conftest import Fall

ASK = {"cutover": "ask"}


class Died(BaseException):
    """The process ended here."""


def source(name: str = "orders") -> str:
    return f"{name}.postgres.database.azure.com"


async def is_cut_over(night: nights.Night, name: str = "orders") -> bool:
    (copy,) = night.copies(name)
    return night.record(name) == copy.fqdn


async def nothing_is_left_of_the_copy(night: nights.Night) -> None:
    """Made once and thrown away once; the record, the source and its region were never touched."""
    assert len(night.creates()) == len(night.deletes()) == 1
    assert night.copies() == []
    assert len(night.writes()) == 2
    assert night.record() == source()
    assert night.requests_to_the_failed_region() == []
    assert "copy.discarded" in [announcement.kind for announcement in await night.told()]


@pytest.mark.parametrize(
    "product", [{}, {"kind": "single", "sku": "GP_Gen5_4", "version": "11"}], ids=["flexible", "single"]
)
async def test_the_failed_region_is_never_asked_anything(fall: Fall, product: dict[str, str]) -> None:
    """Not even read: over restore, verification, hold and cut-over, with the estate listed anew in between."""
    night = await fall(nights.declared(**product))
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"))
    assert night.record() == source()
    await service.refresh_inventory(night.daemon.parts)
    await night.passes_to((await night.decision()).cut_over_at)
    assert await night.idle()
    assert await is_cut_over(night)
    assert night.requests_to_the_failed_region() == []
    assert [(e.method, e.detail) for e in night.writes()] == [("PUT", "GeoRestore"), ("PUT", ""), ("PATCH", "")]


async def test_applications_are_sent_to_the_copy_at_the_due_time_and_not_before(fall: Fall) -> None:
    night = await fall()
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"))
    due = (await night.decision()).cut_over_at
    assert due is not None
    await night.passes_to(due - nights.timedelta(seconds=1))
    assert night.record() == source()
    await night.passes("1s")
    assert await is_cut_over(night)
    assert (await night.decision()).action is decisions.Action.DONE


async def test_tolerances_make_the_difference(fall: Fall) -> None:
    night = await fall(
        nights.declared("orders"),
        nights.declared("archive", rto="2d"),
        nights.a_server("wiki", owner="team-knowledge"),
        nights.declared("telemetry", geo_backup=False),
    )
    await night.the_region_fails()
    await night.turn()
    names = ("orders", "archive", "wiki", "telemetry")
    started = {name: [run.playbook.name for run in await night.runs(name)] for name in names}
    assert started == {name: ["geo-restore" if name == "orders" else "wait-it-out"] for name in names}
    why = {name: (await night.decision(name)).reasons[0].id for name in names}
    assert why == {"orders": "hold", "archive": "early", "wiki": "undeclared", "telemetry": "way.no-geo-backup"}
    assert [len(night.creates(name)) for name in names] == [1, 0, 0, 0]


async def test_the_owner_of_an_undeclared_server_is_told_what_could_have_been_done(fall: Fall) -> None:
    night = await fall(nights.a_server("wiki", owner="team-knowledge"))
    await night.the_region_fails()
    await night.daemon.announce.turn()
    (letter,) = [letter.body for letter in night.sim.inbox.letters]
    assert isinstance(letter, dict)
    assert letter["kind"] == "server.waits"
    assert letter["to"] == "team-knowledge"
    assert "could be geo-restored" in letter["text"]
    await night.passes("12h")
    assert night.writes() == []


async def test_the_wait_becomes_a_restore_when_waiting_would_break_the_promise(fall: Fall) -> None:
    night = await fall(nights.declared(rto="24h"))
    await night.the_region_fails()
    assert [run.playbook.name for run in await night.runs()] == ["wait-it-out"]
    await night.passes_to((await night.decision()).start_by)
    assert [(run.playbook.name, run.state.ended) for run in await night.runs()] == [
        ("wait-it-out", True),
        ("geo-restore", False),
    ]


async def test_a_region_that_returns_before_the_request_is_sent_needs_no_copy(fall: Fall) -> None:
    night = await fall()
    await night.region_down()
    await night.passes("10m")
    await night.tell()
    await night.daemon.watch.turn(night.clock.now())
    await night.daemon.assess.turn(night.clock.now())
    night.clock.forward(nights.timedelta(minutes=6))
    await night.daemon.watch.turn(night.clock.now())
    await night.daemon.assess.turn(night.clock.now())
    assert not await night.idle(), "a run is wanted, and nobody has carried it out yet"
    await night.region_up()
    await night.turn()
    assert await night.idle()
    assert night.writes() == []


async def test_a_region_that_returns_during_the_restore_leaves_nothing_behind(fall: Fall) -> None:
    night = await fall()
    night.harbour.gate.clear()
    await night.the_region_fails()
    assert await night.at_step("restore")
    await night.region_up()
    await night.tell(status="Resolved", impact_mitigation="PT0S")
    await night.passes("3h")
    assert await night.at_step("restore"), "a restore under way cannot be called back"
    night.harbour.gate.set()
    await night.passes_until(night.idle)
    await nothing_is_left_of_the_copy(night)


async def test_a_region_that_returns_while_the_copy_is_held_leaves_nothing_behind(fall: Fall) -> None:
    night = await fall()
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"))
    await night.region_up()
    await night.tell(status="Resolved", impact_mitigation="PT0S")
    await night.passes("1h50m")
    assert (await night.decision()).action is decisions.Action.SETTLE
    assert len(night.copies()) == 1, "outages recur, so it is kept for a while"
    await night.passes_until(night.idle, step="10m")
    await nothing_is_left_of_the_copy(night)
    await night.passes("10m")
    assert await night.store.outages.closed_at(nights.OUTAGE_ID) is not None


async def test_a_server_that_answers_at_the_very_last_moment_is_not_cut_over(fall: Fall) -> None:
    """The decision to cut over is taken; between it and the write the server comes back."""
    night = await fall()
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"))
    due = (await night.decision()).cut_over_at
    assert due is not None
    await night.passes_to(due - nights.timedelta(minutes=1))
    night.clock.forward(nights.timedelta(minutes=1))
    await night.daemon.watch.turn(night.clock.now())
    await night.daemon.assess.turn(night.clock.now())
    assert (await night.decision()).action is decisions.Action.CUT_OVER
    await night.region_up()
    await night.carry_on()
    assert await night.at_step("cut-over")
    await night.passes_until(night.idle, step="10m")
    await nothing_is_left_of_the_copy(night)


async def test_a_region_that_returns_and_fails_again_gets_a_new_run(fall: Fall) -> None:
    night = await fall()
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"))
    await night.region_up()
    await night.passes_until(night.idle, step="10m", most=30)
    assert night.copies() == []
    await night.region_down()
    await night.passes("20m")
    first, second = await night.runs()
    assert second.id == f"{first.id}.2"
    assert not second.state.ended
    await night.passes_until(lambda: night.at_step("hold"))
    assert len(night.creates()) == 2
    assert len({entry.path for entry in night.creates()}) == 2


async def test_an_outage_that_was_closed_and_begins_again_gets_a_new_run(fall: Fall) -> None:
    night = await fall()
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"))
    await night.region_up()
    await night.tell(status="Resolved", impact_mitigation="PT0S")
    await night.passes("3h")
    assert await night.store.outages.closed_at(nights.OUTAGE_ID) is not None
    await night.the_region_fails(title="It has begun again")
    assert await night.store.outages.closed_at(nights.OUTAGE_ID) is None
    _, second = await night.runs()
    assert not second.state.ended


async def test_a_copy_older_than_a_healthy_spell_is_not_used_without_a_human(fall: Fall) -> None:
    """The server answered again for an hour, and took writes that the copy lacks."""
    night = await fall()
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"))
    await night.region_up()
    await night.passes("1h")
    await night.region_down()
    await night.passes("12h")
    decision = await night.decision()
    assert decision.action is decisions.Action.ASK
    assert "cutover.loss" in [reason.id for reason in decision.reasons]
    assert night.record() == source()
    assert len(night.creates()) == 1


async def test_without_an_answer_nothing_that_needs_one_is_done(fall: Fall) -> None:
    night = await fall(nights.declared(**ASK))
    await night.the_region_fails()
    await night.passes("24h")
    assert (await night.decision()).action is decisions.Action.ASK
    assert await night.at_step("hold")
    assert night.record() == source()
    assert any("runs approve" in announcement.text for announcement in await night.told())


async def test_an_approval_is_carried_out_at_the_due_time_and_not_before(fall: Fall) -> None:
    night = await fall(nights.declared(**ASK))
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"))
    await night.says("approve")
    due = (await night.decision()).cut_over_at
    assert due is not None
    await night.passes_to(due - nights.timedelta(minutes=1))
    assert night.record() == source()
    await night.passes("1m")
    assert await is_cut_over(night)


async def test_a_late_approval_is_carried_out_at_once(fall: Fall) -> None:
    night = await fall(nights.declared(**ASK))
    await night.the_region_fails()
    await night.passes("6h")
    await night.says("approve")
    await night.turn()
    assert await is_cut_over(night)


async def test_a_refusal_holds_the_copy_until_the_region_is_back(fall: Fall) -> None:
    night = await fall(nights.declared(cutover="auto"))
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"))
    await night.says("decline")
    await night.passes("12h")
    assert night.record() == source()
    assert len(night.copies()) == 1
    await night.region_up()
    await night.passes_until(night.idle, step="10m", most=30)
    await nothing_is_left_of_the_copy(night)


async def test_a_later_word_replaces_an_earlier_one(fall: Fall) -> None:
    night = await fall(nights.declared(**ASK))
    await night.the_region_fails()
    await night.passes("6h")
    await night.says("decline")
    await night.passes("10m")
    assert night.record() == source()
    await night.says("approve")
    await night.passes("10m")
    assert await is_cut_over(night)


async def test_more_loss_than_declared_needs_a_signature_that_names_it(fall: Fall) -> None:
    """Nothing was measured, so an hour counts; five minutes are declared."""
    night = await fall(nights.declared(rpo="5m"))
    await night.the_region_fails()
    await night.passes("6h")
    assert (await night.decision()).action is decisions.Action.ASK
    await night.says("approve")
    await night.passes("10m")
    assert night.record() == source(), "a plain yes does not cover more than was declared"
    await night.says("approve", accept_loss="1h")
    await night.passes("10m")
    assert await is_cut_over(night)


async def test_a_copy_that_somebody_sent_applications_to_by_hand_is_never_deleted(fall: Fall) -> None:
    night = await fall()
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"))
    (copy,) = night.copies()
    (zone,) = night.sim.world.zones.values()
    zone.record_sets["CNAME", "orders"].records["CNAMERecord"] = {"cname": copy.fqdn}
    await night.region_up()
    await night.passes_until(night.idle, step="10m", most=30)
    assert night.copies() == [copy]
    assert night.deletes() == []
    assert any("left alone" in announcement.text for announcement in await night.told())


async def test_a_second_run_of_a_server_is_refused_while_one_is_active(fall: Fall) -> None:
    night = await fall()
    await night.the_region_fails()
    with pytest.raises(errors.RefusedError, match=r"run\.busy"):
        await night.starts("geo-restore")
    with pytest.raises(errors.RefusedError, match=r"run\.busy"):
        await night.starts("wait-it-out")
    assert len(await night.runs()) == 1


async def test_two_outages_of_one_region_share_one_run_a_server(fall: Fall) -> None:
    night = await fall()
    await night.the_region_fails()
    await night.tell(tracking_id="QX3L-7PG", title="Storage - East US 2", services=["Storage Accounts"])
    await night.passes("2h")
    assert len(await night.store.outages.open()) == 2
    assert len(await night.runs()) == 1
    assert len(night.creates()) == 1


async def test_a_server_that_was_cut_over_is_not_cut_over_again_for_another_outage(fall: Fall) -> None:
    """Applications write to the copy: a second copy of the old server would cost them all of it."""
    night = await fall()
    await night.the_region_fails()
    await night.passes_to((await night.decision()).cut_over_at)
    assert await is_cut_over(night)
    leads_to = night.record()
    await night.tell(tracking_id="QX3L-7PG", title="Azure Database for PostgreSQL - East US 2 - Cooling")
    await night.passes("12h")
    assert night.record() == leads_to
    assert len(night.creates()) == 1


async def test_a_server_that_was_cut_over_by_hand_is_not_cut_over_again(fall: Fall) -> None:
    """A human was faster than Azure's event."""
    night = await fall()
    await night.region_down()
    await night.passes("10m")
    await night.starts("geo-restore")
    await night.passes_until(lambda: night.at_step("hold"))
    await night.says("approve")
    await night.passes_until(night.idle)
    assert await is_cut_over(night)
    leads_to = night.record()
    await night.tell()
    await night.passes("12h")
    assert night.record() == leads_to


async def test_a_record_that_leads_to_a_copy_is_never_moved_by_itself(fall: Fall) -> None:
    """Weeks later the old server, which nobody uses any more, is in an outage of its own."""
    night = await fall()
    await night.the_region_fails()
    await night.passes_to((await night.decision()).cut_over_at)
    leads_to = night.record()
    await night.region_up()
    await night.tell(status="Resolved", impact_mitigation="PT0S")
    await night.passes("3h")
    assert await night.store.outages.closed_at(nights.OUTAGE_ID) is not None
    await night.the_region_fails(tracking_id="QX3L-7PG")
    await night.passes("6h")
    assert night.record() == leads_to != source()
    decision = await night.decision(outage=outages.OutageId("QX3L-7PG@eastus2"))
    assert decision.reasons[0].id == "superseded"
    assert len(night.creates()) == 1


async def test_a_cancelled_run_has_no_further_effect_and_names_what_it_leaves(fall: Fall) -> None:
    night = await fall()
    night.harbour.gate.clear()
    await night.the_region_fails()
    run = await night.active()
    assert run is not None
    await night.says("cancel")
    await night.turn()
    (copy,) = night.copies()
    ended = await night.store.runs.get(run.id)
    assert ended.state is runs.State.CANCELLED
    assert copy.name in ended.why
    assert "ada" in ended.why
    assert any(copy.name in announcement.text for announcement in await night.told())
    night.harbour.gate.set()
    await night.passes("12h")
    assert [run.playbook.name for run in await night.runs()].count("geo-restore") == 1, "not started again by itself"
    assert len(night.writes()) == 1
    assert (await night.decision()).action is not decisions.Action.CUT_OVER


async def test_cancelling_names_a_copy_that_only_azure_knows_of(fall: Fall, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process died after Azure had taken the request and before that was written down."""
    night = await fall()
    night.harbour.gate.clear()
    write = night.store.runs.write

    async def die(run: runs.Run, record: runs.StepRecord | None, *rest: Any, **how: Any) -> bool:
        if record is not None and "token" in record.saved:
            raise Died
        return bool(await write(run, record, *rest, **how))

    monkeypatch.setattr(night.store.runs, "write", die)
    with pytest.raises(Died):
        await night.the_region_fails()
    await night.restart()
    await night.says("cancel")
    await night.turn()
    (copy,) = night.copies()
    (run,) = [run for run in await night.runs() if run.state is runs.State.CANCELLED]
    assert copy.name in run.why
    assert len(night.writes()) == 1


async def test_a_run_cancelled_before_its_first_effect_has_none(fall: Fall) -> None:
    night = await fall()
    await night.starts("geo-restore")
    await night.says("cancel")
    await night.turn()
    assert await night.idle()
    await night.passes("1h")
    assert night.writes() == []


async def test_the_copy_of_an_ended_run_is_known_as_what_it_is(fall: Fall) -> None:
    night = await fall()
    await night.the_region_fails()
    await night.passes_to((await night.decision()).cut_over_at)
    facts = await night.store.outages.facts(night.id_of("orders"), nights.OUTAGE_ID)
    assert facts.copy.state is copies.State.PROMOTED
