"""What people ask for by hand: one run of a server at a time, asked for by name or by id, and words to runs."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from responder.core import errors, outages, playbooks, runs, services
from responder.flow import requests
from responder.store import sqlite
from tests.contracts import samples
from tests.flow.conftest import NOON

BOOKS = {samples.PLAYBOOK.name: samples.PLAYBOOK}


def asked(**changes: Any) -> requests.RunRequest:
    values: dict[str, Any] = {"playbook": "geo-restore", "server": "orders", "by": "ana@laptop"}
    return requests.RunRequest(**(values | changes))


@pytest.fixture
async def estate(store: sqlite.Store) -> sqlite.Store:
    await store.estate.put_servers([samples.server("orders"), samples.server("billing", region="westeurope")])
    return store


def concerning(**changes: Any) -> outages.Outage:
    return dataclasses.replace(samples.outage(), relation=services.Relation.POSTGRESQL, **changes)


async def refused(awaitable: Any) -> errors.ResponderError:
    with pytest.raises(errors.ResponderError) as raised:
        await awaitable
    assert raised.value.remedy
    return raised.value


@pytest.mark.parametrize("name", ["orders", samples.server_id("orders"), str(samples.server_id("orders")).upper()])
async def test_a_server_is_found_by_its_name_and_by_its_id_in_any_case(estate: sqlite.Store, name: str):
    assert (await requests.find_server(estate, name)).name == "orders"


async def test_an_unknown_server_is_refused(estate: sqlite.Store):
    assert (await refused(requests.find_server(estate, "nosuch"))).error_id == "server.unknown"


async def test_a_name_that_several_servers_have_is_refused_with_their_ids(estate: sqlite.Store):
    twin = dataclasses.replace(samples.server("orders"), id=samples.server_id("twin"))
    await estate.estate.put_servers([twin])
    error = await refused(requests.find_server(estate, "orders"))
    assert error.error_id == "server.ambiguous"
    assert samples.server_id("orders") in error.remedy
    assert twin.id in error.remedy


async def test_planning_writes_nothing(estate: sqlite.Store):
    run = await requests.planned(estate, BOOKS, asked(), NOON)
    assert (run.state, run.created_by, run.outage_id) == (runs.State.READY, "ana@laptop", None)
    assert await estate.runs.list() == []


async def test_an_unknown_playbook_is_refused_with_those_there_are(estate: sqlite.Store):
    error = await refused(requests.planned(estate, BOOKS, asked(playbook="nuke"), NOON))
    assert error.error_id == "playbook.unknown"
    assert error.remedy.startswith("Known: geo-restore.")


async def test_an_unknown_parameter_is_refused(estate: sqlite.Store):
    error = await refused(requests.planned(estate, BOOKS, asked(params={"fast": "yes"}), NOON))
    assert error.error_id == "playbook.unknown-parameter"


async def test_a_run_by_hand_belongs_to_the_open_outage_of_its_server(estate: sqlite.Store):
    await estate.outages.put([concerning()])
    here = await requests.planned(estate, BOOKS, asked(), NOON)
    elsewhere = await requests.planned(estate, BOOKS, asked(server="billing"), NOON)
    assert here.outage_id == concerning().id
    assert elsewhere.outage_id is None


async def test_a_run_by_hand_is_named_by_its_day_and_counted(estate: sqlite.Store):
    names = []
    for later in (timedelta(), timedelta(hours=1), timedelta(days=1)):
        run = await requests.planned(estate, BOOKS, asked(), NOON + later)
        assert (await requests.planned(estate, BOOKS, asked(), NOON + later)).id == run.id
        names.append(run.id)
        await estate.runs.submit(run)
        assert (await requests.planned(estate, BOOKS, asked(), NOON + timedelta(days=9))).id == run.id
        claimed = await estate.runs.claim(NOON + timedelta(days=9))
        assert claimed is not None
        await estate.runs.write(runs.cancelled(claimed, "enough", NOON), None)
    assert names == [f"geo-restore.orders.by-hand-{name}" for name in ("20260304", "20260304.2", "20260305")]


async def test_while_a_run_of_the_server_has_not_ended_another_is_refused(estate: sqlite.Store):
    first = await requests.submit(estate, await requests.planned(estate, BOOKS, asked(), NOON))
    later = NOON + timedelta(minutes=1)
    error = await refused(requests.submit(estate, await requests.planned(estate, BOOKS, asked(), later)))
    assert error.error_id == "run.busy"
    assert first.id in error.message
    assert f"responder runs cancel {first.id}" in error.remedy


async def test_repeating_a_request_while_the_daemon_is_down_goes_on_with_its_run(estate: sqlite.Store):
    first = await requests.submit_or_go_on(estate, await requests.planned(estate, BOOKS, asked(), NOON))
    again = await requests.planned(estate, BOOKS, asked(by="bob@desk"), NOON + timedelta(hours=1))
    assert (await requests.submit_or_go_on(estate, again)).id == first.id


@pytest.mark.parametrize("changes", [{"playbook": "other"}, {"params": {"wait": "3"}}])
async def test_another_request_does_not_take_over_a_run(estate: sqlite.Store, changes: dict[str, Any]):
    books: dict[str, playbooks.Playbook] = BOOKS | {"other": dataclasses.replace(samples.PLAYBOOK, name="other")}
    await requests.submit_or_go_on(estate, await requests.planned(estate, books, asked(), NOON))
    other = await requests.planned(estate, books, asked(**changes), NOON + timedelta(hours=1))
    assert (await refused(requests.submit_or_go_on(estate, other))).error_id == "run.busy"


async def test_a_word_is_kept_with_who_said_it_and_why(estate: sqlite.Store):
    await estate.runs.submit(samples.run("r"))
    yes = requests.Word(topic=runs.Topic.APPROVE, by="ana", reason="agreed", accept_loss=timedelta(minutes=40))
    await requests.say(estate, "r", yes, NOON)
    (word,) = await estate.runs.signals(runs.RunId("r"))
    assert (word.topic, word.by, word.at) == (runs.Topic.APPROVE, "ana", NOON)
    assert word.payload == {"reason": "agreed", "loss_accepted_s": 2400.0, "step": "restore"}


async def test_a_yes_to_a_run_that_cuts_nothing_over_is_kept_and_says_so(estate: sqlite.Store):
    await estate.runs.submit(samples.run("r"))
    noted = await requests.say(estate, "r", requests.Word(topic=runs.Topic.APPROVE, by="ana"), NOON)
    assert "cuts nothing over, so this answers nothing" in noted.missing
    other = await requests.say(estate, "r", requests.Word(topic=runs.Topic.PAUSE, by="ana"), NOON)
    assert other.missing == ""


async def test_a_no_after_the_replica_was_promoted_is_refused(estate: sqlite.Store):
    book = dataclasses.replace(
        samples.PLAYBOOK,
        steps=(playbooks.Step(id="promote", kind="promote_replica"), playbooks.Step(id="cut-over", kind="cut_over")),
    )
    await estate.runs.submit(dataclasses.replace(samples.run("r"), playbook=book, step="cut-over"))
    run = await estate.runs.claim(NOON + timedelta(hours=1))
    assert run is not None
    done = samples.record("promote", state=runs.StepState.DONE, output={"verdict": "promoted"})
    assert await estate.runs.write(run, done)
    no = requests.Word(topic=runs.Topic.DECLINE, by="ana")
    error = await refused(requests.say(estate, "r", no, NOON))
    assert error.error_id == "run.too-late"
    assert "The replica was promoted already" in error.message
    last = (await estate.audit.after(0))[-1]
    assert (last.kind, last.actor, last.run) == ("refused", "ana", "r"), "and that it was said is kept"
    assert '"word":"decline"' in last.body


async def test_a_word_to_no_run_is_refused(estate: sqlite.Store):
    error = await refused(requests.say(estate, "r", requests.Word(topic=runs.Topic.CANCEL, by="ana"), NOON))
    assert error.error_id == "run.unknown"


async def test_a_word_to_a_run_that_has_ended_is_refused(estate: sqlite.Store):
    await estate.runs.submit(samples.run("r"))
    claimed = await estate.runs.claim(samples.at(1))
    assert claimed is not None
    await estate.runs.write(runs.cancelled(claimed, "enough", NOON), None)
    error = await refused(requests.say(estate, "r", requests.Word(topic=runs.Topic.APPROVE, by="ana"), NOON))
    assert (error.error_id, error.message) == ("run.ended", "Run r is cancelled already.")
