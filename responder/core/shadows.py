"""Shadow mode: decisions are taken and told as always, and nothing is started. What is in shadow, and a copy supposed.

A decision depends on its copy, and in shadow there is none. So one is supposed: started when the decision would have
started it, ready after the time that half of such restores take, without a measured recovery point. With it the
decisions go all the way they would have gone: hold, ask, cut over, stand down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from responder.core import copies, decisions, servers

TAG = "outage-mode"
"""`shadow` puts one server into shadow mode. `act`, or no tag: what the settings say."""

_LIVE = (copies.State.RESTORING, copies.State.READY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which servers are in shadow mode. Anything that says so is enough: a tag cannot undo what the settings say."""

    everywhere: bool = False
    regions: frozenset[str] = frozenset()

    def holds(self, server: servers.Server) -> bool:
        """Whether nothing is started for that server."""
        return self.everywhere or server.region in self.regions or _tagged(server.tags)

    @property
    def names(self) -> tuple[str, ...]:
        """What the settings put into shadow mode: `everything`, or regions in alphabetic order."""
        return ("everything",) if self.everywhere else tuple(sorted(self.regions))


def _tagged(tags: Mapping[str, str]) -> bool:
    """A value that is neither word counts as `shadow`: whoever set the tag did not want everything as always."""
    return any(name.strip().lower() == TAG and value.strip().lower() != "act" for name, value in tags.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposed:
    """One server in one outage as the last decision left it: what the next supposed copy follows from."""

    copy: copies.Copy
    action: decisions.Action
    at: datetime
    """When that decision was taken."""
    takes: timedelta | None = None
    """How long the restore is supposed to take. None: as the decision does not say, no copy is supposed."""
    way: str | None = None
    """How the copy comes about."""


def supposed(decision: decisions.Decision, copy: copies.Copy) -> Supposed:
    """What is to be remembered of a decision that was taken with that copy."""
    return Supposed(copy=copy, action=decision.action, at=decision.at, takes=decision.restore_p50, way=decision.way)


def copy_now(before: Supposed | None, now: datetime) -> copies.Copy:
    """The copy there would be at `now`, had the last decision been carried out at once."""
    if before is None:
        return copies.Copy()
    copy = before.copy
    if copy.state in _LIVE and before.action is decisions.Action.STAND_DOWN:
        return replace(copy, state=copies.State.DISCARDED)
    if copy.state is copies.State.READY and before.action is decisions.Action.CUT_OVER:
        return replace(copy, state=copies.State.PROMOTED)
    if copy.state not in (*_LIVE, copies.State.PROMOTED) and before.action is decisions.Action.START:
        copy = copies.Copy(state=copies.State.RESTORING, started_at=before.at, way=before.way or copies.Copy().way)
    return finished(copy, before.takes, now)


def finished(copy: copies.Copy, takes: timedelta | None, now: datetime) -> copies.Copy:
    """The copy, ready when the restore has had its time."""
    if copy.state is not copies.State.RESTORING or copy.started_at is None or takes is None:
        return copy
    done = copy.started_at + takes
    return replace(copy, state=copies.State.READY, ready_at=done) if now >= done else copy
