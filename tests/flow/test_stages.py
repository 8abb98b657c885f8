"""A bad hour of the store, a run that raises, a full house, and the end: no stage spins, dies or loses its place."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from responder.core import errors, runs, tolerances
from responder.flow import act, stages, wakes
from responder.store import sqlite
from tests.contracts import samples
from tests.flow import steps

FULL = errors.StoreError("store.unavailable", "disk full")


@pytest.fixture
def stage(store: sqlite.Store) -> act.Act:
    doors = steps.Stage().context("restore").doors
    return act.Act(store, doors, tolerances.Tolerance(), wake=wakes.Wake(), assess=wakes.Wake())


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses a stage made, none of which is waited for."""
    made: list[float] = []
    sleep = asyncio.sleep

    async def at_once(seconds: float) -> None:
        made.append(seconds)
        await sleep(0)

    monkeypatch.setattr(stages.asyncio, "sleep", at_once)
    return made


@contextlib.asynccontextmanager
async def running(stage: act.Act) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(stage.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_stage_begins_again_after_growing_pauses_while_the_store_fails(pauses: list[float], time: Any):
    failures: list[Exception] = [FULL] * 6 + [ExceptionGroup("", [ExceptionGroup("", [FULL])])]

    async def job() -> None:
        if failures:
            raise failures.pop()

    await stages.patiently("job", job)
    assert pauses == [1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize("error", [ValueError("ours"), ExceptionGroup("", [FULL, ValueError("ours")])], ids=repr)
async def test_a_defect_is_not_taken_for_a_failure_of_the_store(pauses: list[float], error: Exception):
    async def job() -> None:
        raise error

    with pytest.raises(type(error)):
        await stages.patiently("job", job)
    assert pauses == []


async def test_a_run_that_raises_is_left_alone_for_longer_each_time_and_told_once(
    store: sqlite.Store, stage: act.Act, time: Any, until: Any, monkeypatch: pytest.MonkeyPatch
):
    tries = []

    async def raises(run: runs.Run) -> runs.Run:
        tries.append(time.now)
        raise KeyError("a defect")

    monkeypatch.setattr(stage, "carry_on", raises)
    await store.runs.submit(samples.run("r"))
    for tried, pause in enumerate((5, 10, 20), 1):
        await stage._fill_slots()
        await until(lambda: not stage._busy)
        await stage._fill_slots()
        assert (len(tries), stage._busy) == (tried, {})
        assert await stage._next_wake() == time.now + timedelta(seconds=pause)
        time.pass_(seconds=pause)
    assert [row["announcement"].kind for row in await store.outbox.list()] == ["run.parked"]


async def test_while_all_slots_are_taken_no_clock_wakes_the_stage(
    store: sqlite.Store, stage: act.Act, time: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(act, "_SLOTS", 1)
    free = asyncio.Event()

    async def busy(run: runs.Run) -> runs.Run:
        await free.wait()
        return run

    monkeypatch.setattr(stage, "carry_on", busy)
    await store.runs.submit(samples.run("one"))
    await store.runs.submit(samples.run("two"))
    await stage._fill_slots()
    assert len(stage._busy) == 1
    assert await stage._next_wake() is None
    free.set()
    await asyncio.gather(*stage._busy.values())


async def test_at_the_end_a_step_under_way_may_write_its_outcome(
    store: sqlite.Store, stage: act.Act, time: Any, until: Any, monkeypatch: pytest.MonkeyPatch
):
    under_way, free, ended = asyncio.Event(), asyncio.Event(), []

    async def slow(run: runs.Run) -> runs.Run:
        under_way.set()
        await free.wait()
        ended.append(run.id)
        return run

    monkeypatch.setattr(stage, "carry_on", slow)
    await store.runs.submit(samples.run("r"))
    async with running(stage) as task:
        await under_way.wait()
        task.cancel()
        await until(lambda: stage._stopping)
        free.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(ended) == 1


async def test_at_the_end_a_step_that_takes_too_long_is_given_up(
    store: sqlite.Store, stage: act.Act, time: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(act, "_GRACE", timedelta())
    under_way = asyncio.Event()

    async def never(run: runs.Run) -> runs.Run:
        under_way.set()
        await asyncio.Event().wait()
        return run

    monkeypatch.setattr(stage, "carry_on", never)
    await store.runs.submit(samples.run("r"))
    async with running(stage):
        await under_way.wait()
    assert stage._busy == {}


async def test_a_run_that_cannot_be_read_is_set_apart_and_the_others_go_on(store: sqlite.Store, time: Any):
    for name in ("bad", "good"):
        await store.runs.submit(samples.run(name))
    sql = "UPDATE runs SET playbook = '{}' WHERE server_id LIKE '%/bad'"
    await store.database.execute_transaction(lambda c: c.execute(sql))
    run = await store.runs.claim(time.now)
    assert run is not None
    assert run.server_id.endswith("/good")
    assert await store.runs.claim(time.now, excluding=[run.id]) is None
    assert await store.runs.next_wake(excluding=[run.id]) is None


async def test_an_announcement_or_outage_that_cannot_be_read_is_set_apart(store: sqlite.Store, time: Any):
    await store.outbox.put([samples.announcement("bad"), samples.announcement("good")])
    await store.outages.put([samples.outage("BAD"), samples.outage("GOOD")])

    def spoil(connection: Any) -> None:
        connection.execute("UPDATE announcements SET body = '{}' WHERE key = 'bad'")
        connection.execute("UPDATE outages SET body = '{}' WHERE tracking_id = 'BAD'")

    await store.database.execute_transaction(spoil)
    for _ in range(2):
        assert [told.key for _, told, _ in await store.outbox.due(time.now, 1 if _ else 2)] == ["good"]
        assert [outage.tracking_id for outage in await store.outages.open()] == ["GOOD"]
