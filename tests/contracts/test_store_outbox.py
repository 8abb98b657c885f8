"""A happening is announced once, in order, and tried again until it is delivered."""

from __future__ import annotations

from responder.store import sqlite
from tests.contracts import samples


async def test_the_same_happening_is_announced_once(store: sqlite.Store) -> None:
    await store.outbox.put([samples.announcement("a"), samples.announcement("a", minutes=9)])
    await store.outbox.put([samples.announcement("a", minutes=9)])
    await store.outbox.put([])

    assert [a for _, a, _ in await store.outbox.due(samples.NOON)] == [samples.announcement("a")]


async def test_announcements_are_due_in_the_order_they_were_put(store: sqlite.Store) -> None:
    for key in ("c", "a", "b"):
        await store.outbox.put([samples.announcement(key)])

    assert [a.key for _, a, _ in await store.outbox.due(samples.NOON, limit=2)] == ["c", "a"]


async def test_what_was_sent_is_not_due_again(store: sqlite.Store) -> None:
    await store.outbox.put([samples.announcement("a")])
    ((number, _, _),) = await store.outbox.due(samples.NOON)
    await store.outbox.sent(number, samples.at(1))
    await store.outbox.sent(number, samples.at(2))
    await store.outbox.put([samples.announcement("a")])

    assert await store.outbox.due(samples.at(60)) == []
    assert [row["sent_at"] for row in await store.outbox.list()] == [samples.at(1)]


async def test_what_failed_is_due_again_at_its_time_and_remembers_why(store: sqlite.Store) -> None:
    await store.outbox.put([samples.announcement("a")])
    ((number, _, attempts),) = await store.outbox.due(samples.NOON)
    assert attempts == 0
    await store.outbox.failed(number, samples.at(5), "no route")

    assert await store.outbox.due(samples.at(4.99)) == []
    ((again, announcement, attempts),) = await store.outbox.due(samples.at(5))
    assert (again, announcement.key, attempts) == (number, "a", 1)
    assert [(row["why"], row["retry_at"]) for row in await store.outbox.list()] == [("no route", samples.at(5))]


async def test_the_list_shows_the_newest_first(store: sqlite.Store) -> None:
    await store.outbox.put([samples.announcement("a"), samples.announcement("b")])

    assert [row["announcement"].key for row in await store.outbox.list()] == ["b", "a"]
    assert len(await store.outbox.list(limit=1)) == 1
