"""What arrives is kept before it is acknowledged, and recorded once."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from responder.core import errors
from responder.store import intake, sqlite
from tests.contracts import samples


async def test_an_arrival_is_pending_until_it_is_recorded(store: sqlite.Store) -> None:
    await store.intake.append([samples.arrival("0/1"), samples.arrival("0/2", minutes=1)])

    first, second = await store.intake.pending()
    assert (first.source, first.body, first.received_at) == ("hub", b"body of 0/1", samples.NOON)
    await store.intake.record(first.id, events=[samples.event("c1")], unreadable=[], outages=[])

    assert await store.intake.pending() == [second]
    assert await store.intake.events() == [(samples.NOON, samples.event("c1"))]


async def test_the_same_delivery_of_a_source_is_kept_once(store: sqlite.Store) -> None:
    again = [samples.arrival("0/1"), samples.arrival("0/1"), samples.arrival("0/1", source="webhook")]

    await store.intake.append(again)
    first = await store.intake.pending()
    await store.intake.append(again)

    assert [received.source for received in first] == ["hub", "webhook"]
    assert await store.intake.pending() == first
    assert (await store.intake.counts())["arrivals"] == 2


async def test_a_burst_of_any_size_is_kept_whole_in_its_order(store: sqlite.Store) -> None:
    burst = [samples.arrival(str(i)) for i in range(1201)]

    await store.intake.append([*burst, burst[0], samples.arrival("last")])
    assert [received.body for received in await store.intake.pending(limit=2000)] == [
        *(arrival.body for arrival in burst),
        b"body of last",
    ]


async def test_appending_nothing_is_allowed(store: sqlite.Store) -> None:
    await store.intake.append([])

    assert (await store.intake.counts())["arrivals"] == 0


async def test_batches_and_single_arrivals_keep_their_order_and_are_counted_before_and_after_they_are_taken_apart(
    store: sqlite.Store,
) -> None:
    for keys in ("ab", "c", "bd"):
        await store.intake.append([samples.arrival(key) for key in keys])
    before = await store.intake.counts()
    found = [received.body for received in await store.intake.pending()]

    assert (before["arrivals"], before["pending"]) == (5, 5), "nobody has looked yet whether one is a repetition"
    assert found == [b"body of a", b"body of b", b"body of c", b"body of d"]
    assert await store.intake.counts() == {"arrivals": 4, "pending": 4, "events": 0, "quarantined": 0}


async def test_a_message_longer_than_a_batch_and_its_neighbours_are_kept(store: sqlite.Store) -> None:
    bodies = [b"x", b"y" * (5 << 20), b"z" * (3 << 20), b"", b"w" * (2 << 20)]
    await store.intake.append([samples.arrival(str(n))._replace(body=body) for n, body in enumerate(bodies)])

    assert [received.body for received in await store.intake.pending()] == bodies


async def test_a_number_given_twice_is_one_message_only_with_the_same_content(store: sqlite.Store) -> None:
    """A hub that was made anew counts from 0 again; one that redelivers, in whatever batches, does not."""
    numbered = [samples.arrival(f"0/{n}")._replace(numbered=True) for n in range(4)]
    for batch in (numbered[:3], numbered[1:], [numbered[0]._replace(body=b"of another hub")]):
        await store.intake.append(batch)

    assert [received.body for received in await store.intake.pending()] == [
        *(arrival.body for arrival in numbered),
        b"of another hub",
    ]


async def test_a_repetition_neither_doubles_the_quarantine_nor_makes_anything_pending(store: sqlite.Store) -> None:
    await spoiled(store, "a", ("why", "1", b"x"))
    await store.intake.append([samples.arrival("a"), samples.arrival("b")])

    assert [received.body for received in await store.intake.pending()] == [b"body of b"]
    assert await store.intake.counts() == {"arrivals": 2, "pending": 1, "events": 1, "quarantined": 1}


async def test_pending_gives_the_oldest_first_up_to_the_limit(store: sqlite.Store) -> None:
    await store.intake.append([samples.arrival(str(i)) for i in range(5)])

    assert [received.body for received in await store.intake.pending(limit=2)] == [b"body of 0", b"body of 1"]


async def test_an_event_that_came_by_two_ways_is_recorded_once(store: sqlite.Store) -> None:
    await store.intake.append([samples.arrival("a"), samples.arrival("b")])
    one, two = await store.intake.pending()
    await store.intake.record(one.id, events=[samples.event("c1", title="first")], unreadable=[], outages=[])
    repeated = [samples.event("c1", title="second"), samples.event("c2")]
    await store.intake.record(two.id, events=repeated, unreadable=[], outages=[])

    assert [(e.communication_id, e.title) for _, e in await store.intake.events()] == [("c2", ""), ("c1", "first")]


async def test_known_names_the_identities_that_are_recorded(store: sqlite.Store) -> None:
    await store.intake.append([samples.arrival("a")])
    event, other = samples.event("c1"), samples.event("c2")
    await store.intake.record((await store.intake.pending())[0].id, events=[event], unreadable=[], outages=[])

    assert await store.intake.known([event.identity, other.identity]) == {event.identity}
    assert await store.intake.known([]) == set()


async def test_what_could_not_be_read_is_quarantined_with_its_bytes(store: sqlite.Store) -> None:
    await store.intake.append([samples.arrival("a", minutes=3)])
    received = (await store.intake.pending())[0]
    await store.intake.record(received.id, events=[], unreadable=[("not JSON", "records[2]", b"\xff\x00")], outages=[])

    (row,) = await store.intake.quarantine()
    assert (row["reason"], row["position"], row["raw"]) == ("not JSON", "records[2]", b"\xff\x00")
    assert (row["source"], row["received_at"]) == ("hub", samples.at(3))


async def test_recording_writes_the_outages_as_they_stand(store: sqlite.Store) -> None:
    await store.intake.append([samples.arrival("a")])
    received = (await store.intake.pending())[0]
    await store.intake.record(received.id, events=[samples.event("c")], unreadable=[], outages=[samples.outage()])

    assert await store.outages.open() == [samples.outage()]


async def test_recording_twice_is_once(store: sqlite.Store) -> None:
    await store.intake.append([samples.arrival("a")])
    received = (await store.intake.pending())[0]
    for minutes in (0, 9):
        unreadable, outages = [("why", "where", b"raw")], [samples.outage(minutes=minutes)]
        await store.intake.record(received.id, events=[samples.event("c")], unreadable=unreadable, outages=outages)

    assert await store.intake.counts() == {"arrivals": 1, "pending": 0, "events": 1, "quarantined": 1}
    assert await store.outages.open() == [samples.outage(minutes=0)]


async def test_recording_an_arrival_that_never_came_is_refused(store: sqlite.Store) -> None:
    with pytest.raises(errors.RefusedError, match=r"store\.unknown-arrival"):
        await store.intake.record(7, events=[samples.event("c")], unreadable=[], outages=[])

    assert (await store.intake.counts())["events"] == 0


async def test_text_that_no_database_can_hold_does_not_block_the_intake(store: sqlite.Store) -> None:
    poison = samples.event("c\ud800", title="half a \ud83d letter")
    await store.intake.append([samples.arrival("a\ud800")])
    received = (await store.intake.pending())[0]
    await store.intake.record(received.id, events=[poison], unreadable=[("\ud800", "", b"")], outages=[])

    assert await store.intake.known([poison.identity]) == {poison.identity}
    assert (await store.intake.events())[0][1].title == "half a ? letter"


# reading again what was set apart


async def spoiled(store: sqlite.Store, key: str, *pieces: tuple[str, str, bytes]) -> intake.Received:
    """An arrival that was recorded with these pieces set apart."""
    await store.intake.append([samples.arrival(key)])
    received = (await store.intake.pending())[-1]
    await store.intake.record(received.id, events=[samples.event(f"of {key}")], unreadable=pieces, outages=[])
    return received


async def test_reading_again_makes_the_arrivals_of_the_quarantine_pending_and_no_others(store: sqlite.Store) -> None:
    one = await spoiled(store, "a", ("why", "1", b"x"), ("why", "2", b"y"))
    await spoiled(store, "b")
    two = await spoiled(store, "c", ("why", "1", b"x"))

    assert await store.intake.reparse() == 2
    assert [received.id for received in await store.intake.pending()] == [one.id, two.id]
    assert await store.intake.reparse() == 0, "they are pending already"
    assert (await store.intake.counts())["quarantined"] == 3, "until they are read"


async def test_single_pieces_are_read_again_with_their_arrival(store: sqlite.Store) -> None:
    await spoiled(store, "a", ("why", "1", b"x"))
    two = await spoiled(store, "b", ("why", "1", b"x"), ("why", "2", b"y"))
    (piece,) = [row["id"] for row in await store.intake.quarantine() if row["position"] == "2"]

    assert await store.intake.reparse([piece, 999]) == 1
    assert [received.id for received in await store.intake.pending()] == [two.id]
    assert await store.intake.reparse([]) == 0


async def test_what_is_readable_now_leaves_the_quarantine_and_the_rest_stays_once(store: sqlite.Store) -> None:
    one = await spoiled(store, "a", ("old reason", "1", b"x"), ("why", "2", b"y"), ("why", "2", b"y"))
    await spoiled(store, "b", ("why", "1", b"x"))
    before = {row["id"]: row["raw"] for row in await store.intake.quarantine()}
    for _ in range(2):
        await store.intake.reparse()
        await store.intake.record(
            one.id,
            events=[samples.event("of a"), samples.event("new")],
            unreadable=[("new reason", "1", b"x"), ("why", "2", b"y"), ("why", "3", b"z")],
            outages=[],
        )

    rows = await store.intake.quarantine()
    own = sorted((row["position"], row["reason"]) for row in rows if row["arrival_id"] == one.id)
    assert own == [("1", "new reason"), ("2", "why"), ("3", "why")]
    assert len([row for row in rows if row["id"] in before]) == 3, "a piece keeps its number"
    assert [event.communication_id for _, event in await store.intake.events()] == ["new", "of b", "of a"]


async def test_an_event_and_a_piece_are_found_by_number_with_their_arrival(store: sqlite.Store) -> None:
    received = await spoiled(store, "a", ("why", "1", b"x"))
    (recorded,), (piece,) = await store.intake.recorded(), await store.intake.quarantine()

    assert (recorded.arrival_id, recorded.source, recorded.event) == (received.id, "hub", samples.event("of a"))
    assert await store.intake.event(recorded.id) == recorded
    assert await store.intake.piece(piece["id"]) == piece
    assert await store.intake.body(received.id) == b"body of a"
    assert await store.intake.event(999) is await store.intake.piece(999) is await store.intake.body(999) is None


# polls


async def test_how_far_a_source_was_polled_is_kept_and_never_goes_back(store: sqlite.Store) -> None:
    assert await store.polls.asked_at("rest:a") is None
    for minutes in (5, 7, 6):
        await store.polls.complete("rest:a", samples.at(minutes))

    assert await store.polls.asked_at("rest:a") == samples.at(7)
    assert await store.polls.asked_at("rest:b") is None


async def test_the_story_of_a_tracking_id_is_found_in_any_case_oldest_first_with_when_it_was_received(
    store: sqlite.Store,
) -> None:
    """`_` and `%` in an id stand for themselves."""
    story = [
        dataclasses.replace(samples.event(name), tracking_id=id_)
        for name, id_ in (("c1", "A_1-X"), ("c2", "a_1-x"), ("c3", "AB1-X"), ("c4", "A_1-X2"), ("c5", None))
    ]
    for number, event in enumerate(story):
        await store.intake.append([samples.arrival(f"0/{number}", minutes=number)])
        (received,) = await store.intake.pending()
        await store.intake.record(received.id, events=[event], unreadable=[], outages=[])

    found = await store.intake.of_tracking("A_1-x")

    assert [heard.event for heard in found.values()] == [story[0], story[1]]
    assert [heard.at - samples.NOON for heard in found.values()] == [timedelta(), timedelta(minutes=1)]
    first = await store.intake.of_tracking("A_1-X", limit=1)
    assert [heard.event for heard in first.values()] == [story[0]]
    rest = await store.intake.of_tracking("A_1-X", after=max(first))
    assert [heard.event for heard in rest.values()] == [story[1]]
