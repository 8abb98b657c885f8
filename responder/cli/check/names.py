"""The part of the check about DNS: do zones survive, and do records lead to the servers that name them? Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from responder import settings
from responder.azure import clients, dns, inventory
from responder.cli.check import reaching
from responder.core import checks, errors, regions, servers, tolerances
from responder.flow import rules as step_rules


def zones_lie(
    config: settings.Settings, estate: Sequence[servers.Server], places: inventory.Places
) -> list[checks.Finding]:
    """Is each zone there, and does it lie where it can be written to while a region of ours is dark?"""
    found, lived = [], {server.region for server in estate}
    for name, zone in config.dns_zones.items():
        topic, key = f"dns_zones.{name}", (zone.subscription.lower(), zone.resource_group.lower(), name)
        if key not in places.zones:
            text = f"It is not seen in resource group {zone.resource_group} of subscription {zone.subscription}."
            found.append(checks.failed(topic, text, "Correct its place, or assign the DNS role there."))
        elif (place := places.zones[key]) in lived:
            text = f"Its resource group {zone.resource_group} lies in {regions.display(place)}, and servers do, too."
            remedy = "While that region is dark nothing in the zone can be written: move the zone to a third region."
            found.append(checks.failed(topic, text, remedy))
    return found


async def records_lead(
    config: settings.Settings,
    cloud: clients.Clients,
    estate: Sequence[servers.Server],
    told: Mapping[servers.ServerId, tolerances.Tolerance],
) -> list[checks.Finding]:
    """Does each record that a tag names lead to the server with the tag?"""
    rules, strange, ours = step_rules.of(config).zones, dict[str, list[str]](), list[servers.Server]()
    for server in estate:
        record = told[server.id].dns
        if record is not None and record.zone in rules:
            ours.append(server)
        elif record is not None:
            strange.setdefault(record.zone, []).append(server.name)
    found = [
        checks.failed(
            "dns_zones",
            f"Zone {zone} is not in the settings, and the tag outage-dns of {checks.named(those)} names it.",
            "Add the zone, or correct the tags.",
        )
        for zone, those in sorted(strange.items())
    ]

    async def one(server: servers.Server) -> checks.Finding | None:
        record = told[server.id].dns
        assert record is not None
        place = f"{record.name}.{record.zone}"
        try:
            leads = await dns.Dns(cloud).read_cname(rules[record.zone], record.name)
        except errors.AzureError as error:
            text = f"{place} cannot be read: {error.message}"
            return checks.failed(f"dns_zones.{record.zone}", text, "Correct the zone's place, or assign the DNS role.")
        if leads != server.fqdn.lower():
            text = f"{server.name}: {place} leads to {leads or 'nothing'}, and not to {server.fqdn}."
            return checks.doubt("tags", text, "Point it at the server, or correct the tag outage-dns.")
        return None

    wrong = [finding for finding in await reaching.each(ours, one) if finding]
    good = len(ours) - len(wrong)
    return [*found, *wrong, *([checks.fine("dns_zones", f"{good} records lead to their servers.")] if good else [])]
