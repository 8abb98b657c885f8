"""The audit: written with what it records, one chain whoever writes, and every way to tamper with it is found."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from responder.core import audits, brakes, runs
from responder.flow import auditing
from responder.store import audit, database, retention, stores
from tests.contracts import conftest, postgresql_backend, postgresql_server, samples
from tests.contracts.sqlite_backend import PowerLost

AT = samples.at
RUN = runs.RunId("geo-restore.orders")


def word(topic: runs.Topic = runs.Topic.APPROVE, *, key: str | None = None, **payload: Any) -> runs.Signal:
    return runs.Signal(run_id=RUN, topic=topic, by="kim@desk", at=AT(1), payload=payload, key=key)


async def verdict(store: stores.Store, *, heads: tuple[str, ...] = ()) -> auditing.Verdict:
    witness = audits.Witness()
    for head in heads:
        witness.head(head)
    return await auditing.verify(store.audit, witness)


async def kinds(store: stores.Store) -> list[str]:
    return [line.kind for line in await store.audit.after(0)]


async def submitted(store: stores.Store) -> runs.Run:
    outage = samples.outage()
    await store.outages.put([outage])
    await store.runs.submit(samples.run(RUN, server="orders", outage_id=outage.id))
    run = await store.runs.claim(AT(1))
    assert run is not None
    return run


async def filled(store: stores.Store, entries: int = 8) -> audits.Head:
    """A chain of so many entries; where it ends."""
    await store.audit.put([entry(number) for number in range(entries)])
    head = await store.audit.head()
    assert head is not None
    return head


def entry(number: int) -> audits.Entry:
    return audits.Entry(at=AT(number), kind="test", actor="kim", subject=f"entry {number}", body={"n": number})


async def tamper(store: stores.Store, *statements: str) -> None:
    """As somebody who owns the database."""
    off = (
        ["ALTER TABLE audit DISABLE TRIGGER USER", "ALTER TABLE audit_head DISABLE TRIGGER USER"]
        if store.database.KIND == "postgresql"
        else [
            f"DROP TRIGGER {row['name']}"
            for row in await store.database.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        ]
    )

    def work(connection: database.Connection) -> None:
        for sql in (*off, *statements):
            connection.execute(sql)

    await store.database.execute_transaction(work)


async def afresh(store: stores.Store) -> None:
    """A whole chain of eight entries, whatever was there."""
    await tamper(store, "DELETE FROM audit", "DELETE FROM audit_head")
    await filled(store)


# What is recorded. ----------------------------------------------------------------------------------------------------


async def test_an_approval_is_recorded_with_who_why_and_the_price_that_stood(store: stores.Store):
    await store.outages.put_decisions([samples.decided("orders")])
    await submitted(store)
    await store.runs.signal(word(reason="the owner agreed", loss_accepted_s=2400.0))
    line = (await store.audit.newest(audit.Wanted(kinds=["approve"]), 10))[-1]
    body = json.loads(line.body)
    assert (line.actor, line.run, line.server) == ("kim@desk", RUN, samples.server_id("orders"))
    assert (body["reason"], body["loss_accepted_s"]) == ("the owner agreed", 2400)
    assert body["decision"]["action"] == samples.decided("orders")[0].action
    assert (await verdict(store)).whole


async def test_a_word_that_is_repeated_is_recorded_once_and_our_own_reminders_never(store: stores.Store):
    await submitted(store)
    for _ in range(2):
        await store.runs.signal(word(key="once"))
    await store.runs.signal(word(runs.Topic.DECISION))
    assert await kinds(store) == ["run.submitted", "approve"]


async def test_a_decision_is_recorded_with_its_reasons_and_the_digest_of_its_facts(store: stores.Store):
    await store.outages.put_decisions([samples.decided("orders"), samples.decided("billing")])
    rows = await store.database.rows("SELECT id, server_id FROM decisions")
    found = {line.server: json.loads(line.body) for line in await store.audit.after(0)}
    assert {row["server_id"]: row["id"] for row in rows} == {server: body["decision"] for server, body in found.items()}
    assert all(body["reasons"] and re.fullmatch("[0-9a-f]{64}", body["facts_sha256"]) for body in found.values())


async def test_an_effect_is_recorded_before_and_after_with_its_inputs_and_the_end_of_its_run(store: stores.Store):
    run = await submitted(store)
    begun = runs.begin(run, None, AT(1))
    await store.runs.write(run, begun, effect=True)
    handle = dataclasses.replace(begun, state=runs.StepState.WAITING, saved={"copy": "orders-2", "token": "dG9rZW4"})
    await store.runs.write(run, handle, effect=True)
    moved, done = runs.advance(run, handle, runs.Done(output={"copy": "orders-2"}), AT(9))
    await store.runs.write(moved, done, effect=True)
    ended = dataclasses.replace(moved, state=runs.State.DONE, step=None, ended_at=AT(10))
    await store.runs.write(ended, None)
    assert await kinds(store) == ["run.submitted", "effect.intent", "effect.under-way", "effect.outcome", "run.ended"]
    intent, under_way, outcome = [json.loads(line.body) for line in await store.audit.after(1, 3)]
    assert intent["with"] == {"size": 2, "deep": {"list": [1, None]}}
    assert under_way["saved"] == {"copy": "orders-2", "token": audits.LEFT_OUT}
    assert (outcome["state"], outcome["output"]) == ("done", {"copy": "orders-2"})


async def test_looking_at_what_is_under_way_and_steps_that_read_are_not_recorded(store: stores.Store):
    run = await submitted(store)
    begun = runs.begin(run, None, AT(1))
    await store.runs.write(run, begun, effect=False)
    for _ in range(3):
        waits, polled = runs.advance(run, begun, runs.Wait(until=AT(5), saved={"token": "x"}), AT(2))
        await store.runs.write(waits, polled, effect=True)
    assert await kinds(store) == ["run.submitted"]


async def test_a_write_that_its_fence_refuses_is_not_recorded(store: stores.Store):
    run = await submitted(store)
    zombie = dataclasses.replace(run, fence=run.fence - 1)
    assert not await store.runs.write(zombie, runs.begin(run, None, AT(1)))
    assert await kinds(store) == ["run.submitted"]


async def test_brakes_are_recorded_when_they_are_held_and_when_they_are_let_go(store: stores.Store):
    held = brakes.Freeze(scope=brakes.EVERYTHING, by="kim", reason="look first", since=AT(0), until=AT(60))
    await store.brakes.freeze(held)
    assert await store.brakes.lift([brakes.EVERYTHING], by="ann", why="seen", at=AT(5)) == 1
    assert await store.brakes.lift([brakes.EVERYTHING], by="ann", why="again", at=AT(6)) == 0
    lines = await store.audit.after(0)
    assert [(line.kind, line.actor, line.subject) for line in lines] == [
        ("freeze", "kim", "all"),
        ("unfreeze", "ann", "all"),
    ]


async def test_what_is_loaded_anew_is_recorded_and_what_is_as_before_is_not(store: stores.Store):
    one = audits.Entry(at=AT(0), kind="playbook.loaded", actor="r", subject="drill", body={"version": "1"})
    assert await store.audit.put_news([one]) == 1
    assert await store.audit.put_news([dataclasses.replace(one, at=AT(9))]) == 0
    assert await store.audit.put_news([dataclasses.replace(one, body={"version": "2"})]) == 1


async def test_retention_leaves_the_audit_alone(store: stores.Store):
    head = await filled(store)
    for kind in retention.Kind:
        await store.retention.delete(kind, AT(0) + timedelta(days=9999))
    assert (await verdict(store)).head == head


async def test_what_is_told_of_a_cut_over_names_the_head(store: stores.Store):
    head = await filled(store)
    await store.outbox.put(
        [dataclasses.replace(samples.announcement("a"), kind="server.cut-over"), samples.announcement("b")]
    )
    told = {row["announcement"].key: row["announcement"].facts for row in await store.outbox.list()}
    assert told["a"]["audit_head"] == str(head)
    assert "audit_head" not in told["b"]


# Tampering. -----------------------------------------------------------------------------------------------------------


async def test_the_database_itself_refuses_to_change_or_remove_an_entry(store: stores.Store):
    head = await filled(store)
    for sql in (
        "UPDATE audit SET actor = 'somebody else' WHERE number = 3",
        "DELETE FROM audit WHERE number = 8",
        "UPDATE audit_head SET number = 7",
        "DELETE FROM audit_head",
    ):
        with pytest.raises(database.IntegrityError):
            await store.database.execute_transaction(lambda c, sql=sql: c.execute(sql))  # type: ignore[misc]
    assert (await verdict(store)).head == head


_SWAP = [
    "UPDATE audit SET number = -1 WHERE number = 3",
    "UPDATE audit SET number = 3 WHERE number = 4",
    "UPDATE audit SET number = 4 WHERE number = -1",
]
_INSERT = """
    INSERT INTO audit (number, at, kind, actor, subject, body, previous, hash)
    SELECT number + 1, at, 'approve', actor, subject, body, hash, hash FROM audit WHERE number = 8
