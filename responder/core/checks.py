"""What has to be there before the night: findings, and the judgements that need nothing but facts. Asks nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from responder.core import durations, regions, servers, tolerances

_NAMED = 5
"""How many servers a sentence names; the others are counted."""
_CLOCK_DOUBT = timedelta(seconds=5)
_CLOCK_WRONG = timedelta(minutes=1)
"""Deadlines are computed by this clock and by Azure's times; a cut-over may be that early or late. Tokens and leases of
Azure bear five minutes."""


class Verdict(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    """It works, and somebody should know what will not, or will be worse."""
    FAILED = "failed"
    """In an outage something would not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    """Where to put it right: a setting, or what the check is about."""
    verdict: Verdict
    text: str
    remedy: str = ""

    def jsonable(self) -> dict[str, str]:
        """For `--json`."""
        return {"topic": self.topic, "verdict": str(self.verdict), "text": self.text, "remedy": self.remedy}


def fine(topic: str, text: str) -> Finding:
    """It is as it should be."""
    return Finding(topic=topic, verdict=Verdict.OK, text=text)


def doubt(topic: str, text: str, remedy: str) -> Finding:
    """A warning."""
    return Finding(topic=topic, verdict=Verdict.WARNING, text=text, remedy=remedy)


def failed(topic: str, text: str, remedy: str) -> Finding:
    """It would not work."""
    return Finding(topic=topic, verdict=Verdict.FAILED, text=text, remedy=remedy)


def named(names: Iterable[str]) -> str:
    """`a, b and 3 more`."""
    ordered = sorted(names)
    shown, more = ", ".join(ordered[:_NAMED]), len(ordered) - _NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def clock(distance: timedelta) -> Finding:
    """How far this machine's clock is from Azure's."""
    text = f"This machine's clock and Azure's are {durations.show(abs(distance))} apart."
    remedy = "Let chrony or systemd-timesyncd keep the clock: `timedatectl` says whether one does."
    if abs(distance) > _CLOCK_WRONG:
        return failed("clock", text, remedy)
    if abs(distance) > _CLOCK_DOUBT:
        return doubt("clock", text, remedy)
    return fine("clock", "This machine's clock agrees with Azure's.")


def blast_radius(own: Iterable[str], estate: Sequence[servers.Server]) -> list[Finding]:
    """Do we live in a region that we are for, or where its copies go?"""
    topic, lived = "own_regions", Counter(server.region for server in estate)
    ours = [regions.normalise(name) for name in own]
    if not ours:
        return [
            doubt(
                topic,
                "Where the responder itself lives is not known, so nobody can say whether an outage takes it, too.",
                "List in own_regions where its machine, store, hubs, secrets and announcements live.",
            )
        ]
    pairs = {regions.pair_of(region) for region in lived}
    found = []
    for region in ours:
        name, remedy = regions.display(region), "Move it to a third region: see deploy/README.md, `Where to put it`."
        if region in lived:
            text = f"A part of the responder lives in {name}, and so do {lived[region]} of the servers it is for."
            found.append(failed(topic, text, remedy))
        elif region in pairs:
            text = f"A part of the responder lives in {name}, where copies go: an outage of both takes it along."
            found.append(doubt(topic, text, remedy))
    return found or [fine(topic, f"No server lives in {named(regions.display(r) for r in ours)}.")]


def declared(estate: Sequence[servers.Server], read: Mapping[servers.ServerId, tolerances.Tolerance]) -> list[Finding]:
    """What owners wrote into tags, and what it is worth."""
    topic = "tags"
    if not estate:
        return []
    found = [
        failed(topic, f"{server.name}: {problem}", "Until then it counts as undeclared: it would wait.")
        for server in estate
        for problem in read[server.id].problems
    ]
    found += [
        doubt(topic, f"{server.name}: {remark}", "Correct the tag.")
        for server in estate
        for remark in read[server.id].remarks
    ]
    said = [server for server in estate if read[server.id].declared]
    silent = [server for server in estate if read[server.id].rto is None and not read[server.id].problems]
    if silent:
        text = f"{len(silent)} of {len(estate)} servers are undeclared and would wait: {named(s.name for s in silent)}."
        found.append(doubt(topic, text, "Give each an outage-rto, or set tolerance_defaults."))
    bare = [server for server in said if not server.geo_backup]
    if bare:
        text = f"{len(bare)} declared servers have no geo-redundant backup: {named(s.name for s in bare)}."
        found.append(doubt(topic, text, "`responder decide` says which way out is left for each, if any."))
    return found or [fine(topic, f"All {len(estate)} servers are declared.")]


def groups(
    estate: Sequence[servers.Server],
    read: Mapping[servers.ServerId, tolerances.Tolerance],
    by_region: Mapping[str, str],
    lies: Mapping[tuple[str, str], regions.RegionName],
) -> list[Finding]:
    """Is there a resource group for the copy of every declared server that can be geo-restored?

    Args:
        estate: every server.
        read: what was declared for each.
        by_region: the settings: target region -> name of the group.
        lies: (subscription, group) in lower case -> where it lies.
    """
    topic, wanting, wrong, right = "restore.resource_groups", dict[str, list[str]](), set[tuple[str, str]](), set[str]()
    for server in estate:
        pair = regions.pair_of(server.region)
        if not (read[server.id].declared and server.geo_backup and pair):
            continue
        group = read[server.id].target_group or by_region.get(pair)
        if group is None:
            wanting.setdefault(pair, []).append(server.name)
            continue
        place = lies.get((server.subscription_id.lower(), group.lower()))
        if place is None:
            wrong.add(
                (f"{group} is not seen in subscription {server.subscription_id}.", "Make it, or grant reading it.")
            )
        elif place == server.region:
            text = f"{group} lies in {regions.display(place)}, which is the region of {server.name} itself."
            wrong.add((text, "A group of a dead region takes no writes: take one in the paired region."))
        else:
            right.add(f"{group} ({regions.display(place)})")
    found = [
        failed(
            topic,
            f"There is no group for copies in {regions.display(region)}, which {named(names)} would need.",
            f"Add `{region}: GROUP`, or the tag outage-target-group.",
        )
        for region, names in sorted(wanting.items())
    ]
    found += [failed(topic, text, remedy) for text, remedy in sorted(wrong)]
    return found or [fine(topic, f"Copies go to {named(right)}." if right else "No server needs a group for a copy.")]
