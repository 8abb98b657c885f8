"""Several open outages may concern one server: which of the decisions about it counts. Knows no outage itself.

A server has one run at a time, whichever outage it was started for; that run listens to the most urgent decision.
"""

from __future__ import annotations

from collections.abc import Iterable

from responder.core import decisions, servers

ORDER = (
    decisions.Action.OBSERVE,
    decisions.Action.STAND_DOWN,
    decisions.Action.WAIT,
    decisions.Action.SETTLE,
    decisions.Action.START,
    decisions.Action.RESTORING,
    decisions.Action.HOLD,
    decisions.Action.ASK,
    decisions.Action.CUT_OVER,
    decisions.Action.DONE,
)
"""From the least urgent to the most: a copy is thrown away only when no outage wants it any more."""


def of(decision: decisions.Decision | None) -> int:
    """How urgent a decision is; none at all is less urgent than any."""
    return -1 if decision is None else ORDER.index(decision.action)


def most(taken: Iterable[decisions.Decision]) -> dict[servers.ServerId, int]:
    """The urgency of the most urgent decision about each server."""
    found: dict[servers.ServerId, int] = {}
    for decision in taken:
        found[decision.server] = max(of(decision), found.get(decision.server, -1))
    return found
