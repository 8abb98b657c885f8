"""The files of an embedded store that vanish, or are replaced, under a running daemon: nothing is promised any more."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from responder.core import errors
from responder.store import sqlite
from tests.contracts import samples, sqlite_backend

FILES = pytest.mark.parametrize("suffix", ["", "-wal", "-shm", ".lock"])


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[sqlite_backend.Backend]:
    made = sqlite_backend.Backend(tmp_path / "here")
    made.path.parent.mkdir()
    yield made
    await made.close()


async def refused(store: sqlite.Store, name: str) -> None:
    with pytest.raises(errors.StoreError, match=rf"{name} was deleted.*Stop this daemon.*store\.moved"):
        await store.runs.submit(samples.run("b"))


@FILES
async def test_what_would_be_lost_with_a_deleted_file_is_refused(backend: sqlite_backend.Backend, suffix: str) -> None:
    store = await backend.open()
    await store.runs.submit(samples.run("a"))
    os.unlink(f"{backend.path}{suffix}")

    await refused(store, f"store.db{suffix}")
    assert [run.id for run in await store.runs.list()] == ["a"], "reading goes on"


@FILES
async def test_a_file_that_was_replaced_is_not_written_beside(backend: sqlite_backend.Backend, suffix: str) -> None:
    store = await backend.open()
    await store.runs.submit(samples.run("a"))
    shutil.copy(f"{backend.path}{suffix}", backend.path.with_name("other"))
    backend.path.with_name("other").replace(f"{backend.path}{suffix}")

    await refused(store, f"store.db{suffix}")


async def test_a_daemon_whose_lock_was_deleted_writes_no_more_beside_the_one_that_has_it_now(
    backend: sqlite_backend.Backend,
) -> None:
    first = await backend.open()
    os.unlink(f"{backend.path}.lock")
    second = await backend.open()

    await refused(first, "store.db.lock")
    assert await second.runs.submit(samples.run("b")) == "created"


async def test_with_its_files_back_in_their_place_it_goes_on(backend: sqlite_backend.Backend) -> None:
    store, here = await backend.open(), backend.path.parent
    here.rename(here.with_name("there"))
    await refused(store, "store.db")
    trouble = store.database.trouble
    assert trouble is not None
    await refused(store, "store.db")
    assert store.database.trouble is not None
    assert store.database.trouble.since == trouble.since

    here.with_name("there").rename(here)
    assert await store.runs.submit(samples.run("b")) == "created"
    assert store.database.trouble is None
