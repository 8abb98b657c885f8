"""A restore that ends is a sample, written with the record that ends it; what is refused at once, or waits, is none."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

from responder.core import decisions, restore_times, runs
from responder.flow import learn
from responder.store import sqlite
from tests.contracts import samples

HOUR = timedelta(hours=1)


async def claimed(store: sqlite.Store, server: str, **values: Any) -> runs.Run:
    run = samples.run(server)
    playbook = dataclasses.replace(run.playbook, **values) if values else run.playbook
    await store.estate.put_servers([samples.server(server, storage_gb=64)])
    await store.runs.submit(dataclasses.replace(run, playbook=playbook))
    found = await store.runs.claim(samples.at(1), only=run.id)
    assert found is not None
    return found


def restored(
    minutes: float, state: runs.StepState = runs.StepState.DONE, attempt: int = 1, **output: Any
) -> runs.StepRecord:
    record = samples.record(
        "restore", state, ended_at=samples.at(minutes), output={"copy": "/copy", "region": "westus"}
    )
    return dataclasses.replace(record, attempts=attempt, output={**record.output, **output})


async def test_a_restore_that_ends_well_is_a_sample_once(store: sqlite.Store) -> None:
    run = await claimed(store, "a")
    for _ in range(2):
        await store.runs.write(run, restored(45))

    (one,) = await store.samples.since(0)
    assert one.size_class == restore_times.SMALL
    assert one.sample == restore_times.Sample(took=timedelta(minutes=45), real=True)
    assert await store.samples.since(one.number) == []
    (row,) = await store.samples.newest()
    assert (row["server_id"], row["source_region"], row["target_region"]) == (run.server_id, "eastus", "westus")


async def test_a_rehearsal_is_told_apart(store: sqlite.Store) -> None:
    await store.runs.write(await claimed(store, "a", name="drill"), restored(45))
    assert [one.sample.real for one in await store.samples.since(0)] == [False]


async def test_each_failed_attempt_is_one_and_a_later_one_has_no_time_of_its_own(store: sqlite.Store) -> None:
    run = await claimed(store, "a")
    await store.runs.write(run, restored(30, runs.StepState.RETRYING))
    await store.runs.write(run, restored(60, runs.StepState.RETRYING, attempt=2))
    await store.runs.write(run, restored(90, attempt=3, requested_at=samples.at(70).isoformat()))

    found = [(one.sample.took, one.sample.failed) for one in await store.samples.since(0)]
    assert found == [(timedelta(minutes=30), True), (timedelta(minutes=20), False)]
    assert [row["failed"] for row in await store.samples.newest()] == [False, True, True]


async def test_what_goes_on_or_made_no_copy_is_no_sample(store: sqlite.Store) -> None:
    run = await claimed(store, "a")
    await store.runs.write(run, samples.record())
    await store.runs.write(run, samples.record(state=runs.StepState.WAITING))
    await store.runs.write(run, samples.record(state=runs.StepState.DONE, output={"verdict": "not-needed"}))
    await store.runs.write(run, samples.record("verify", runs.StepState.DONE, output={"copy": "/copy"}))
    assert await store.samples.newest() == []


async def test_an_old_owner_writes_no_sample(store: sqlite.Store) -> None:
    run = await claimed(store, "a")
    assert not await store.runs.write(dataclasses.replace(run, fence=run.fence - 1), restored(45))
    assert await store.samples.newest() == []


async def test_beliefs_follow_the_restores_of_their_own_size(store: sqlite.Store) -> None:
    policy = decisions.Policy()
    beliefs = learn.Beliefs(store, policy)
    assert await beliefs.policy() == policy
    for number in range(5):
        await store.runs.write(await claimed(store, f"s{number}", name="drill"), restored(6))
    moved = await beliefs.policy()

    small, before = moved.beliefs[restore_times.SMALL], policy.beliefs[restore_times.SMALL]
    assert small.quantile(0.95) < before.quantile(0.95)
    assert moved.beliefs[restore_times.LARGE] == policy.beliefs[restore_times.LARGE]
    assert await beliefs.policy() is moved
    assert await learn.Beliefs(store, policy).policy() == moved, "a new process learns the same"


async def test_a_refusal_within_seconds_teaches_nothing(store: sqlite.Store) -> None:
    policy = decisions.Policy()
    await store.runs.write(await claimed(store, "a"), restored(0.2, runs.StepState.RETRYING))
    assert (await learn.Beliefs(store, policy).policy()).beliefs == policy.beliefs
