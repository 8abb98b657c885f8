"""Single Server in the SDK's words (API 2017-12-01). It knows no journal, no retry and no source but its id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from responder.azure import clients
from responder.core import changes, errors, regions, restores, servers

if TYPE_CHECKING:
    from azure.core.polling import AsyncLROPoller


async def begin_restore(
    to: clients.Clients, address: servers.Address, request: restores.RestoreRequest, **options: Any
) -> AsyncLROPoller[Any]:
    """Send the restore; with `continuation_token` in the options, take it up again and send nothing."""
    sdk = (await to.single(address.subscription_id)).servers  # loads the SDK
    from azure.mgmt.rdbms.postgresql import models

    source = request.source
    body = models.ServerForCreate(
        location=request.target_region,
        tags=request.all_tags(),
        sku=models.Sku(name=source.sku, tier=source.tier or None) if source.sku else None,
        properties=models.ServerPropertiesForGeoRestore(source_server_id=source.id)
        if request.to is None
        else models.ServerPropertiesForRestore(source_server_id=source.id, restore_point_in_time=request.to),
    )
    poller: AsyncLROPoller[Any] = await sdk.begin_create(address.resource_group, address.name, body, **options)
    return poller


async def begin_delete(to: clients.Clients, address: servers.Address, **options: Any) -> AsyncLROPoller[Any]:
    """Send the delete, or take it up again."""
    sdk = (await to.single(address.subscription_id)).servers
    poller: AsyncLROPoller[Any] = await sdk.begin_delete(address.resource_group, address.name, **options)
    return poller


async def get(to: clients.Clients, address: servers.Address) -> restores.FoundServer:
    """The server as it is; the SDK raises when there is none."""
    sdk = (await to.single(address.subscription_id)).servers
    return read(await sdk.get(address.resource_group, address.name))


def read(server: Any) -> restores.FoundServer:
    """Our value of the SDK's model."""
    state = server.user_visible_state
    word = str(getattr(state, "value", state) or "")
    return restores.FoundServer(
        id=servers.server_id(server.id),
        region=regions.normalise(server.location or ""),
        state=word,
        fqdn=str(server.fully_qualified_domain_name or ""),
        tags=dict(server.tags or {}),
        ready=word == "Ready",
        replica=str(server.replication_role or "").lower() == "replica",
    )


async def begin_change(
    to: clients.Clients, address: servers.Address, change: changes.Change, **options: Any
) -> AsyncLROPoller[Any]:
    """Send a change, or take it up again."""
    sdk, group, name = await to.single(address.subscription_id), address.resource_group, address.name
    from azure.mgmt.rdbms.postgresql import models

    poller: AsyncLROPoller[Any]
    match change:
        case changes.Promotion():
            body = models.ServerUpdateParameters(replication_role="None")
            poller = await sdk.servers.begin_update(group, name, body, **options)
        case changes.Creation():
            raise errors.InputError(
                "azure.retired",
                "No new Single Server can be made: the product is retired.",
                remedy="Move to Flexible Server with Azure's migration service.",
                place=change.server_id,
            )
        case changes.FirewallRule(name=rule, start=start, end=end):
            one = models.FirewallRule(start_ip_address=start, end_ip_address=end)
            poller = await sdk.firewall_rules.begin_create_or_update(group, name, rule, one, **options)
        case changes.Parameter(name=parameter, value=value):
            wanted = models.Configuration(value=value, source="user-override")
            poller = await sdk.configurations.begin_create_or_update(group, name, parameter, wanted, **options)
        case changes.Restart():
            poller = await sdk.servers.begin_restart(group, name, **options)
        case changes.Tags(tags=tags):
            poller = await sdk.servers.begin_update(
                group, name, models.ServerUpdateParameters(tags=dict(tags)), **options
            )
    return poller
