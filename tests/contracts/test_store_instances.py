"""Several instances share a PostgreSQL store: the living keep what they have, the dead lose it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from responder import clock
from responder.core import audits, brakes, errors, runs
from responder.flow import auditing, sharing
from responder.store import audit, codec, instances, postgresql, run_rows, stores
from responder.store.postgresql import sessions, tenures
from tests.contracts import postgresql_backend, postgresql_server, samples

SHORT = tenures.Timing(lease=timedelta(seconds=3), beat=timedelta(seconds=0.5), look=timedelta(seconds=0.1))


@pytest.fixture
async def backend(server: postgresql_server.Server) -> AsyncIterator[postgresql_backend.Backend]:
    made = postgresql_backend.Backend(server)
    yield made
    await made.close()


async def until(look: Any, seconds: float = 30) -> Any:
    """Look again and again; the answer, as soon as there is one."""
    async with asyncio.timeout(seconds):
        while True:
            found = look()
            found = await found if asyncio.iscoroutine(found) else found
            if found:
                return found
            await asyncio.sleep(0.02)


def freeze(store: stores.Store) -> Any:
    """Its beat does not come through any more; returns what ends that."""
    tenure: Any = store.tenure
    working = tenure._do

    def frozen(*_: object) -> None:
        raise ConnectionError("frozen")

    def thaw() -> None:
        tenure._do = working

    tenure._do = frozen
    return thaw


async def claimed(store: stores.Store, name: str) -> runs.Run:
    await store.runs.submit(samples.run(name))
    run = await store.runs.claim(samples.NOON, only=runs.RunId(name))
    assert run is not None
    return run


# the register, the same on both databases


async def test_a_lease_is_renewed_until_it_has_run_out_and_never_after(store: stores.Store) -> None:
    base, lease = store.database, timedelta(seconds=30)
    await base.execute_transaction(lambda c: instances.join(c, "me", "here", lease, daemon=True))
    assert await base.execute_transaction(lambda c: instances.renew(c, "me", lease))

    await base.execute_transaction(
        lambda c: c.execute("UPDATE instances SET lease_until = ? WHERE id = 'me'", (c.now(),))
    )
    assert not await base.execute_transaction(lambda c: instances.renew(c, "me", lease))
    assert await base.execute_transaction(instances.sweep) == ["me"]
    assert not await base.execute_transaction(lambda c: instances.renew(c, "me", lease))


async def test_one_leads_a_stage_until_it_is_dead(store: stores.Store) -> None:
    base, lease = store.database, timedelta(seconds=30)
    for name in ("a", "b"):
        await base.execute_transaction(lambda c, n=name: instances.join(c, n, "here", lease, daemon=True))
    assert await base.execute_transaction(lambda c: instances.lead(c, "a", {"assess", "watch"})) == {"assess", "watch"}
    assert await base.execute_transaction(lambda c: instances.lead(c, "b", {"assess"})) == set()

    await base.execute_transaction(lambda c: c.execute("UPDATE instances SET lease_until = '' WHERE id = 'a'"))
    await base.execute_transaction(instances.sweep)
    assert await base.execute_transaction(lambda c: instances.lead(c, "b", {"assess"})) == {"assess"}
    assert await store.register.leaders() == {"assess": "b"}


# claims


async def test_a_run_is_claimed_by_one_of_many(backend: postgresql_backend.Backend) -> None:
    several = [await backend.open() for _ in range(3)]
    names = [f"run-{i}" for i in range(12)]
    for name in names:
        await several[0].runs.submit(samples.run(name))

    async def claim_all(store: stores.Store) -> list[runs.RunId]:
        mine: list[runs.RunId] = []
        while run := await store.runs.claim(samples.NOON, excluding=mine):
            mine.append(run.id)
            asleep = replace(run, state=runs.State.WAITING, wake_at=samples.at(60))
            assert await store.runs.write(asleep, None, leave=True)
        return mine

    shares = await asyncio.gather(*(claim_all(store) for store in several))

    assert sorted(name for share in shares for name in share) == sorted(names)


async def test_a_run_in_the_hand_of_a_living_instance_is_not_due_for_others(
    backend: postgresql_backend.Backend,
) -> None:
    one, other = await backend.open(), await backend.open()
    run = await claimed(one, "a")
    await one.runs.signal(samples.signal("a"))

    assert await other.runs.claim(samples.at(999)) is None
    assert await other.runs.next_wake() is None
    assert one.runs.ours(run)

    asleep = replace(run, state=runs.State.WAITING, wake_at=samples.at(60))
    assert await one.runs.write(asleep, None), "written, and kept in hand"
    assert await other.runs.claim(samples.at(999)) is None
    assert await one.runs.write(asleep, None, leave=True)
    assert await other.runs.claim(samples.at(999)) is not None
    assert not one.runs.ours(run)


async def test_who_leaves_in_order_leaves_its_runs_to_the_others_at_once(backend: postgresql_backend.Backend) -> None:
    one, other = await backend.open(), await backend.open()
    run = await claimed(one, "a")
    await one.runs.signal(samples.signal("a"))
    assert await one.runs.take_signals(run.id, run.fence) == [samples.signal("a")]
    await one.close()

    taken = await other.runs.claim(samples.NOON)
    assert taken is not None
    assert taken.fence == run.fence + 1
    assert await other.runs.take_signals(run.id, taken.fence) == [samples.signal("a")], "a word is never lost"


async def test_what_a_dead_instance_had_is_taken_over_and_the_zombie_is_refused(
    backend: postgresql_backend.Backend,
) -> None:
    one, other = await backend.open(SHORT), await backend.open(SHORT)
    held, asleep = await claimed(one, "a"), await claimed(one, "b")
    await one.runs.write(replace(asleep, state=runs.State.WAITING, wake_at=None), None)
    await one.runs.signal(samples.signal("b"))
    assert await one.runs.take_signals(asleep.id, asleep.fence) == [samples.signal("b")]
    name = one.tenure.id
    thaw = freeze(one)

    taken = await until(lambda: other.runs.claim(samples.NOON, only=held.id))
    assert not one.runs.ours(held), "long before that, it has stopped to begin effects"
    again = await until(lambda: other.runs.claim(samples.NOON, only=asleep.id))
    assert await other.runs.take_signals(again.id, again.fence) == [samples.signal("b")]

    thaw()
    await until(one.tenure.proven)
    assert one.tenure.id != name
    assert not one.runs.ours(held), "its new lease proves nothing about what it had before"
    assert not await one.runs.write(runs.cancelled(held, "I was frozen", samples.at(1)), None)
    assert await one.runs.take_signals(held.id, held.fence) == []
    assert other.runs.ours(taken)


async def test_nothing_is_given_to_a_name_that_was_swept_away(backend: postgresql_backend.Backend) -> None:
    """As when a process is frozen in the middle of a claim, and its lease runs out meanwhile."""
    store = await backend.open()
    await store.runs.submit(samples.run("a"))
    freeze(store)
    await store.database.execute_transaction(lambda c: instances.leave(c, store.tenure.id))

    assert await store.runs.claim(samples.NOON) is None
    assert await store.database.execute_transaction(lambda c: instances.lead(c, store.tenure.id, {"assess"})) == set()
    other = await backend.open()
    assert await other.runs.claim(samples.NOON) is not None


@contextlib.asynccontextmanager
async def hanging(store: stores.Store, work: Any) -> AsyncIterator[None]:
    """As when a process is frozen in the middle of a write: its transaction stays open until the server ends it."""
    hangs, goes_on = threading.Event(), threading.Event()

    def hang(connection: Any) -> None:
        work(connection)
        hangs.set()
        goes_on.wait()

    writing = asyncio.create_task(store.database.execute_transaction(hang))
    try:
        await until(hangs.is_set)
        yield
        assert not writing.done()
    finally:
        goes_on.set()
        await asyncio.gather(writing, return_exceptions=True)


async def test_who_is_frozen_in_the_middle_of_a_write_holds_up_no_other_run(
    backend: postgresql_backend.Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_IDLE", timedelta(minutes=5))  # the server does not come to our help
    one, other = await backend.open(), await backend.open()
    held, free = await claimed(one, "a"), await claimed(other, "b")

    def intent(connection: Any) -> None:
        audit.add_last(connection)
        assert run_rows.write(connection, held, samples.record(), samples.NOON, leave=False)
        audit.append(connection, [audits.Entry(at=samples.NOON, kind="effect.intent", actor="one", run=held.id)])

    async with hanging(one, intent):
        assert await other.runs.write(free, samples.record())
        assert await other.runs.submit(samples.run("c")) == "created"
        await other.runs.signal(samples.signal("b"))
        await other.outages.put_decisions([samples.decided("b")])

    found = [line.kind for line in await other.audit.after(0)]
    assert sorted(found[2:]) == sorted(["effect.intent", "run.submitted", "approve", "decision", "effect.intent"])
    assert (await auditing.verify(other.audit, audits.Witness())).whole


async def test_what_a_frozen_process_holds_costs_no_living_instance_its_lease(
    backend: postgresql_backend.Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server helps only when the one's lease has run out, and as much later the other's would have, too. As if the
    # other might not end the one's connections.
    monkeypatch.setattr(tenures.Tenure, "_disconnect", lambda _: None)
    monkeypatch.setattr(sessions, "_IDLE", 2.2 * SHORT.lease)
    one, other = await backend.open(SHORT), await backend.open(SHORT)
    held, name = await claimed(one, "a"), other.tenure.id
    dead = one.tenure.id

    async with hanging(one, lambda c: run_rows.write(c, held, None, samples.NOON, leave=False)):
        freeze(one)
        taken = await until(lambda: other.runs.claim(samples.NOON, only=held.id))

    assert dead not in [instance.id for instance in await other.register.list()]
    assert (other.tenure.id, other.runs.ours(taken)) == (name, True)


async def test_what_a_frozen_process_holds_is_let_go_of_with_its_lease(
    backend: postgresql_backend.Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No time-out of the server ends a transaction that waits for the rest of a statement's messages.
    monkeypatch.setattr(sessions, "_IDLE", timedelta(minutes=5))
    one, other = await backend.open(SHORT), await backend.open(SHORT)
    held = await claimed(one, "a")

    async with hanging(one, lambda c: run_rows.write(c, held, None, samples.NOON, leave=False)):
        freeze(one)
        taken = await until(lambda: other.runs.claim(samples.NOON, only=held.id))

    assert other.runs.ours(taken)


async def test_one_of_the_dead_who_cannot_be_swept_away_yet_holds_up_no_other(
    backend: postgresql_backend.Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_IDLE", timedelta(minutes=5))
    one, two, other = [await backend.open(SHORT) for _ in range(3)]
    held, locks = await claimed(two, "a"), "SELECT 1 FROM instances WHERE id = ? FOR UPDATE"

    async with hanging(other, lambda c: c.execute(locks, (one.tenure.id,))):
        freeze(one)
        freeze(two)
        assert await until(lambda: other.runs.claim(samples.NOON, only=held.id))


async def test_a_lease_from_before_the_databases_clock_was_stepped_back_ends_with_its_instance(
    backend: postgresql_backend.Backend,
) -> None:
    one, other, living = [await backend.open(SHORT) for _ in range(3)]
    held, name = await claimed(one, "a"), living.tenure.id
    freeze(one)
    ahead = codec.stamp(clock.now() + timedelta(hours=1))
    sql = "UPDATE instances SET lease_until = ?"
    await other.database.execute_transaction(lambda c: c.execute(sql, (ahead,)))
    taken = await until(lambda: other.runs.claim(samples.NOON, only=held.id))

    assert (other.runs.ours(taken), living.tenure.id) == (True, name)
    assert name in [instance.id for instance in await other.register.list()]


async def test_a_lease_is_proven_from_the_moment_its_renewal_was_asked_for(
    backend: postgresql_backend.Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process may have been frozen between the answer and its next instruction."""
    store = await backend.open(SHORT)
    tenure: Any = store.tenure
    renew, ticks, frozen_for, goes_on = tenure._do, clock.ticks, [0.0], threading.Event()

    def renewed_before_it_froze(*given: Any) -> Any:
        if frozen_for[0]:
            goes_on.set()
            raise ConnectionError("nothing more is heard")
        answer = renew(*given)
        frozen_for[0] = SHORT.proof.total_seconds() + 1
        return answer

    monkeypatch.setattr(clock, "ticks", lambda: ticks() + frozen_for[0])
    tenure._do = renewed_before_it_froze
    await until(goes_on.is_set)

    assert not tenure.proven()


