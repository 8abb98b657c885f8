"""Announcements as JSON to a URL of the team's choosing. The URL is a secret and appears in no message."""

from __future__ import annotations

import re

import aiohttp

from responder import channels
from responder.core import announcements

_TIMEOUT = aiohttp.ClientTimeout(total=10)
_UNSENDABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
"""No header may hold one of these: https://www.rfc-editor.org/rfc/rfc9110#section-5.5"""


class WebhookChannel:
    """Posts each announcement; the header `Idempotency-Key` lets the receiver drop repeats."""

    name = "webhook"

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, announcement: announcements.Announcement) -> None:
        """Post it once.

        Raises:
            ChannelError: no answer, or not a 2xx; permanent for a 4xx other than 408 and 429.
        """
        self._session = self._session or aiohttp.ClientSession(timeout=_TIMEOUT)
        try:
            async with self._session.post(
                self._url,
                json=_body(announcement),
                headers={"Idempotency-Key": _UNSENDABLE.sub("?", announcement.key)},
                allow_redirects=False,
            ) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise channels.ChannelError(f"no answer ({type(error).__name__})", permanent=False) from None
        except ValueError:  # its words may hold the URL; and one that cannot be sent must not hold up the others
            raise channels.ChannelError("it cannot be sent", permanent=True) from None
        if status >= 300:
            permanent = 300 <= status < 500 and status not in (408, 429)
            raise channels.ChannelError(f"answered {status}", permanent=permanent)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


def _body(announcement: announcements.Announcement) -> dict[str, object]:
    return {
        "key": announcement.key,
        "kind": announcement.kind,
        "subject": announcement.subject,
        "text": announcement.text,
        "to": announcement.to,
        "at": announcement.at.isoformat(),
        "facts": dict(announcement.facts),
    }
