"""Values come back as they were stored, and times sort as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core import announcements, decisions, errors, events, evidence, outages, playbooks, runs, servers
from responder.store import codec
from tests.contracts import samples

VALUES = {
    announcements.Announcement: samples.announcement("a"),
    decisions.Decision: samples.decided("a")[0],
    decisions.Facts: samples.decided("a")[1],
    events.HealthEvent: samples.event("c"),
    evidence.Health: samples.health(1),
    outages.Outage: samples.outage(),
    playbooks.Playbook: samples.PLAYBOOK,
    runs.StepRecord: samples.record(output={"a": [1, None, {"b": 2.5}]}),
    servers.Server: samples.server("a"),
}
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-7, minutes=30)), timezone(timedelta(hours=14))])
MICROSECONDS = st.integers(-(10**15), 10**16).map(lambda count: samples.NOON + timedelta(microseconds=count))
TIMES = st.builds(datetime.astimezone, MICROSECONDS, ZONES)


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_every_kind_of_value_comes_back_equal(kind: type) -> None:
    assert codec.load(codec.dump(VALUES[kind], kind), kind) == VALUES[kind]


def test_durations_are_stored_in_iso_8601() -> None:
    assert '"restore_p50":"PT2H0.000003S"' in codec.dump(samples.decided("a")[0], decisions.Decision)


@given(TIMES, TIMES)
def test_times_sort_as_text_as_they_do_in_time(one: datetime, other: datetime) -> None:
    assert (codec.stamp(one) < codec.stamp(other)) is (one < other)
    assert codec.moment(codec.stamp(one)) == one


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="no offset"):
        codec.stamp(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


def test_a_value_of_an_unknown_shape_is_our_error() -> None:
    with pytest.raises(errors.StoreError, match=r"Run the version that wrote it\. \[store\.unreadable\]"):
        codec.load('{"colour": "blue"}', outages.Outage)


def test_the_snapshot_of_a_run_from_before_there_were_expressions_is_read() -> None:
    text = """{"name": "geo-restore", "title": "T", "purpose": "P", "parameters": [
        {"name": "wait", "type": "number", "default": 1.5, "about": ""}], "steps": [
        {"id": "restore", "kind": "restore", "about": "", "settings": {}, "attempts": 20, "on_failure": "stop",
         "when": []},
        {"id": "verify", "kind": "verify", "about": "", "settings": {}, "attempts": 5, "on_failure": "continue",
         "when": [{"step": "restore", "output": "verdict", "equals": ["restored"]}]}]}"""
    found = codec.load(text, playbooks.Playbook)
    assert [step.attempts for step in found.steps] == [20, 5]
    assert not found.steps[0].when
    assert found.steps[1].when == (playbooks.Condition(step="restore", output="verdict", equals=("restored",)),)
    assert codec.load(codec.dump(found, playbooks.Playbook), playbooks.Playbook) == found
