"""A run: a cursor over a playbook and a journal. The whole machine is here, with nothing around it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core import copies, playbooks, runs
from responder.core.runs import Done, Fail, Outcome, Retry, State, StepRecord, StepState, Wait
from tests.core import cases
from tests.core.cases import BEGAN, at

MINUTE = timedelta(minutes=1)


def playbook(*steps: playbooks.Step) -> playbooks.Playbook:
    return playbooks.Playbook(name="geo-restore", title="Geo-restore", purpose="Bring up a copy.", steps=steps)


RESTORE = playbooks.Step(id="restore", kind="restore", attempts=3)
TELL = playbooks.Step(id="tell", kind="notify", attempts=1, on_failure="continue")
VERIFY = playbooks.Step(id="verify", kind="verify")
BOOK = playbook(RESTORE, TELL, VERIFY)


def new(book: playbooks.Playbook = BOOK, **changes: Any) -> runs.Run:
    run = runs.new(
        id_=runs.run_id("geo-restore", cases.server(), "QX3L-7PG@eastus2"),
        server=cases.server(),
        outage_id=cases.outage().id,
        playbook=book,
        params={},
        by="responder",
        now=BEGAN,
    )
    return replace(run, **changes)


def begun(run: runs.Run, attempts: int = 1, **changes: Any) -> StepRecord:
    assert run.step is not None
    record = StepRecord(id=run.step, state=StepState.BEGUN, attempts=attempts, started_at=BEGAN)
    return replace(record, **changes)


def test_a_new_run_is_due_at_once_at_its_first_step():
    run = new()
    assert (run.state, run.step, run.wake_at, run.fence) == (State.READY, "restore", BEGAN, 0)


def test_asking_twice_for_the_same_cause_names_one_run():
    name = runs.run_id("geo-restore", cases.server(), "QX3L-7PG@eastus2")
    assert name == runs.run_id("geo-restore", cases.server(), "QX3L-7PG@eastus2", 1)
    assert name != runs.run_id("geo-restore", cases.server(), "QX3L-7PG@eastus2", 2)
    assert name != runs.run_id("wait-it-out", cases.server(), "QX3L-7PG@eastus2")


def test_the_intent_is_written_before_the_step_acts():
    assert runs.begin(new(), None, at(1)) == StepRecord(
        id="restore", state=StepState.BEGUN, attempts=1, started_at=at(1)
    )


def test_beginning_again_counts_and_forgets_nothing():
    run = new()
    record = begun(run, state=StepState.RETRYING, saved={"number": 2}, why="busy")
    again = runs.begin(run, record, at(1))
    assert (again.state, again.attempts, again.started_at) == (StepState.BEGUN, 2, BEGAN)
    assert again.saved == {"number": 2}


def test_a_step_that_is_done_hands_over_to_the_next():
    run, record = runs.advance(new(), begun(new()), Done(output={"copy": "/copy"}), at(1))
    assert (run.state, run.step, run.wake_at) == (State.READY, "tell", at(1))
    assert (record.state, record.output, record.ended_at) == (StepState.DONE, {"copy": "/copy"}, at(1))


def test_the_last_step_done_ends_the_run():
    last = new(step="verify")
    run, _ = runs.advance(last, begun(last), Done(), at(1))
    assert (run.state, run.step, run.ended_at) == (State.DONE, None, at(1))
    assert (run.wake_at, run.waiting_for) == (None, None)
    assert run.state.ended


def test_waiting_is_a_row_with_a_time_to_wake():
    run, record = runs.advance(new(), begun(new()), Wait(until=at(2), topic="approval", saved={"a": 1}), at(1))
    assert (run.state, run.step, run.wake_at, run.waiting_for) == (State.WAITING, "restore", at(2), "approval")
    assert (record.state, record.saved, record.attempts) == (StepState.WAITING, {"a": 1}, 1)
    assert record.ended_at is None


@pytest.mark.parametrize("outcome", [Wait(until=at(2)), Retry(after=MINUTE, why="busy")])
def test_a_step_that_saves_nothing_new_keeps_what_it_saved(outcome: Outcome):
    """The token of an operation in progress must outlive a look that had nothing to add."""
    _, record = runs.advance(new(), begun(new(), saved={"token": "t"}), outcome, at(1))
    assert record.saved == {"token": "t"}


@pytest.mark.parametrize("outcome", [Wait(until=at(2), saved={}), Retry(after=MINUTE, why="busy", saved={})])
def test_a_step_may_forget_what_it_saved(outcome: Outcome):
    _, record = runs.advance(new(), begun(new(), saved={"token": "t"}), outcome, at(1))
    assert record.saved == {}


def test_a_retry_waits_and_says_why():
    run, record = runs.advance(new(), begun(new(), 2), Retry(after=MINUTE, why="busy"), at(1))
    assert (run.state, run.step, run.wake_at, run.waiting_for) == (State.WAITING, "restore", at(1) + MINUTE, "retry")
    assert (record.state, record.why) == (StepState.RETRYING, "busy")


def test_retries_end_and_the_last_reason_is_kept():
    run, record = runs.advance(new(), begun(new(), 3), Retry(after=MINUTE, why="busy"), at(1))
    assert (run.state, run.step, record.state) == (State.FAILED, None, StepState.FAILED)
    assert run.why == "restore: gave up after 3 attempts: busy"


def test_a_failure_ends_the_run_where_it_stands():
    run, record = runs.advance(new(), begun(new()), Fail(why="no capacity"), at(1))
    assert (run.state, run.step, run.ended_at, run.wake_at) == (State.FAILED, None, at(1), None)
    assert (run.why, record.why) == ("restore: no capacity", "no capacity")


def test_a_message_that_cannot_be_sent_does_not_stop_a_rescue():
    telling = new(step="tell")
    for outcome in (Fail(why="no such channel"), Retry(after=MINUTE, why="refused")):
        run, record = runs.advance(telling, begun(telling), outcome, at(1))
        assert (run.state, run.step, run.why) == (State.READY, "verify", "")
        assert record.state is StepState.FAILED


def test_a_skipped_step_leaves_a_record_that_says_why():
    run, record = runs.skip(new(step="tell"), at(1), "its condition does not hold")
    assert (run.state, run.step) == (State.READY, "verify")
    assert (record.state, record.attempts, record.why) == (StepState.SKIPPED, 0, "its condition does not hold")


def test_a_cancelled_run_wakes_no_more():
    waiting = new(state=State.WAITING, wake_at=at(2), waiting_for="approval")
    run = runs.cancelled(waiting, "cancelled by ada", at(1))
    assert (run.state, run.step, run.wake_at, run.waiting_for) == (State.CANCELLED, None, None, None)
    assert (run.why, run.ended_at) == ("cancelled by ada", at(1))


# --- any playbook, any outcomes

outcomes = st.one_of(
    st.builds(Done, output=st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)),
    st.builds(Wait, until=st.floats(-5, 50).map(at), saved=st.sampled_from([None, {}, {"token": "t"}])),
    st.builds(Retry, after=st.integers(0, 60).map(lambda m: m * MINUTE), why=st.text(max_size=5)),
    st.builds(Fail, why=st.text(max_size=5)),
)
books = st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["stop", "continue"])), min_size=1, max_size=4).map(
    lambda specs: playbook(
        *(
            playbooks.Step(id=f"step-{i}", kind="hold", attempts=attempts, on_failure=on_failure)
            for i, (attempts, on_failure) in enumerate(specs)
        )
    )
)


@given(books, st.lists(outcomes, max_size=30))
def test_any_outcomes_take_any_run_forward_and_never_back(book: playbooks.Playbook, answers: list[Outcome]):
    """Total: every answer has a consequence. The cursor never goes back, and an ended run waits for nothing."""
    run = new(book, step=book.steps[0].id)
    records: dict[str, StepRecord] = {}
    order = [step.id for step in book.steps]
    for i, answer in enumerate(answers):
        if run.state.ended:
            break
        assert run.step is not None
        known = records.get(run.step)
        resumed = known is not None and known.state is StepState.WAITING
        record = known if known is not None and resumed else runs.begin(run, known, at(i))

        moved, written = runs.advance(run, record, answer, at(i))

        assert written.id == run.step
        assert written.attempts <= next(step.attempts for step in book.steps if step.id == written.id)
        assert moved.fence == run.fence
        assert moved.state.ended == (moved.step is None) == (moved.wake_at is None) == (moved.ended_at is not None)
        assert (moved.state is State.WAITING) == (moved.waiting_for is not None)
        assert moved.step is None or order.index(moved.step) in (order.index(run.step), order.index(run.step) + 1)
        assert (moved.step == run.step) == (written.state in (StepState.WAITING, StepState.RETRYING))
        assert moved.state is not State.FAILED or moved.why
        run = moved
        records[written.id] = written


@given(books)
def test_a_run_whose_steps_only_fail_comes_to_an_end(book: playbooks.Playbook):
    run, record, turns = new(book, step=book.steps[0].id), None, 0
    while not run.state.ended:
        if record is not None and record.id != run.step:
            record = None
        run, record = runs.advance(run, runs.begin(run, record, at(turns)), Retry(after=MINUTE, why="busy"), at(turns))
        turns += 1
    assert turns <= sum(step.attempts for step in book.steps)


# --- the copy, read off the journal

WHOLE = playbook(
    playbooks.Step(id="restore", kind="restore"),
    playbooks.Step(id="verify", kind="verify"),
    playbooks.Step(id="hold", kind="hold"),
    playbooks.Step(id="cut-over", kind="cut_over"),
    playbooks.Step(id="discard", kind="discard_copy"),
    playbooks.Step(id="discard-late", kind="discard_copy"),
)
RESTORED = {"copy": "/copy", "verdict": "restored"}
POINT = at(-0.25)
VERIFIED = {"sql": True, "recovery_point": POINT.isoformat()}


def record(id_: str, state: StepState = StepState.DONE, **output: Any) -> StepRecord:
    return StepRecord(id=id_, state=state, attempts=1, started_at=at(1), ended_at=at(4), output=output)


def copy(*records: StepRecord, state: State = State.WAITING) -> copies.Copy:
    return runs.copy_of(new(WHOLE, state=state), {each.id: each for each in records})


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([], id="nothing was done yet"),
        pytest.param([record("restore", StepState.SKIPPED)], id="the restore was skipped"),
        pytest.param([record("restore", verdict="not-needed")], id="the region was back before it began"),
    ],
)
def test_where_nothing_was_restored_there_is_no_copy(records: list[StepRecord]):
    assert copy(*records) == copies.Copy()


def test_without_a_run_there_is_no_copy():
    assert runs.copy_of(None, {}) == copies.Copy()


@pytest.mark.parametrize("state", [StepState.BEGUN, StepState.WAITING, StepState.RETRYING])
def test_a_restore_that_was_begun_may_have_made_a_copy(state: StepState):
    """Even when a crash hides the outcome: the intent is in the journal."""
    under_way = replace(record("restore", state), saved={"copy": "/copy"})
    found = copy(under_way)
    assert (found.state, found.server_id, found.started_at) == (copies.State.RESTORING, "/copy", at(1))
    assert found.recovery_point is None


@pytest.mark.parametrize(
    "verify",
    [
        None,
        record("verify", StepState.RETRYING),
        record("verify", StepState.SKIPPED),
        record("verify", StepState.BEGUN),
    ],
)
def test_a_copy_is_not_ready_before_it_was_looked_at(verify: StepRecord | None):
    found = copy(record("restore", **RESTORED), *([verify] if verify else []))
    assert (found.state, found.verified, found.ready_at) == (copies.State.RESTORING, False, None)


def test_a_verified_copy_is_ready_and_its_newest_row_is_known():
    found = copy(record("restore", **RESTORED), record("verify", **VERIFIED))
    assert found == copies.Copy(
        state=copies.State.READY,
        server_id="/copy",
        started_at=at(1),
        ready_at=at(4),
        recovery_point=POINT,
        verified=True,
        renewable=False,
    )


def test_a_copy_that_lets_nobody_in_is_ready_and_its_loss_unmeasured():
    found = copy(record("restore", **RESTORED), record("verify", sql=False, recovery_point=None))
    assert (found.state, found.verified, found.recovery_point) == (copies.State.READY, False, None)


READY = [record("restore", **RESTORED), record("verify", **VERIFIED)]
NOT_HELD = record("hold", verdict="not-needed")
LATE = record("cut-over", verdict="not-needed")
CUT = record("cut-over", verdict="cut-over")


@pytest.mark.parametrize(
    ("records", "run", "state"),
    [
        pytest.param([*READY, record("cut-over", StepState.BEGUN)], State.READY, "ready", id="about to be cut over"),
        pytest.param([*READY, CUT], State.READY, "promoted", id="cut over"),
        pytest.param([*READY, CUT], State.FAILED, "promoted", id="cut over, though a later step failed"),
        pytest.param(
            [*READY, CUT, record("discard", StepState.SKIPPED)],
            State.DONE,
            "promoted",
            id="cut over, and not discarded",
        ),
        pytest.param([*READY, NOT_HELD], State.READY, "ready", id="not needed, and still there"),
        pytest.param([*READY, NOT_HELD, record("discard")], State.READY, "discarded", id="thrown away"),
        pytest.param(
            [*READY, LATE, record("discard", StepState.SKIPPED), record("discard-late")],
            State.DONE,
            "discarded",
            id="thrown away at the last moment",
        ),
        pytest.param(
            [*READY, NOT_HELD, record("discard"), record("discard-late", StepState.SKIPPED)],
            State.DONE,
            "discarded",
            id="thrown away, and not once more",
        ),
        pytest.param([record("restore", StepState.FAILED)], State.FAILED, "failed", id="the restore failed"),
        pytest.param(READY, State.CANCELLED, "failed", id="a human stopped the run: its copy is not ours to use"),
        pytest.param(
            [record("restore", **RESTORED), record("verify", StepState.FAILED)],
            State.FAILED,
            "failed",
            id="the copy never answered",
        ),
    ],
)
def test_the_state_of_the_copy_follows_from_the_journal(records: list[StepRecord], run: State, state: str):
    assert copy(*records, state=run).state == state


record_lists = st.lists(
    st.builds(
        record,
        st.sampled_from([step.id for step in WHOLE.steps]),
        st.sampled_from(StepState),
        verdict=st.sampled_from(["restored", "cut-over", "not-needed"]),
        copy=st.sampled_from([None, "/copy"]),
        recovery_point=st.sampled_from([None, POINT.isoformat()]),
        sql=st.booleans(),
    ),
    max_size=8,
)


@given(record_lists, st.sampled_from(State))
def test_any_journal_says_something_about_the_copy(records: list[StepRecord], state: State):
    found = copy(*records, state=state)
    by_id = {each.id: each for each in records}
    if found.state is copies.State.READY:
        assert by_id["verify"].state is StepState.DONE
        assert state not in (State.FAILED, State.CANCELLED)
    if found.state is copies.State.PROMOTED:
        assert by_id["cut-over"].output["verdict"] == "cut-over"


# --- what a run that goes no further leaves behind


def left(*records: StepRecord) -> tuple[list[str], list[str]]:
    run, journal = new(WHOLE, state=State.CANCELLED), {each.id: each for each in records}
    return runs.left(run, journal), runs.perhaps_left(run, journal)


ASKED = replace(record("restore", StepState.FAILED), saved={"copy": "/copy", "number": 1})


@pytest.mark.parametrize(
    ("records", "there", "perhaps"),
    [
        pytest.param([record("restore", **RESTORED)], ["/copy"], [], id="it was made"),
        pytest.param([ASKED], [], ["/copy"], id="it was asked for, and never seen"),
        pytest.param([replace(ASKED, saved={**ASKED.saved, "token": "t"})], ["/copy"], [], id="Azure is making it"),
        pytest.param([replace(ASKED, saved={**ASKED.saved, "adopted": True})], ["/copy"], [], id="it was found"),
        pytest.param(
            [replace(ASKED, state=StepState.SKIPPED, saved={**ASKED.saved, "token": "t"})],
            ["/copy"],
            [],
            id="Azure is making it, and somebody passed over the step",
        ),
        pytest.param([record("restore", **RESTORED), record("discard", verdict="discarded")], [], [], id="thrown away"),
        pytest.param(
            [replace(ASKED, state=StepState.SKIPPED), record("discard", verdict="discarded")],
            [],
            [],
            id="passed over and thrown away",
        ),
    ],
)
def test_what_is_left_behind_is_named_as_surely_as_it_is_known(
    records: list[StepRecord], there: list[str], perhaps: list[str]
):
    assert left(*records) == (there, perhaps)


def test_a_pause_grows_to_an_hour_where_the_playbook_names_no_longest():
    def pauses(**spans: Any) -> list[timedelta | None]:
        return [runs.back_off(playbooks.Step(id="a", kind="restore", **spans), tries) for tries in (1, 2, 20)]

    second, hour = timedelta(seconds=1), timedelta(hours=1)
    assert pauses(first=10 * second) == [10 * second, 20 * second, hour]
    assert pauses(first=2 * hour) == [2 * hour] * 3
    assert pauses(first=10 * second, longest=15 * second) == [10 * second, 15 * second, 15 * second]
