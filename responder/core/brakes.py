"""Brakes: freezes, cooldown, caps, the error budget of a wave. What they hold and what they let go on. Pure.

A brake holds effects: nothing new is begun. Looking, polling what is under way, deciding and telling always go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from responder.core import durations, errors, outages, regions, runs, servers

OURSELVES = "responder"
"""Who freezes when the error budget of a wave is spent."""


class Kind(StrEnum):
    """How far a freeze reaches."""

    ALL = "all"
    REGION = "region"
    """Servers of one region (where they are, not where their copies go)."""
    SERVER = "server"
    WAVE = "wave"
    """Restores of one outage. A copy that exists is no worse for restores that fail elsewhere: it is made ready, used
    and thrown away as ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a freeze holds."""

    kind: Kind = Kind.ALL
    name: str = ""
    """Programmatic region name, server id, or outage id; empty for everything."""

    def __str__(self) -> str:
        return self.kind.value if self.kind is Kind.ALL else f"{self.kind}:{self.name}"

    def words(self) -> str:
        """For a sentence."""
        match self.kind:
            case Kind.ALL:
                return "everything"
            case Kind.REGION:
                return regions.display(regions.RegionName(self.name))
            case Kind.SERVER:
                return f"server {self.name.rpartition('/')[2]}"
            case Kind.WAVE:
                return f"the restores of outage {self.name}"


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Somebody holds a brake."""

    scope: Scope
    by: str
    reason: str
    since: datetime
    until: datetime | None = None
    """None: until somebody lifts it."""

    def stands(self, now: datetime) -> bool:
        """Whether it has not run out."""
        return self.until is None or now < self.until

    def sentence(self) -> str:
        """Who holds what, why, and until when; for every refusal and every screen."""
        until = f" until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else ""
        return f"{self.by} froze {self.scope.words()} at {self.since:%H:%M} UTC{until}: {self.reason}"

    def remedy(self) -> str:
        """How it is lifted."""
        match self.scope.kind:
            case Kind.ALL:
                return "`responder unfreeze --reason TEXT` lifts it."
            case Kind.WAVE:
                return f"`responder runs resume-wave {self.scope.name} --reason TEXT` lifts it."
            case Kind.REGION | Kind.SERVER as kind:
                name = self.scope.name.rpartition("/")[2]
                return f"`responder unfreeze --{kind} {name} --reason TEXT` lifts it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a brake is asked about: one server, in one outage or none."""

    server: servers.ServerId
    region: regions.RegionName | None
    """None: the server is in no inventory any more; then only its own freeze and that of everything hold it."""
    outage: outages.OutageId | None = None

    @property
    def subscription(self) -> str:
        """Of the server; empty when its id is none of Azure's."""
        address = servers.address_of(self.server)
        return address.subscription_id if address else ""


def freeze_on(freezes: Iterable[Freeze], place: Place, now: datetime, *, kind: str | None = None) -> Freeze | None:
    """The freeze that holds a place now, the widest first.

    Args:
        kind: the step kind that would begin; None: a run that would be started.
    """
    order = list(Kind)
    found = [freeze for freeze in freezes if freeze.stands(now) and _reaches(freeze.scope, place, kind)]
    return min(found, key=lambda freeze: order.index(freeze.scope.kind), default=None)


_BEGIN = (None, "restore", "create_server")
"""What a halted wave holds: starting a run, and the step kinds that begin another copy."""


def _reaches(scope: Scope, place: Place, kind: str | None) -> bool:
    match scope.kind:
        case Kind.ALL:
            return True
        case Kind.REGION:
            return scope.name == place.region
        case Kind.SERVER:
            return scope.name == place.server
        case Kind.WAVE:
            return scope.name == place.outage and kind in _BEGIN


def lifts(asked: Scope, standing: Scope, region_of: regions.RegionName | None = None) -> bool:
    """Whether lifting `asked` lifts a standing freeze: the same scope, and the halted waves that lie inside it.

    Args:
        region_of: the region of a standing wave.
    """
    if asked == standing:
        return True
    if standing.kind is not Kind.WAVE:
        return False
    return asked.kind is Kind.ALL or (asked.kind is Kind.REGION and asked.name == region_of)


def frozen(freeze: Freeze, what: str) -> errors.RefusedError:
    """The refusal that every path gives."""
    return errors.RefusedError("brake.frozen", f"{what}: {freeze.sentence()}.", remedy=freeze.remedy())


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """How many runs may have an effect under way at a moment."""

    per_subscription: int = 50
    per_region: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Runs with an effect under way where another wants to begin one."""

    in_subscription: int
    in_region: int


def full(counted: Counted, caps: Caps) -> str:
    """Which cap is reached, in a sentence; empty: there is room."""
    if counted.in_subscription >= caps.per_subscription:
        return f"{counted.in_subscription} runs of its subscription have an effect under way, the most allowed"
    if counted.in_region >= caps.per_region:
        return f"{counted.in_region} runs of its region have an effect under way, the most allowed"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A run of a server that has ended, as the cooldown wants it."""

    run_id: runs.RunId
    ended_at: datetime
    failed: bool
    cut_over: bool


def cooling(past: Iterable[Past], cooldown: timedelta, now: datetime) -> tuple[Past, datetime] | None:
    """The run that keeps automatic ones off its server, and until when: after a cut-over, and after a failure.

    Only runs that act count, and only such runs are kept off: a cooldown for something trivial must not hold up what is
    vital (https://github.com/vitessio/vitess/issues/13108). Humans are never kept off.
    """
    hot = [one for one in past if (one.failed or one.cut_over) and now < one.ended_at + cooldown]
    newest = max(hot, key=lambda one: one.ended_at, default=None)
    return (newest, newest.ended_at + cooldown) if newest else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """More than `failures` of the newest `of` restores of a wave, and it is halted."""

    failures: int = 3
    of: int = 10


def spent(failed: Sequence[bool], budget: Budget) -> str:
    """Whether the error budget of a wave is spent, in a sentence; empty: it is not.

    Args:
        failed: of the wave's restores since it was last let go, newest first: whether each failed.
    """
    newest = failed[: budget.of]
    if sum(newest) <= budget.failures:
        return ""
    return f"{sum(newest)} of its newest {len(newest)} restores failed, more than {budget.failures} of {budget.of}"


def is_failure(record: runs.StepRecord) -> bool:
    """Whether a restore counts against the budget: it failed for good, or three times and is tried again."""
    return record.state is runs.StepState.FAILED or (record.state is runs.StepState.RETRYING and record.attempts >= 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the organisation decided once about brakes."""

    caps: Caps = field(default_factory=Caps)
    budget: Budget = field(default_factory=Budget)
    cooldown: timedelta = timedelta(hours=1)
    quarantine_after: int = 10
    """Claims in a row without an outcome. High enough that a crash loop of somebody else's making does not reach it."""


SUSPECT = 3
"""Strikes after which a run is carried on only while no other such run is: a run that kills the process takes the runs
in hand with it, and this tells the one from the others."""


def cooled_sentence(past: Past, until: datetime, now: datetime) -> str:
    """Why no automatic run is started."""
    what = "cut over" if past.cut_over else "failed"
    still = durations.show(until - now)
    return f"{past.run_id} {what} at {past.ended_at:%H:%M} UTC; nothing is started by itself for {still}"
