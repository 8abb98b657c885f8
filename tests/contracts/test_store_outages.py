"""Outages stay open until we are finished with them; every decision is kept with what it knew."""

from __future__ import annotations

import dataclasses
import json

import pytest

from responder.core import decisions, outages, runs
from responder.store import sqlite
from tests.contracts import samples


async def test_an_outage_comes_back_as_it_was_put(store: sqlite.Store) -> None:
    outage = samples.outage()
    await store.outages.put([outage])

    assert await store.outages.get(outage.id) == outage
    assert await store.outages.get(outages.OutageId("none@eastus")) is None


async def test_one_tracking_id_may_be_an_outage_in_several_regions(store: sqlite.Store) -> None:
    east, west = samples.outage("X"), samples.outage("X", region="westus")
    await store.outages.put([west, east, samples.outage("Y")])

    assert await store.outages.of_tracking("x") == [east, west]


async def test_an_outage_is_open_until_we_close_it_whatever_azure_calls_it(store: sqlite.Store) -> None:
    resolved = samples.outage(active=False)
    await store.outages.put([resolved])
    assert await store.outages.open() == [resolved]

    await store.outages.close(resolved.id, samples.at(5))
    await store.outages.close(resolved.id, samples.at(6))

    assert await store.outages.open() == []
    assert await store.outages.closed_at(resolved.id) == samples.at(5)
    assert await store.outages.list() == [resolved]


@pytest.mark.parametrize(
    ("later", "reopened"),
    [
        pytest.param(samples.outage(minutes=1), True, id="newer and active"),
        pytest.param(samples.outage(minutes=0), False, id="the same again"),
        pytest.param(samples.outage(minutes=-1), False, id="older"),
        pytest.param(samples.outage(minutes=1, active=False), False, id="newer and resolved"),
    ],
)
async def test_a_closed_outage_reopens_for_newer_active_news_only(
    store: sqlite.Store, later: outages.Outage, reopened: bool
) -> None:
    outage = samples.outage()
    await store.outages.put([outage])
    await store.outages.close(outage.id, samples.at(0.5))
    await store.outages.put([later])

    assert (await store.outages.closed_at(outage.id) is None) is reopened
    assert await store.outages.get(outage.id) == later


async def test_the_latest_decision_of_each_server_is_known_with_its_facts(store: sqlite.Store) -> None:
    early, late = samples.decided("a"), samples.decided("a", minutes=5, action=decisions.Action.START)
    other = samples.decided("b")
    await store.outages.put_decisions([early, other])
    await store.outages.put_decisions([late])
    await store.outages.put_decisions([])

    outage, a, b = samples.outage().id, samples.server_id("a"), samples.server_id("b")
    assert await store.outages.decisions(outage) == {a: late[0], b: other[0]}
    assert await store.outages.decision(a, outage) == late[0]
    assert await store.outages.facts(a, outage) == late[1]


async def test_the_latest_decisions_of_some_servers_are_read_in_bulk(store: sqlite.Store) -> None:
    await store.outages.put_decisions([samples.decided("a"), samples.decided("b")])
    newer, _ = samples.decided("a", minutes=5)
    await store.outages.put_decisions([samples.decided("a", minutes=5)])
    wanted = [(newer.outage, newer.server), (newer.outage, samples.server_id("none"))]
    assert await store.outages.newest(wanted) == {(newer.outage, newer.server): newer}
    assert await store.outages.newest([]) == {}


async def test_where_nothing_was_decided_nothing_is_known(store: sqlite.Store) -> None:
    outage, server = samples.outage().id, samples.server_id("a")

    assert await store.outages.decisions(outage) == {}
    assert await store.outages.decision(server, outage) is None
    assert await store.outages.facts(server, outage) is None
    assert await store.outages.closed_at(outage) is None


async def test_a_merge_moves_every_run_and_closes_the_suspected_outage(store: sqlite.Store) -> None:
    """What was begun by a suspicion counts for Azure's outage: its runs, ended or not, with their copies."""
    suspected, azures = samples.outage("SUSPECTED"), samples.outage("REAL")
    await store.outages.put([suspected, azures])
    ended, active, other = (
        samples.run("ended", server="a", outage_id=suspected.id),
        samples.run("active", server="a", outage_id=suspected.id),
        samples.run("other", server="b"),
    )
    await store.runs.submit(ended)
    claimed = await store.runs.claim(samples.at(1))
    assert claimed is not None
    await store.runs.write(dataclasses.replace(claimed, state=runs.State.DONE, step=None), None)
    for run in (active, other):
        assert await store.runs.submit(run) == "created"

    await store.outages.merge(suspected, azures.id, samples.at(5))
    await store.outages.merge(suspected, azures.id, samples.at(6))

    server = samples.server_id("a")
    assert [run.id for run in await store.runs.of(server, azures.id)] == ["active", "ended"]
    assert await store.runs.of(server, suspected.id) == []
    assert [run.id for run in await store.runs.of(samples.server_id("b"), None)] == ["other"]
    assert await store.outages.get(suspected.id) == dataclasses.replace(suspected, merged_into=azures.id)
    assert await store.outages.closed_at(suspected.id) == samples.at(5)
    assert await store.outages.open() == [azures]
    (told,) = [line for line in await store.audit.after(0) if line.kind == "outage.merged"]
    assert json.loads(told.body) == {"into": azures.id, "runs": ["active", "ended"]}, "and it is recorded, once"


async def test_a_claim_from_before_a_merge_can_still_write_and_stays_merged(store: sqlite.Store) -> None:
    suspected, azures = samples.outage("SUSPECTED"), samples.outage("REAL")
    await store.outages.put([suspected, azures])
    await store.runs.submit(samples.run("a", outage_id=suspected.id))
    claimed = await store.runs.claim(samples.at(1))
    assert claimed is not None
    await store.outages.merge(suspected, azures.id, samples.at(5))

    assert await store.runs.write(claimed, samples.record())
    after = await store.runs.get(claimed.id)
    assert after is not None
    assert after.outage_id == azures.id
