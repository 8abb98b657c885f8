"""What our own probes prove about one server. Azure says that something is wrong; this says whether it is here.

Resource Health is a second witness of the same server. It can make a silence count sooner (`weigh_with`); it never
proves anything against a server that answers, or for one that was never reached.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from responder.core import witness


class Verdict(StrEnum):
    """What the probes amount to."""

    DOWN = "down"
    """Did not answer for at least the confirmation time, having answered before the outage."""
    FAILING = "failing"
    """Does not answer, but not for long enough."""
    UP = "up"
    """Answered the newest probe."""
    UNPROVEN = "unproven"
    """Does not answer, and never did from here: a firewall looks the same. Proves nothing."""
    UNKNOWN = "unknown"
    """Not probed lately."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How much silence is proof."""

    confirm: timedelta = timedelta(minutes=5)
    """Silence for this long means down. A minute of lost connectivity must never move a database."""
    fresh: timedelta = timedelta(minutes=2)
    """A probe older than this proves nothing any more."""
    confirm_with_witness: timedelta = timedelta(minutes=2)
    """Silence for this long means down when Azure's Resource Health calls the server unhealthy, too, and by no doing of
    its owner. Two witnesses need less time than one; but a failover within the region takes one or two minutes, and
    Resource Health reports it as just the same."""
    witness_lasts: timedelta = timedelta(hours=1)
    """An `unavailable` older than this supports nothing: its end may not have been sent."""
    precede: timedelta = timedelta(hours=3)
    """Silence that began longer than this before the impact start has another cause. Azure revises starts by hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One look at a server over the wire."""

    at: datetime
    answered: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the probes of one server have shown so far. The empty value: never probed."""

    last: Probe | None = None
    failing_since: datetime | None = None
    """First failed probe of the present silence; None while it answers."""
    answering_since: datetime | None = None
    """First answered probe of the present spell; None while it is silent."""
    last_answer_at: datetime | None = None
    """None: never reached from here."""


def observe(health: Health, probe: Probe, *, longest_gap: timedelta | None = None) -> Health:
    """Fold one probe in. An older probe than the newest known changes nothing.

    Args:
        longest_gap: after a longer time without a look, a silence (or a spell of answers) begins anew: what was not
            looked at is not known. None: any gap is bridged.
    """
    if health.last is not None and probe.at < health.last.at:
        return health
    if longest_gap is not None and health.last is not None and probe.at - health.last.at > longest_gap:
        health = Health(last_answer_at=health.last_answer_at)
    if probe.answered:
        return Health(
            last=probe, answering_since=health.answering_since or probe.at, failing_since=None, last_answer_at=probe.at
        )
    return replace(health, last=probe, failing_since=health.failing_since or probe.at, answering_since=None)


def weigh(health: Health, policy: Policy, now: datetime) -> Verdict:
    """What the probes prove at `now`."""
    if health.last is None or now - health.last.at > policy.fresh:
        return Verdict.UNKNOWN
    if health.last.answered:
        return Verdict.UP
    if health.last_answer_at is None:
        return Verdict.UNPROVEN
    since = health.failing_since or health.last.at
    return Verdict.DOWN if health.last.at - since >= policy.confirm else Verdict.FAILING


def weigh_with(health: Health, said: witness.Statement | None, policy: Policy, now: datetime) -> Verdict:
    """As `weigh`, with Resource Health as a second witness. For starting a copy, which costs money only: whether to cut
    over is asked of the probes alone."""
    verdict = weigh(health, policy, now)
    if verdict is not Verdict.FAILING or not supports(health, said, policy, now):
        return verdict
    assert health.last is not None
    since = health.failing_since or health.last.at
    return Verdict.DOWN if health.last.at - since >= min(policy.confirm_with_witness, policy.confirm) else verdict


def supports(health: Health, said: witness.Statement | None, policy: Policy, now: datetime) -> bool:
    """Whether Resource Health says of the present silence that the platform is at fault."""
    if said is None or said.cause is not witness.Cause.PLATFORM or now - said.at > policy.witness_lasts:
        return False
    return said.unhealthy and _stands(health, said)


def by_its_owner(health: Health, said: witness.Statement | None) -> bool:
    """Whether Resource Health says that the server is away because its owner restarted or stopped it.

    It holds until the server answers again or Resource Health says something newer, however long that takes.
    """
    return said is not None and said.cause is witness.Cause.USER and said.unhealthy and _stands(health, said)


def _stands(health: Health, said: witness.Statement) -> bool:
    """A server that has answered since has ended what was said of it."""
    return health.last_answer_at is None or health.last_answer_at <= said.at
