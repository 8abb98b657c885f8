"""What Azure's answers say is left of every subscription's budget, for all instances. Asks Azure nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from responder.core import throttles
from responder.store import codec, database

Key = tuple[str, throttles.Kind]


class Throttles:
    """Buckets by subscription and kind."""

    def __init__(self, base: database.Database) -> None:
        self._base = base

    async def put(self, buckets: Mapping[Key, throttles.Bucket]) -> None:
        """Keep what is newer than what is known; a refusal stands until it is over, whoever heard of it.

        What is known from the future was heard before the clock was stepped back, and gives way.
        """
        rows = [
            {
                "subscription": codec.clean(subscription),
                "kind": kind.value,
                "remaining": bucket.remaining,
                "seen": codec.stamp(bucket.seen_at),
                "blocked": codec.stamp(bucket.blocked_until),
                "future": codec.stamp(bucket.seen_at + throttles.DRIFT),
            }
            for (subscription, kind), bucket in buckets.items()
        ]
        if rows:
            await self._base.execute_transaction(lambda c: c.executemany(_PUT, rows))

    async def since(self, moment: datetime) -> dict[Key, throttles.Bucket]:
        """What was heard since."""
        rows = await self._base.rows(
            "SELECT * FROM arm_buckets WHERE seen_at > :since ORDER BY subscription, kind",
            {"since": codec.stamp(moment)},
        )
        return {
            (row["subscription"], throttles.Kind(row["kind"])): throttles.Bucket(
                seen_at=codec.moment(row["seen_at"]),
                remaining=row["remaining"],
                blocked_until=codec.moment_or_none(row["blocked_until"]),
            )
            for row in rows
        }


_PUT = """
    INSERT INTO arm_buckets (subscription, kind, remaining, seen_at, blocked_until)
    VALUES (:subscription, :kind, :remaining, :seen, :blocked)
    ON CONFLICT (subscription, kind) DO UPDATE SET
        remaining = CASE WHEN excluded.seen_at >= arm_buckets.seen_at OR arm_buckets.seen_at > :future
                         THEN excluded.remaining ELSE arm_buckets.remaining END,
        seen_at = CASE WHEN excluded.seen_at >= arm_buckets.seen_at OR arm_buckets.seen_at > :future
                       THEN excluded.seen_at ELSE arm_buckets.seen_at END,
        blocked_until = CASE
            WHEN arm_buckets.seen_at > :future OR arm_buckets.blocked_until IS NULL
                OR excluded.blocked_until > arm_buckets.blocked_until
            THEN excluded.blocked_until ELSE arm_buckets.blocked_until END
"""