async def test_an_instance_cut_off_from_the_database_stops_to_begin_effects(
    backend: postgresql_backend.Backend,
) -> None:
    store = await backend.open(SHORT)
    run = await claimed(store, "a")
    assert store.runs.ours(run)

    freeze(store)

    await until(lambda: not store.runs.ours(run))


async def test_a_short_loss_of_the_connection_costs_no_lease(backend: postgresql_backend.Backend) -> None:
    store = await backend.open()
    run, name = await claimed(store, "a"), store.tenure.id
    assert await backend.server.terminate("lease") >= 1
    before = (await store.register.list())[0].lease_until

    await until(lambda: renewed_since(store, before))

    assert (store.tenure.id, store.runs.ours(run)) == (name, True)


async def renewed_since(store: stores.Store, before: datetime) -> bool:
    return (await store.register.list())[0].lease_until > before


async def test_who_only_leaves_a_word_is_no_instance(backend: postgresql_backend.Backend) -> None:
    daemon = await backend.open()
    await daemon.runs.submit(samples.run("a"))
    writer = await postgresql.open_store(backend.place)
    await writer.runs.signal(samples.signal("a"))
    assert [one.id for one in await writer.register.list()] == [daemon.tenure.id]
    assert not writer.tenure.leads("assess")
    await writer.close()

    assert await daemon.runs.signals(runs.RunId("a")) == [samples.signal("a")]


