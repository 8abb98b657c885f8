"""Outages of our own making: many servers of one region fall silent together, and Azure has said nothing.

    silent together?  ──►  can we see at all?  ──►  has Azure spoken?
     no: nothing            no: we are blind         yes: it is that outage
                            yes: suspected

A suspicion starts the clock and may start copies. It never cuts over without a human's yes, because nobody but us has
said anything. It does not look, write or tell.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from responder.core import evidence, outages, regions, servers, services, witness


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When silence of many is more than the silence of each."""

    least: int = 3
    """So many servers at least; fewer are troubles of their own."""
    share: float = 0.5
    """And this share of the servers of the region that can be judged."""
    within: timedelta = timedelta(hours=1)
    """Servers that fell silent further apart than this did not fall silent together."""
    evidence: evidence.Policy = field(default_factory=evidence.Policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One server as we see it."""

    server: servers.Server
    health: evidence.Health
    said: witness.Statement | None = None


class Seen(StrEnum):
    """What a sight amounts to here."""

    WELL = "well"
    """It answers our probes."""
    UNHEALTHY = "unhealthy"
    """Proven down, or Resource Health calls it unhealthy by the platform's fault and it does not answer."""
    UNDECIDED = "undecided"
    """Silent for a short while, not looked at lately, or away by its owner's doing."""
    NEVER_REACHED = "never reached"
    """Nothing follows from its silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One region at one moment."""

    region: regions.RegionName
    unhealthy: tuple[Sight, ...]
    """Those that fell silent together, by name."""
    well: int
    judged: int
    """Well, unhealthy or undecided; those that were silent long before the others are left out."""
    began: datetime | None
    """When the first of the unhealthy ones fell silent."""
    reported: int = 0
    """How many of the unhealthy ones Resource Health speaks of: it looks from elsewhere."""

    def suspicious(self, policy: Policy) -> bool:
        """Whether so many fell silent together that they must have one cause."""
        return self._enough(len(self.unhealthy), policy.least, policy)

    def confirmed_from_elsewhere(self, policy: Policy) -> bool:
        """Whether Resource Health alone would be enough: then our own eyes are not the reason."""
        return self._enough(self.reported, policy.least, policy)

    def lasts(self, policy: Policy) -> bool:
        """Whether a suspicion still stands. It takes answers to end it: who is not looked at is not back."""
        away = self.judged - self.well
        return self.judged == 0 or (away >= policy.least and away >= self.judged * policy.share / 2)

    def _enough(self, count: int, least: int, policy: Policy) -> bool:
        return count >= least and count >= self.judged * policy.share


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What follows for the whole estate."""

    raised: tuple[outages.Outage, ...] = ()
    """Suspected outages that begin, or begin again."""
    ended: tuple[outages.Outage, ...] = ()
    """Suspected outages whose servers answer again."""
    merged: tuple[tuple[outages.Outage, outages.Outage], ...] = ()
    """Suspected outages of which Azure has spoken since, each with Azure's."""
    blind: tuple[View, ...] = ()
    """Everything we look at is silent: it is probably us. Nothing is suspected from here."""
    views: Mapping[regions.RegionName, View] = field(default_factory=dict)


def judge(
    sights: Collection[Sight],
    still_open: Sequence[outages.Outage],
    policy: Policy,
    now: datetime,
    *,
    well: Mapping[regions.RegionName, int] | None = None,
) -> Findings:
    """What to suspect, what to suspect no longer, and whether we can see at all.

    Args:
        sights: copies and all; who is not meant to answer is left out here.
        still_open: outages that we are not finished with, Azure's and ours.
        well: how many servers of each region answer that are not among the sights. None: the sights are the whole
            estate.
    """
    views = {view.region: view for view in _views(sights, policy, now, well or {})}
    ours = {outage.region: outage for outage in still_open if outage.ours}
    since = {region: view.began or now for region, view in views.items()}
    since |= {region: outage.impact_start for region, outage in ours.items()}
    azures = {region: found for region, at in since.items() if (found := _of_azure(region, still_open, at))}
    merged = tuple((ours[region], azures[region]) for region in ours if region in azures)
    blind = _blind(views, azures, policy)
    raised, ended = [], []
    for region, view in views.items():
        known = ours.get(region)
        if region in azures:
            continue
        if known is not None and known.active:
            if not view.lasts(policy):
                ended.append(_ended(known, now))
        elif view.suspicious(policy) and not blind:
            raised.append(_raised(known, view, now))
    return Findings(raised=tuple(raised), ended=tuple(ended), merged=merged, blind=blind, views=views)


def see(sight: Sight, policy: Policy, now: datetime) -> Seen:
    """What one server's sight amounts to."""
    verdict = evidence.weigh_with(sight.health, sight.said, policy.evidence, now)
    if verdict is evidence.Verdict.UP:
        return Seen.WELL
    if sight.server.state.lower() in servers.NOT_MEANT_TO_ANSWER or evidence.by_its_owner(sight.health, sight.said):
        return Seen.UNDECIDED
    reported = evidence.supports(sight.health, sight.said, policy.evidence, now)
    if verdict is evidence.Verdict.DOWN or reported:
        return Seen.UNHEALTHY
    return Seen.NEVER_REACHED if sight.health.last_answer_at is None else Seen.UNDECIDED


def suspected_id(region: regions.RegionName, now: datetime) -> outages.OutageId:
    """`SUSPECTED-EASTUS2-20261122@eastus2`: one a region and day; a second one on that day reopens it."""
    return outages.outage_id(f"SUSPECTED-{region}-{now:%Y%m%d}", region)


def _views(
    sights: Collection[Sight], policy: Policy, now: datetime, well: Mapping[regions.RegionName, int]
) -> list[View]:
    by_region: dict[regions.RegionName, list[tuple[Sight, Seen]]] = {region: [] for region in well}
    for sight in sights:
        by_region.setdefault(sight.server.region, []).append((sight, see(sight, policy, now)))
    return [
        _view(region, seen, policy, now, more_well=well.get(region, 0)) for region, seen in sorted(by_region.items())
    ]


def _view(
    region: regions.RegionName, seen: list[tuple[Sight, Seen]], policy: Policy, now: datetime, *, more_well: int
) -> View:
    unhealthy = [sight for sight, what in seen if what is Seen.UNHEALTHY]
    newest = max((_since(sight) for sight in unhealthy), default=now)
    together = [sight for sight in unhealthy if newest - _since(sight) <= policy.within]
    well = more_well + sum(what is Seen.WELL for _, what in seen)
    undecided = sum(what is Seen.UNDECIDED and _is_silent(sight) for sight, what in seen)
    return View(
        region=region,
        unhealthy=tuple(sorted(together, key=lambda sight: sight.server.name)),
        well=well,
        judged=well + undecided + len(together),
        began=min((_since(sight) for sight in together), default=None),
        reported=sum(evidence.supports(s.health, s.said, policy.evidence, now) for s in together),
    )


def _since(sight: Sight) -> datetime:
    """Since when it is unhealthy, by whoever saw it first."""
    seen = [at for at in (sight.health.failing_since, sight.said.at if sight.said else None) if at is not None]
    return sight.health.failing_since or min(seen)


def _is_silent(sight: Sight) -> bool:
    """Undecided ones count among the judged while they may yet turn out to be down, and not if meant to be away."""
    return sight.health.failing_since is not None and sight.server.state.lower() not in servers.NOT_MEANT_TO_ANSWER


def _of_azure(
    region: regions.RegionName, still_open: Sequence[outages.Outage], since: datetime
) -> outages.Outage | None:
    """Azure's own word about a silence that began at `since`, the closest to PostgreSQL and then the oldest.

    A withdrawn one explains nothing. One that ended explains the silence that began before its end: those servers are
    still seen to. It may stay open for weeks for one of them, and must not hide what comes after it.
    """
    spoken = [
        outage
        for outage in still_open
        if outage.region == region and not outage.ours and outage.status is not outages.Status.WITHDRAWN
        if outage.active or outage.quiet_since >= since
    ]
    named = [outage for outage in spoken if outage.relation is services.Relation.POSTGRESQL]
    return min(named or spoken, key=lambda outage: (not outage.active, outage.heard_at, outage.id), default=None)


def _blind(
    views: Mapping[regions.RegionName, View], azures: Mapping[regions.RegionName, outages.Outage], policy: Policy
) -> tuple[View, ...]:
    """Nothing anywhere answers, and nobody but us says so. A region that Azure speaks of is silent for a reason."""
    if any(view.well for view in views.values()):
        return ()
    unexplained = [view for region, view in views.items() if view.unhealthy and region not in azures]
    if any(view.confirmed_from_elsewhere(policy) for view in unexplained):
        return ()
    silent = sum(len(view.unhealthy) for view in unexplained)
    return tuple(unexplained) if silent >= policy.least else ()


def _raised(known: outages.Outage | None, view: View, now: datetime) -> outages.Outage:
    began, id_ = view.began or now, suspected_id(view.region, now)
    title = f"Suspected: {len(view.unhealthy)} of {view.judged} servers in {regions.display(view.region)} are silent"
    if known is not None:  # they answered for a while, and we were not finished with it yet
        again = replace(known, status=outages.Status.ACTIVE, resolved_at=None, reopened=known.reopened + 1)
        return replace(again, updated_at=now, title=title)
    return outages.Outage(
        id=id_,
        tracking_id=id_.partition("@")[0],
        region=view.region,
        status=outages.Status.ACTIVE,
        impact_start=began,
        heard_at=now,
        updated_at=now,
        relation=services.Relation.DEPENDENCY,  # whatever it is takes PostgreSQL along; nobody has named PostgreSQL
        ours=True,
        title=title,
    )


def _ended(known: outages.Outage, now: datetime) -> outages.Outage:
    return replace(known, status=outages.Status.RESOLVED, resolved_at=now, updated_at=now)
