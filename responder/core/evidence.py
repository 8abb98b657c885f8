"""What our own probes prove about one server. Azure says that something is wrong; this says whether it is here.

A look goes as deep as it can: handshake, TLS, `SELECT 1` (`answers`). A failure at some depth counts only where that
depth was reached from here before, and an answer from less deep does not end it: the gateway of a region may live while
its servers do not. Where the deployment looks from several vantage points, a server is down only if every one fails
that ever got as deep (`combined`).

Resource Health is a second witness of the same server. It can make a silence count sooner (`weigh_with`);
it never proves anything against a server that answers, or for one that was never reached. What probes and Azure amount
to together is a table (`STANDINGS`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from responder.core import answers, witness

_NEVER = datetime.min.replace(tzinfo=UTC)


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


class Claim(StrEnum):
    """What Azure says of the place where the server is."""

    NAMED = "named"
    """Its outage goes on, and PostgreSQL was named to the server's subscription."""
    HINTED = "hinted"
    """Its outage goes on; PostgreSQL is not named here, or only we suspect one."""
    ENDED = "ended"
    """It is over, taken back, or this region was left out."""
    ELSEWHERE = "elsewhere"
    """It does not concern this server."""


class Standing(StrEnum):
    """What our probes and Azure's word amount to together."""

    CONFIRMED = "confirmed"
    """Both say that it is down. Without a human's yes, only this may lead to a cut-over."""
    SUSPECTED = "suspected"
    """One of them says so, and the other says nothing against it."""
    CONTRADICTED = "contradicted"
    """One says so, and the other the opposite."""
    HEALTHY = "healthy"
    """It answers, and nobody says that it should not."""


_UP, _DOWN, _FAILING = Verdict.UP, Verdict.DOWN, Verdict.FAILING
STANDINGS: Mapping[tuple[Verdict, Claim], Standing] = {
    (_UP, Claim.NAMED): Standing.CONTRADICTED,
    (_UP, Claim.HINTED): Standing.CONTRADICTED,
    (_UP, Claim.ENDED): Standing.HEALTHY,
    (_UP, Claim.ELSEWHERE): Standing.HEALTHY,
    (_DOWN, Claim.NAMED): Standing.CONFIRMED,
    (_DOWN, Claim.HINTED): Standing.SUSPECTED,
    (_DOWN, Claim.ENDED): Standing.CONTRADICTED,
    (_DOWN, Claim.ELSEWHERE): Standing.SUSPECTED,
    (_FAILING, Claim.NAMED): Standing.SUSPECTED,
    (_FAILING, Claim.HINTED): Standing.SUSPECTED,
    (_FAILING, Claim.ENDED): Standing.CONTRADICTED,
    (_FAILING, Claim.ELSEWHERE): Standing.SUSPECTED,
    # Our own eyes prove nothing: there is only Azure's word.
    (Verdict.UNPROVEN, Claim.NAMED): Standing.SUSPECTED,
    (Verdict.UNPROVEN, Claim.HINTED): Standing.SUSPECTED,
    (Verdict.UNPROVEN, Claim.ENDED): Standing.HEALTHY,
    (Verdict.UNPROVEN, Claim.ELSEWHERE): Standing.HEALTHY,
    (Verdict.UNKNOWN, Claim.NAMED): Standing.SUSPECTED,
    (Verdict.UNKNOWN, Claim.HINTED): Standing.SUSPECTED,
    (Verdict.UNKNOWN, Claim.ENDED): Standing.HEALTHY,
    (Verdict.UNKNOWN, Claim.ELSEWHERE): Standing.HEALTHY,
}


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
    settled: timedelta = timedelta(minutes=15)
    """A server that falls silent again before it has answered for this long was not back: its silence goes on."""
    precede: timedelta = timedelta(hours=3)
    """Silence that began longer than this before the impact start has another cause. Azure revises starts by hours."""


