"""Announcements in the daemon's own log: always there, needs nothing."""

from __future__ import annotations

import structlog

from responder.core import announcements

_log = structlog.get_logger(__name__)


class LogChannel:
    """Writes each announcement as one log line."""

    name = "log"

    async def deliver(self, announcement: announcements.Announcement) -> None:
        """Log it; cannot fail."""
        facts = {key: value for key, value in announcement.facts.items() if key != "event"}
        _log.info("announced", kind=announcement.kind, subject=announcement.subject, to=announcement.to, **facts)

    async def close(self) -> None:
        """Nothing is held."""
