"""Silence is told from deafness by proofs that grow old, and the team is told once, daily, and when it is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from responder.core import hearing

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
POLICY = hearing.Policy()
State = hearing.State


def facts(**changes: Any) -> hearing.Facts:
    values: dict[str, Any] = {"source": "hub a", "since": NOW - 60 * MINUTE, "proof_lasts": 2 * MINUTE, **changes}
    return hearing.Facts(**values)


def blind_since(moment: datetime, source: str = "hub a") -> hearing.Verdict:
    return hearing.Verdict(source=source, state=State.BLIND, sentence="Blind.", blind_since=moment)


IDLE = hearing.Verdict(source="hub a", state=State.IDLE, sentence="Idle.")


@pytest.mark.parametrize(
    ("known", "state"),
    [
        pytest.param({}, State.BLIND, id="never proven"),
        pytest.param({"proven_at": NOW - 3 * MINUTE}, State.BLIND, id="the proof is too old"),
        pytest.param(
            {"proven_at": NOW - 3 * MINUTE, "last_event_at": NOW - 3 * MINUTE}, State.BLIND, id="events do not last"
        ),
        pytest.param({"proven_at": NOW - MINUTE}, State.IDLE, id="proven, and nothing came"),
        pytest.param({"proven_at": NOW, "last_event_at": NOW - 6 * MINUTE}, State.IDLE, id="nothing came lately"),
        pytest.param({"proven_at": NOW, "last_event_at": NOW - 5 * MINUTE}, State.HEARING, id="something came lately"),
        pytest.param(
            {"proven_at": NOW, "last_event_at": NOW, "waiting": 5, "waiting_since": NOW - 2 * MINUTE},
            State.LAGGING,
            id="more waits than comes",
        ),
        pytest.param(
            {"proven_at": NOW, "last_event_at": NOW, "waiting": 5, "waiting_since": NOW - MINUTE},
            State.HEARING,
            id="a moment's wait is no lag",
        ),
    ],
)
def test_a_source_is_what_its_newest_proof_says(known: dict[str, Any], state: hearing.State) -> None:
    verdict = hearing.judge(facts(**known), POLICY, NOW)

    assert verdict.state is state
    assert verdict.sentence.startswith(state.value.capitalize())


def test_a_blind_source_says_since_when_and_why() -> None:
    verdict = hearing.judge(facts(proven_at=NOW - 10 * MINUTE, error="TimeoutError"), POLICY, NOW)

    assert verdict.sentence == (
        "Blind since 2026-03-01 11:50 UTC (10 m): what Azure says there may not reach us. Last failure: TimeoutError"
    )
    assert verdict.blind_since == NOW - 10 * MINUTE
    assert not verdict.starting


def test_a_source_that_has_just_started_is_blind_and_starting() -> None:
    assert hearing.judge(facts(since=NOW - 5 * MINUTE), POLICY, NOW).starting
    assert not hearing.judge(facts(since=NOW - 6 * MINUTE), POLICY, NOW).starting


def test_an_idle_source_says_whether_that_is_a_comfort() -> None:
    sure = hearing.judge(facts(proven_at=NOW - MINUTE), POLICY, NOW)
    unsure = hearing.judge(facts(proven_at=NOW - MINUTE, vouches=False), POLICY, NOW)

    assert sure.sentence == "Idle: no event has come yet, and 1 m ago it was certain that we would hear."
    assert "only when Azure calls" in unsure.sentence


def overall(*known: dict[str, Any]) -> hearing.Verdict:
    found = [facts(source=f"s{number}", **one) for number, one in enumerate(known)]
    return hearing.overall([(one, hearing.judge(one, POLICY, NOW)) for one in found])


GOOD: dict[str, Any] = {"proven_at": NOW}
BAD: dict[str, Any] = {"proven_at": NOW - 9 * MINUTE}
WEBHOOK: dict[str, Any] = {"proven_at": NOW, "vouches": False}


def test_all_together_hear_while_one_does_and_name_those_that_do_not() -> None:
    assert overall(GOOD, GOOD).sentence == "Idle: nothing is happening, and we know that we would hear."
    one_blind = overall(GOOD, BAD)
    assert one_blind.state is State.IDLE
    assert one_blind.sentence.endswith("But blind: s1.")
    assert overall({**GOOD, "last_event_at": NOW}, BAD).state is State.HEARING


def test_all_together_are_blind_from_when_the_last_one_was() -> None:
    verdict = overall(BAD, {"proven_at": NOW - 4 * MINUTE})

    assert verdict.state is State.BLIND
    assert verdict.blind_since == NOW - 4 * MINUTE
    assert "s0, s1" in verdict.sentence


def test_an_open_door_is_no_comfort_when_everything_else_is_blind() -> None:
    """Whether Azure finds our webhook is not known until it calls."""
    assert overall(BAD, WEBHOOK).state is State.BLIND
    assert overall(GOOD, {**WEBHOOK, **BAD}).state is State.IDLE
    alone = overall(WEBHOOK)
    assert alone.state is State.IDLE
    assert alone.sentence == "Idle: nothing has come, and no source can vouch that we would hear."


def test_no_source_at_all_is_blind() -> None:
    assert overall().state is State.BLIND


def test_an_alarm_comes_once_is_repeated_daily_and_ends() -> None:
    since = NOW - 4 * MINUTE
    told = []
    alarm = None
    for minute in range(0, 60 * 50):
        alarm, announcement = hearing.news(alarm, blind_since(since), POLICY, NOW + minute * MINUTE)
        if announcement is not None:
            told.append((minute, announcement))
    _, over = hearing.news(alarm, IDLE, POLICY, NOW + timedelta(hours=50))
    silent = hearing.news(None, IDLE, POLICY, NOW)

    assert [minute for minute, _ in told] == [1, 1 + 24 * 60, 1 + 48 * 60]
    assert {announcement.kind for _, announcement in told} == {"source.blind"}
    assert len({announcement.key for _, announcement in told}) == 3
    assert over is not None
    assert over.kind == "source.hears"
    assert over.text.startswith("It was blind for 2 d 2 h.")
    assert silent == (None, None)


def test_a_short_blindness_is_not_worth_waking_anybody() -> None:
    alarm, announcement = hearing.news(None, blind_since(NOW - 4 * MINUTE), POLICY, NOW)

    assert announcement is None
    assert hearing.news(alarm, IDLE, POLICY, NOW + MINUTE) == (None, None)


def test_a_restart_neither_repeats_an_alarm_nor_forgets_it() -> None:
    """What was announced says which alarms are on; the new process measures from its own start."""
    alarm, first = hearing.news(None, blind_since(NOW - 5 * MINUTE), POLICY, NOW)
    _, other = hearing.news(None, blind_since(NOW - 5 * MINUTE, "hub b"), POLICY, NOW)
    assert alarm is not None
    assert first is not None
    assert other is not None
    _, over = hearing.news(hearing.standing([other])["hub b"], IDLE, POLICY, NOW + MINUTE)
    assert over is not None

    recalled = hearing.standing([over, other, first])

    assert recalled == {"hub a": alarm}
    again = hearing.news(recalled["hub a"], blind_since(NOW + 2 * MINUTE), POLICY, NOW + 9 * MINUTE)
    assert again == (alarm, None)
    _, ended = hearing.news(recalled["hub a"], IDLE, POLICY, NOW + 10 * MINUTE)
    assert ended is not None
    assert ended.facts["since"] == (NOW - 5 * MINUTE).isoformat()
