"""Would we hear? Tells a source where nothing happens from one that has fallen silent. It measures and tells nothing.

Silence alone proves nothing, so every source proves now and then that it would hear, and a proof holds for a while:

    last proof          events       state
    too old, or none                 blind      what Azure says there does not reach us
    fresh               waiting      lagging    it reaches us late
    fresh               lately       hearing
    fresh               none         idle       nothing happens, and we know that we would hear
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.core import announcements, durations

OVERALL = "all sources"


class State(enum.StrEnum):
    """What may be said of a source."""

    IDLE = "idle"
    HEARING = "hearing"
    LAGGING = "lagging"
    BLIND = "blind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a source knows about itself. Times are aware UTC."""

    source: str
    """As people and metrics call it: `hub NAMESPACE/HUB`. Unique and free of secrets."""
    since: datetime
    """When it began to listen."""
    proof_lasts: timedelta
    """How long one proof counts: a source that works proves itself more often than this."""
    proven_at: datetime | None = None
    """Last successful receive: an event was taken, or its origin answered that there is none for us."""
    last_event_at: datetime | None = None
    waiting: int = 0
    """Lag: events that are at their origin and not with us, as far as that can be known."""
    waiting_since: datetime | None = None
    """Since when some have been waiting without a break."""
    accepted: int = 0
    """Events taken since the process began."""
    restarts: int = 0
    """How often its client was thrown away for a new one."""
    error: str | None = None
    """Newest failure, in one line without secrets. It may be over: compare `proven_at`."""
    vouches: bool = True
    """Whether its proof covers the whole way from Azure. False: only our own end of it is known to work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When to call it what, and when to wake people."""

    lagging_after: timedelta = timedelta(minutes=1)
    hearing_for: timedelta = timedelta(minutes=5)
    alarm_after: timedelta = timedelta(minutes=5)
    repeat: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to be said of a source, or of all of them."""

    source: str
    state: State
    sentence: str
    blind_since: datetime | None = None
    """Since when nothing proves that we would hear; None unless blind."""
    starting: bool = False
    """Blind, but it never had the time to prove anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """The team knows that a source is blind."""

    source: str
    since: datetime
    told_at: datetime


def judge(facts: Facts, policy: Policy, now: datetime) -> Verdict:
    """The state of one source."""
    if facts.proven_at is None or now - facts.proven_at > facts.proof_lasts:
        return _blind(facts, policy, now)
    last = f"the last event came {_ago(facts.last_event_at, now)}" if facts.last_event_at else "no event has come yet"
    if facts.waiting_since is not None and now - facts.waiting_since > policy.lagging_after:
        text = f"Lagging: {facts.waiting} events wait, some for {_span(now - facts.waiting_since)}; {last}."
        return Verdict(source=facts.source, state=State.LAGGING, sentence=text)
    if facts.last_event_at is not None and now - facts.last_event_at <= policy.hearing_for:
        return Verdict(source=facts.source, state=State.HEARING, sentence=f"Hearing: {last}.")
    if not facts.vouches:
        proof = "our door is open; whether Azure finds it shows only when Azure calls"
    else:
        proof = f"{_ago(facts.proven_at, now)} it was certain that we would hear"
    return Verdict(source=facts.source, state=State.IDLE, sentence=f"Idle: {last}, and {proof}.")


def _blind(facts: Facts, policy: Policy, now: datetime) -> Verdict:
    since = facts.proven_at or facts.since
    starting = facts.proven_at is None and now - facts.since <= policy.alarm_after
    if starting:
        text = f"Blind: it started {_ago(facts.since, now)} and nothing proves yet that we would hear."
    else:
        text = f"Blind since {since:%Y-%m-%d %H:%M} UTC ({_span(now - since)}): what Azure says there may not reach us."
    if facts.error:
        text += f" Last failure: {facts.error}"
    return Verdict(source=facts.source, state=State.BLIND, sentence=text, blind_since=since, starting=starting)


