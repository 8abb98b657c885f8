"""Why did mine wait: every reason once, the one that counted longest first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from responder.core import decisions, reasons, stories
from tests.core import cases
from tests.core.cases import at

HOUR = timedelta(hours=1)


def decided(hour: float, action: decisions.Action, reason: str, **words: str) -> decisions.Decision:
    taken = decisions.decide(cases.facts(at(hour)), decisions.Policy(), at(hour))
    return replace(taken, action=action, reasons=(reasons.say(reason, **words),))


def test_reasons_are_told_by_how_long_they_counted_and_the_last_one_until_now():
    taken = [
        decided(1, decisions.Action.WAIT, "early", until="03:00"),
        decided(2, decisions.Action.WAIT, "early", until="03:15"),
        decided(3, decisions.Action.RESTORING, "restoring"),
        decided(3.5, decisions.Action.HOLD, "hold", until="12:00"),
    ]
    found = stories.waits(taken, at(8.5))
    assert [(one.id, one.lasted) for one in found] == [("hold", 5 * HOUR), ("early", 2 * HOUR), ("restoring", HOUR / 2)]
    assert "03:15" in found[1].text, "as it was last said"
    assert found[0].sentence.endswith("(for 5 h)")


def test_one_that_never_had_to_wait_has_no_reason():
    assert (
        stories.waits([decided(1, decisions.Action.START, "due"), decided(2, decisions.Action.DONE, "promoted")], at(9))
        == []
    )
    assert stories.waits([], at(9)) == []