# leadership


async def test_a_led_stage_runs_in_one_instance_and_is_taken_over(backend: postgresql_backend.Backend) -> None:
    several = [await backend.open(SHORT) for _ in range(2)]
    running: list[int] = []

    async def job(number: int) -> None:
        running.append(number)
        try:
            await asyncio.Event().wait()
        finally:
            running.remove(number)

    tasks = [
        asyncio.create_task(sharing.led(store.tenure, "watch", lambda n=n: job(n))())  # type: ignore[misc]
        for n, store in enumerate(several)
    ]
    await until(lambda: running)
    (leader,) = running
    thaw = freeze(several[leader])
    await until(lambda: running == [1 - leader])
    thaw()
    await until(several[leader].tenure.proven)
    assert running == [1 - leader]

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert running == []


async def test_what_assessing_writes_is_refused_while_another_instance_leads_it(
    backend: postgresql_backend.Backend,
) -> None:
    leader, zombie = await backend.open(), await backend.open()
    await until(lambda: leader.tenure.leads("assess"))
    await zombie.intake.append([samples.arrival("a")])
    (received,) = await leader.intake.pending()

    with pytest.raises(errors.StoreError, match=r"leads assess.*store\.not-leading"):
        await zombie.outages.put([samples.outage()])
    with pytest.raises(errors.StoreError, match=r"store\.not-leading"):
        await zombie.intake.record(received.id, events=[], unreadable=[], outages=[samples.outage()])
    assert await leader.outages.list() == []
    assert await leader.intake.pending() == [received]

    await leader.intake.record(received.id, events=[], unreadable=[], outages=[samples.outage()])
    assert await zombie.outages.list() == [samples.outage()]


