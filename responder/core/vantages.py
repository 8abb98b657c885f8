"""Several vantage points looking at one server: what their probes amount to together.

Down only if every vantage that ever reached the server fails now. One that never reached it proves nothing, and so does
one that has stopped looking: it may lie in the dead region itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from responder.core import evidence

HERE = "here"
"""The name of a vantage that nobody named."""

_LEFT_BEHIND = timedelta(minutes=10)
"""A vantage whose newest look is older than the newest of all by more than this has stopped looking."""


def combined(looks: Mapping[str, evidence.Health]) -> evidence.Health:
    """One health for all vantages, the most cautious that they allow; of one vantage its own.

    It answers when it answers anywhere. It has been silent for as long as the last vantage that reached it has found it
    so, and was last well whenever any of them saw it well.
    """
    if len(looks) == 1:
        return next(iter(looks.values()))
    seen = [(health, health.last) for _, health in sorted(looks.items()) if health.last is not None]
    if not seen:
        return evidence.Health()
    newest = max(last.at for _, last in seen)
    looking = [(health, last) for health, last in seen if newest - last.at < _LEFT_BEHIND]
    reached = [(health, last) for health, last in looking if health.last_answer_at is not None]
    answered_at = max((health.last_answer_at for health, _ in seen if health.last_answer_at), default=None)
    answering = [(health, last) for health, last in reached if last.answered]
    if answering:
        best = max(answering, key=lambda one: one[1].at)[0]
        since = min(health.answering_since or last.at for health, last in answering)
        return replace(best, answering_since=since, last_answer_at=answered_at)
    # Silent everywhere: the silence that began last, by the look that is oldest.
    witnesses = reached or looking
    latest = max((health for health, _ in witnesses), key=lambda health: health.failing_since or newest)
    oldest = min((last for _, last in witnesses), key=lambda probe: probe.at)
    return replace(latest, last=oldest, last_answer_at=answered_at)
