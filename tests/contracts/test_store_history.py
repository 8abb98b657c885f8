"""The past of an outage can be read again: silences, decisions in order, the news."""

from __future__ import annotations

import dataclasses
from datetime import UTC

from responder.core import decisions, outages, silences
from responder.store import sqlite
from tests.contracts import samples

Action = decisions.Action


async def test_silences_are_kept_by_outage_and_server_and_written_anew(store: sqlite.Store) -> None:
    id_, orders = samples.outage().id, samples.server_id("orders")
    spell = silences.Silence(since=samples.at(1), answered_at=samples.NOON)
    await store.history.put_silences(id_, {orders: (spell,)})
    ended = silences.Silence(since=samples.at(1), answered_at=samples.NOON, until=samples.at(9))
    await store.history.put_silences(id_, {orders: (ended,), samples.server_id("till"): (spell,)})

    assert await store.history.silences(id_) == {orders: (ended,), samples.server_id("till"): (spell,)}
    assert await store.history.silences(outages.OutageId("OTHER@eastus")) == {}
    assert await store.history.silences(id_, orders) == {orders: (ended,)}


async def test_decisions_come_back_in_order_with_what_they_knew(store: sqlite.Store) -> None:
    first, other, second = (
        samples.decided("orders"),
        samples.decided("till"),
        samples.decided("orders", minutes=5, action=Action.START),
    )
    await store.outages.put_decisions([first, other])
    await store.outages.put_decisions([second])
    id_, orders = samples.outage().id, samples.server_id("orders")

    assert await store.history.decided(id_, orders) == [first, second]
    assert await store.history.decided(id_) == [first, other, second]
    assert (await store.history.latest(id_))[orders] == second
    taken = [(one.server, one.at.astimezone(UTC), one.action) for one in await store.history.taken(id_)]
    assert taken[-1] == (orders, samples.at(5), Action.START)

    till = samples.server_id("till")
    assert await store.history.concerned(id_) == [orders, till]
    assert await store.history.latest(id_, till) == {till: other}
    assert [one.action for one in await store.history.taken(id_, orders)] == [first[0].action, Action.START]
    assert await store.history.latest(id_, samples.server_id("none")) == {}


async def test_the_news_of_one_tracking_id_is_found_among_others(store: sqlite.Store) -> None:
    await store.intake.append([samples.arrival("a", minutes=3)])
    (arrival,) = await store.intake.pending()
    told = [samples.event("c1"), samples.event("c2"), dataclasses.replace(samples.event("c3"), tracking_id="ABCD-12")]
    await store.intake.record(arrival.id, events=told, unreadable=[], outages=[])

    assert await store.history.events("abcd-123") == [(samples.at(3), told[0]), (samples.at(3), told[1])]
