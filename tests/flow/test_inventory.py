"""Inventory: a failed refresh forgets nothing, and a listing forgets only what is surely gone."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest

from responder.core import errors, restores, servers
from responder.flow import inventory, wakes
from responder.store import sqlite
from tests.contracts import samples
from tests.flow.conftest import NOON

OURS = {restores.CREATED_BY_TAG: restores.CREATED_BY}


class Graph:
    """What Resource Graph lists, or how it fails."""

    def __init__(self) -> None:
        self.listed: list[servers.Server] = []
        self.fails: Exception | None = None
        self.asked = 0

    async def list(self) -> list[servers.Server]:
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        return self.listed


@pytest.fixture
def graph() -> Graph:
    return Graph()


@pytest.fixture
def bell() -> wakes.Wake:
    return wakes.Wake()


@pytest.fixture
def stage(store: sqlite.Store, graph: Graph, bell: wakes.Wake) -> inventory.Inventory:
    return inventory.Inventory(store, graph.list, timedelta(milliseconds=1), bell)


async def names(store: sqlite.Store) -> list[str]:
    return [server.name for server in await store.estate.servers()]


async def heard(bell: wakes.Wake) -> bool:
    waiting = asyncio.create_task(bell.wait(None, timedelta(days=1)))
    await asyncio.wait([waiting], timeout=0.01)
    rang = waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    return rang


async def test_a_refresh_stores_the_estate_and_wakes_the_assessment(
    store: sqlite.Store, stage: inventory.Inventory, graph: Graph, bell: wakes.Wake
):
    graph.listed = [samples.server("a"), samples.server("b")]
    assert await stage.turn()
    assert await names(store) == ["a", "b"]
    assert await heard(bell)


@pytest.mark.parametrize("status", [None, 403, 429, 500])
async def test_a_failed_refresh_forgets_nothing(
    store: sqlite.Store, stage: inventory.Inventory, graph: Graph, status: int | None
):
    graph.listed = [samples.server("a")]
    await stage.turn()
    graph.fails = errors.AzureError("TimedOut", "No answer.", status=status, retryable=True)
    assert not await stage.turn()
    assert await names(store) == ["a"]


async def test_a_server_that_is_not_listed_any_more_is_kept_for_a_week(
    store: sqlite.Store, stage: inventory.Inventory, graph: Graph, time: Any
):
    graph.listed = [samples.server("a", seen_at=NOON), samples.server("b", seen_at=NOON)]
    await stage.turn()
    graph.listed = [samples.server("b", seen_at=NOON)]
    time.pass_(days=6)
    await stage.turn()
    assert await names(store) == ["a", "b"]
    time.pass_(days=2)
    await stage.turn()
    assert await names(store) == ["b"]


async def test_a_copy_of_ours_that_is_deleted_goes_at_once(
    store: sqlite.Store, stage: inventory.Inventory, graph: Graph
):
    graph.listed = [samples.server("a"), samples.server("copy", tags=OURS)]
    await stage.turn()
    graph.listed = [samples.server("a")]
    await stage.turn()
    assert await names(store) == ["a"]


async def test_an_empty_listing_proves_nothing(
    store: sqlite.Store, stage: inventory.Inventory, graph: Graph, time: Any
):
    graph.listed = [samples.server("a", seen_at=NOON), samples.server("copy", tags=OURS, seen_at=NOON)]
    await stage.turn()
    graph.listed = []
    time.pass_(days=30)
    await stage.turn()
    assert await names(store) == ["a", "copy"]


async def test_it_is_tried_again_after_a_failure(stage: inventory.Inventory, graph: Graph, until: Any):
    graph.fails = errors.AzureError("TimedOut", "No answer.", status=None, retryable=True)
    task = asyncio.create_task(stage.run())
    await until(lambda: graph.asked >= 3)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_what_has_not_changed_is_dated_and_not_written_again(
    store: sqlite.Store, graph: Graph, stage: inventory.Inventory, time: Any
):
    graph.listed = [samples.server("a", seen_at=time.now), samples.server("b", seen_at=time.now)]
    await stage.turn()
    version = await store.estate.version()
    later = time.pass_(minutes=5)
    graph.listed = [samples.server("a", seen_at=later), samples.server("b", seen_at=later, sku="bigger")]
    await stage.turn()
    assert [server.seen_at for server in await store.estate.servers()] == [later, later]
    assert [server.name for server in (await store.estate.changed(version[0]))[0]] == ["b"]
