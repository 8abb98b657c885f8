"""Rules of asking Azure for its events: nothing missed, nothing kept twice, nobody held up."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import random
from collections.abc import AsyncGenerator, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from responder.core import errors
from responder.flow import intake, reconcile, wakes
from responder.store import sqlite
from tests.flow.conftest import NOON, Time

MINUTE = timedelta(minutes=1)
PACE = reconcile.Pace(interval=MINUTE, look_back=timedelta(days=7))


def an_event(name: str = "QX7T-2B8", **properties: Any) -> bytes:
    return json.dumps({"name": name, "properties": {"title": "Outage", **properties}}).encode()


def refusal(status: int = 429, retry_after: timedelta | None = None) -> errors.AzureError:
    return errors.AzureError("No", "no", status=status, retryable=True, retry_after=retry_after)


class Azure:
    """Answers with these pages, one list each; an error among them is raised there."""

    def __init__(self, *pages: list[bytes] | Exception) -> None:
        self.pages = list(pages)
        self.asked: list[tuple[str, datetime]] = []

    async def __call__(self, subscription: str, since: datetime) -> AsyncGenerator[list[bytes], None]:
        self.asked.append((subscription, since))
        for page in self.pages:
            if isinstance(page, Exception):
                raise page
            yield page


Start = Callable[..., reconcile.Poll]


@pytest.fixture
def start(store: sqlite.Store, time: Time) -> Start:
    """A new process's poll of one subscription."""

    def make(azure: Any, pace: reconcile.Pace = PACE, subscription: str = "Sub-1") -> reconcile.Poll:
        door = intake.Intake(store.intake, wakes.Wake())
        return reconcile.Poll(subscription, azure, door, store.polls, pace)

    return make


async def bodies(store: sqlite.Store) -> list[bytes]:
    return [received.body for received in await store.intake.pending(1000)]


async def test_every_page_is_kept_as_it_came(start: Start, store: sqlite.Store) -> None:
    poll = start(Azure([an_event("A"), an_event("B")], [], [b"null", an_event("C")]))
    await poll.turn(NOON)

    assert await bodies(store) == [an_event("A"), an_event("B"), b"null", an_event("C")]
    assert {row["source"] for row in await store.database.rows("SELECT source FROM arrivals")} == {"rest:sub-1"}


async def test_an_unchanged_event_is_no_new_arrival_however_often_and_by_whom_it_is_asked_for(
    start: Start, store: sqlite.Store, time: Time
) -> None:
    azure = Azure([an_event("A"), an_event("B")])
    for _ in range(3):
        poll = start(azure)
        for _ in range(3):
            await poll.turn(time.pass_(minutes=1))
            azure.pages[0].reverse()  # type: ignore[union-attr]

    assert len(await bodies(store)) == 2


async def test_the_order_of_fields_and_lists_and_a_running_duration_are_no_news(
    start: Start, store: sqlite.Store
) -> None:
    azure = Azure([an_event(impact=[{"a": ["x", "y"]}, {"b": 1}], status="Active", duration=60)])
    poll = start(azure)
    await poll.turn(NOON)
    azure.pages = [[an_event(status="Active", impact=[{"b": 1}, {"a": ["y", "x"]}], duration=120)]]
    await poll.turn(NOON)

    assert len(await bodies(store)) == 1


async def test_a_changed_event_is_a_new_arrival_and_so_is_its_way_back(start: Start, store: sqlite.Store) -> None:
    azure = Azure([an_event(status="Active")])
    poll = start(azure)
    for status in ("Active", "Resolved", "Resolved"):
        azure.pages = [[an_event(status=status)]]
        await poll.turn(NOON)

    assert await bodies(store) == [an_event(status="Active"), an_event(status="Resolved")]


