"""The watch over the sources: the team is told of a blind source, whatever happens to the process meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from responder.core import hearing
from responder.flow import intake, listening, wakes
from responder.store import intake as rows
from responder.store import sqlite
from tests.flow import conftest

POLICY = hearing.Policy()
State = hearing.State


@dataclass
class Ear:
    """A source that says what the test wants."""

    name: str
    proven_at: datetime | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def facts(self) -> hearing.Facts:
        return hearing.Facts(
            source=self.name,
            since=conftest.NOON,
            proof_lasts=timedelta(minutes=1),
            proven_at=self.proven_at,
            **self.more,
        )


@dataclass
class Asked:
    """One polled subscription."""

    name: str
    last_ok_at: datetime | None = None
    last_event_at: datetime | None = None
    last_error: str | None = None


def stage(store: sqlite.Store, ears: Sequence[listening.Ear]) -> listening.Listening:
    return listening.Listening(ears, POLICY, store.outbox, wakes.Wake())


async def told(store: sqlite.Store) -> list[tuple[str, str]]:
    """Kind and source of everything in the outbox, oldest first."""
    listed = [row["announcement"] for row in await store.outbox.list()]
    return [(one.kind, one.facts["source"]) for one in reversed(listed)]


async def test_one_blind_source_is_told_once_and_when_it_hears_again(store: sqlite.Store, time: Any) -> None:
    good, bad = Ear("hub a"), Ear("hub b")
    stage_ = stage(store, [good, bad])
    for minute in range(30):
        good.proven_at = time.now
        if minute >= 20:
            bad.proven_at = time.now
        await stage_.turn(time.now)
        time.pass_(minutes=1)

    assert await told(store) == [("source.blind", "hub b"), ("source.hears", "hub b")]
    first = (await store.outbox.list())[-1]["announcement"]
    assert "All together: Idle" in first.text
    assert "But blind: hub b." in first.text


async def test_all_sources_blind_is_told_besides(store: sqlite.Store, time: Any) -> None:
    ears = [Ear("hub a"), Ear("hub b")]
    stage_ = stage(store, ears)
    await stage_.turn(time.pass_(minutes=6))

    assert await told(store) == [
        ("source.blind", "hub a"),
        ("source.blind", "hub b"),
        ("source.blind", hearing.OVERALL),
    ]


async def test_a_door_that_cannot_vouch_does_not_hide_that_nobody_hears(store: sqlite.Store, time: Any) -> None:
    door = Ear("webhooks", more={"vouches": False})
    stage_ = stage(store, [Ear("hub a"), door])
    door.proven_at = time.pass_(minutes=6)
    found = await stage_.turn(time.now)

    assert found.overall.state is State.BLIND
    assert await told(store) == [("source.blind", "hub a")]
    assert "an outage would not be heard of" in (await store.outbox.list())[0]["announcement"].text


async def test_a_new_process_goes_on_with_the_alarms_of_the_old_one(store: sqlite.Store, time: Any) -> None:
    """It tells nothing twice, repeats after a day, and says when it is over."""
    ear = Ear("hub a")
    await stage(store, [ear]).turn(time.pass_(minutes=6))
    after = stage(store, [ear])
    await after.recall()
    await after.turn(time.pass_(hours=23))
    assert await told(store) == [("source.blind", "hub a")]
    await after.turn(time.pass_(hours=1))
    ear.proven_at = time.pass_(hours=1)
    await after.turn(time.now)

    assert await told(store) == [("source.blind", "hub a"), ("source.blind", "hub a"), ("source.hears", "hub a")]


def test_polled_subscriptions_are_as_good_as_the_worst(time: Any) -> None:
    one = Asked("rest:1", last_ok_at=time.now, last_event_at=time.now)
    two = Asked("rest:2", last_error="AzureError: forbidden")
    door = intake.Intake(None, wakes.Wake())  # type: ignore[arg-type]  # nothing is stored here
    ear = listening.Polling("reconciliation", [one, two], door, timedelta(minutes=3))

    assert ear.facts().proven_at is None
    assert ear.facts().error == "rest:2: AzureError: forbidden"
    two.last_ok_at = time.pass_(minutes=1)
    assert ear.facts().proven_at == conftest.NOON
    assert ear.facts().last_event_at == conftest.NOON


class Disk:
    """A store that fails when it is told to."""

    fails = False

    async def append(self, arrivals: Sequence[rows.Arrival]) -> None:
        if self.fails:
            raise OSError("disk full")


def arrival(source: str, at: datetime) -> rows.Arrival:
    return rows.Arrival(source=source, key="k", body=b"{}", received_at=at)


async def test_a_door_is_idle_while_it_is_open_and_says_that_this_proves_little(time: Any) -> None:
    door = intake.Intake(Disk(), wakes.Wake())  # type: ignore[arg-type]
    ear = listening.Door("webhooks", ["webhook", "event-grid"], door, None)
    assert hearing.judge(ear.facts(), POLICY, time.now).state is State.BLIND
    ear.open_at = time.now
    verdict = hearing.judge(ear.facts(), POLICY, time.now)
    assert (verdict.state, ear.facts().vouches) == (State.IDLE, False)

    await door.accept([arrival("event-grid", time.now)])
    assert hearing.judge(ear.facts(), POLICY, time.now).state is State.HEARING
    assert ear.facts().accepted == 1


async def test_a_door_behind_which_nothing_is_stored_is_blind(time: Any) -> None:
    """An action group that was refused keeps away; so for that long it counts."""
    disk = Disk()
    door = intake.Intake(disk, wakes.Wake())  # type: ignore[arg-type]
    ear = listening.Door("webhooks", ["webhook"], door, None)
    disk.fails = True
    with pytest.raises(OSError, match="disk full"):
        await door.accept([arrival("webhook", time.now)])
    ear.open_at = time.now

    verdict = hearing.judge(ear.facts(), POLICY, time.now)
    assert verdict.state is State.BLIND
    assert "disk full" in verdict.sentence
    ear.open_at = time.pass_(minutes=16)
    assert hearing.judge(ear.facts(), POLICY, time.now).state is State.IDLE


async def test_a_door_that_is_called_regularly_is_blind_when_it_is_not(time: Any) -> None:
    """With a heartbeat, silence means something; before the first is due, it does not."""
    door = intake.Intake(Disk(), wakes.Wake())  # type: ignore[arg-type]
    ear = listening.Door("webhooks", ["webhook"], door, timedelta(hours=1))
    assert ear.facts().vouches
    assert hearing.judge(ear.facts(), POLICY, time.pass_(minutes=59)).state is State.IDLE
    assert hearing.judge(ear.facts(), POLICY, time.pass_(minutes=2)).state is State.BLIND
    await door.accept([arrival("webhook", time.now)])
    assert hearing.judge(ear.facts(), POLICY, time.pass_(minutes=59)).state is State.IDLE


async def test_a_clock_that_is_set_back_does_not_keep_a_dead_source_alive(store: sqlite.Store, time: Any) -> None:
    ear = Ear("hub", proven_at=conftest.NOON)
    steady = listening.Steady(ear)
    watch = stage(store, [steady])
    time.pass_(hours=-1)
    assert (await watch.turn(time.now)).overall.state is State.IDLE
    time.pass_(minutes=2)
    assert (await watch.turn(time.now)).overall.state is State.BLIND
    assert await told(store) == []
    time.pass_(minutes=5)
    await watch.turn(time.now)
    assert await told(store) == [("source.blind", "hub")]
    time.pass_(minutes=53, seconds=30)  # the moment of the old proof comes again
    assert (await watch.turn(time.now)).overall.state is State.BLIND
    ear.proven_at = time.now
    assert (await watch.turn(time.now)).overall.state is State.IDLE
    assert (await told(store))[-1] == ("source.hears", "hub")


async def test_a_source_that_never_proved_anything_is_told_though_the_clock_was_set_back(
    store: sqlite.Store, time: Any
) -> None:
    watch = stage(store, [listening.Steady(Ear("hub"))])
    time.pass_(hours=-1)
    await watch.turn(time.now)
    time.pass_(minutes=6)
    await watch.turn(time.now)
    assert await told(store) == [("source.blind", "hub")]
