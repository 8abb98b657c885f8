"""After a cut-over: what was cut over to is the server now, and the old one is left alone with its old rows."""

from __future__ import annotations

from typing import Any

import pytest

from responder import service
from responder.core import decisions, errors, outages, restores, tolerances
from responder.flow import scores, views
from tests.scenarios import night as nights
from tests.scenarios.conftest import Fall

NEXT = "9ABC-1D0"
NEXT_ID = outages.OutageId(f"{NEXT}@eastus2")


async def cut_over(night: nights.Night) -> Any:
    """The first outage, from its beginning to its end, and the inventory has seen what came of it: the copy."""
    await night.the_region_fails()
    await night.passes_until(night.idle, "10m")
    (copy,) = night.copies()
    assert night.record() == copy.fqdn
    await night.region_up()
    await night.tell(stage="Resolved", impact_mitigation="-PT1M")
    await night.passes_until(lambda: closed(night), "30m")
    await service.refresh_inventory(night.daemon.parts)
    return copy


async def closed(night: nights.Night) -> bool:
    return await night.store.outages.open() == []


async def test_the_copy_is_declared_and_its_stale_source_is_left_alone_until_somebody_takes_it_back(fall: Fall) -> None:
    night = await fall()
    copy = await cut_over(night)

    shown = {row["name"]: row for row in (await views.inventory(night.store, tolerances.Tolerance()))["servers"]}
    assert shown[copy.name]["tolerance"] == shown["orders"]["tolerance"]
    assert shown[copy.name]["superseded"] is None
    assert shown["orders"]["superseded"]["by"] == night.id_of(copy.name)
    assert copy.tags[restores.INSTEAD_TAG] == night.id_of("orders")
    assert night.requests_to_the_failed_region() == []

    created = len(night.creates())
    await night.the_region_fails(tracking_id=NEXT)
    await night.passes("6h")
    decision = await night.decision(outage=NEXT_ID)
    assert (decision.action, decision.reasons[0].id) == (decisions.Action.OBSERVE, "superseded")
    assert len(night.creates()) == created
    assert night.record() == copy.fqdn
    outage = await night.store.outages.get(NEXT_ID)
    assert await scores.of_outage(night.store, outage, nights.timedelta(), night.clock.now()) == []
    with pytest.raises(errors.RefusedError, match="failback-done"):
        await night.starts("geo-restore")

    (zone,) = night.sim.world.zones.values()
    old = night.sim.world.server_named("orders")
    assert old is not None
    zone.record_sets["CNAME", "orders"].records["CNAMERecord"] = {"cname": old.fqdn}
    await night.starts("failback-done")
    await night.passes("5m")
    assert len(night.creates()) == created + 1, "it is the live server again, and down"
    back = {row["name"]: row for row in (await views.inventory(night.store, tolerances.Tolerance()))["servers"]}
    assert back[copy.name]["superseded"]["by"] == night.id_of("orders")


async def test_in_an_outage_of_its_own_region_the_copy_is_no_longer_undeclared(fall: Fall) -> None:
    night = await fall()
    copy = await cut_over(night)
    await night.region_down(nights.PAIR)
    await night.passes("10m")
    await night.tell(tracking_id=NEXT, regions=["centralus"])
    await night.turn()
    await night.passes("6m")
    decision = await night.decision(copy.name, outages.OutageId(f"{NEXT}@centralus"))
    said = {reason.id for reason in decision.reasons}
    assert "undeclared" not in said
    assert "way.no-geo-backup" in said
