"""Flexible servers through the real SDK client over TLS."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.postgresqlflexibleservers import models

from .conftest import Arm, FakeData, Serve


def geo_restore(
    arm: Arm, source: str, *, region: str = "centralus", geo: str = "Disabled", **extra: Any
) -> models.Server:
    return models.Server(
        location=region,
        properties=models.ServerProperties(
            create_mode=models.CreateMode.GEO_RESTORE,
            source_server_resource_id=arm.id_of(source),
            point_in_time_utc=datetime.now(UTC),
            backup=models.Backup(geo_redundant_backup=geo),
        ),
        **extra,
    )


async def refusal(arm: Arm, name: str, server: models.Server, group: str = "rg-recovery") -> HttpResponseError:
    client = await arm.flexible()
    with pytest.raises(HttpResponseError) as raised:
        await client.servers.begin_create_or_update(group, name, server)
    return raised.value


async def test_a_server_is_shown_as_the_live_service_shows_it(arm: Arm) -> None:
    client = await arm.flexible()
    server = await client.servers.get("rg-orders", "orders")
    assert server.location == "East US 2"
    assert server.properties is not None
    assert server.properties.state == "Ready"
    assert server.properties.fully_qualified_domain_name == "orders.postgres.database.azure.com"
    assert server.properties.backup.geo_redundant_backup == "Enabled"
    assert server.properties.backup.earliest_restore_date is not None
    assert server.tags == {"outage-rto": "4h", "outage-rpo": "1h", "outage-cutover": "auto"}


class HeldData(FakeData):
    """Restores only when it may: until then an operation is surely under way."""

    def __init__(self) -> None:
        super().__init__()
        self.may_restore = asyncio.Event()

    async def restore(self, name: str, region: str, *, source: str, to: datetime | None = None) -> str:
        await self.may_restore.wait()
        return await super().restore(name, region, source=source)


async def test_a_geo_restored_server_is_ready_bare_and_in_the_pair(serve: Serve) -> None:
    data = HeldData()
    data.backups["orders"] = datetime.now(UTC)
    arm = await serve(data=data)
    client = await arm.flexible()
    poller = await client.servers.begin_create_or_update(
        "rg-recovery", "orders-copy", geo_restore(arm, "orders", tags={"restored-from": "orders"})
    )
    assert (await client.servers.get("rg-recovery", "orders-copy")).properties.state == "Provisioning"
    data.may_restore.set()
    server = await poller.result()
    assert server.location == "Central US"
    assert server.properties.state == "Ready"
    assert server.properties.backup.earliest_restore_date is None
    assert server.properties.backup.geo_redundant_backup == "Disabled"
    assert server.properties.source_server_resource_id is None
    assert server.tags == {"restored-from": "orders"}
    assert [r.name async for r in client.firewall_rules.list_by_server("rg-recovery", "orders-copy")] == []
    parameter = await client.configurations.get("rg-recovery", "orders-copy", "work_mem")
    assert parameter.properties.source == "system-default"


async def test_a_restore_goes_on_in_a_new_process_from_its_continuation_token(arm: Arm) -> None:
    first = await arm.flexible()
    poller = await first.servers.begin_create_or_update("rg-recovery", "orders-copy", geo_restore(arm, "orders"))
    token = poller.continuation_token()
    assert json.loads(b64decode(token))["version"] == 1
    second = await arm.flexible()
    resumed = await second.servers.begin_create_or_update("any", "any", {}, continuation_token=token)
    assert (await resumed.result()).properties.state == "Ready"
    assert len(arm.world.ledger.writes()) == 1


async def test_the_data_plane_restores_before_the_operation_succeeds(serve: Serve) -> None:
    data = FakeData()
    arm = await serve(data=data)
    data.backups["orders"] = datetime.now(UTC)
    client = await arm.flexible()
    poller = await client.servers.begin_create_or_update("rg-recovery", "orders-copy", geo_restore(arm, "orders"))
    await poller.result()
    assert ("restore", "orders-copy", "centralus", "orders") in data.told
    assert "orders-copy.postgres.database.azure.com" in arm.world.address_book()
    await (await client.servers.begin_delete("rg-recovery", "orders-copy")).result()
    assert ("remove", "orders-copy") in data.told
    assert "orders-copy.postgres.database.azure.com" not in arm.world.address_book()


async def test_without_a_replicated_backup_there_is_no_geo_restore(serve: Serve) -> None:
    arm = await serve(data=FakeData())
    error = await refusal(arm, "orders-copy", geo_restore(arm, "orders"))
    assert "geo-backups aren't available yet" in str(error)


async def test_a_deleted_server_is_gone_and_its_name_free(arm: Arm) -> None:
    client = await arm.flexible()
    await (await client.servers.begin_delete("rg-orders", "reports")).result()
    with pytest.raises(ResourceNotFoundError):
        await client.servers.get("rg-orders", "reports")
    answer = await client.name_availability.check_globally(models.CheckNameAvailabilityRequest(name="reports"))
    assert answer.name_available
