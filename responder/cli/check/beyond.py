"""The part of the check that asks Azure: the estate, hubs, zones, groups, rights, the time. It writes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from responder import clock, service, settings
from responder.azure import clients, hub_checks, inventory
from responder.azure import health as bulletins
from responder.azure import rights as asked
from responder.cli.check import names, offering, reaching
from responder.core import checks, errors, rights, servers, tolerances

_PATIENCE = timedelta(seconds=20)
_REACH = "Nothing behind it can be looked at. Is the credential right, and may this machine get out to it?"


async def look(config: settings.Settings) -> AsyncIterator[list[checks.Finding]]:
    """Findings as they come."""
    yield await reaching.channels_answer(config)
    try:
        async with clients.open_clients(service.endpoints_of(config)) as cloud:
            async for found in _cloud(config, cloud):
                yield found
    except errors.InputError as error:
        yield [checks.failed("azure", error.message, error.remedy)]


async def _cloud(config: settings.Settings, cloud: clients.Clients) -> AsyncIterator[list[checks.Finding]]:
    yield await _hubs(config, cloud)
    wanted = list(dict.fromkeys(s.lower() for s in config.azure.subscriptions))
    if not wanted:
        yield [checks.failed("azure.subscriptions", "None is listed: no server is looked after.", "List them.")]
        return
    try:
        estate = await inventory.list_servers(wanted, cloud.graph())
        places = await inventory.list_places(wanted, cloud.graph())
    except errors.AzureError as error:
        yield [checks.failed("azure", f"Resource Graph: {error.message}", error.remedy or _REACH)]
        return
    yield _listed(wanted, estate)
    yield await _health(wanted, cloud)
    told = {server.id: tolerances.read(server.tags, defaults=config.tolerance()) for server in estate}
    yield checks.blast_radius(config.own_regions, estate)
    yield checks.declared(estate, told)
    yield checks.groups(estate, told, config.restore.resource_groups, places.groups)
    yield names.zones_lie(config, estate, places)
    yield await names.records_lead(config, cloud, estate, told)
    yield await _rights(config, cloud, estate, places)
    yield await offering.pairs_offer(config, cloud, estate)
    yield await reaching.servers_answer(config, estate, told)


def _listed(wanted: Sequence[str], estate: Sequence[servers.Server]) -> list[checks.Finding]:
    empty = [one for one in wanted if not any(server.subscription_id.lower() == one for server in estate)]
    found = [checks.fine("azure", f"Resource Graph lists {len(estate)} servers in {len(wanted)} subscriptions.")]
    if empty:
        text = f"No server is seen in {checks.named(empty)}."
        found.append(
            checks.doubt(
                "azure.subscriptions", text, "Is the reader role assigned there? It hides what it may not see."
            )
        )
    return found


async def _health(wanted: Sequence[str], cloud: clients.Clients) -> list[checks.Finding]:
    async def one(subscription: str) -> checks.Finding | None:
        try:
            async for _ in bulletins.event_pages(cloud, subscription, clock.now()):
                break
        except errors.AzureError as error:
            text = f"Resource Health does not answer for {subscription}: {error.message}"
            return checks.failed(
                "reconciliation", text, "Assign the reader role: Microsoft.ResourceHealth/events/read."
            )
        return None

    found = [finding for finding in await reaching.each(wanted, one) if finding]
    return found or [checks.fine("reconciliation", "Resource Health answers for every subscription.")]


async def _hubs(config: settings.Settings, cloud: clients.Clients) -> list[checks.Finding]:
    async def one(hub: settings.EventHub) -> checks.Finding:
        try:
            connection = service.connection_of(hub, cloud)
            count = await hub_checks.partitions(connection, _PATIENCE)
        except errors.InputError as error:
            return checks.failed("event_hubs", f"{hub.hub}: {error.message}", error.remedy)
        except errors.AzureError as error:
            remedy = (
                "Is port 5671 open, does the hub exist, and has the identity the role Azure Event Hubs Data Receiver?"
            )
            return checks.failed("event_hubs", f"{error.place}: {error.message}", remedy)
        return checks.fine("event_hubs", f"{connection.place} answers, {count} partitions.")

    return await reaching.each(config.event_hubs, one)


async def _rights(
    config: settings.Settings, cloud: clients.Clients, estate: Sequence[servers.Server], places: inventory.Places
) -> list[checks.Finding]:
    """What the identity may do, place by place, against what it will have to do there. Tells of the clock as well."""
    single = any(server.family is servers.Family.SINGLE for server in estate)
    asking: list[tuple[str, str, frozenset[str]]] = [
        (f"/subscriptions/{one}", "reader", rights.for_kinds(rights.READER, single=single))
        for one in dict.fromkeys(s.lower() for s in config.azure.subscriptions)
    ]
    groups = {group.lower() for group in config.restore.resource_groups.values()}
    asking += [
        (
            f"/subscriptions/{subscription}/resourceGroups/{group}",
            "writer",
            rights.for_kinds(rights.WRITER, single=single),
        )
        for subscription, group in places.groups
        if group in groups
    ]
    asking += [
        (
            f"/subscriptions/{zone.subscription}/resourceGroups/{zone.resource_group}/providers/Microsoft.Network/dnsZones/{name}",
            "DNS",
            rights.DNS,
        )
        for name, zone in config.dns_zones.items()
    ]
    distances: list[timedelta] = []

    async def one(ask: tuple[str, str, frozenset[str]]) -> checks.Finding:
        scope, role, wanted = ask
        try:
            before = clock.now()
            answer = await asked.ask(cloud, scope)
        except errors.AzureError as error:
            text = f"What the identity may do at {scope} cannot be told: {error.message}"
            return checks.doubt("rights", text, "The roles of deploy/ allow asking; assign them as they are now.")
        if answer.at is not None:
            distances.append(_distance(before, clock.now(), answer.at))
        lacking = rights.missing(wanted, answer.grants)
        if lacking:
            text = f"At {scope} the identity may not: {', '.join(lacking)}."
            return checks.failed("rights", text, f"Assign the {role} role there (deploy/role-{role.lower()}.json).")
        return checks.fine("rights", f"{role} at {scope}.")

    found = await reaching.each(asking, one)
    return found + ([checks.clock(min(distances, key=abs))] if distances else [])


def _distance(before: datetime, after: datetime, told: datetime) -> timedelta:
    """How far a clock that told `told` between these two moments is off, at least; it tells whole seconds."""
    if told > after:
        return told - after
    return min(timedelta(), told + timedelta(seconds=1) - before)
