"""How many restores of an outage are begun at a time, and in which steps. Begins none."""

from __future__ import annotations

import pydantic

from responder.core import waves
from responder.settings import fields


class Waves(fields.Part):
    """Restores of many servers, by priority (`outage-priority`), and inside it so that most of them are in time.

    Runs that people start take a place, too, and are never held back.
    """

    per_target: int = pydantic.Field(default=10, ge=1, le=10_000)
    """Restores into one region at a time. Azure names no limit for PostgreSQL; everybody else restores there, too, and
    restores slow each other down. 10: small beside any limit of Azure's that is known."""
    per_subscription: int = pydantic.Field(default=30, ge=1, le=10_000)
    """Restores of one subscription at a time. 30: the limit that Azure SQL has."""
    canary_above: int = pydantic.Field(default=3, ge=0, le=100_000)
    """When more servers than this are to be restored the same way, one is restored and verified before the others are
    begun. Three: of so few, the first ones are the canary anyhow. A large number sends none ahead."""
    few: int = pydantic.Field(default=3, ge=1, le=1000)
    """So many are sent ahead when waiting for a single one would make others late. Three: one failure is seen to be
    chance, or not."""

    copies: int | None = pydantic.Field(default=None, ge=1, le=100_000)
    """Copies kept in one region at a time, those that are being made and those that are held. When so many are there,
    who wants another waits; a more important server (`outage-priority`) has the copy of the least important one thrown
    away for it, and first of all those of servers that answer again. Null: any number; a copy costs what its server
    costs, by the hour."""

    def policy(self) -> waves.Policy:
        """As the core wants them."""
        return waves.Policy(
            per_target=self.per_target,
            per_subscription=self.per_subscription,
            canary_above=self.canary_above,
            few=self.few,
            copies=self.copies,
        )
