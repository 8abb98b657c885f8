"""Playbooks are taken from their files anew when somebody asks; runs, and the last good set, are not touched by it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from pathlib import Path

import pytest

from responder import playbook_files, steps
from responder.core import errors, playbooks
from responder.flow import shelf

BOOK = """
title: Tell somebody
purpose: Tries whether a playbook is taken anew.
steps:
  - {id: tell, do: notify, with: {kind: test, subject: Hello, text: Hello}}
"""


class Audit:
    """What was recorded."""

    def __init__(self) -> None:
        self.recorded: list[set[str]] = []

    async def record(self, books: Sequence[playbooks.Playbook]) -> None:
        self.recorded.append({book.name for book in books})


@pytest.fixture
def audit() -> Audit:
    return Audit()


@pytest.fixture
def books(tmp_path: Path, audit: Audit) -> shelf.Shelf:
    read = functools.partial(playbook_files.library, tmp_path, playbook_files.language(steps.KINDS))
    return shelf.Shelf(read, tmp_path, audit.record, read())


async def test_what_is_saved_counts_only_when_it_is_asked_for(books: shelf.Shelf, audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "tell.yaml").write_text(BOOK)
    await books.look()
    assert "tell" not in books
    assert (books.state.changed, books.state.problem) == (True, None)
    assert await books.reload("ana") == ["tell"]
    assert books["tell"].title == "Tell somebody"
    assert not books.state.changed
    assert ["tell" in names for names in audit.recorded] == [True]


async def test_with_a_mistake_in_one_file_all_stay_as_they_were_and_it_is_said(
    books: shelf.Shelf, audit: Audit, tmp_path: Path
) -> None:
    before = dict(books)
    (tmp_path / "good.yaml").write_text(BOOK)
    (tmp_path / "tell.yaml").write_text(BOOK.replace("notify", "notfy"))
    await books.look()
    assert books.state.problem is not None, "it is said before anybody asks for it"
    with pytest.raises(errors.InputError, match=r"tell\.yaml:5:20"):
        await books.reload("ana")
    assert (dict(books), audit.recorded) == (before, [])
    assert books.state.problem is not None
    (tmp_path / "tell.yaml").unlink()
    assert await books.reload("ana") == ["good"]
    assert books.state.problem is None


async def test_put_back_as_it_was_nothing_is_different_any_more(books: shelf.Shelf, tmp_path: Path) -> None:
    file = tmp_path / "tell.yaml"
    file.write_text("title: [")
    await books.look()
    assert books.state.problem is not None
    file.unlink()
    await books.look()
    assert (books.state.changed, books.state.problem) == (False, None)


async def test_a_folder_that_has_gone_takes_nothing_away(books: shelf.Shelf, tmp_path: Path) -> None:
    before, gone = dict(books), tmp_path.with_name("gone")
    await asyncio.to_thread(tmp_path.rename, gone)
    try:
        await books.look()
        with pytest.raises(errors.InputError, match=r"playbooks\.no-folder"):
            await books.reload("ana")
        assert dict(books) == before
    finally:
        await asyncio.to_thread(gone.rename, tmp_path)


async def test_it_is_taken_anew_each_time_it_is_asked_for_and_a_mistake_ends_nothing(
    books: shelf.Shelf, tmp_path: Path
) -> None:
    asked, file = asyncio.Event(), tmp_path / "tell.yaml"
    task = asyncio.create_task(books.run(asked))
    try:
        async with asyncio.timeout(60):
            file.write_text("title: [")
            asked.set()
            while books.state.problem is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            file.write_text(BOOK)
            asked.set()
            while "tell" not in books:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