async def test_a_led_stage_that_ends_or_fails_is_not_begun_again(store: stores.Store) -> None:
    async def failing() -> None:
        raise KeyError("ours")

    async def ending() -> None:
        return

    await sharing.led(instances.Alone(), "watch", ending)()
    with pytest.raises(KeyError):
        await sharing.led(instances.Alone(), "watch", failing)()


# bells and the clock


async def test_a_new_run_and_a_word_ring_in_every_instance(backend: postgresql_backend.Backend) -> None:
    one, other = await backend.open(), await backend.open()
    rung: list[str] = []
    other.tenure.hear({name: lambda n=name: rung.append(n) for name in ("act", "assess")}, lambda _: None)  # type: ignore[misc]

    await one.runs.submit(samples.run("a"))
    await until(lambda: rung == ["act"])
    await one.runs.signal(samples.signal("a"))
    await until(lambda: rung == ["act", "act"])
    one.tenure.ring("assess")
    await until(lambda: "assess" in rung)


async def test_letting_go_of_a_brake_rings_in_every_instance(backend: postgresql_backend.Backend) -> None:
    one, other = await backend.open(), await backend.open()
    rung: list[str] = []
    other.tenure.hear({"act": lambda: rung.append("act")}, lambda _: None)
    held = brakes.Freeze(scope=brakes.EVERYTHING, by="ana", reason="enough", since=samples.NOON, until=None)
    await one.brakes.freeze(held)
    rung.clear()

    await one.brakes.lift([brakes.EVERYTHING], by="ana", why="go on", at=samples.at(1))

    await until(lambda: rung)


async def test_an_instance_does_not_ring_for_itself(backend: postgresql_backend.Backend) -> None:
    one, other = await backend.open(), await backend.open()
    here: list[str] = []
    there: list[str] = []
    one.tenure.hear({"assess": lambda: here.append("assess")}, lambda _: None)
    other.tenure.hear({"assess": lambda: there.append("assess")}, lambda _: None)

    one.tenure.ring("assess")
    await until(lambda: there)
    other.tenure.ring("assess")
    await until(lambda: here)

    assert (len(here), len(there)) == (1, 1)


async def test_the_clock_of_the_store_is_told_at_every_beat(backend: postgresql_backend.Backend) -> None:
    store = await backend.open(SHORT)
    told: list[datetime] = []
    store.tenure.hear({}, told.append)

    await until(lambda: len(told) > 1)

    assert all(abs(at - datetime.now(UTC)) < timedelta(minutes=1) for at in told)


def test_a_clock_that_is_followed_goes_on_by_itself() -> None:
    noon = datetime(2020, 1, 1, 12, tzinfo=UTC)
    clock.follow(noon)
    try:
        first, second = clock.now(), clock.now()
    finally:
        clock.follow(None)

    assert noon <= first <= second < noon + timedelta(minutes=1)
    assert clock.now() > second + timedelta(days=1000)
