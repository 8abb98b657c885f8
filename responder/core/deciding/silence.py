"""Is the server down, and is this outage why? Probes, Azure's events and Resource Health, weighed together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from responder.core import answers, copies, evidence, outages, reasons, servers, witness
from responder.core.deciding import knowledge

_LIVE = (copies.State.RESTORING, copies.State.READY)
_ENDED = (outages.Status.RESOLVED, outages.Status.WITHDRAWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of the server at one moment."""

    facts: knowledge.Facts
    """With the health of all vantage points together."""
    verdict: evidence.Verdict
    """Of the present silence alone: what a cut-over is decided by."""
    leaning: evidence.Verdict
    """With Resource Health and the silences before it: what a copy is started by."""
    standing: evidence.Standing
    points: int
    """Vantage points that have looked lately."""
    concern: outages.Concern
    """How the outage concerns the server."""
    goes_on: bool
    """Azure still calls it active where and to whom the server belongs."""

    @property
    def dropped(self) -> bool:
        """Azure goes on about the outage, and has left out this region, or told this subscription no more of it."""
        return not self.goes_on and self.facts.outage.status not in _ENDED


def look(facts: knowledge.Facts, policy: knowledge.Policy, now: datetime) -> Seen:
    """Put together what every witness says."""
    points = 1
    if facts.vantages:
        every = [facts.health, *facts.vantages.values()]
        points = len(evidence.seeing_of(list(facts.vantages.values()), policy.evidence, now)) or 1
        facts = replace(facts, health=evidence.combined(every, policy.evidence, now))
    leaning = verdict = evidence.weigh(facts.health, policy.evidence, now)
    if verdict is evidence.Verdict.FAILING:
        leaning = evidence.weigh_with(facts.health, facts.witness, policy.evidence, now)
    concern, goes_on = facts.outage.concern(facts.server), facts.outage.goes_on_for(facts.server)
    return Seen(
        facts=facts,
        verdict=verdict,
        leaning=leaning,
        standing=evidence.STANDINGS[verdict, _claim(concern, goes_on=goes_on)],
        points=points,
        concern=concern,
        goes_on=goes_on,
    )


def _claim(concern: outages.Concern, *, goes_on: bool) -> evidence.Claim:
    """What Azure says of the place where the server is."""
    if concern is outages.Concern.NONE:
        return evidence.Claim.ELSEWHERE
    if not goes_on:
        return evidence.Claim.ENDED
    return evidence.Claim.NAMED if concern is outages.Concern.NAMED else evidence.Claim.HINTED


def is_over(seen: Seen) -> bool:
    """A healthy probe outranks an open event; a closed event does not outrank a silent server."""
    if seen.leaning is evidence.Verdict.UP:
        return True
    if seen.dropped and seen.facts.copy.state in _LIVE:
        return False  # being left out is no recovery: what exists is held
    # A server that was never reached is believed to be back with its region. One that was not probed lately is not:
    # after a restart of ours that is every server, and their copies must not go for it.
    return seen.leaning is evidence.Verdict.UNPROVEN and not seen.goes_on


def other_cause(seen: Seen, policy: knowledge.Policy) -> str | None:
    """Why this silence is not this outage's doing; None when it may be."""
    facts, concern = seen.facts, seen.concern
    if concern is outages.Concern.NONE:
        return "elsewhere"
    if facts.server.state.lower() in servers.NOT_MEANT_TO_ANSWER:
        return "stopped"
    if evidence.by_its_owner(facts.health, facts.witness):
        return "by-its-owner"
    if facts.outage.status is outages.Status.WITHDRAWN:
        return "withdrawn"
    if concern is outages.Concern.SUSPECTED and seen.leaning is evidence.Verdict.UNPROVEN:
        return "only-suspected"
    if concern is outages.Concern.SUSPECTED and seen.dropped:
        return "dropped"
    return _another_time(seen, policy)


def _another_time(seen: Seen, policy: knowledge.Policy) -> str | None:
    """Whether the silence began at a time that has nothing to do with the outage."""
    outage, health = seen.facts.outage, seen.facts.health
    over, since = outage.resolved_at, health.unsettled_since or health.failing_since
    proven = seen.leaning is evidence.Verdict.DOWN
    if proven and since is not None and since < outage.impact_start - policy.evidence.precede:
        return "silent-before"
    # Azure reopens an outage that recurs; a silence that began after its end is news of its own.
    if not outage.active and over is not None and since is not None and since > over:
        return "silent-since"
    return None


def beside(seen: Seen, policy: knowledge.Policy, now: datetime) -> list[reasons.Reason]:
    """What is known of a server that is silent: our own verdict, then what weighs less and is said all the same."""
    facts, said = seen.facts, seen.facts.witness
    found = [reasons.say(seen.leaning.value), *inside(seen)]
    if seen.leaning is not seen.verdict and facts.health.unsettled_since is not None:
        found.append(reasons.say("flapping"))
    if seen.points == 1 and seen.verdict in _SILENT:
        found.append(reasons.say("one-vantage"))
    if said is not None and evidence.supports(facts.health, said, policy.evidence, now):
        found.append(reasons.say("witnessed", state=said.state.value))
    elif said is not None and said.state is witness.State.AVAILABLE:
        found.append(reasons.say("contradicted"))
    if facts.outage.ours:
        found.append(reasons.say("suspected"))
    if seen.dropped:
        found.append(reasons.say("dropped-named"))
    return found


_PLAIN = ("served", "door", "tls", "silent")


def inside(seen: Seen) -> list[reasons.Reason]:
    """What the newest look met, where that is more than silence or an answer."""
    last = seen.facts.health.last
    if last is None or last.said in _PLAIN or last.said not in answers.ANSWERS:
        return []
    return [reasons.say("looked-in", what=last.outcome.text)]


_SILENT = (evidence.Verdict.DOWN, evidence.Verdict.FAILING)
