"""Rules of pointing applications at a copy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from responder.azure import dns
from responder.core import errors


@dataclass(frozen=True)
class Zone:
    subscription_id: str
    name: str = "db.contoso.example"
    resource_group: str = "rg-dns"
    ttl: int = 30


async def test_a_record_is_pointed_at_the_copy(cloud: Any) -> None:
    """The record leads to the copy afterwards, and is written once."""
    names, zone = dns.Dns(await cloud.clients()), Zone(cloud.subscription)
    assert await names.read_cname(zone, "orders") == "orders.postgres.database.azure.com"

    await names.point(zone, "orders", "copy.postgres.database.azure.com.", timedelta(seconds=10))

    assert await names.read_cname(zone, "orders") == "copy.postgres.database.azure.com"
    assert len(cloud.world.ledger.writes()) == 1


async def test_pointing_where_it_points_already_writes_nothing(cloud: Any) -> None:
    """Calling again after an answer that nobody saw is safe."""
    names, zone = dns.Dns(await cloud.clients()), Zone(cloud.subscription)

    await names.point(zone, "orders", "copy.example")
    await names.point(zone, "orders", "COPY.example.")

    assert len(cloud.world.ledger.writes()) == 1


async def test_a_new_record_is_made(cloud: Any) -> None:
    """A name without a record gets one."""
    names, zone = dns.Dns(await cloud.clients()), Zone(cloud.subscription)
    assert await names.read_cname(zone, "fresh") is None

    await names.point(zone, "fresh", "copy.example")

    assert await names.read_cname(zone, "fresh") == "copy.example"


async def test_a_change_by_somebody_else_is_not_written_over(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between our look and our write somebody moved the record: refused, and worth another look."""
    names, other, zone = dns.Dns(await cloud.clients()), dns.Dns(await cloud.clients()), Zone(cloud.subscription)
    look = names._find

    async def look_and_be_late(*args: Any) -> Any:
        found = await look(*args)
        await other.point(zone, "orders", "theirs.example")
        return found

    monkeypatch.setattr(names, "_find", look_and_be_late)

    with pytest.raises(errors.AzureError) as caught:
        await names.point(zone, "orders", "ours.example")

    assert (caught.value.code, caught.value.status, caught.value.retryable) == ("PreconditionFailed", 412, True)
    assert await other.read_cname(zone, "orders") == "theirs.example"


async def test_a_zone_that_is_not_there_is_an_error(cloud: Any) -> None:
    """Only a missing record is `None`; a missing zone is somebody's mistake."""
    names = dns.Dns(await cloud.clients())

    with pytest.raises(errors.AzureError) as caught:
        await names.read_cname(Zone(cloud.subscription, name="other.example"), "orders")

    assert caught.value.status == 404
