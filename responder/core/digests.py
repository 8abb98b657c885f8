"""One message for many: when a region goes away, hundreds of owners are told the same, and often over one channel.

Groups announcements and writes the digest. What each owner would have been told stays in the journal and the API.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from responder.core import announcements, regions

_NAMED = 20
"""Servers named in a digest. More are counted: nobody reads two hundred names at 3 a.m."""

_WORDS: Mapping[str, str] = {
    "approval.wanted": "want a human's yes for their cut-over",
    "copy.discarded": "are back; their copies were thrown away, nothing was lost",
    "copy.ready": "have a copy that is ready and held",
    "run.cancelled": "had their run cancelled",
    "run.failed": "have a run that failed",
    "run.parked": "have a run that is stuck",
    "server.back": "are back, nothing was lost",
    "server.cut-over": "were cut over",
    "server.silent": "do not answer, and the outage is not the reason",
    "server.waits": "are down and wait",
    "step.failed": "have a run in trouble, which is tried again",
}
"""What the members of a digest have in common; other kinds are said by their name."""

Group = tuple[str, str]
"""Kind of announcement, and the outage it is about."""


def group_of(announcement: announcements.Announcement) -> Group | None:
    """With which others it could be told; None: it is about no server, and always told alone."""
    if not announcement.facts.get("server"):
        return None
    return announcement.kind, announcement.facts.get("outage", "")


def digest(group: Group, members: Sequence[announcements.Announcement], now: datetime) -> announcements.Announcement:
    """One message for all of them, to the team. Told again with the same members it has the same key."""
    kind, outage = group
    region = outage.rpartition("@")[2]
    where = f" of {regions.display(region)}" if region else ""
    what = _WORDS.get(kind, f"have the same news ({kind})")
    named = ", ".join(sorted(_name(member) for member in members)[:_NAMED])
    more = f" and {len(members) - _NAMED} more" if len(members) > _NAMED else ""
    owners = {member.to for member in members if member.to}
    told = f" Owners: {len(owners)}." if owners else ""
    look = f"responder incidents show {outage}" if outage else "responder runs list"
    together = hashlib.sha256("\n".join(sorted(member.key for member in members)).encode()).hexdigest()[:16]
    return announcements.Announcement(
        key=f"digest/{kind}/{outage}/{together}",
        kind=f"{kind}.digest",
        subject=f"{len(members)} servers{where}: they {what}",
        text=f"{named}{more}.{told} For one of them: {members[0].text} All of them, each with its reasons: {look}",
        at=now,
        facts={"outage": outage, "region": region, "servers": str(len(members))},
    )


def _name(member: announcements.Announcement) -> str:
    return member.facts["server"].rpartition("/")[2]
