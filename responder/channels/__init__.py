"""Where announcements go. A channel delivers one announcement or says why not; the outbox decides when to try again."""

from __future__ import annotations

from typing import Protocol

from responder.core import announcements


class ChannelError(Exception):
    """The announcement was not delivered."""

    def __init__(self, why: str, *, permanent: bool) -> None:
        super().__init__(why)
        self.permanent = permanent
        """Trying again is of no use."""


class Channel(Protocol):
    """One way to people."""

    name: str

    async def deliver(self, announcement: announcements.Announcement) -> None:
        """Deliver it.

        Raises:
            ChannelError: it was not delivered.
        """

    async def close(self) -> None:
        """Let go of connections."""
