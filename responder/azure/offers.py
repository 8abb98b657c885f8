"""What a region offers a subscription for copies: capabilities and quota of Flexible Server, tiers of Single Server.

Two questions for a region and subscription, whatever the number of servers; they wait before anything urgent. It asks
the region that copies go to, never the one that may be failing.
https://learn.microsoft.com/rest/api/postgresql/capabilities-by-location/list
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from responder import clock
from responder.azure import clients
from responder.azure import errors as meanings
from responder.core import errors, offers, servers

_log = structlog.get_logger(__name__)

_ENABLED = "enabled"
_RESTRICTED = frozenset({"LocationIsOfferRestricted", "SubscriptionNotInAllowList", "OfferRestricted"})
"""Codes by which a region refuses a subscription, whatever is asked of it."""


async def ask(to: clients.Clients, place: offers.Place) -> offers.Offered:
    """What Azure says now. Raises `AzureError` when it does not; a quota that may not be read is left out."""
    found = offers.Offered(place=place, asked_at=clock.now())
    from responder.azure import budgets

    with budgets.unhurried():
        try:
            if place.family is servers.Family.SINGLE:
                return await _tiers(to, found)
            found = await _capabilities(to, found)
        except errors.AzureError as error:
            if error.code not in _RESTRICTED:
                raise
            return replace(found, restricted=True, why=error.code)
        try:
            return replace(found, free=await _quotas(to, place))
        except errors.AzureError as error:
            if error.status != 403:
                raise
            _log.warning("offers.quota-forbidden", region=place.region, subscription=place.subscription_id)
            return found


async def _capabilities(to: clients.Clients, found: offers.Offered) -> offers.Offered:
    sdk, place = await to.flexible(found.place.subscription_id), found.place
    with meanings.translated(f"capabilities of {place.region}"):
        listed = [each async for each in sdk.capabilities_by_location.list(place.region)]
    sizes: dict[str, tuple[str, ...]] = {}
    words: dict[str, bool] = {}
    for each in listed:
        for edition in each.supported_server_editions or ():
            offered = tuple(str(size.name) for size in edition.supported_server_skus or () if not _is_off(size))
            sizes[str(edition.name).lower()] = offered
        words |= {str(one.name).lower(): _word(one.status) == _ENABLED for one in each.supported_features or ()}
        words |= _older_words(each)
    why = next((str(each.reason) for each in listed if each.reason), "")
    restricted = words.get("offerrestricted", False) or (bool(listed) and not sizes)
    return replace(
        found,
        restricted=restricted,
        why=why if restricted else "",
        sizes=sizes,
        geo_backup=words.get("geobackup"),
        zone_redundant=words.get("zoneredundantha"),
    )


def _older_words(capability: Any) -> dict[str, bool]:
    """The same features as older versions of the API say them."""
    said = {
        "offerrestricted": capability.restricted,
        "geobackup": capability.geo_backup_supported,
        "zoneredundantha": capability.zone_redundant_ha_supported,
    }
    return {name: _word(value) == _ENABLED for name, value in said.items() if value is not None}


async def _quotas(to: clients.Clients, place: offers.Place) -> Mapping[str, int]:
    sdk, free = await to.flexible(place.subscription_id), {}
    with meanings.translated(f"quota in {place.region}"):
        async for usage in sdk.quota_usages.list(place.region):
            name = str(usage.name.value).lower() if usage.name and usage.name.value else ""
            if name and usage.limit is not None:
                free[name] = max(int(usage.limit) - int(usage.current_value or 0), 0)
    return free


async def _tiers(to: clients.Clients, found: offers.Offered) -> offers.Offered:
    """Single Server tells no quota and no features."""
    sdk, place = await to.single(found.place.subscription_id), found.place
    with meanings.translated(f"tiers of {place.region}"):
        listed = [each async for each in sdk.location_based_performance_tier.list(place.region)]
    sizes = {
        str(tier.id).lower(): tuple(str(size.id) for size in tier.service_level_objectives or ()) for tier in listed
    }
    return replace(found, sizes=sizes, restricted=not sizes)


def _is_off(size: Any) -> bool:
    return _word(getattr(size, "status", None)) == "disabled"


def _word(value: Any) -> str:
    return str(getattr(value, "value", value) or "").lower()
