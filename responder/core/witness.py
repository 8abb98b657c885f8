"""What Azure's Resource Health last said of one server. A witness beside our own probes, weighed by `evidence`.

It is never sent for every change (transitions to and from Unknown are not), so silence and `available` prove nothing:
https://learn.microsoft.com/azure/service-health/resource-health-overview
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from responder.core import events, servers


class State(StrEnum):
    """Resource Health's own words."""

    AVAILABLE = "available"
    UNAVAILABLE = "unavailable"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Who brought it about, as Resource Health has it."""

    PLATFORM = "platform"
    USER = "user"
    """The server's owner: a restart, a stop, a resize."""
    UNKNOWN = "unknown"


_CAUSES = {"platforminitiated": Cause.PLATFORM, "userinitiated": Cause.USER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The newest word about one server."""

    state: State
    cause: Cause
    at: datetime
    """When it was said, by Azure's time; aware UTC."""
    title: str = ""
    summary: str = ""

    @property
    def unhealthy(self) -> bool:
        """Whether it says that something is wrong, whoever brought it about."""
        return self.state in (State.UNAVAILABLE, State.DEGRADED)


def heard(
    known: Statement | None, event: events.HealthEvent, heard_at: datetime
) -> tuple[servers.ServerId, Statement] | None:
    """The newest word after one event, with the server it is about.

    Returns:
        None: the event is no Resource Health of a PostgreSQL server, is a test, says nothing of its state, or is not
        newer than what is known. Of two words at one time the first heard stays.
    """
    if event.kind is not events.Kind.RESOURCE_HEALTH or event.synthetic or event.resource_id is None:
        return None
    if servers.address_of(event.resource_id) is None:
        return None
    state = _state(event)
    at = min(event.updated_at or heard_at, heard_at)  # a clock ahead of ours must not outrank all later news
    if state is None or (known is not None and at <= known.at):
        return None
    cause = _CAUSES.get(event.cause or "", Cause.UNKNOWN)
    said = Statement(state=state, cause=cause, at=at, title=event.title, summary=event.summary[:_LONGEST])
    return servers.server_id(event.resource_id), said


def _state(event: events.HealthEvent) -> State | None:
    """Both statuses can be null: then only an end is news, and what it is now is not known."""
    if event.health in set(State):
        return State(event.health)
    return State.UNKNOWN if event.status is events.Status.RESOLVED else None


_LONGEST = 1_000
