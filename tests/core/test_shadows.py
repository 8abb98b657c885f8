"""Shadow mode: what is in it, and the copy that is supposed while nothing is started."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from responder.core import copies, shadows, tolerances
from responder.core.decisions import Action
from tests.core import cases
from tests.core.cases import at

TAKES = timedelta(hours=3)


def after(action: Action, hour: float, copy: copies.Copy | None = None) -> shadows.Supposed:
    return shadows.Supposed(copy=copy or copies.Copy(), action=action, at=at(hour), takes=TAKES)


@pytest.mark.parametrize(
    ("scope", "tags", "held"),
    [
        pytest.param({}, {}, False, id="nothing says so"),
        pytest.param({"everywhere": True}, {}, True, id="everything"),
        pytest.param({"everywhere": True}, {"outage-mode": "act"}, True, id="a tag undoes nothing"),
        pytest.param({"regions": frozenset({"eastus2"})}, {}, True, id="its region"),
        pytest.param({"regions": frozenset({"westus"})}, {}, False, id="another region"),
        pytest.param({}, {"Outage-Mode": " Shadow "}, True, id="its tag"),
        pytest.param({}, {"outage-mode": "act"}, False, id="its tag says act"),
        pytest.param({}, {"outage-mode": "shadwo"}, True, id="a typing error is cautious"),
    ],
)
def test_anything_that_says_shadow_is_enough(scope: dict[str, Any], tags: dict[str, str], held: bool):
    assert shadows.Scope(**scope).holds(cases.server(tags=tags)) is held


def test_a_mode_that_is_no_word_of_ours_is_remarked_upon_and_declares_nothing_away():
    read = tolerances.read({"outage-rto": "4h", "outage-mode": "shadwo"})
    assert read.declared
    assert "counts as shadow" in read.remarks[0]
    assert tolerances.read({"outage-mode": "act"}).remarks == ()


def test_a_copy_is_supposed_from_the_start_that_was_decided_until_half_of_such_restores_are_done():
    assert shadows.copy_now(None, at(1)) == copies.Copy()
    assert shadows.copy_now(after(Action.WAIT, 1), at(2)) == copies.Copy()
    begun = shadows.copy_now(after(Action.START, 1), at(2))
    assert (begun.state, begun.started_at) == (copies.State.RESTORING, at(1))
    ready = shadows.copy_now(after(Action.RESTORING, 2, begun), at(4))
    assert (ready.state, ready.ready_at, ready.recovery_point) == (copies.State.READY, at(4), None)


@pytest.mark.parametrize(
    ("action", "state"),
    [
        (Action.HOLD, copies.State.READY),
        (Action.ASK, copies.State.READY),
        (Action.SETTLE, copies.State.READY),
        (Action.CUT_OVER, copies.State.PROMOTED),
        (Action.STAND_DOWN, copies.State.DISCARDED),
    ],
)
def test_a_copy_that_is_ready_becomes_what_was_decided(action: Action, state: copies.State):
    assert shadows.copy_now(after(action, 5, cases.ready()), at(6)).state is state


def test_what_was_cut_over_stays_so_and_what_was_thrown_away_may_be_made_anew():
    moved = copies.Copy(state=copies.State.PROMOTED, started_at=at(1))
    assert shadows.copy_now(after(Action.DONE, 6, moved), at(7)) == moved
    gone = copies.Copy(state=copies.State.DISCARDED, started_at=at(1))
    assert shadows.copy_now(after(Action.START, 8, gone), at(9)).started_at == at(8)


def test_a_decision_in_shadow_says_so_and_is_otherwise_the_same():
    plain, marked = cases.decide(1), cases.decide(1, shadow=True)
    assert (plain.shadow, marked.shadow) == (False, True)
    assert marked.changed_from(plain)
    assert dataclasses.replace(marked, shadow=False) == plain
