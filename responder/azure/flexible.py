"""Flexible Server in the SDK's words. It knows no journal, no retry and no source but its id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from responder import clock
from responder.azure import clients
from responder.core import changes, regions, restores, servers

if TYPE_CHECKING:
    from azure.core.polling import AsyncLROPoller


async def begin_restore(
    to: clients.Clients, address: servers.Address, request: restores.RestoreRequest, **options: Any
) -> AsyncLROPoller[Any]:
    """Send the restore; with `continuation_token` in the options, take it up again and send nothing."""
    sdk = (await to.flexible(address.subscription_id)).servers  # loads the SDK
    from azure.mgmt.postgresqlflexibleservers import models

    if request.to is None:
        properties = models.ServerProperties(
            create_mode=models.CreateMode.GEO_RESTORE,
            source_server_resource_id=request.source.id,
            # Required by the API and without effect: the newest replicated backup is what there is.
            point_in_time_utc=clock.now(),
            # The backups of a copy would go to the region that is down.
            backup=models.Backup(geo_redundant_backup=models.GeographicallyRedundantBackup.DISABLED),
            network=_network(request),
        )
    else:
        properties = models.ServerProperties(
            create_mode=models.CreateMode.POINT_IN_TIME_RESTORE,
            source_server_resource_id=request.source.id,
            point_in_time_utc=request.to,
            availability_zone=request.zone or None,
        )
    body = models.Server(location=request.target_region, tags=request.all_tags(), properties=properties)
    return await sdk.begin_create_or_update(address.resource_group, address.name, body, **options)


def _network(request: restores.RestoreRequest) -> Any:
    """Private stays private: the copy's own subnet and DNS zone have to be in the request."""
    from azure.mgmt.postgresqlflexibleservers import models

    if request.network is None:
        return None
    return models.Network(
        delegated_subnet_resource_id=request.network.subnet,
        private_dns_zone_arm_resource_id=request.network.dns_zone,
    )


async def begin_delete(to: clients.Clients, address: servers.Address, **options: Any) -> AsyncLROPoller[Any]:
    """Send the delete, or take it up again."""
    sdk = (await to.flexible(address.subscription_id)).servers
    return await sdk.begin_delete(address.resource_group, address.name, **options)


async def get(to: clients.Clients, address: servers.Address) -> restores.FoundServer:
    """The server as it is; the SDK raises when there is none."""
    sdk = (await to.flexible(address.subscription_id)).servers
    return read(await sdk.get(address.resource_group, address.name))


def _word(found: Any) -> str:
    """An enum for words the SDK knows, a string for the others; `str` of the former is not the word."""
    return str(getattr(found, "value", found) or "")


def read(server: Any) -> restores.FoundServer:
    """Our value of the SDK's model. Its `location` is a display name."""
    properties = server.properties
    state = properties.state if properties else None
    word = _word(state)
    return restores.FoundServer(
        id=servers.server_id(server.id),
        region=regions.normalise(server.location or ""),
        state=word,
        fqdn=str(properties.fully_qualified_domain_name or "") if properties else "",
        tags=dict(server.tags or {}),
        ready=word == "Ready",
        replica=bool(properties) and _word(properties.replication_role).lower().endswith("replica"),
    )


async def begin_change(
    to: clients.Clients, address: servers.Address, change: changes.Change, **options: Any
) -> AsyncLROPoller[Any]:
    """Send a change, or take it up again."""
    sdk, group, name = await to.flexible(address.subscription_id), address.resource_group, address.name
    from azure.mgmt.postgresqlflexibleservers import models

    match change:
        case changes.Promotion():
            body = models.ServerForPatch(properties=_promoted(change))
            return await sdk.servers.begin_update(group, name, body, **options)
        case changes.Creation():
            return await sdk.servers.begin_create_or_update(group, name, _new(to, change), **options)
        case changes.FirewallRule(name=rule, start=start, end=end):
            properties = models.FirewallRuleProperties(start_ip_address=start, end_ip_address=end)
            one = models.FirewallRule(properties=properties)
            return await sdk.firewall_rules.begin_create_or_update(group, name, rule, one, **options)
        case changes.Parameter(name=parameter, value=value):
            asked = models.ConfigurationProperties(value=value, source="user-override")
            wanted = models.ConfigurationForUpdate(properties=asked)
            return await sdk.configurations.begin_update(group, name, parameter, wanted, **options)
        case changes.Restart():
            return await sdk.servers.begin_restart(group, name, **options)
        case changes.Tags(tags=tags):
            return await sdk.servers.begin_update(group, name, models.ServerForPatch(tags=dict(tags)), **options)


def _promoted(change: changes.Promotion) -> Any:
    """The primary's id has to be in the body, as the command line of Azure has it, too."""
    from azure.mgmt.postgresqlflexibleservers import models

    return models.ServerPropertiesForPatch(
        source_server_resource_id=change.source_id,
        replica=models.Replica(
            role=models.ReplicationRole.NONE,
            promote_mode=models.ReadReplicaPromoteMode.STANDALONE,
            promote_option=models.ReadReplicaPromoteOption.FORCED,
        ),
    )


def _new(to: clients.Clients, change: changes.Creation) -> Any:
    from azure.mgmt.postgresqlflexibleservers import models

    source, login = change.source, to.login()
    return models.Server(
        location=change.region,
        tags=change.all_tags(),
        sku=models.Sku(name=source.sku, tier=source.tier),
        properties=models.ServerProperties(
            create_mode=models.CreateMode.CREATE,
            administrator_login=login.user,
            administrator_login_password=login.password,
            version=source.version,
            storage=models.Storage(storage_size_gb=source.storage_gb),
            backup=models.Backup(
                geo_redundant_backup=models.GeographicallyRedundantBackup.ENABLED,
                backup_retention_days=source.backup_retention_days,
            ),
        ),
    )
