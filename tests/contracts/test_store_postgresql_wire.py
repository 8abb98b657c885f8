"""Connections that break at any message of any write, or fall silent: each write happens once."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from responder.core import audits, runs
from responder.flow import auditing
from responder.store import stores
from responder.store.postgresql import tenures
from tests.contracts import postgresql_backend, postgresql_server, samples, wires
from tests.contracts.test_store_instances import renewed_since, until

OFTEN = tenures.Timing(
    beat=timedelta(seconds=0.5), look=timedelta(seconds=0.2), answer=timedelta(seconds=1)
)  # of a lease that is long enough


@pytest.fixture
async def backend(server: postgresql_server.Server) -> AsyncIterator[postgresql_backend.Backend]:
    made = postgresql_backend.Backend(server)
    yield made
    await made.close()


async def a_run(store: stores.Store, number: int) -> None:
    """Every sort of write that a run is made of. Each is answered as if nothing had happened on the way."""
    name = f"run-{number}"
    assert await store.runs.submit(samples.run(name)) == "created"
    run = await store.runs.claim(samples.NOON, only=runs.RunId(name))
    assert run is not None
    assert run.fence == 1, "a claim whose answer was lost is not made twice"
    assert await store.runs.write(run, samples.record()), "an intent"
    word = samples.signal(name)
    await store.runs.signal(word)
    assert await store.runs.take_signals(run.id, run.fence) == [word]
    ended = replace(run, state=runs.State.DONE, step=None, ended_at=samples.NOON)
    done, news = samples.record("restore", runs.StepState.DONE), [samples.announcement(name)]
    assert await store.runs.write(ended, done, news, leave=True), "an outcome, and what is told of it"


@pytest.mark.parametrize("arrives", [False, True], ids=["before a question", "before its answer"])
async def test_a_connection_that_breaks_anywhere_loses_and_doubles_nothing(
    backend: postgresql_backend.Backend, arrives: bool
) -> None:
    async with wires.between(backend.place) as (backend.place, wire):
        store, cut = await backend.open(), 0
        while True:
            wire.cut("writes", cut + 1, arrives=arrives)
            await a_run(store, cut)
            if wire.whole():
                break
            cut += 1
        assert cut > 30
        made = cut + 1
        found = await store.runs.list(1000)
        assert Counter(run.state for run in found) == {runs.State.DONE: made}
        for table, count in (("steps", 1), ("journal", 2), ("signals", 1), ("announcements", 1)):
            (rows,) = await store.database.rows(f"SELECT COUNT(*) AS n FROM {table}")
            assert rows["n"] == count * made, table
        each = Counter(line.run for line in await store.audit.after(0, 10_000))
        assert set(each.values()) == {each[found[0].id]}
        assert (await auditing.verify(store.audit, audits.Witness())).whole
        await store.close()


async def test_a_connection_that_falls_silent_costs_no_lease(backend: postgresql_backend.Backend) -> None:
    async with wires.between(backend.place) as (backend.place, wire):
        store = await backend.open(OFTEN)
        name, before = store.tenure.id, (await store.register.list())[0].lease_until
        wire.fall_silent("lease")
        beside = postgresql_backend.Backend(backend.server)
        beside.place = replace(backend.place, url=backend.server.url)
        other = await beside.open()
        try:
            await until(lambda: renewed_since(other, before))
            assert store.tenure.id == name
            assert store.tenure.proven()
        finally:
            await other.close()
        await store.close()
