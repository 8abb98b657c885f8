"""Announce: at least once over every channel, retried with back-off, and told once however often it happened."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest

from responder import channels
from responder.core import announcements
from responder.flow import announce, wakes
from responder.store import sqlite
from tests.contracts import samples

DOWN = channels.ChannelError("no answer (TimeoutError)", permanent=False)
REFUSED = channels.ChannelError("answered 410", permanent=True)


class Channel:
    """Takes what it is given, or fails as often as it is told to."""

    def __init__(self, name: str, *failures: channels.ChannelError) -> None:
        self.name = name
        self.failures = list(failures)
        self.told: list[str] = []

    async def deliver(self, announcement: announcements.Announcement) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.told.append(announcement.key)

    async def close(self) -> None:
        pass


async def told(store: sqlite.Store, *keys: str) -> None:
    await store.outbox.put([samples.announcement(key) for key in keys])


def announcing(store: sqlite.Store, *ways: Channel) -> announce.Announce:
    return announce.Announce(store, ways, wakes.Wake())


async def test_each_is_delivered_over_every_channel_in_order_and_then_done_with(store: sqlite.Store, time: Any):
    one, two = Channel("one"), Channel("two")
    await told(store, "a", "b")
    stage = announcing(store, one, two)
    await stage.turn()
    time.pass_(days=1)
    await stage.turn()
    assert one.told == two.told == ["a", "b"]


async def test_the_same_happening_is_told_once(store: sqlite.Store, time: Any):
    way = Channel("way")
    stage = announcing(store, way)
    await told(store, "a")
    await stage.turn()
    await told(store, "a")
    await stage.turn()
    assert way.told == ["a"]


async def test_what_fails_is_tried_again_later_and_not_before(store: sqlite.Store, time: Any):
    way = Channel("way", DOWN)
    await told(store, "a")
    stage = announcing(store, way)
    await stage.turn()
    await stage.turn()
    assert way.told == []
    time.pass_(seconds=6)
    await stage.turn()
    assert way.told == ["a"]


async def test_the_pauses_grow_to_ten_minutes_and_it_is_never_given_up(store: sqlite.Store, time: Any):
    way = Channel("way", *[DOWN] * 12)
    await told(store, "a")
    pauses = []
    stage = announcing(store, way)
    for _ in range(12):
        await stage.turn()
        (row,) = await store.outbox.list()
        pauses.append(row["retry_at"] - time.now)
        time.now = row["retry_at"]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(minutes=10)
    await stage.turn()
    assert way.told == ["a"]


async def test_a_failed_attempt_is_kept_with_its_reason(store: sqlite.Store, time: Any):
    await told(store, "a")
    await announcing(store, Channel("pager", DOWN)).turn()
    (row,) = await store.outbox.list()
    assert (row["attempts"], row["why"], row["sent_at"]) == (1, "pager: no answer (TimeoutError)", None)


async def test_one_channel_down_keeps_nothing_from_the_others(store: sqlite.Store, time: Any):
    down, up = Channel("down", DOWN), Channel("up")
    await told(store, "a")
    stage = announcing(store, down, up)
    await stage.turn()
    assert up.told == ["a"]
    time.pass_(minutes=1)
    await stage.turn()
    assert down.told == ["a"]
    assert up.told == ["a"]  # what took it is not told again for the sake of the other


async def test_a_channel_that_does_not_answer_holds_up_no_other(store: sqlite.Store, time: Any, until: Any):
    never, up = asyncio.Event(), Channel("up")

    class Hangs(Channel):
        async def deliver(self, announcement: announcements.Announcement) -> None:
            await never.wait()
            await super().deliver(announcement)

    hangs = Hangs("hangs")
    await told(store, "a")
    turn = asyncio.create_task(announcing(store, hangs, up).turn())
    await until(lambda: up.told)
    assert not hangs.told
    never.set()
    await turn
    assert hangs.told == ["a"]


async def test_a_permanent_refusal_is_final(store: sqlite.Store, time: Any):
    refuses, takes = Channel("refuses", REFUSED), Channel("takes")
    await told(store, "a")
    stage = announcing(store, refuses, takes)
    await stage.turn()
    time.pass_(days=1)
    await stage.turn()
    assert (refuses.told, takes.told) == ([], ["a"])


async def test_a_failing_one_does_not_stop_those_behind_it(store: sqlite.Store, time: Any):
    way = Channel("way", DOWN)
    await told(store, "a", "b")
    await announcing(store, way).turn()
    assert way.told == ["b"]


async def test_a_crash_after_delivery_tells_it_again(store: sqlite.Store, time: Any, monkeypatch: pytest.MonkeyPatch):
    way = Channel("way")
    await told(store, "a")

    async def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store.outbox, "sent", crash)
        with pytest.raises(KeyboardInterrupt):
            await announcing(store, way).turn()
    await announcing(store, way).turn()
    assert way.told == ["a", "a"]


async def test_a_ring_delivers_at_once(store: sqlite.Store, until: Any):
    way, bell = Channel("way"), wakes.Wake()
    stage = asyncio.create_task(announce.Announce(store, [way], bell).run())
    try:
        await told(store, "a")
        bell.ring()
        await until(lambda: way.told)
    finally:
        stage.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stage
