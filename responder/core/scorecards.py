"""After an outage: was it right? What was done for one server, or would have been, against what happened to it.

The owner's own exchange rate is what both declared costs make it, else the declared RTO: "after so many hours I prefer
losing data". So a cut-over costs as much as so many hours of downtime, and it was needless when the server came back
within the RTO by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from responder.core import durations, silences, tolerances

_ZERO = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What was done for one server in one outage. None: that was not done."""

    started_at: datetime | None = None
    """A copy was asked for."""
    ready_at: datetime | None = None
    asked_at: datetime | None = None
    """A human's yes was asked for."""
    moved_at: datetime | None = None
    """Applications were sent to the copy."""
    dropped_at: datetime | None = None
    """The copy was thrown away."""
    loss: timedelta | None = None
    """What moving lost: measured, else the bound."""
    why: str = ""
    """The weightiest reason of the last decision while the server was away."""
    supposed: bool = False
    """Nothing of it was done: shadow mode, or a replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One server in one outage."""

    server: str
    name: str
    outage: str
    impact_start: datetime
    tolerance: tolerances.Tolerance
    silences: silences.Silences
    course: Course
    as_of: datetime
    """Up to when we know: the outage was closed, or now."""
    takes: timedelta
    """From a supposed cut-over until applications are served."""

    @property
    def rto(self) -> timedelta | None:
        """None: undeclared."""
        return self.tolerance.rto if self.tolerance.declared else None

    @property
    def rate(self) -> timedelta | None:
        """How much downtime a cut-over is worth: by the declared costs, else the RTO. None: undeclared."""
        loss, hour = self.tolerance.cost_of_loss, self.tolerance.cost_per_hour
        return self.rto if loss is None or not hour or self.rto is None else timedelta(hours=loss / hour)


class Verdict(StrEnum):
    """What it came to."""

    NOT_AWAY = "not-away"
    """Our probes were always answered."""
    UNDECLARED = "undeclared"
    WAITED = "waited"
    SPARED = "spared"
    """A copy was made and thrown away. It cost money."""
    MISSED = "missed"
    """It was away longer than its RTO, and was not moved."""
    WORTH_IT = "worth-it"
    LATE = "late"
    """Moved, and all the same away longer than its RTO."""
    NEEDLESS = "needless"
    """Moved, and would have been back within its RTO: data was given up for nothing."""
    OPEN = "open"
    """It is still away, and within its RTO."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One case judged."""

    case: Case
    verdict: Verdict
    down: timedelta
    """How long applications were without it, all silences together."""
    down_waiting: timedelta
    """How long they would have been, had nothing been done; at least, while it has not come back."""
    returned: bool
    """It came back by itself, as far as we know."""
    missed: bool
    missed_waiting: bool
    needless: bool
    cost: timedelta | None
    """Downtime, and the owner's rate once for a cut-over. None: undeclared, so there is no rate."""
    cost_waiting: timedelta | None
    copy_time: timedelta
    """How long a copy was paid for."""


def judge(case: Case) -> Score:
    """Was it right? Total."""
    course, rto = case.course, case.rto
    served_at = case.as_of
    if course.moved_at is not None:
        served_at = min(course.moved_at + (case.takes if course.supposed else _ZERO), case.as_of)
    down = silences.downtime(case.silences, case.impact_start, served_at)
    waiting = silences.downtime(case.silences, case.impact_start, case.as_of)
    returned = all(silence.until is not None for silence in case.silences)
    missed, missed_waiting = rto is not None and down > rto, rto is not None and waiting > rto
    moved, rate = course.moved_at is not None, case.rate
    return Score(
        case=case,
        verdict=_verdict(case, returned=returned, missed=missed, missed_waiting=missed_waiting),
        down=down,
        down_waiting=waiting,
        returned=returned,
        missed=missed,
        missed_waiting=missed_waiting,
        needless=moved and returned and rto is not None and not missed_waiting,
        cost=down + (rate if moved else _ZERO) if rate is not None else None,
        cost_waiting=waiting if rate is not None else None,
        copy_time=_copy_time(case),
    )


def _verdict(case: Case, *, returned: bool, missed: bool, missed_waiting: bool) -> Verdict:
    moved, made = case.course.moved_at is not None, case.course.started_at is not None
    if not case.silences and not moved:
        return Verdict.NOT_AWAY
    if case.rto is None:
        return Verdict.UNDECLARED
    if moved:
        if returned and not missed_waiting:
            return Verdict.NEEDLESS
        return Verdict.LATE if missed else Verdict.WORTH_IT
    if missed:
        return Verdict.MISSED
    if not returned:
        return Verdict.OPEN
    return Verdict.SPARED if made else Verdict.WAITED


