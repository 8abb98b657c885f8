"""Flexible Server in the SDK's words. It knows no journal, no retry and no source but its id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from responder import clock
from responder.azure import clients
from responder.core import regions, restores, servers

if TYPE_CHECKING:
    from azure.core.polling import AsyncLROPoller


async def begin_restore(
    to: clients.Clients, address: servers.Address, request: restores.RestoreRequest, **options: Any
) -> AsyncLROPoller[Any]:
    """Send the geo-restore; with `continuation_token` in the options, take it up again and send nothing."""
    from azure.mgmt.postgresqlflexibleservers import models

    body = models.Server(
        location=request.target_region,
        tags=request.all_tags(),
        properties=models.ServerProperties(
            create_mode=models.CreateMode.GEO_RESTORE,
            source_server_resource_id=request.source.id,
            # Required by the API and without effect: the newest replicated backup is what there is.
            point_in_time_utc=clock.now(),
            # The backups of a copy would go to the region that is down.
            backup=models.Backup(geo_redundant_backup=models.GeographicallyRedundantBackup.DISABLED),
        ),
    )
    sdk = to.flexible(address.subscription_id).servers
    return await sdk.begin_create_or_update(address.resource_group, address.name, body, **options)


async def begin_delete(to: clients.Clients, address: servers.Address, **options: Any) -> AsyncLROPoller[Any]:
    """Send the delete, or take it up again."""
    sdk = to.flexible(address.subscription_id).servers
    return await sdk.begin_delete(address.resource_group, address.name, **options)


async def get(to: clients.Clients, address: servers.Address) -> restores.FoundServer:
    """The server as it is; the SDK raises when there is none."""
    sdk = to.flexible(address.subscription_id).servers
    return read(await sdk.get(address.resource_group, address.name))


def read(server: Any) -> restores.FoundServer:
    """Our value of the SDK's model. Its `location` is a display name."""
    properties = server.properties
    state = properties.state if properties else None
    # An enum for words the SDK knows, a string for the others; `str` of the former is not the word.
    word = str(getattr(state, "value", state) or "")
    return restores.FoundServer(
        id=servers.server_id(server.id),
        region=regions.normalise(server.location or ""),
        state=word,
        fqdn=str(properties.fully_qualified_domain_name or "") if properties else "",
        tags=dict(server.tags or {}),
        ready=word == "Ready",
    )
