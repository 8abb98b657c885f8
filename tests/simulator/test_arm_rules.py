"""What the control plane refuses, and how."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.postgresqlflexibleservers import models

from responder.simulator import arm as arms
from responder.simulator.estates import Timing

from .conftest import Arm, Serve

SLOW = Timing(create=60, restore=60, delete=60, update=60, retry_after=0)  # type: ignore[arg-type]
"""Operations that do not end within a test."""


def body(arm: Arm, source: str, *, region: str = "centralus", **properties: Any) -> dict[str, Any]:
    """A GeoRestore as JSON."""
    standard = {
        "createMode": "GeoRestore",
        "sourceServerResourceId": arm.id_of(source),
        "pointInTimeUTC": datetime.now(UTC).isoformat(),
        "backup": {"geoRedundantBackup": "Disabled"},
    }
    return {"location": region, "properties": {**standard, **properties}}


async def refuse(arm: Arm, server: Mapping[str, Any], *, name: str = "copy", group: str = "rg-recovery") -> str:
    """Send the PUT; returns `status code: message` of the refusal."""
    client = await arm.flexible()
    with pytest.raises(HttpResponseError) as raised:
        await client.servers.begin_create_or_update(group, name, server)  # type: ignore[arg-type]
    error = raised.value
    assert error.error is not None
    return f"{error.status_code} {error.error.code}: {error.error.message}"


async def test_only_the_paired_region_takes_a_geo_restore(arm: Arm) -> None:
    assert "paired region" in await refuse(arm, body(arm, "orders", region="westeurope"))


async def test_a_source_without_geo_backup_cannot_be_geo_restored(arm: Arm) -> None:
    assert "does not have geo-redundant backup" in await refuse(arm, body(arm, "reports"))


async def test_a_source_that_does_not_exist_is_not_found(arm: Arm) -> None:
    sent = body(arm, "orders", sourceServerResourceId=arm.id_in("rg-orders", "nobody"))
    assert (await refuse(arm, sent)).startswith("404 ResourceNotFound: The requested resource of type")


async def test_a_copy_of_another_size_is_refused(arm: Arm) -> None:
    assert "storage size" in await refuse(arm, body(arm, "orders", storage={"storageSizeGB": 256}))


async def test_a_copy_cannot_be_geo_redundant_while_the_pair_is_down(arm: Arm) -> None:
    await arm.world.take_region_down("eastus2")
    sent = body(arm, "orders", backup={"geoRedundantBackup": "Enabled"})
    assert "paired region 'eastus2' is unavailable" in await refuse(arm, sent)


async def test_a_geo_restore_needs_nothing_of_the_region_that_is_down(arm: Arm) -> None:
    await arm.world.take_region_down("eastus2")
    client = await arm.flexible()
    poller = await client.servers.begin_create_or_update("rg-recovery", "copy", body(arm, "orders"))
    assert (await poller.result()).properties.state == "Ready"


async def test_a_group_located_in_a_region_that_is_down_takes_no_writes(arm: Arm) -> None:
    await arm.world.take_region_down("eastus2")
    said = await refuse(arm, body(arm, "orders"), group="rg-orders")
    assert said.startswith("503 ServiceUnavailable")
    assert "rg-orders" in said


async def test_a_name_is_taken_in_the_whole_world(arm: Arm) -> None:
    assert "409 ServerNameAlreadyExists" in await refuse(arm, body(arm, "orders"), name="billing")
    client = await arm.flexible()
    request = models.CheckNameAvailabilityRequest(name="billing", type="Microsoft.DBforPostgreSQL/flexibleServers")
    for answer in (
        await client.name_availability.check_globally(request),
        await client.name_availability.check_with_location("centralus", request),
    ):
        assert not answer.name_available
        assert answer.reason == "AlreadyExists"


async def test_a_region_without_capacity_refuses_and_says_so_beforehand(arm: Arm) -> None:
    arm.world.faults.refuse_capacity("Central US")
    assert "400 LocationIsOfferRestricted" in await refuse(arm, body(arm, "orders"))
    client = await arm.flexible()
    (capability,) = [c async for c in client.capabilities_by_location.list("centralus")]
    features = {f.name: f.status for f in capability.supported_features}
    assert features["OfferRestricted"] == "Enabled"
    assert features["GeoBackup"] == "Enabled"


async def test_vcores_beyond_the_quota_are_refused(serve: Serve) -> None:
    arm = await serve(core_quotas={"centralus": 1})
    assert "exceeding approved centralus Cores quota" in await refuse(arm, body(arm, "orders"))
    client = await arm.flexible()
    usages = {u.name.value: (u.current_value, u.limit) async for u in client.quota_usages.list("centralus")}
    assert usages["cores"] == (0, 1)


async def test_a_missing_server_and_a_missing_group_are_told_apart(arm: Arm) -> None:
    client = await arm.flexible()
    for group, name, code in (("rg-orders", "nobody", "ResourceNotFound"), ("rg-x", "orders", "ResourceGroupNotFound")):
        with pytest.raises(ResourceNotFoundError) as raised:
            await client.servers.get(group, name)
        assert raised.value.error is not None
        assert raised.value.error.code == code


async def test_a_server_takes_one_operation_at_a_time(serve: Serve) -> None:
    arm = await serve(timing=SLOW)
    client = await arm.flexible(retry_total=3)
    rule = models.FirewallRule(
        properties=models.FirewallRuleProperties(start_ip_address="1.1.1.1", end_ip_address="1.1.1.1")
    )
    await client.servers.begin_update("rg-orders", "orders", models.ServerForPatch(tags={"a": "b"}))
    with pytest.raises(ResourceExistsError) as raised:
        await client.firewall_rules.begin_create_or_update("rg-orders", "orders", "office", rule)
    assert raised.value.error is not None
    assert raised.value.error.code == "ServerIsBusy"
    assert raised.value.response is not None
    assert "Retry-After" not in raised.value.response.headers
    assert [e.status for e in arm.world.ledger.writes()] == [202, 409]


async def test_a_repeated_restore_under_way_is_refused_and_one_that_ended_is_too(serve: Serve) -> None:
    arm = await serve(timing=SLOW)
    client = await arm.flexible()
    await client.servers.begin_create_or_update("rg-recovery", "copy", body(arm, "orders"))
    assert "409 ServerIsBusy" in await refuse(arm, body(arm, "orders"))
    server = arm.world.server_named("copy")
    assert server is not None
    server.operation = None
    assert "409 ServerNameAlreadyExists" in await refuse(arm, body(arm, "orders"))


async def test_nobody_gets_in_without_a_token(arm: Arm) -> None:
    session = await arm.session(token=None)
    async with session.get("/subscriptions?api-version=2022-12-01") as answer:
        assert answer.status == 401
        assert (await answer.json())["error"]["code"] == "AuthenticationFailed"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")
    assert [e.status for e in arm.world.ledger] == [401]


async def test_the_ledger_knows_the_caller_by_the_object_id_of_its_identity(arm: Arm) -> None:
    client = await arm.flexible()
    await client.servers.get("rg-orders", "orders", headers={"x-ms-client-request-id": "the-first"})
    (entry,) = arm.world.ledger
    assert len(entry.principal) == 36
    assert entry.client_request_id == "the-first"
    assert (entry.method, entry.status, entry.region) == ("GET", 200, "eastus2")
    assert entry.resource_id.lower() == arm.id_of("orders").lower()


async def test_an_identity_is_given_out_only_to_who_knows_the_header(arm: Arm) -> None:
    session = await arm.session(token=None)
    for header, status in (("wrong", 401), (arms.IDENTITY_HEADER, 200)):
        async with session.get("/msi/token?resource=https://x/", headers={"X-IDENTITY-HEADER": header}) as answer:
            assert answer.status == status
            if status == 200:
                assert (await answer.json())["access_token"].count(".") == 2


async def test_an_operation_url_that_somebody_rebuilt_leads_nowhere(serve: Serve) -> None:
    arm = await serve(timing=SLOW)
    session = await arm.session()
    path = f"{arm.id_in('rg-recovery', 'copy')}?api-version=2026-10-01"
    async with session.put(path, json=body(arm, "orders")) as answer:
        assert answer.status == 202
        assert (await answer.json())["operation"] == "RestoreSnapshotManagementOperation"
        signed = answer.headers["Azure-AsyncOperation"]
        assert "/locations/centralus/azureAsyncOperation/" in signed
        assert len(signed) > 3000
    async with session.get(signed.partition("&t=")[0]) as answer:
        assert answer.status == 404
    async with session.get(signed) as answer:
        assert (await answer.json())["status"] == "InProgress"
    async with session.get(signed.replace("azureAsyncOperation", "operationResults")) as answer:
        assert answer.status == 202
