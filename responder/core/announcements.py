"""What we tell people: one announcement per happening, kept in an outbox until it is delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """One message to the team and, where the server names one, to its owner."""

    key: str
    """The same happening has the same key, so it is told once, whatever crashes in between."""
    kind: str
    """Stable dotted name: `server.waits`, `copy.ready`, `approval.wanted`, ..."""
    subject: str
    text: str
    at: datetime
    to: str | None = None
    """The owner (tag `outage-owner`); None: the team only."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Ids for machines: server, outage, run."""
