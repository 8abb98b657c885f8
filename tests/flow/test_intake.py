"""Intake: nothing is acknowledged before it is durable, and what arrives together is committed together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from responder.core import errors
from responder.flow import intake, wakes
from responder.store import intake as rows
from responder.store import sqlite
from tests.contracts import samples


class Disk:
    """A store whose commits take as long as they are told to, and fail when they are told to."""

    def __init__(self) -> None:
        self.commits: list[list[str]] = []
        self.begun = 0
        self.free = asyncio.Event()
        self.fails: Exception | None = None

    async def append(self, arrivals: Sequence[rows.Arrival]) -> None:
        self.begun += 1
        await self.free.wait()
        if self.fails is not None:
            raise self.fails
        self.commits.append([arrival.key for arrival in arrivals])


class Bell(wakes.Wake):
    """Counts how often it was rung."""

    def __init__(self) -> None:
        super().__init__()
        self.rung = 0

    def ring(self) -> None:
        self.rung += 1
        super().ring()


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def door(disk: Disk, bell: Bell) -> intake.Intake:
    return intake.Intake(disk, bell)  # type: ignore[arg-type]


def accepting(door: intake.Intake, *keys: str) -> asyncio.Task[None]:
    return asyncio.create_task(door.accept([samples.arrival(key) for key in keys]))


DISK_FULL = errors.StoreError("store.unavailable", "The store cannot be used now: disk full.")


async def test_what_arrives_while_one_commit_runs_shares_the_next(disk: Disk, door: intake.Intake, until: Any):
    first = accepting(door, "a")
    await until(lambda: disk.begun)
    others = [accepting(door, key) for key in ("b", "c", "d")]
    both = accepting(door, "e", "f")
    await asyncio.sleep(0)
    disk.free.set()
    await asyncio.gather(first, *others, both)
    assert disk.commits == [["a"], ["b", "c", "d", "e", "f"]]


async def test_nothing_is_acknowledged_before_the_commit(disk: Disk, door: intake.Intake, bell: Bell, until: Any):
    task = accepting(door, "a")
    await until(lambda: disk.begun)
    assert not task.done()
    assert not bell.rung
    disk.free.set()
    await task
    assert bell.rung == 1


async def test_a_failed_commit_is_told_to_everybody_who_waited_for_it(
    disk: Disk, door: intake.Intake, bell: Bell, until: Any
):
    disk.fails = DISK_FULL
    first = accepting(door, "a")
    await until(lambda: disk.begun)
    others = [accepting(door, key) for key in ("b", "c")]
    await asyncio.sleep(0)
    disk.free.set()
    answers = await asyncio.gather(first, *others, return_exceptions=True)
    assert answers == [DISK_FULL] * 3
    assert not disk.commits
    assert not bell.rung


async def test_after_a_failure_the_next_arrival_is_tried_afresh(disk: Disk, door: intake.Intake):
    disk.free.set()
    disk.fails = DISK_FULL
    with pytest.raises(errors.StoreError):
        await door.accept([samples.arrival("a")])
    disk.fails = None
    await door.accept([samples.arrival("a")])
    assert disk.commits == [["a"]]


async def test_whoever_stops_waiting_takes_nobody_along(disk: Disk, door: intake.Intake, until: Any):
    first = accepting(door, "a")
    await until(lambda: disk.begun)
    impatient, patient = accepting(door, "b"), accepting(door, "c")
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    disk.free.set()
    await asyncio.gather(first, patient)
    assert disk.commits == [["a"], ["b", "c"]]


async def test_nothing_is_no_commit(disk: Disk, door: intake.Intake):
    await door.accept([])
    assert not disk.begun


async def test_the_same_delivery_twice_is_kept_once(store: sqlite.Store):
    door = intake.Intake(store.intake, wakes.Wake())
    await asyncio.gather(*(door.accept([samples.arrival("a")]) for _ in range(5)))
    assert len(await store.intake.pending()) == 1


async def test_a_burst_into_a_real_store_takes_few_commits(store: sqlite.Store, monkeypatch: pytest.MonkeyPatch):
    commits, original = 0, store.database.execute_transaction

    async def counted(work: Any) -> Any:
        nonlocal commits
        commits += 1
        return await original(work)

    monkeypatch.setattr(store.database, "execute_transaction", counted)
    door = intake.Intake(store.intake, wakes.Wake())
    await asyncio.gather(*(door.accept([samples.arrival(str(i))]) for i in range(100)))
    assert (await store.intake.counts())["arrivals"] == 100
    assert commits <= 2
