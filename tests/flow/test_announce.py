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


# hundreds at once


def waits(number: int, region: str = "eastus2", kind: str = "server.waits") -> announcements.Announcement:
    return announcements.Announcement(
        key=f"{region}/{kind}/{number}",
        kind=kind,
        subject=f"s{number:03} is down with {region} and waits",
        text=f"s{number:03} does not answer.",
        at=samples.NOON,
        to=f"team-{number}",
        facts={"server": f"/subscriptions/s/flexibleservers/s{number:03}", "outage": f"8TGK-9Q0@{region}"},
    )


class Reads(Channel):
    """Keeps what it was given."""

    def __init__(self, name: str, *failures: channels.ChannelError) -> None:
        super().__init__(name, *failures)
        self.read: list[announcements.Announcement] = []

    async def deliver(self, announcement: announcements.Announcement) -> None:
        await super().deliver(announcement)
        self.read.append(announcement)


async def minutes(stage: announce.Announce, time: Any, count: int) -> None:
    for _ in range(count * 6):
        await stage.turn()
        time.pass_(seconds=10)


async def test_of_hundreds_the_first_few_are_told_alone_and_the_others_together(store: sqlite.Store, time: Any):
    way = Reads("way")
    stage = announcing(store, way)
    await store.outbox.put([waits(number) for number in range(222)])
    await minutes(stage, time, 1)
    assert len(way.read) == 11
    digest = way.read[-1]
    assert digest.subject == "212 servers of East US 2: they are down and wait"
    assert "s010, s011" in digest.text
    assert "responder incidents show 8TGK-9Q0@eastus2" in digest.text
    assert digest.to is None
    assert all(row["sent_at"] for row in await store.outbox.list(300)), "each counts as told"
    await minutes(stage, time, 10)
    assert len(way.read) == 11


async def test_other_news_is_not_held_by_a_flood(store: sqlite.Store, time: Any):
    way = Reads("way")
    stage = announcing(store, way)
    await store.outbox.put([waits(number) for number in range(100)])
    await stage.turn()
    await store.outbox.put([waits(1, "westeurope"), waits(7, kind="approval.wanted"), samples.announcement("ours")])
    way.read.clear()
    await stage.turn()
    assert {one.key for one in way.read} == {"westeurope/server.waits/1", "eastus2/approval.wanted/7", "ours"}


async def test_a_digest_that_could_not_be_delivered_comes_again_as_a_digest(store: sqlite.Store, time: Any):
    way = Reads("way")
    stage = announcing(store, way)
    await store.outbox.put([waits(number) for number in range(10)])
    await stage.turn()
    await store.outbox.put([waits(number) for number in range(10, 60)])
    way.failures = [DOWN] * 3
    await minutes(stage, time, 3)
    assert [one.subject for one in way.read[10:]] == ["50 servers of East US 2: they are down and wait"]


async def test_no_more_than_a_few_deliveries_at_a_time_over_one_channel(store: sqlite.Store, time: Any, until: Any):
    open_, at_once = asyncio.Event(), [0, 0]

    class Slow(Channel):
        async def deliver(self, announcement: announcements.Announcement) -> None:
            at_once[0] += 1
            at_once[1] = max(at_once)
            await open_.wait()
            at_once[0] -= 1

    await told(store, *(f"k{number}" for number in range(8)))
    stage = announce.Announce(store, [Slow("slow")], wakes.Wake(), announce.Manner(parallel=3))
    turn = asyncio.create_task(stage.turn())
    await until(lambda: at_once[0] == 3)
    open_.set()
    await turn
    assert at_once[1] == 3
    assert all(row["sent_at"] for row in await store.outbox.list())
