"""DNS zones through azure-mgmt-dns: the switch that applications follow."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ResourceModifiedError, ResourceNotFoundError
from azure.mgmt.dns import models

from .conftest import Arm

ZONE = ("rg-dns", "db.contoso.example")


def cname(target: str) -> models.RecordSet:
    return models.RecordSet(ttl=30, cname_record=models.CnameRecord(cname=target))


async def test_a_changed_cname_leads_elsewhere(arm: Arm) -> None:
    client = await arm.dns()
    before = await client.record_sets.get(*ZONE, "orders", "CNAME")
    assert before.cname_record is not None
    assert before.cname_record.cname == "orders.postgres.database.azure.com"
    assert before.fqdn == "orders.db.contoso.example."
    await client.record_sets.create_or_update(*ZONE, "orders", "CNAME", cname("billing.postgres.database.azure.com"))
    assert arm.world.resolve("orders.db.contoso.example") == "billing.postgres.database.azure.com"


async def test_an_etag_guards_against_somebody_else(arm: Arm) -> None:
    client = await arm.dns()
    seen = await client.record_sets.get(*ZONE, "orders", "CNAME")
    await client.record_sets.create_or_update(*ZONE, "orders", "CNAME", cname("a.example"), if_match=seen.etag)
    with pytest.raises(HttpResponseError) as raised:
        await client.record_sets.create_or_update(*ZONE, "orders", "CNAME", cname("b.example"), if_match=seen.etag)
    assert raised.value.status_code == 412
    with pytest.raises((ResourceModifiedError, HttpResponseError)):
        await client.record_sets.create_or_update(*ZONE, "orders", "CNAME", cname("b.example"), if_none_match="*")
    assert arm.world.resolve("orders.db.contoso.example") is None


async def test_records_of_several_types_are_made_listed_and_deleted(arm: Arm) -> None:
    client = await arm.dns()
    text = models.RecordSet(ttl=60, txt_records=[models.TxtRecord(value=["hello"])])
    address = models.RecordSet(ttl=60, a_records=[models.ARecord(ipv4_address="10.0.0.1")])
    await client.record_sets.create_or_update(*ZONE, "note", "TXT", text)
    await client.record_sets.create_or_update(*ZONE, "host", "A", address)
    assert [r.name async for r in client.record_sets.list_by_type(*ZONE, "CNAME")] == ["billing", "orders"]
    assert len([r async for r in client.record_sets.list_by_dns_zone(*ZONE)]) == 4
    await client.record_sets.delete(*ZONE, "host", "A")
    with pytest.raises(ResourceNotFoundError):
        await client.record_sets.get(*ZONE, "host", "A")
    assert [z.name async for z in client.zones.list()] == ["db.contoso.example"]
    assert (await client.zones.get(*ZONE)).number_of_record_sets == 5


async def test_a_zone_whose_group_is_in_a_region_that_is_down_takes_no_writes(arm: Arm) -> None:
    client = await arm.dns()
    await arm.world.take_region_down("northeurope")
    with pytest.raises(HttpResponseError) as raised:
        await client.record_sets.create_or_update(*ZONE, "orders", "CNAME", cname("b.example"))
    assert raised.value.status_code == 503
    assert (await client.record_sets.get(*ZONE, "orders", "CNAME")).ttl == 30
    assert raised.value.response is not None
    assert [e.status for e in arm.world.ledger.writes()] == [503]
