"""One entry of the activity log, whatever it was wrapped in.

The same entry reaches us in an alert of either schema, as a record of a diagnostic setting, and from REST; the
envelopes differ (`alerts`, `records`), the properties do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from responder.core.payloads.fields import Fields


class MalformedError(Exception):
    """The piece is of a shape we know, and what makes it an event is missing. Becomes an `Unreadable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One entry, its envelope taken off."""

    channel: str
    category: str
    """Folded: `servicehealth`, `resourcehealth`, `administrative`, ...; empty when not said."""
    operation: str
    status: str | None
    """Folded word; never that of the envelope, which says `Fired` or `Activated` on resolutions, too."""
    said: str | None
    """The same as Azure spelled it."""
    level: str | None
    """Word only: the common schema's integers have no established meaning (MicrosoftDocs/azure-docs issue 37404)."""
    at: datetime | None
    subscription_id: str | None
    resource_id: str | None
    properties: Fields
    flags: Fields
    """Everywhere a synthetic flag may be."""
    description: str | None = None
    unrated: bool = False
    """The level is a number, and no word stands beside it."""