def overall(found: Sequence[tuple[Facts, Verdict]]) -> Verdict:
    """The state of all sources together: blind when every source that can vouch for itself is.

    A source that cannot vouch counts only where there is no better one: its silence would be no comfort.
    """
    counting = [pair for pair in found if pair[0].vouches] or list(found)
    blind = [verdict for _, verdict in counting if verdict.state is State.BLIND]
    if not counting:
        text = "Blind: no source is configured, so nothing Azure says reaches us."
        return Verdict(source=OVERALL, state=State.BLIND, sentence=text)
    names = ", ".join(verdict.source for verdict in blind)
    if len(blind) == len(counting):
        since = max(verdict.blind_since for verdict in blind if verdict.blind_since is not None)
        text = f"Blind: an outage would not be heard of. Blind: {names}."
        starting = any(verdict.starting for verdict in blind)
        return Verdict(source=OVERALL, state=State.BLIND, sentence=text, blind_since=since, starting=starting)
    states = {verdict.state for _, verdict in found}
    best = next(state for state in (State.HEARING, State.LAGGING, State.IDLE) if state in states)
    but = f" But blind: {names}." if blind else ""
    text = {
        State.HEARING: "Hearing: events come.",
        State.LAGGING: "Lagging: events come, but late.",
        State.IDLE: "Idle: nothing is happening, and we know that we would hear.",
    }[best]
    if not counting[0][0].vouches and best is State.IDLE:
        text = "Idle: nothing has come, and no source can vouch that we would hear."
    return Verdict(source=OVERALL, state=best, sentence=text + but)


def news(
    alarm: Alarm | None, verdict: Verdict, policy: Policy, now: datetime
) -> tuple[Alarm | None, announcements.Announcement | None]:
    """The alarm as it stands after this verdict, and what to tell the team; None: nothing new."""
    if verdict.state is not State.BLIND:
        return None, _over(alarm, verdict, now) if alarm else None
    if verdict.blind_since is None:
        return alarm, None
    since = alarm.since if alarm else verdict.blind_since
    last = alarm.told_at if alarm else None
    if (last is None and now - since < policy.alarm_after) or (last is not None and now - last < policy.repeat):
        return alarm, None
    told = Alarm(source=verdict.source, since=since, told_at=now)
    return told, announcements.Announcement(
        key=f"hearing/{verdict.source}/{since.isoformat()}/{(now - since) // policy.repeat}",
        kind="source.blind",
        subject=f"The responder does not hear: {verdict.source}",
        text=f"{verdict.sentence} See /readyz and the log of the responder.",
        at=now,
        facts={"source": verdict.source, "since": since.isoformat()},
    )


def _over(alarm: Alarm, verdict: Verdict, now: datetime) -> announcements.Announcement:
    return announcements.Announcement(
        key=f"hearing/{alarm.source}/{alarm.since.isoformat()}/over",
        kind="source.hears",
        subject=f"The responder hears again: {alarm.source}",
        text=f"It was blind for {_span(now - alarm.since)}. {verdict.sentence}",
        at=now,
        facts={"source": alarm.source, "since": alarm.since.isoformat()},
    )


def standing(told: Sequence[announcements.Announcement]) -> dict[str, Alarm]:
    """The alarms that are on, by source, from what was announced (newest first): a restart tells nothing twice."""
    found: dict[str, Alarm | None] = {}
    for one in told:
        if one.kind in ("source.blind", "source.hears"):
            source = one.facts["source"]
            since = datetime.fromisoformat(one.facts["since"])
            on = Alarm(source=source, since=since, told_at=one.at) if one.kind == "source.blind" else None
            found.setdefault(source, on)
    return {source: alarm for source, alarm in found.items() if alarm is not None}


def _ago(moment: datetime, now: datetime) -> str:
    return f"{_span(now - moment)} ago"


def _span(span: timedelta) -> str:
    return durations.show(max(span, timedelta()))