def _copy_time(case: Case) -> timedelta:
    """From the order until it became the server, or was thrown away."""
    course = case.course
    if course.started_at is None:
        return _ZERO
    until = course.moved_at or course.dropped_at or case.as_of
    return max(until - course.started_at, _ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Many scores in sum. Times are sums over servers; costs only over those that declared a rate."""

    servers: int
    undeclared: int
    moved: int
    needless: int
    missed: int
    missed_waiting: int
    copies: int
    down: timedelta
    down_waiting: timedelta
    cost: timedelta
    cost_waiting: timedelta
    copy_time: timedelta


def total(scores: Iterable[Score]) -> Total:
    """The sum. Servers that were never away do not count."""
    counted = [score for score in scores if score.verdict is not Verdict.NOT_AWAY]
    return Total(
        servers=len(counted),
        undeclared=sum(score.case.rto is None for score in counted),
        moved=sum(score.case.course.moved_at is not None for score in counted),
        needless=sum(score.needless for score in counted),
        missed=sum(score.missed for score in counted),
        missed_waiting=sum(score.missed_waiting for score in counted),
        copies=sum(score.case.course.started_at is not None for score in counted),
        down=_sum(score.down for score in counted),
        down_waiting=_sum(score.down_waiting for score in counted),
        cost=_sum(score.cost or _ZERO for score in counted),
        cost_waiting=_sum(score.cost_waiting or _ZERO for score in counted),
        copy_time=_sum(score.copy_time for score in counted),
    )


def words(score: Score) -> str:
    """The score in a sentence or two, for the owner of the data."""
    case = score.case
    told = _SENTENCES[score.verdict].format(
        would="would have been" if case.course.supposed else "was",
        away=durations.show(score.down_waiting),
        moved=_since(case, case.course.moved_at),
        started=_since(case, case.course.started_at),
        served=durations.show(score.down),
        rto=durations.show(case.rto) if case.rto is not None else "-",
        loss=durations.show(case.course.loss) if case.course.loss is not None else "an unknown amount",
        itself=_itself(score),
    )
    found = [told]
    if case.course.asked_at is not None and case.course.moved_at is None:
        asked = "would have been asked for" if case.course.supposed else "was asked for"
        none = "counted as not given" if case.course.supposed else "was not given in time"
        found.append(f"A human's yes {asked} {_since(case, case.course.asked_at)} after the impact, and {none}.")
    if score.verdict in (Verdict.MISSED, Verdict.UNDECLARED) and case.course.why:
        found.append(f"Why it was not moved: {case.course.why}")
    return " ".join(found)


def _since(case: Case, at: datetime | None) -> str:
    return durations.show(at - case.impact_start) if at is not None else "-"


def _itself(score: Score) -> str:
    away = durations.show(score.down_waiting)
    return f"By itself it was back after {away}" if score.returned else f"By itself it was not back after {away}"


_SENTENCES: dict[Verdict, str] = {
    Verdict.NOT_AWAY: "It always answered.",
    Verdict.UNDECLARED: "No tolerance was declared. It was away for {away}.",
    Verdict.WAITED: "It was away for {away}, within its RTO of {rto}. Nothing was lost.",
    Verdict.SPARED: "A copy {would} started {started} after the impact and thrown away: the server was back after "
    "{away}, within its RTO of {rto}. Nothing was lost.",
    Verdict.MISSED: "It was away for {away}, longer than its RTO of {rto}, and {would} left where it was.",
    Verdict.WORTH_IT: "It {would} cut over {moved} after the impact: {served} of downtime, within its RTO of {rto}, "
    "for up to {loss} of the newest data. {itself}.",
    Verdict.LATE: "It {would} cut over {moved} after the impact, too late for its RTO of {rto}: {served} of downtime, "
    "and up to {loss} of the newest data. {itself}.",
    Verdict.NEEDLESS: "It {would} cut over {moved} after the impact, needlessly: up to {loss} of the newest data for "
    "nothing. {itself}, within its RTO of {rto}.",
    Verdict.OPEN: "It is still away after {away}, within its RTO of {rto}.",
}


def summary(found: Total) -> tuple[str, ...]:
    """The sum in sentences."""
    if not found.servers:
        return ("No server was away.",)
    declared = found.servers - found.undeclared
    return (
        f"{found.servers} servers were away, {declared} of them with a declared RTO.",
        f"RTO missed: {found.missed} of {declared}; had nothing been done: {found.missed_waiting}.",
        f"Cut over: {found.moved}, of these needlessly: {found.needless}. Copies: {found.copies},"
        f" {durations.show(found.copy_time)} of running in sum.",
        "Cost, in hours of downtime at the owners' own rates (a cut-over counts as one RTO, or as declared):"
        f" {_hours(found.cost)}; had nothing been done: {_hours(found.cost_waiting)}.",
    )


def _hours(value: timedelta) -> str:
    return f"{value / timedelta(hours=1):.1f}"


def _sum(values: Iterable[timedelta]) -> timedelta:
    return sum(values, _ZERO)


def by_mode(scores: Sequence[Score]) -> dict[str, Total]:
    """The sums of what was done and of what would have been, each where there is any."""
    groups = {
        "act": [score for score in scores if not score.case.course.supposed],
        "shadow": [score for score in scores if score.case.course.supposed],
    }
    return {mode: total(group) for mode, group in groups.items() if group}
