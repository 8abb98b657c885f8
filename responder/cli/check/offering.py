"""The part of the check that asks the paired regions what they would give copies. It writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from responder import clock, settings
from responder.azure import clients
from responder.azure import offers as asking
from responder.core import checks, errors, offers, regions, restores, servers, ways

_AT_A_TIME = 20
"""Places that are asked about; more would take minutes."""


async def pairs_offer(
    config: settings.Settings, cloud: clients.Clients, estate: Sequence[servers.Server]
) -> list[checks.Finding]:
    """Could the copies be made there: access, size, quota?"""
    estate = [server for server in estate if not restores.unused_copy(server.tags)]
    places = sorted(offers.wanted(estate), key=lambda place: (place.subscription_id, place.region, place.family))
    found, asked, now = list[checks.Finding](), 0, clock.now()
    for place in places[:_AT_A_TIME]:
        try:
            offered = await asking.ask(cloud, place)
        except errors.AzureError as error:
            text = (
                f"{regions.display(place.region)} does not say what it offers {place.subscription_id}: {error.message}"
            )
            found.append(checks.doubt("offers", text, "Is the reader role assigned there, as deploy/ has it?"))
            continue
        asked += 1
        found += _about(config, offered, [server for server in estate if offers.place_of(server) == place], now)
    if asked and not found:
        return [checks.fine("offers", f"{asked} paired regions offer what the copies need.")]
    if len(places) > _AT_A_TIME:
        found.append(
            checks.fine("offers", f"{len(places) - _AT_A_TIME} more were not asked; the daemon asks them all.")
        )
    return found


def _about(
    config: settings.Settings, offered: offers.Offered, listed: Sequence[servers.Server], now: datetime
) -> list[checks.Finding]:
    """Every obstacle and doubt once, with the servers it is about."""
    needed, policy = offers.needed(listed), config.policy()
    about: dict[tuple[bool, str], list[str]] = {}
    for server in (one for one in listed if one.geo_backup):
        by_all = needed[offered.place, offers.quota_of(server.sku)]
        offer = offers.about(offered, server, by_all, now)
        around = ways.Surroundings(impact_start=now, offer=offer)
        (way,) = (
            each
            for each in ways.survey(server, around, (policy.loss_bound, policy.in_region_loss))
            if each.name is ways.Name.GEO_RESTORE
        )
        for bad, sayings in ((True, way.obstacles), (False, way.remarks)):
            for one in sayings:
                if one.id in _OF_THE_OFFER:
                    about.setdefault((bad, one.text), []).append(server.name)
    return [
        (checks.failed if bad else checks.doubt)("offers", f"{checks.named(names)}: {text}", _UNTIL[bad])
        for (bad, text), names in about.items()
    ]


_UNTIL = {True: "Until then no copy can be made there.", False: "Until then a copy may be refused, or lack it."}
_OF_THE_OFFER = frozenset(
    f"way.{name}"
    for name in (
        *("offer-restricted", "no-quota", "size-not-offered"),
        *("quota-tight", "no-standby-there", "no-geo-backup-there"),
    )
)
