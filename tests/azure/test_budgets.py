"""Azure's budgets, read from the answers of the local Azure: what can wait is held back before what cannot."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from responder import clock
from responder.azure import budgets
from responder.core import errors, throttles
from responder.flow import throttling
from responder.store import sqlite
from tests.azure.test_restores import finish


async def test_reads_and_writes_are_counted_apart_as_azure_tells_them(cloud: Any) -> None:
    plane, request = await cloud.control_plane(), cloud.request()
    await finish(plane, request, await plane.restore(request))
    known = plane._to.budgets.changes()
    subscription = request.source.subscription_id.lower()
    assert {key[1] for key in known if key[0] == subscription} == {throttles.Kind.READS, throttles.Kind.WRITES}
    writes, reads = known[subscription, throttles.Kind.WRITES], known[subscription, throttles.Kind.READS]
    assert writes.remaining is not None
    assert reads.remaining is not None
    assert writes.remaining != reads.remaining
    assert plane._to.budgets.changes() == {}, "told once"


async def test_when_little_is_left_polls_are_put_off_and_looks_at_a_target_are_not(cloud: Any) -> None:
    plane, request = await cloud.control_plane(), cloud.request()
    token = await plane.restore(request)
    key = (request.source.subscription_id.lower(), throttles.Kind.READS)
    scarce = throttles.Bucket(seen_at=clock.now() + timedelta(seconds=30), remaining=10)
    plane._to.budgets.learn({key: scarce})
    before = len(cloud.world.ledger)
    with pytest.raises(errors.AzureError, match="HeldBack") as held:
        await plane.poll_restore(request, token)
    assert (held.value.code, held.value.retryable, len(cloud.world.ledger)) == (budgets.HELD_BACK, True, before)
    assert await plane.find(request.target_id) is not None


async def test_after_a_429_even_a_write_is_not_sent_before_azure_said(cloud: Any) -> None:
    plane, request = await cloud.control_plane(), cloud.request()
    cloud.world.faults.answer("PUT", "*flexibleServers*", 429, headers={"Retry-After": "300"})
    with pytest.raises(errors.AzureError) as refused:
        await plane.restore(request)
    assert refused.value.status == 429
    before = len(cloud.world.ledger)
    with pytest.raises(errors.AzureError, match="HeldBack") as held:
        await plane.restore(request)
    assert held.value.retryable, "nothing was sent, so asking again repeats nothing"
    assert held.value.retry_after > timedelta(minutes=4)
    assert len(cloud.world.ledger) == before


async def test_what_one_instance_hears_the_other_knows(tmp_path: Any) -> None:
    store = await sqlite.open_store(tmp_path / "store.db")
    mine, theirs = budgets.Budgets(50), budgets.Budgets(50)
    key = ("sub-1", throttles.Kind.WRITES)
    try:
        mine.heard(key, None, timedelta(minutes=5))
        await throttling.Throttling(store, mine).turn()
        theirs.heard(("sub-2", throttles.Kind.READS), 7, None)
        await throttling.Throttling(store, theirs).turn()
        assert theirs.wait(key) > timedelta(minutes=4)
        assert mine.wait(("sub-2", throttles.Kind.READS)) == timedelta()
    finally:
        await store.close()


async def test_a_refusal_counts_though_the_clock_was_stepped_back_since_the_last_one(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await sqlite.open_store(tmp_path / "store.db")
    now, key = clock.now(), ("sub-1", throttles.Kind.WRITES)
    try:
        for moment in (now + timedelta(hours=1), now):
            monkeypatch.setattr(clock, "now", lambda moment=moment: moment)
            mine, theirs = budgets.Budgets(50), budgets.Budgets(50)
            mine.heard(key, None, timedelta(minutes=5))
            for one in (mine, theirs, mine):
                one.heard(("sub-2", throttles.Kind.READS), 1000, None)
                await throttling.Throttling(store, one).turn()
        assert mine.wait(key) == theirs.wait(key) == timedelta(minutes=5)
    finally:
        await store.close()


async def test_what_an_earlier_life_heard_is_known_from_the_start(tmp_path: Any) -> None:
    store = await sqlite.open_store(tmp_path / "store.db")
    key = ("sub-1", throttles.Kind.WRITES)
    try:
        before, after = budgets.Budgets(50), budgets.Budgets(50)
        before.heard(key, None, timedelta(minutes=5))
        await throttling.Throttling(store, before).turn()
        running = asyncio.create_task(throttling.Throttling(store, after).run())
        async with asyncio.timeout(30):
            while not after.wait(key):  # noqa: ASYNC110 - the other task does it
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    finally:
        await store.close()
