"""The other ways out, by hand: a replica takes over, a server comes back as it was, a rehearsal leaves nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from responder import service
from responder.core import copies, errors, runs
from responder.flow import requests
from tests.scenarios import night as nights

OFFICE = {"name": "office", "start": "10.0.0.1", "end": "10.0.0.9"}


def with_settings(**values: Any) -> dict[str, Any]:
    return {**nights.declared(**values), "firewall": [OFFICE], "configurations": {"max_connections": "400"}}


def a_replica(of: str = "orders") -> dict[str, Any]:
    return {
        "name": f"{of}-replica", "region": "westus3", "resource_group": "rg-dns", "replica_of": of, "tags": {},
    }  # fmt: skip


async def captured(night: nights.Night) -> None:
    capture = service.capturer(night.daemon.parts)
    assert await capture.turn(night.clock.now())


async def started(night: nights.Night, playbook: str, **params: Any) -> runs.Run:
    asked = requests.RunRequest(playbook=playbook, server="orders", by="ada", params=params)
    run = await requests.planned(night.store, night.daemon.parts.playbooks, asked, night.clock.now())
    return await requests.submit(night.store, run)


async def ended(night: nights.Night, run: runs.Run) -> dict[str, runs.StepRecord]:
    await night.passes_until(lambda: night.idle())
    left = await night.store.runs.get(run.id)
    assert left is not None
    assert left.state is runs.State.DONE, left.why
    return await night.steps(run)


async def nothing_else(night: nights.Night) -> None:
    """Stop whatever the daemon has begun by itself; what was stopped is not begun again."""
    while await night.active() is not None:
        await night.says("cancel")
        await night.turn()


# promote-replica


async def test_a_replica_takes_over_after_a_yes_and_the_record_follows(fall: Any) -> None:
    night = await fall(nights.declared(cutover="ask"), a_replica())
    await night.the_region_fails()
    await nothing_else(night)  # a geo-restore is due at once; a human prefers the replica
    run = await started(night, "promote-replica")
    await night.passes_until(lambda: night.at_step("hold"))
    assert not [e for e in night.writes(done=True) if e.method == "PATCH"]

    await night.says("approve", accept_loss="1d")
    steps = await ended(night, run)

    assert steps["promote"].output["verdict"] == "promoted"
    assert steps["cut-over"].output["verdict"] == "cut-over"
    assert night.record() == "orders-replica.postgres.database.azure.com"
    changed = [e for e in night.writes(done=True) if e.method == "PATCH"]  # the promotion, then the tags
    assert [e.path.rpartition("/")[2] for e in changed] == ["orders-replica", "orders-replica"]
    promoted = night.sim.world.server_named("orders-replica")
    assert promoted is not None
    assert promoted.role == "Primary"
    assert runs.copy_of(run, steps).state is copies.State.PROMOTED
    own = night.id_of("orders")
    assert [e for e in night.sim.world.ledger if e.region == nights.EAST or e.path.lower().startswith(own)] == []
    await night.passes("10m")
    assert (await night.decision()).action == "done"

    plan = (await ended(night, await started(night, "failback-plan")))["plan"].output
    assert (plan["verdict"], plan["primary"]) == ("planned", night.id_of("orders-replica"))
    assert "was never measured" in plan["report"]
    assert "failback.plan" in {a.kind for a in await night.told()}


async def test_where_nobody_was_sent_away_there_is_nothing_to_plan(fall: Any) -> None:
    night = await fall(nights.declared())
    steps = await ended(night, await started(night, "failback-plan"))
    assert steps["plan"].output["verdict"] == "nothing-to-do"


async def test_where_there_is_no_backup_the_daemon_asks_for_the_replica_by_itself(fall: Any) -> None:
    night = await fall(nights.declared(cutover="ask", geo_backup=False), a_replica())
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"), step="10m")
    run = await night.active()
    assert run is not None
    assert (run.playbook.name, run.created_by) == ("promote-replica", "responder")

    await night.says("approve", accept_loss="1d")
    await night.passes_until(night.idle, step="10m")

    assert (await night.steps(run))["cut-over"].output["verdict"] == "cut-over"
    assert night.record() == "orders-replica.postgres.database.azure.com"


async def test_when_the_region_returns_first_the_replica_stays_one(fall: Any) -> None:
    night = await fall(nights.declared(cutover="ask"), a_replica())
    run = await started(night, "promote-replica")
    await night.passes_until(lambda: night.at_step("hold"))
    await night.says("decline")
    steps = await ended(night, run)
    assert "promote" not in {id_ for id_, record in steps.items() if record.state is runs.StepState.DONE}
    replica = night.sim.world.server_named("orders-replica")
    assert replica is not None
    assert replica.is_replica
    assert night.writes() == []


async def test_a_promoted_replica_is_never_thrown_away(fall: Any) -> None:
    night = await fall(nights.declared(cutover="ask"), a_replica())
    await night.region_down()
    await night.passes("10m")
    run = await started(night, "promote-replica")
    await night.passes_until(lambda: night.at_step("hold"))
    await night.says("approve", accept_loss="1d")
    await ended(night, run)
    discard = await started(night, "discard-copy", copy=night.id_of("orders-replica"))
    await night.passes_until(lambda: night.idle())
    left = await night.store.runs.get(discard.id)
    assert left is not None
    assert left.state is runs.State.FAILED
    assert "left alone" in left.why
    assert night.deletes() == []


# point-in-time-restore


async def test_a_server_comes_back_as_it_was_beside_itself(fall: Any) -> None:
    night = await fall(with_settings())
    await captured(night)
    at = night.clock.now() - timedelta(hours=2)
    run = await started(night, "point-in-time-restore", to=at.isoformat(), zone="2")
    steps = await ended(night, run)
    (create,) = [e for e in night.writes(done=True) if e.detail == "PointInTimeRestore"]
    assert create.region == nights.EAST
    assert steps["restore"].output["use"] == "beside"
    assert steps["restore"].output["to"] == at.isoformat()
    made = night.sim.world.server_named(create.path.rpartition("/")[2])
    assert made is not None
    assert (made.zone, made.resource_group) == ("2", "rg-data-east")
    assert made.collection("firewallrules").keys() == {"office"}
    assert made.collection("configurations")["max_connections"] == {"value": "400"}
    assert steps["hold"].state is runs.StepState.SKIPPED
    assert night.record() == "orders.postgres.database.azure.com"
    (told,) = [a for a in await night.told() if a.kind == "server.restored"]
    assert "Firewall rules are set. Server parameters are set." in told.text


@pytest.mark.parametrize(("hours", "error_id"), [(-1, "restore.to-future"), (8 * 24, "restore.to-too-old")])
async def test_a_moment_that_cannot_be_had_is_refused_before_there_is_a_run(
    fall: Any, hours: int, error_id: str
) -> None:
    night = await fall(nights.declared())
    with pytest.raises(errors.InputError) as caught:
        await started(night, "point-in-time-restore", to=(night.clock.now() - timedelta(hours=hours)).isoformat())
    assert caught.value.error_id == error_id
    assert await night.runs() == []


async def test_what_a_run_left_behind_is_thrown_away_when_somebody_asks(fall: Any) -> None:
    night = await fall(nights.declared())
    await ended(night, await started(night, "point-in-time-restore"))
    await service.refresh_inventory(night.daemon.parts)
    steps = await ended(night, await started(night, "discard-copy"))
    assert steps["discard"].output["verdict"] == "discarded"
    assert len(night.deletes()) == 1
    assert [s.name for s in night.sim.world.servers.values()] == ["orders"]


async def test_nothing_is_thrown_away_that_we_did_not_make(fall: Any) -> None:
    night = await fall(nights.declared(), nights.declared("billing"))
    run = await started(night, "discard-copy", copy=night.id_of("billing"))
    await night.passes_until(lambda: night.idle())
    left = await night.store.runs.get(run.id)
    assert left is not None
    assert left.state is runs.State.FAILED
    assert night.deletes() == []


# drill


@pytest.mark.parametrize("source", ["geo-backup", "point-in-time"])
async def test_a_rehearsal_is_measured_and_leaves_nothing_behind(fall: Any, source: str) -> None:
    night = await fall(with_settings())
    await captured(night)
    run = await started(night, "drill", **{"from": source})
    steps = await ended(night, run)
    figures = steps["figures"].output
    expected = "geo-restore" if source == "geo-backup" else "point-in-time-restore"
    assert (figures["verdict"], figures["kind"], figures["size_class"]) == ("rehearsed", expected, "small")
    assert figures["requested_at"] <= figures["ready_at"]
    assert figures["accepted_at"] is not None
    assert steps["rules"].output["verdict"] == steps["parameters"].output["verdict"] == "copied"
    assert steps["discard"].output["verdict"] == "discarded"
    assert [s.name for s in night.sim.world.servers.values()] == ["orders"]
    assert night.record() == "orders.postgres.database.azure.com"
    assert "drill.done" in {a.kind for a in await night.told()}


async def test_a_rehearsal_that_fails_says_so_and_leaves_nothing_behind(fall: Any) -> None:
    night = await fall(nights.declared())
    night.sim.world.faults.fail_operation("orders-geo-*", count=10)
    steps = await ended(night, await started(night, "drill"))
    assert steps["figures"].output["verdict"] == "failed"
    assert [s.name for s in night.sim.world.servers.values()] == ["orders"]
    assert "drill.failed" in {a.kind for a in await night.told()}


async def test_in_an_outage_a_rehearsal_is_refused_unless_forced(fall: Any) -> None:
    night = await fall(nights.declared(cutover="never"))
    await night.the_region_fails()
    await nothing_else(night)
    with pytest.raises(errors.RefusedError) as caught:
        await started(night, "drill")
    assert caught.value.error_id == "drill.outage"
    await ended(night, await started(night, "drill", force=True))
    assert (await night.decision()).action == "wait"  # nobody takes the copy of a rehearsal for one


# What a copy lacks


async def test_a_restored_copy_lets_in_who_was_let_in_and_the_failed_region_is_asked_nothing(fall: Any) -> None:
    night = await fall(with_settings())
    await captured(night)
    night.sim.world.ledger._entries.clear()
    await night.the_region_fails()
    await night.passes_until(lambda: night.at_step("hold"))
    (copy,) = night.copies()
    assert copy.collection("firewallrules")["office"]["startIpAddress"] == "10.0.0.1"
    assert copy.collection("configurations")["max_connections"] == {"value": "400"}
    assert night.requests_to_the_failed_region() == []


async def test_settings_are_read_of_healthy_declared_servers_only_and_seldom(fall: Any) -> None:
    night = await fall(with_settings(), nights.a_server("wiki"))
    capture = service.capturer(night.daemon.parts)
    assert await capture.turn(night.clock.now()) == 1
    assert await capture.turn(night.clock.now()) == 0
    found = await night.store.configurations.get(night.id_of("orders"))
    assert [rule.name for rule in found.configuration.rules] == ["office"]
    assert await night.store.configurations.get(night.id_of("wiki")) is None
    await night.passes("7h")
    await night.the_region_fails()
    before = len(night.sim.world.ledger)
    assert await capture.turn(night.clock.now()) == 0
    assert len(night.sim.world.ledger) == before
