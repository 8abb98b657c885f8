"""Retention deletes each kind at its own age, batch after batch, and keeps for ever what it is told to keep."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from responder.flow import retention as stage
from responder.store import retention, sqlite
from tests.contracts import samples

DAY = timedelta(days=1)


async def arrived(store: sqlite.Store, keys: list[str]) -> None:
    await store.intake.append([samples.arrival(key) for key in keys])
    for received in await store.intake.pending(len(keys)):
        await store.intake.record(received.id, events=[], unreadable=[], outages=[])


async def test_every_kind_goes_at_its_own_age(store: sqlite.Store) -> None:
    await arrived(store, ["a"])
    await store.outbox.put([samples.announcement("a")])
    await store.outbox.sent(1, samples.NOON)
    ages = {retention.Kind.ARRIVALS: 2 * DAY, retention.Kind.ANNOUNCEMENTS: 3 * DAY}
    cleaner = stage.Retention(store.retention, ages, DAY)

    assert await cleaner.turn(samples.NOON + 2 * DAY) == {"arrivals": 0, "announcements": 0}
    assert await cleaner.turn(samples.NOON + 2.5 * DAY) == {"arrivals": 1, "announcements": 0}
    assert await cleaner.turn(samples.NOON + 3.5 * DAY) == {"arrivals": 0, "announcements": 1}


async def test_what_has_no_age_is_kept_for_ever(store: sqlite.Store) -> None:
    await arrived(store, ["a"])

    assert await stage.Retention(store.retention, {retention.Kind.ARRIVALS: None}, DAY).turn(samples.at(1e9)) == {}


async def test_a_long_backlog_goes_in_small_transactions(store: sqlite.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await arrived(store, [str(number) for number in range(7)])
    monkeypatch.setattr(stage, "_BATCH", 3)
    monkeypatch.setattr(stage, "_PAUSE", timedelta())
    original, sizes = store.retention.delete, []

    async def counted(self: Any, *asked: Any) -> int:
        sizes.append(await original(*asked))
        return sizes[-1]

    monkeypatch.setattr(retention.Retention, "delete", counted)

    await stage.Retention(store.retention, {retention.Kind.ARRIVALS: DAY}, DAY).turn(samples.NOON + 2 * DAY)

    assert sizes == [3, 3, 1]