async def test_an_unchanged_poll_does_not_even_ask_the_store(
    start: Start, store: sqlite.Store, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll = start(Azure([an_event()]))
    await poll.turn(NOON)
    with monkeypatch.context() as gone:
        gone.delattr(store.database, "_executor")
        await poll.turn(time.pass_(minutes=1))

    assert (poll.last_error, poll.last_ok_at) == (None, time.now)


async def test_the_first_start_looks_back_and_later_ones_go_on_from_the_last_complete_poll(
    start: Start, time: Time
) -> None:
    azure = Azure([])
    await start(azure).turn(NOON)
    later = time.pass_(days=30)
    azure.pages = [[], refusal()]
    await start(azure).turn(later)
    azure.pages = [[]]
    await start(azure).turn(later)

    (_, first), (_, second), (_, third) = azure.asked
    assert first == NOON - PACE.look_back
    assert NOON - timedelta(days=1) < second < NOON, "with some overlap"
    assert third == second, "a poll that failed half-way does not count"


async def test_a_clock_that_was_set_back_leaves_no_gap(start: Start, time: Time) -> None:
    azure = Azure([])
    poll = start(azure)
    await poll.turn(NOON + timedelta(days=300))
    await poll.turn(NOON)

    assert azure.asked[-1][1] < NOON


async def test_a_lost_push_is_found_within_two_minutes_though_one_question_fails(start: Start) -> None:
    azure = Azure([])
    poll = start(azure)
    for _ in range(50):
        azure.pages = [[]]
        pause = await poll.turn(NOON)
        azure.pages = [refusal(503)]
        pause += await poll.turn(NOON)
        assert MINUTE < pause < 2 * MINUTE
        azure.pages = [[]]
        assert 0.8 * MINUTE <= await poll.turn(NOON) <= MINUTE


async def test_pauses_are_left_to_chance_a_little(start: Start) -> None:
    poll = start(Azure([]))

    assert len({await poll.turn(NOON) for _ in range(20)}) > 1


async def test_who_keeps_failing_is_asked_less_often_but_never_less_than_every_two_minutes(start: Start) -> None:
    poll = start(Azure(refusal(503)))
    pauses = [await poll.turn(NOON) for _ in range(40)]

    assert pauses[0] < 0.7 * MINUTE < pauses[1] <= 1.2 * MINUTE < pauses[2]
    assert max(pauses) + reconcile._USUAL <= 2 * MINUTE


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [(timedelta(minutes=17), 17 * MINUTE, 21 * MINUTE), (timedelta(days=9), 60 * MINUTE, 73 * MINUTE)],
)
async def test_a_wait_that_azure_asks_for_is_kept_within_reason(
    start: Start, asked: timedelta, least: timedelta, most: timedelta
) -> None:
    assert least <= await start(Azure(refusal(429, asked))).turn(NOON) <= most


async def test_a_source_tells_how_it_is(start: Start, time: Time) -> None:
    azure = Azure([an_event()])
    poll = start(azure)
    assert (poll.name, poll.last_ok_at, poll.last_event_at, poll.last_error) == ("rest:sub-1", None, None, None)
    await poll.turn(NOON)
    assert (poll.last_ok_at, poll.last_event_at, poll.last_error) == (NOON, NOON, None)
    later = time.pass_(minutes=1)
    await poll.turn(later)
    assert (poll.last_ok_at, poll.last_event_at) == (later, NOON), "it answers, and nothing happens"
    azure.pages = [refusal()]
    await poll.turn(time.pass_(minutes=1))
    assert poll.last_ok_at == later
    assert "azure.No" in str(poll.last_error)
    assert poll.last_error_at is not None
    assert poll.last_error_at > later


async def test_what_came_before_a_failing_page_is_kept(start: Start, store: sqlite.Store) -> None:
    poll = start(Azure([an_event("A")], refusal()))
    await poll.turn(NOON)

    assert await bodies(store) == [an_event("A")]
    assert poll.last_ok_at is None


@pytest.mark.parametrize("error", [refusal(), OSError("x"), TypeError("a defect"), RecursionError(), TimeoutError()])
async def test_nothing_that_goes_wrong_ends_a_source(start: Start, error: Exception) -> None:
    poll = start(Azure(error))

    assert await poll.turn(NOON) > timedelta()
    assert poll.last_error


async def test_an_event_that_could_not_be_stored_is_asked_for_again(start: Start, store: sqlite.Store) -> None:
    poll = start(Azure([an_event()]))
    working = store.database.execute_transaction

    async def broken(work: Any) -> Any:
        raise errors.StoreError("store.unavailable", "full")

    store.database.execute_transaction = broken  # type: ignore[method-assign]
    await poll.turn(NOON)
    assert poll.last_ok_at is None
    store.database.execute_transaction = working  # type: ignore[method-assign]
    await poll.turn(NOON)

    assert await bodies(store) == [an_event()]


@pytest.mark.parametrize(
    ("page", "kept"),
    [
        (b'{"value": [{"name": "A", "properties": {"eventType": "ServiceIssue"}}, {oops}]}', True),
        (b"<html>Please log in. Request 4711</html>", False),
        (b"", False),
    ],
)
async def test_a_page_that_is_no_json_is_kept_once_and_only_when_an_event_is_in_it(
    start: Start, store: sqlite.Store, page: bytes, kept: bool
) -> None:
    poll = start(Azure([page], refusal()))
    for _ in range(2):
        await poll.turn(NOON)

    assert await bodies(store) == [page] * kept


async def test_an_event_nested_without_end_has_a_key(start: Start, store: sqlite.Store) -> None:
    body = b'{"a":' * 900 + b"1" + b"}" * 900
    await start(Azure([body, an_event()])).turn(NOON)

    assert len(await bodies(store)) == 2


