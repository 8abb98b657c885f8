"""When a server was silent: the record that is left of our probes after an outage. Judges nothing.

The probes themselves are not kept, only where each silence began and ended. That is enough to say how long a server was
away, and to tell a replay what the probes had shown at any moment of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from responder.core import evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """One spell of unanswered probes of one server. Times aware UTC."""

    since: datetime
    """The first probe that was not answered."""
    answered_at: datetime | None = None
    """The last probe that was answered before it. None: none ever was."""
    until: datetime | None = None
    """The first probe that was answered again. None: none was yet."""


Silences = tuple[Silence, ...]
"""Of one server since an outage was heard of, oldest first. Only the last may have no end."""


def observe(known: Silences, health: evidence.Health) -> Silences:
    """The record after one more look. Unchanged (the same object) when nothing began or ended."""
    if health.last is None:
        return known
    last = known[-1] if known else None
    if not health.last.answered:
        if last is not None and last.until is None:
            return known
        since = health.failing_since or health.last.at
        return (*known, Silence(since=since, answered_at=health.last_answer_at))
    if last is None or last.until is not None:
        return known
    back = max(health.answering_since or health.last.at, last.since)
    return (*known[:-1], replace(last, until=back))


def began(silence: Silence, impact_start: datetime) -> datetime:
    """Since when the server surely was away: it is the impact start, unless it answered after that.

    Never later than the first unanswered probe: two probes lie apart, and the impact is somewhere between.
    """
    reached = impact_start if silence.answered_at is None else max(impact_start, silence.answered_at)
    return min(silence.since, reached)


def downtime(known: Silences, impact_start: datetime, until: datetime) -> timedelta:
    """How long it was away up to `until`, all silences together. One that has not ended lasts up to `until`."""
    total = timedelta()
    for silence in known:
        ended = min(silence.until or until, until)
        total += max(ended - began(silence, impact_start), timedelta())
    return total


def returned_after(known: Silences, at: datetime) -> datetime | None:
    """When the silence of that moment, or else the next one, ended. None: it has not, or there is none."""
    for silence in known:
        if silence.until is None:
            return None
        if silence.until > at:
            return silence.until
    return None


def health_at(
    known: Silences, at: datetime, *, first_answer: datetime, policy: evidence.Policy | None = None
) -> evidence.Health:
    """What the probes had shown at `at`, had the newest been sent at that very moment.

    Args:
        first_answer: since when the server is believed to have answered before the first silence.
        policy: how long a silence is proof, as the probes are folded.
    """
    looks: list[tuple[datetime | None, bool]] = []
    answers = True
    if not known or known[0].answered_at is not None:
        looks.append((first_answer, True))
    for silence in known:
        looks += [(silence.answered_at, True), (silence.since, False), (silence.until, True)]
    health = evidence.Health()
    for moment, answered in looks:
        if moment is not None and moment <= at:
            health, answers = _seen(health, moment, policy, answered=answered), answered
    return health if health.last is None else _seen(health, at, policy, answered=answers)


def _seen(health: evidence.Health, at: datetime, policy: evidence.Policy | None, *, answered: bool) -> evidence.Health:
    return evidence.observe(health, evidence.Probe(at=at, answered=answered), policy=policy)


def turns(known: Sequence[Silence]) -> list[datetime]:
    """Every moment at which something began or ended."""
    return sorted({at for silence in known for at in (silence.since, silence.until) if at is not None})
