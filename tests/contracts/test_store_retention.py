"""What is old goes; what is new, open, or needed for something that is, stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from responder.core import decisions, runs
from responder.store import retention, stores
from tests.contracts import samples

LATE = samples.NOON + timedelta(days=400)


async def arrived(store: stores.Store, key: str, *, unreadable: bool = False) -> None:
    await store.intake.append([samples.arrival(key)])
    (received,) = await store.intake.pending()
    broken = [("not JSON", "", b"?")] if unreadable else []
    await store.intake.record(received.id, events=[samples.event(key)], unreadable=broken, outages=[])


async def ended(store: stores.Store, name: str) -> runs.RunId:
    await store.runs.submit(samples.run(name))
    run = await store.runs.claim(samples.NOON, only=runs.RunId(name))
    assert run is not None
    done = replace(run, state=runs.State.DONE, step=None, wake_at=None, ended_at=samples.at(1))
    assert await store.runs.write(done, samples.record(state=runs.StepState.DONE), leave=True)
    return run.id


async def counted(store: stores.Store) -> tuple[int, int, int]:
    counts = await store.intake.counts()
    return counts["arrivals"], counts["events"], counts["quarantined"]


async def delete(store: stores.Store, kind: str, limit: int = 500) -> int:
    return await store.retention.delete(retention.Kind(kind), LATE, limit)


async def test_what_was_read_goes_with_its_events_and_what_is_pending_stays(store: stores.Store) -> None:
    await arrived(store, "a")
    await arrived(store, "b", unreadable=True)
    await store.intake.append([samples.arrival("pending")])
    await store.intake.pending()

    assert await delete(store, "arrivals") == 1
    assert await counted(store) == (2, 1, 1)
    assert await delete(store, "quarantine") == 1
    assert await counted(store) == (1, 0, 0)
    assert len(await store.intake.pending()) == 1


async def test_not_more_than_a_batch_goes_at_once(store: stores.Store) -> None:
    for key in "abcde":
        await arrived(store, key)

    assert [await delete(store, "arrivals", 2) for _ in range(4)] == [2, 2, 1, 0]


async def test_what_is_not_older_stays(store: stores.Store) -> None:
    await arrived(store, "a")

    assert await store.retention.delete(retention.Kind.ARRIVALS, samples.NOON) == 0
    assert await store.retention.delete(retention.Kind.ARRIVALS, samples.at(1)) == 1


async def test_what_is_not_delivered_is_not_forgotten(store: stores.Store) -> None:
    await store.outbox.put([samples.announcement("sent"), samples.announcement("owed")])
    ((id_, _, _), _) = await store.outbox.due(samples.NOON)
    await store.outbox.sent(id_, samples.at(1))

    assert await delete(store, "announcements") == 1
    assert [row["announcement"].key for row in await store.outbox.list()] == ["owed"]


async def test_the_newest_decision_about_a_server_stays(store: stores.Store) -> None:
    for minutes, action in enumerate((decisions.Action.WAIT, decisions.Action.START, decisions.Action.DONE)):
        await store.outages.put_decisions([samples.decided("a", minutes=minutes, action=action)])

    assert await delete(store, "decisions") == 2
    (taken,) = await store.history.taken(samples.outage().id)
    assert taken.action is decisions.Action.DONE
    assert (await store.outages.decisions(samples.outage().id))[samples.server_id("a")].action is taken.action


async def test_of_an_ended_run_the_journal_goes_and_the_rest_stays(store: stores.Store) -> None:
    run = await ended(store, "a")
    await store.runs.signal(samples.signal("a"))

    assert await delete(store, "journals") == 1
    assert await store.runs.journal(run) == []
    assert list(await store.runs.steps(run)) == ["restore"]
    assert len(await store.runs.signals(run)) == 1


@pytest.mark.parametrize("needs", ["open outage", "run under way"])
async def test_nothing_goes_that_came_since_the_oldest_open_thing_began(store: stores.Store, needs: str) -> None:
    await arrived(store, "a")
    run = await ended(store, "old")
    await store.outbox.put([samples.announcement("sent")])
    await store.outbox.sent(1, samples.at(1))
    for minutes, action in enumerate((decisions.Action.WAIT, decisions.Action.START)):
        await store.outages.put_decisions([samples.decided("a", minutes=minutes, action=action)])
    if needs == "open outage":
        await store.outages.put([samples.outage()])
    else:
        await store.runs.submit(samples.run("new", minutes=60))

    assert [await delete(store, kind) for kind in retention.Kind] == [0] * len(retention.Kind)

    if needs == "open outage":
        await store.outages.close(samples.outage().id, samples.at(90))
    else:
        found = await store.runs.claim(samples.at(99))
        assert found is not None
        await store.runs.write(runs.cancelled(found, "enough", samples.at(100)), None, leave=True)
    assert await delete(store, "arrivals") == 1
    assert await delete(store, "journals") >= 1
    assert await store.runs.journal(run) == []
