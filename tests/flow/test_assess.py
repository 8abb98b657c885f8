"""A turn of the assessment outlives what is wrong with one server, one run or one playbook."""

from __future__ import annotations

import dataclasses

import pytest

from responder import playbook_files, steps
from responder.core import decisions, playbooks, runs, servers, tolerances
from responder.flow import assess, wakes
from responder.store import sqlite
from tests.core import cases

NOW = cases.at(6)
TAGS = {"outage-rto": "4h", "outage-rpo": "1h", "outage-cutover": "auto"}


def stage_of(store: sqlite.Store, **changed: playbooks.Playbook) -> assess.Assess:
    books = playbook_files.load_all(None, steps.KINDS)
    rules = assess.Rules(
        policy=cases.POLICY,
        defaults=tolerances.Tolerance(),
        playbooks=books | {name.replace("_", "-"): book for name, book in changed.items()},
    )
    return assess.Assess(store, rules, wake=wakes.Wake(), act=wakes.Wake())


async def outage_of(store: sqlite.Store, *hit: servers.Server) -> None:
    await store.estate.put_servers(hit)
    await store.estate.put_health({server.id: cases.down(NOW) for server in hit})
    await store.outages.put([cases.outage()])


async def test_a_playbook_that_does_not_take_what_a_decision_gives_stops_nobody_else(store: sqlite.Store):
    able, poor = cases.server(tags=TAGS), cases.server(tags=TAGS)
    poor = dataclasses.replace(able, id=servers.ServerId(f"{able.id}2"), name="orders2", geo_backup=False)
    await outage_of(store, able, poor)
    ours = dataclasses.replace(
        playbook_files.load_all(None, steps.KINDS)["geo-restore"],
        parameters=(playbooks.Parameter(name="ticket", type="text", required=True),),
    )
    await stage_of(store, geo_restore=ours).turn(NOW)
    assert {run.playbook.name for run in await store.runs.list()} == {"wait-it-out"}
    assert (await store.outages.decision(able.id, cases.outage().id)).action is decisions.Action.START  # type: ignore[union-attr]
    assert all(run.state is runs.State.READY for run in await store.runs.list())


@pytest.mark.parametrize(("playbook", "told"), [("drill", ["run.in-the-way"]), ("geo-restore", [])])
async def test_a_run_of_a_humans_that_is_in_the_way_of_a_copy_is_told_once(
    store: sqlite.Store, playbook: str, told: list[str]
):
    server = cases.server(tags=TAGS)
    await outage_of(store, server)
    book = playbook_files.load_all(None, steps.KINDS)[playbook]
    run = runs.new(
        id_=runs.RunId("by-hand"), server=server, outage_id=None, playbook=book, params={}, by="ana", now=cases.BEGAN
    )
    await store.runs.submit(run)
    stage = stage_of(store)
    for _ in range(2):
        await stage.turn(NOW)
    assert [row["announcement"].kind for row in await store.outbox.list()] == told
    assert [one.id for one in await store.runs.list()] == [run.id]