_RULES = Policy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One look at a server over the wire."""

    at: datetime
    answered: bool
    """Something speaks PostgreSQL there. In a `Health`: nothing that was reached before failed."""
    detail: str = ""
    said: str = ""
    """The outcome, by its id in `answers.ANSWERS`. Empty: a handshake was all that was tried."""
    lag: timedelta | None = None
    """How far a replica was behind its primary. None: not measured, or no replica."""

    @property
    def outcome(self) -> answers.Answer:
        """What it amounts to."""
        return answers.of(self.said, answered=self.answered)

    @property
    def stands_at(self) -> answers.Depth:
        """Where a look that was not answered failed."""
        failed = self.outcome.failed
        return answers.Depth.DOOR if failed is None else failed


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
    unsettled_since: datetime | None = None
    """First failed probe of a silence that was proof, as long as it has not answered for long (`Policy.settled`) since.
    None: it is settled."""
    tls_at: datetime | None = None
    """When it last agreed on encryption with us. None: never from here."""
    spoke_at: datetime | None = None
    """When the server itself last spoke to us, and not only a gateway. None: never from here."""

    def reached(self, depth: answers.Depth) -> bool:
        """Whether a look from here ever got that deep."""
        at = {answers.Depth.DOOR: self.last_answer_at, answers.Depth.TLS: self.tls_at}.get(depth, self.spoke_at)
        return at is not None


def observe(
    health: Health, probe: Probe, *, longest_gap: timedelta | None = None, policy: Policy | None = None
) -> Health:
    """Fold one probe in. An older probe than the newest known changes nothing.

    Args:
        longest_gap: after a longer time without a look, a silence (or a spell of answers) begins anew: what was not
            looked at is not known. None: any gap is bridged.
        policy: how long a silence is proof, and how long answers end a time of trouble.
    """
    if health.last is not None and probe.at < health.last.at:
        return health
    rules, probe = policy or _RULES, _counted(health, probe)
    if _too_shallow(health, probe, rules):
        return health
    if longest_gap is not None and health.last is not None and probe.at - health.last.at > longest_gap:
        health = Health(last_answer_at=health.last_answer_at, tls_at=health.tls_at, spoke_at=health.spoke_at)
    depth = probe.outcome.reached
    if depth is not None and depth >= answers.Depth.TLS:
        spoke = probe.at if depth >= answers.Depth.SERVER else health.spoke_at
        health = replace(health, tls_at=probe.at, spoke_at=spoke)
    if not probe.answered:
        return replace(health, last=probe, failing_since=health.failing_since or probe.at, answering_since=None)
    answering, unsettled = health.answering_since or probe.at, health.unsettled_since
    if health.failing_since is not None and probe.at - health.failing_since >= rules.confirm:
        unsettled = unsettled or health.failing_since
    if probe.at - answering >= rules.settled:
        unsettled = None
    return replace(
        health,
        last=probe,
        failing_since=None,
        answering_since=answering,
        last_answer_at=probe.at,
        unsettled_since=unsettled,
    )


def _counted(health: Health, probe: Probe) -> Probe:
    """The look, as not answered where it failed at a depth that was reached from here before.

    One that never got so deep fails there for reasons of ours: a firewall, a login that was never right.
    """
    failed = probe.outcome.failed
    return replace(probe, answered=False) if failed is not None and health.reached(failed) else probe


def _too_shallow(health: Health, probe: Probe, policy: Policy) -> bool:
    """Whether an answer says nothing about the silence it meets: its failure was seen deeper in, a moment ago.

    Nobody looks that deep any more (the login was taken away): then the answer counts.
    """
    last = health.last
    if last is None or last.answered or not probe.answered or probe.at - last.at > policy.fresh:
        return False
    reached = probe.outcome.reached
    return reached is not None and reached < last.stands_at


def combined(vantages: Collection[Health], policy: Policy, now: datetime) -> Health:
    """What several vantage points show together, as if one had seen it.

    Down only if every one fails that ever got as deep: one that never did proves nothing, and one that has not looked
    lately says nothing. An answer to any other is an answer.
    """
    answered = max((each.last_answer_at for each in vantages if each.last_answer_at), default=None)
    seeing = seeing_of(vantages, policy, now)
    if not seeing:
        newest = max(vantages, key=_looked_at, default=Health())
        return replace(newest, last_answer_at=answered)
    up = [each for each in seeing if each.last is not None and each.last.answered]
    unsettled = [each.unsettled_since for each in seeing]
    if up:
        since = min(each.answering_since for each in up if each.answering_since)
        last = max(up, key=_looked_at).last
        return Health(last=last, answering_since=since, last_answer_at=answered)
    # Who once reached it and looks no more cannot vouch for the eyes of those that never did.
    known = any(each.last_answer_at is not None for each in seeing)
    return Health(
        last=min(seeing, key=_looked_at).last,
        failing_since=max(each.failing_since or _looked_at(each) for each in seeing),
        last_answer_at=answered if known else None,
        unsettled_since=None if None in unsettled else max(at for at in unsettled if at),
    )


def seeing_of(vantages: Collection[Health], policy: Policy, now: datetime) -> list[Health]:
    """Those that have looked lately and have ever reached the server; where none has, those that have looked lately.

    Where all fail that ever got as deep as one of them fails, only those: the others see a gateway at most.
    """
    fresh = [each for each in vantages if each.last is not None and now - each.last.at <= policy.fresh]
    reached = [each for each in fresh if each.last_answer_at is not None]
    silent = [each.last for each in reached if each.last is not None and not each.last.answered]
    for depth in sorted({last.stands_at for last in silent}, reverse=True):
        deep = [each for each in reached if each.reached(depth)]
        if not any(each.last.answered for each in deep if each.last is not None):
            return deep
    return reached or fresh


def _looked_at(health: Health) -> datetime:
    return health.last.at if health.last is not None else _NEVER


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
    """As `weigh`, with Resource Health as a second witness, and short spells of answers not counted. For starting a
    copy, which costs money only: whether to cut over is asked of the present silence alone."""
    verdict = weigh(health, policy, now)
    if verdict is not Verdict.FAILING:
        return verdict
    assert health.last is not None
    if health.unsettled_since is not None:
        return Verdict.DOWN
    if not supports(health, said, policy, now):
        return verdict
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