"""


_TAMPERINGS: list[tuple[list[str], str, int]] = [
    (["UPDATE audit SET body = '{\"n\":99}' WHERE number = 3"], "changed", 3),
    (["UPDATE audit SET body = '{\"n\": 2}' WHERE number = 3"], "changed", 3),
    (["UPDATE audit SET body = 'no JSON' WHERE number = 3"], "changed", 3),
    (["UPDATE audit SET actor = 'ann' WHERE number = 8"], "changed", 8),
    (["UPDATE audit SET at = '2020-01-01' WHERE number = 1"], "changed", 1),
    (["DELETE FROM audit WHERE number IN (4, 5)"], "missing", 4),
    (["DELETE FROM audit WHERE number = 1"], "missing", 1),
    (["DELETE FROM audit WHERE number > 6"], "truncated", 7),
    (["DELETE FROM audit"], "truncated", 1),
    (_SWAP, "moved", 3),
    (["DELETE FROM audit WHERE number = 4", "UPDATE audit SET number = number - 1 WHERE number > 4"], "moved", 4),
    ([_INSERT], "uncovered", 9),
    (["DELETE FROM audit_head"], "head", 8),
    (["UPDATE audit_head SET number = 5"], "uncovered", 6),
    (["UPDATE audit_head SET hash = 'x'"], "head", 8),
]


async def test_every_tampering_is_found_and_the_entry_named(store: stores.Store):
    await tamper(store)
    for statements, what, number in _TAMPERINGS:
        await afresh(store)
        await tamper(store, *statements)
        found = {(fault.what, fault.number) for fault in (await verdict(store)).faults}
        assert (what, number) in found, statements


async def test_the_daemon_goes_on_after_a_tampering_which_stays_to_be_found(store: stores.Store):
    for sql in ("DELETE FROM audit WHERE number > 6", "DELETE FROM audit_head", _INSERT):
        await afresh(store)
        await tamper(store, sql)
        await store.audit.put([entry(100)])
        assert not (await verdict(store)).whole, sql


async def test_a_chain_computed_anew_is_found_by_a_head_that_was_written_down(store: stores.Store):
    head = await filled(store)
    forged, end = [], audits.Head()
    for number in range(8):
        actor = "nobody" if number == 3 else "kim"
        line = audits.seal(dataclasses.replace(entry(number), actor=actor), end)
        end = audits.Head(number=line.number, hash=line.hash)
        forged.append(
            f"UPDATE audit SET actor = '{actor}', previous = '{line.previous}', hash = '{line.hash}'"
            f" WHERE number = {line.number}"
        )
    await tamper(store, *forged, f"UPDATE audit_head SET hash = '{end.hash}'")
    assert (await verdict(store)).whole
    assert [fault.number for fault in (await verdict(store, heads=(str(head),))).faults] == [8]
    assert not (await verdict(store, heads=(head.hash,))).whole


async def test_a_head_that_was_written_down_shows_a_tail_cut_off_together_with_the_stored_head(store: stores.Store):
    await filled(store, 6)
    early = await store.audit.head()
    late = await filled(store, 2)
    assert (await verdict(store, heads=(str(early), str(late)))).agreed == 2
    sql = f"UPDATE audit_head SET number = 6, hash = '{early.hash if early else ''}'"
    await tamper(store, "DELETE FROM audit WHERE number > 6", sql)
    assert (await verdict(store, heads=(str(early),))).whole
    assert [fault.number for fault in (await verdict(store, heads=(str(late),))).faults] == [8]


# With what it records, or not at all. ---------------------------------------------------------------------------------


@pytest.mark.parametrize("before_commit", [True, False])
async def test_killed_at_the_write_an_entry_is_there_exactly_when_what_it_records_is(
    backend: conftest.Backend, before_commit: bool
):
    store = await backend.open()
    await submitted(store)
    backend.lose_power(store, before_commit=before_commit)
    with pytest.raises(PowerLost):
        await store.runs.signal(word())
    after = await backend.restart()
    said = len(await after.runs.signals(RUN))
    assert (await kinds(after)).count("approve") == said == (0 if before_commit else 1)
    assert (await verdict(after)).whole


async def test_many_writers_at_once_make_one_chain(backend: conftest.Backend):
    store = await backend.open()
    await submitted(store)
    writes: list[Callable[[], Any]] = []
    for number in range(20):
        writes += [
            lambda n=number: store.runs.signal(word(key=f"k{n}")),
            lambda n=number: store.runs.submit(samples.run(f"r{n}", server=f"s{n}")),
            lambda n=number: store.outages.put_decisions([samples.decided(f"s{n}")]),
        ]
    await asyncio.gather(*(write() for write in writes))
    found = await verdict(store)
    assert (found.whole, found.entries) == (True, 61)


async def test_several_instances_make_one_chain(server: postgresql_server.Server):
    backend = postgresql_backend.Backend(server)
    try:
        some = [await backend.open() for _ in range(3)]
        await submitted(some[0])

        async def say(store: stores.Store, name: str) -> None:
            for number in range(12):
                await store.runs.signal(word(key=f"{name}/{number}"))

        await asyncio.gather(*(say(store, f"{i}") for i, store in enumerate(some)), _read(some[0]))
        found = await verdict(some[1])
        assert (found.whole, found.entries) == (True, 37)
    finally:
        await backend.close()


async def _read(store: stores.Store) -> None:
    """Somebody verifies while they write."""
    for _ in range(5):
        assert (await verdict(store)).whole


async def test_a_writer_that_did_not_queue_is_done_again_and_makes_no_second_line(backend: conftest.Backend):
    store = await backend.open()

    def work(connection: database.Connection, number: int) -> None:
        audit.append(connection, [entry(number)])

    await asyncio.gather(*(store.database.execute_transaction(lambda c, n=n: work(c, n)) for n in range(12)))  # type: ignore[misc]
    found = await verdict(store)
    assert (found.whole, found.entries) == (True, 12)


# Looking. -------------------------------------------------------------------------------------------------------------


async def test_entries_are_found_by_time_kind_run_server_and_actor(store: stores.Store):
    await submitted(store)
    await store.runs.signal(word())
    await filled(store)

    async def count(**wanted: Any) -> int:
        return len([line async for line in store.audit.find(audit.Wanted(**wanted))])

    assert await count() == 10
    assert await count(since=AT(2), until=AT(4)) == 2
    assert await count(kinds=["approve", "run."]) == 2
    assert await count(run=RUN) == await count(server=samples.server_id("orders")) == 2
    assert await count(run=RUN, outage="ABCD") == 2
    assert await count(run=RUN, outage="BCD") == 0
    assert await count(actor="kim@desk") == 1
    assert [line.subject for line in await store.audit.newest(audit.Wanted(kinds=["test"]), 2)] == [
        "entry 6",
        "entry 7",
    ]
