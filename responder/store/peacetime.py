"""What was learnt in peace for the night: how far behind replicas were, and what regions offer. Asks nobody."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from datetime import timedelta

from responder.core import offers as core_offers
from responder.core import servers, ways
from responder.store import apart, codec, database


class Peacetime:
    """The newest of each; what is older is not kept."""

    def __init__(self, base: database.Database) -> None:
        self._base = base
        self._apart = apart.Apart("offers")

    async def put_lags(self, found: Mapping[servers.ServerId, ways.Lag]) -> None:
        """Keep how far behind these replicas are. An older measure than the one that is known changes nothing."""
        rows = [(id_, codec.stamp(lag.at), lag.behind.total_seconds()) for id_, lag in found.items()]
        if rows:
            await self._base.execute_transaction(lambda c: c.executemany(_PUT_LAG, rows))

    async def lags(self, ids: Collection[servers.ServerId]) -> dict[servers.ServerId, ways.Lag]:
        """What is known of these replicas; one that was never measured is not in the answer."""
        sql = "SELECT server_id, at, behind_s FROM lags WHERE server_id IN (SELECT value FROM json_each(:ids))"
        rows = await self._base.rows(sql, {"ids": codec.listed(ids)}) if ids else []
        return {
            row["server_id"]: ways.Lag(behind=timedelta(seconds=row["behind_s"]), at=codec.moment(row["at"]))
            for row in rows
        }

    async def put_offer(self, offered: core_offers.Offered) -> None:
        """Keep what a region offers a subscription now."""
        row = {
            "subscription": codec.clean(offered.place.subscription_id.lower()),
            "region": codec.clean(offered.place.region),
            "family": offered.place.family.value,
            "at": codec.stamp(offered.asked_at),
            "body": codec.dump(offered, core_offers.Offered),
        }
        await self._base.execute_transaction(lambda c: c.execute(_PUT_OFFER, row))

    async def offers(self, regions: Collection[str] | None = None) -> dict[core_offers.Place, core_offers.Offered]:
        """All that are known, or those of these regions. A row that this version cannot read is left out."""
        sql, found = "SELECT subscription, region, family, body FROM offers", {}
        if regions is not None:
            sql += " WHERE region IN (SELECT value FROM json_each(:regions))"
        for row in await self._base.rows(sql, {"regions": codec.listed(regions or ())}):
            key = f"{row['subscription']}/{row['region']}/{row['family']}"
            offered = self._apart.read(key, functools.partial(codec.load, row["body"], core_offers.Offered))
            if offered is not None:
                found[offered.place] = offered
        return found


_PUT_LAG = """
    INSERT INTO lags (server_id, at, behind_s) VALUES (?, ?, ?)
    ON CONFLICT (server_id) DO UPDATE SET at = excluded.at, behind_s = excluded.behind_s WHERE excluded.at >= lags.at
"""
_PUT_OFFER = """
    INSERT INTO offers (subscription, region, family, at, body) VALUES (:subscription, :region, :family, :at, :body)
    ON CONFLICT (subscription, region, family) DO UPDATE SET at = excluded.at, body = excluded.body
    WHERE excluded.at >= offers.at
"""
