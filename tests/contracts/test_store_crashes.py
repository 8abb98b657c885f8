"""Every write is one transaction: a power cut just before the commit leaves nothing, just after it everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from responder.core import runs
from responder.store import sqlite
from tests.contracts import samples, sqlite_backend

HUB = ("contoso.servicebus.windows.net", "health", "$Default")
PARTITION = {
    **dict(zip(("fully_qualified_namespace", "eventhub_name", "consumer_group"), HUB, strict=True)),
    "partition_id": "0",
}
RUN = runs.RunId("a")
FILLED = samples.outage("OLD")


@dataclass(frozen=True)
class Write:
    """One write of the port, and the rows it may change."""

    act: Callable[[sqlite.Store], Awaitable[Any]]
    look: Callable[[sqlite.Store], Awaitable[Any]]


async def look_at_intake(store: sqlite.Store) -> object:
    # Not by `pending`: it takes batches apart.
    arrived = await store.database.rows("SELECT id, key, recorded FROM arrivals ORDER BY id")
    waiting = await store.database.rows("SELECT id, contents FROM batches ORDER BY id")
    rows = [tuple(row) for row in (*arrived, *waiting)]
    return [await store.intake.counts(), rows, await store.outages.list()]


async def look_at_partitions(store: sqlite.Store) -> object:
    owned = await store.checkpoints.list_ownership(*HUB)
    return [[ownership["etag"] for ownership in owned], await store.checkpoints.list(*HUB)]


async def look_at_outages(store: sqlite.Store) -> object:
    outage = samples.outage().id
    closed = await store.outages.closed_at(FILLED.id)
    return [
        await store.outages.list(),
        closed,
        await store.outages.decisions(outage),
    ]


async def look_at_estate(store: sqlite.Store) -> object:
    return [await store.estate.servers(), await store.estate.health()]


async def look_at_runs(store: sqlite.Store) -> object:
    asked = store.runs
    steps, journal, signals = await asked.steps(RUN), await asked.journal(RUN), await asked.signals(RUN)
    return [await asked.list(), steps, journal, signals]


async def look_at_outbox(store: sqlite.Store) -> object:
    return await store.outbox.list()


async def write_run(store: sqlite.Store) -> None:
    run = await store.runs.get(RUN)
    assert run is not None
    assert await store.runs.write(replace(run, step="verify"), samples.record(state=runs.StepState.DONE))


async def record(store: sqlite.Store) -> None:
    received = (await store.intake.pending())[0]
    found = [samples.event("c1"), samples.event("c2")]
    await store.intake.record(received.id, events=found, unreadable=[("r", "p", b"")], outages=[samples.outage()])


WRITES = {
    "append": Write(lambda s: s.intake.append([samples.arrival("1"), samples.arrival("2")]), look_at_intake),
    "record": Write(record, look_at_intake),
    "reparse": Write(lambda s: s.intake.reparse(), look_at_intake),
    "complete poll": Write(lambda s: s.polls.complete("rest:a", samples.at(1)), lambda s: s.polls.asked_at("rest:a")),
    "claim ownership": Write(
        lambda s: s.checkpoints.claim_ownership([{**PARTITION, "owner_id": "me"}]), look_at_partitions
    ),
    "update checkpoint": Write(
        lambda s: s.checkpoints.update({**PARTITION, "offset": "1", "sequence_number": 1}), look_at_partitions
    ),
    "put servers": Write(lambda s: s.estate.put_servers([samples.server("x"), samples.server("y")]), look_at_estate),
    "put health": Write(
        lambda s: s.estate.put_health({samples.server_id(n): samples.health(1) for n in "xy"}), look_at_estate
    ),
    "put outages": Write(lambda s: s.outages.put([samples.outage("X"), samples.outage("Y")]), look_at_outages),
    "close outage": Write(lambda s: s.outages.close(FILLED.id, samples.at(1)), look_at_outages),
    "put decisions": Write(
        lambda s: s.outages.put_decisions([samples.decided("x"), samples.decided("y")]), look_at_outages
    ),
    "submit": Write(lambda s: s.runs.submit(samples.run("b")), look_at_runs),
    "claim": Write(lambda s: s.runs.claim(samples.NOON), look_at_runs),
    "write": Write(write_run, look_at_runs),
    "signal": Write(lambda s: s.runs.signal(samples.signal("a")), look_at_runs),
    "put announcements": Write(
        lambda s: s.outbox.put([samples.announcement("x"), samples.announcement("y")]), look_at_outbox
    ),
    "sent": Write(lambda s: s.outbox.sent(1, samples.at(1)), look_at_outbox),
    "failed": Write(lambda s: s.outbox.failed(1, samples.at(1), "no route"), look_at_outbox),
}


async def filled(backend: sqlite_backend.Backend) -> sqlite.Store:
    """A store with one of everything, so that each write has something to change."""
    store = await backend.open()
    await store.intake.append([samples.arrival("0"), samples.arrival("spoiled")])
    spoiled = (await store.intake.pending())[1]
    await store.intake.record(spoiled.id, events=[], unreadable=[("r", "p", b"")], outages=[])
    await store.outages.put([FILLED])
    await store.runs.submit(samples.run(RUN))
    await store.outbox.put([samples.announcement("old")])
    return store


@pytest.mark.parametrize("before_commit", [True, False], ids=["before the commit", "after the commit"])
@pytest.mark.parametrize("name", WRITES)
async def test_a_power_cut_leaves_all_of_a_write_or_none(
    backend: sqlite_backend.Backend, name: str, before_commit: bool
) -> None:
    store, write = await filled(backend), WRITES[name]
    before = await write.look(store)
    backend.lose_power(store, before_commit=before_commit)
    with pytest.raises(sqlite_backend.PowerLost):
        await write.act(store)
    after = await write.look(store)

    found = await write.look(await backend.restart())

    assert found == after
    assert (found == before) is before_commit


@pytest.mark.parametrize("before_commit", [True, False], ids=["before the commit", "after the commit"])
async def test_a_power_cut_while_a_batch_is_taken_apart_loses_and_doubles_nothing(
    backend: sqlite_backend.Backend, before_commit: bool
) -> None:
    store = await backend.open()
    await store.intake.append([samples.arrival("a"), samples.arrival("b")])
    backend.lose_power(store, before_commit=before_commit)
    with pytest.raises(sqlite_backend.PowerLost):
        await store.intake.pending()
    restarted = await backend.restart()

    assert [received.body for received in await restarted.intake.pending()] == [b"body of a", b"body of b"]
    assert (await restarted.intake.counts())["arrivals"] == 2


async def test_a_write_that_was_cut_off_can_be_done_again(backend: sqlite_backend.Backend) -> None:
    store = await filled(backend)
    backend.lose_power(store, before_commit=False)
    with pytest.raises(sqlite_backend.PowerLost):
        await record(store)
    restarted = await backend.restart()
    await restarted.intake.record(1, events=[samples.event("c1")], unreadable=[("r", "p", b"")], outages=[])

    assert await restarted.intake.counts() == {"arrivals": 2, "pending": 0, "events": 2, "quarantined": 2}


async def test_a_signal_taken_and_not_acted_on_before_a_power_cut_is_offered_again(
    backend: sqlite_backend.Backend,
) -> None:
    store = await filled(backend)
    run = await store.runs.claim(samples.NOON)
    assert run is not None
    await store.runs.write(replace(run, state=runs.State.WAITING, wake_at=samples.at(60)), None)
    await store.runs.signal(samples.signal("a"))
    backend.lose_power(store, before_commit=False)
    with pytest.raises(sqlite_backend.PowerLost):
        await store.runs.take_signals(run.id, run.fence)
    restarted = await backend.restart()

    again = await restarted.runs.claim(samples.NOON)
    assert again is not None
    assert await restarted.runs.take_signals(again.id, again.fence) == [samples.signal("a")]


async def test_a_signal_taken_and_acted_on_is_not_offered_again(backend: sqlite_backend.Backend) -> None:
    store = await filled(backend)
    await store.runs.signal(samples.signal("a"))
    run = await store.runs.claim(samples.NOON)
    assert run is not None
    await store.runs.take_signals(run.id, run.fence)
    backend.lose_power(store, before_commit=False)
    with pytest.raises(sqlite_backend.PowerLost):
        await store.runs.write(replace(run, state=runs.State.WAITING, wake_at=samples.at(60)), None)
    restarted = await backend.restart()

    assert await restarted.runs.claim(samples.NOON) is None
    assert await restarted.runs.signals(run.id) == [samples.signal("a")]
