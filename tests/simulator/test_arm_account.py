"""Subscriptions, locations, groups, health events, and what `az` needs to log in."""

from __future__ import annotations

from typing import Any

from azure.identity.aio import ClientSecretCredential

from responder.simulator import estates

from .conftest import Arm


async def get(arm: Arm, path: str, *, status: int = 200) -> Any:
    session = await arm.session()
    async with session.get(path) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def test_locations_tell_their_pair(arm: Arm) -> None:
    listed = await get(arm, f"/subscriptions/{arm.subscription}/locations?api-version=2022-12-01")
    pairs = {e["name"]: [p["name"] for p in e["metadata"]["pairedRegion"]] for e in listed["value"]}
    assert pairs["eastus2"] == ["centralus"]
    assert pairs["polandcentral"] == []


async def test_groups_are_read_whatever_the_spelling(arm: Arm) -> None:
    path = f"/subscriptions/{arm.subscription}/resourcegroups"
    listed = await get(arm, f"{path}?api-version=2021-04-01")
    assert {g["name"]: g["location"] for g in listed["value"]}["rg-dns"] == "northeurope"
    assert (await get(arm, f"{path}/RG-DNS?api-version=2021-04-01"))["name"] == "rg-dns"
    session = await arm.session()
    for name, status in (("rg-dns", 204), ("rg-none", 404)):
        async with session.head(f"{path}/{name}?api-version=2021-04-01") as answer:
            assert answer.status == status


async def test_a_client_secret_gets_a_token_that_opens_the_door(arm: Arm) -> None:
    async with ClientSecretCredential(
        str(arm.world.estate.tenant),
        "5c1a8a0e-0000-4000-8000-000000000001",
        "anything",
        authority=arm.tls,
        disable_instance_discovery=True,
        connection_verify=str(arm.ca),
    ) as credential:
        token = await credential.get_token(f"{arm.tls}/.default")
    session = await arm.session(token=token.token)
    async with session.get("/subscriptions?api-version=2022-12-01") as answer:
        assert (await answer.json())["value"][0]["displayName"] == "Contoso Production"


async def test_events_are_listed_newest_first_and_filtered(arm: Arm) -> None:
    def event(name: str, type_: str, status: str, at: str) -> dict[str, object]:
        impact = [
            {"impactedService": "Azure Database for PostgreSQL", "impactedRegions": [{"impactedRegion": "East US 2"}]}
        ]
        properties = {"eventType": type_, "status": status, "lastUpdateTime": at, "impact": impact}
        return {"name": name, "type": "/providers/Microsoft.ResourceHealth/events", "properties": properties}

    arm.world.events += [
        event("AAAA-001", "ServiceIssue", "Active", "2026-03-01T10:00:00.1234567Z"),
        event("AAAA-002", "PlannedMaintenance", "Active", "2026-03-02T10:00:00Z"),
    ]
    path = f"/subscriptions/{arm.subscription}/providers/Microsoft.ResourceHealth/events"

    async def names(query: str) -> list[str]:
        return [e["name"] for e in (await get(arm, f"{path}?api-version=2025-05-01{query}"))["value"]]

    assert await names("") == ["AAAA-002", "AAAA-001"]
    assert await names("&$filter=properties/eventType eq 'ServiceIssue' and properties/status eq 'Active'") == [
        "AAAA-001"
    ]
    assert await names("&$filter=region eq 'eastus2' or service eq 'Nothing'") == ["AAAA-002", "AAAA-001"]
    assert await names("&queryStartTime=3/2/2026") == ["AAAA-002"]
    assert await names("&queryStartTime=2026-03-01T10:00:00Z") == ["AAAA-002", "AAAA-001"]
    assert (await get(arm, f"{path}/aaaa-001?api-version=2025-05-01"))["name"] == "AAAA-001"
    await get(arm, f"{path}/BBBB-001?api-version=2025-05-01", status=404)


async def test_availability_follows_the_region(arm: Arm) -> None:
    path = (
        f"{arm.id_of('orders')}/providers/Microsoft.ResourceHealth/availabilityStatuses/current?api-version=2025-05-01"
    )
    assert (await get(arm, path))["properties"]["availabilityState"] == "Available"
    await arm.world.take_region_down("eastus2")
    assert (await get(arm, path))["properties"]["availabilityState"] == "Unavailable"


async def test_az_finds_its_endpoints(arm: Arm) -> None:
    cloud = await get(arm, "/metadata/endpoints?api-version=2022-09-01")
    assert cloud["authentication"]["loginEndpoint"] == arm.http
    configuration = await get(arm, f"/{arm.world.estate.tenant}/v2.0/.well-known/openid-configuration")
    assert configuration["token_endpoint"].endswith("/oauth2/v2.0/token")


def test_an_estate_that_cannot_be_used_says_where_and_what_to_do() -> None:
    text = "tenant: 0d7f2f0a-3d62-4a0f-9a1c-5b1b7a1f0001\nsubscriptions: []\nservrs: []\n"
    try:
        estates.parse(text, source="mine.yaml")
    except estates.EstateError as error:
        said = str(error)
    assert "mine.yaml: servrs: Extra inputs are not permitted; remove it or correct the spelling" in said
    assert "mine.yaml: subscriptions:" in said