@pytest.mark.parametrize("number", [1, 3, 60])
async def test_a_subscription_that_fails_or_hangs_holds_up_no_other(
    store: sqlite.Store, start: Start, number: int
) -> None:
    """Of as many as there are: one is refused, one never answers, and all others are asked again and again."""
    quick = reconcile.Pace(interval=timedelta(milliseconds=20), look_back=timedelta(days=1))
    counts = dict.fromkeys([f"s{i}" for i in range(number)], 0)
    busy = asyncio.Event()

    async def azure(subscription: str, _: datetime) -> AsyncGenerator[list[bytes], None]:
        if subscription == "bad":
            raise refusal(403)
        if subscription == "hangs":
            await asyncio.Event().wait()
        yield [an_event(subscription)]
        counts[subscription] += 1
        if min(counts.values()) >= 3:
            busy.set()

    stage = reconcile.Reconcile([start(azure, quick, each) for each in ("bad", "hangs", *counts)])
    running = asyncio.create_task(stage.run())
    async with asyncio.timeout(30):
        await busy.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert len(await bodies(store)) == number
    assert [source.name for source in stage.sources if source.last_ok_at is None] == ["rest:bad", "rest:hangs"]


class Throttling:
    """A tenant's reads: a bucket that all subscriptions drink from, now and then shut altogether."""

    def __init__(self, per_second: float, burst: int, outages: list[tuple[float, float]]) -> None:
        self._per_second, self._burst, self._outages = per_second, burst, outages
        self._left, self._at = float(burst), 0.0
        self.now = 0.0
        self.not_before: dict[str, float] = {}
        self.attempts: dict[str, list[float]] = {}
        self.heard: dict[str, list[float]] = {}

    async def __call__(self, subscription: str, _: datetime) -> AsyncGenerator[list[bytes], None]:
        assert self.now >= self.not_before.get(subscription, 0.0), "Retry-After is kept"
        self.attempts.setdefault(subscription, []).append(self.now)
        if any(begin <= self.now < end for begin, end in self._outages):
            raise refusal(503)
        self._left = min(self._left + (self.now - self._at) * self._per_second, float(self._burst))
        self._at = self.now
        if self._left < 1:
            wait = (1 - self._left) / self._per_second
            self.not_before[subscription] = self.now + wait
            raise refusal(429, timedelta(seconds=wait))
        self._left -= 1
        self.heard.setdefault(subscription, []).append(self.now)
        yield []


async def test_two_hundred_subscriptions_under_throttling_are_each_asked_again_within_two_minutes(
    start: Start, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the schedule, in virtual time: reads run short, and for twenty minutes nothing answers at all."""
    # The same dice each time: with others, one of two hundred may now and then be heard some seconds later.
    monkeypatch.setattr(reconcile.random, "random", random.Random(7).random)
    azure = Throttling(per_second=4.0, burst=20, outages=[(600.0, 1800.0)])
    subscriptions = [f"sub-{number:03}" for number in range(200)]
    polls = {each: start(azure, PACE, each) for each in subscriptions}
    due = [(0.0, each) for each in subscriptions]  # all at once, as after a failure of our network
    heapq.heapify(due)
    while due[0][0] < 3600.0:
        azure.now, subscription = heapq.heappop(due)
        time.now = NOON + timedelta(seconds=azure.now)
        pause = await polls[subscription].turn(time.now)
        heapq.heappush(due, (azure.now + pause.total_seconds(), subscription))

    for subscription in subscriptions:
        attempts, heard = azure.attempts[subscription], azure.heard[subscription]
        assert max(later - earlier for earlier, later in itertools.pairwise(attempts)) < 120
        assert min(at for at in heard if at >= 1800.0) < 1800.0 + 240, "though all of them want to know at once"
    again = sorted(azure.attempts[each][-1] for each in subscriptions)
    assert again[150] - again[50] > 10, "and they drift apart"


async def test_subscriptions_that_hang_hold_up_none_that_answer(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than polls at once."""
    monkeypatch.setattr(reconcile, "_LONGEST", timedelta(seconds=0.05))
    monkeypatch.setattr(reconcile, "_USUAL", timedelta(seconds=0.05))
    quick = reconcile.Pace(interval=timedelta(milliseconds=20), look_back=timedelta(days=1))
    heard, hung, busy = 0, 0, asyncio.Event()

    async def azure(subscription: str, _: datetime) -> AsyncGenerator[list[bytes], None]:
        nonlocal heard, hung
        if subscription.startswith("hangs"):
            hung += 1
            await asyncio.Event().wait()
        heard += 1
        if heard >= 50 and hung > 40:
            busy.set()
        yield []

    names = [*(f"hangs-{number}" for number in range(40)), "answers"]
    running = asyncio.create_task(reconcile.Reconcile([start(azure, quick, each) for each in names]).run())
    async with asyncio.timeout(30):
        await busy.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_no_subscription_is_no_mistake() -> None:
    await reconcile.Reconcile([]).run()
