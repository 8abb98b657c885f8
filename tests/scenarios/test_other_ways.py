"""Ways out other than a geo-restore, chosen by the decision and carried out by the run that it starts."""

from __future__ import annotations

from responder.core import copies, decisions
from tests.scenarios import night as nights
from tests.scenarios.conftest import Fall

PRIMARY = nights.declared(geo_backup=False)
REPLICA = {**nights.a_server("orders-r", "northeurope", geo_backup=False), "replica_of": "orders", "tags": {}}


async def test_a_server_with_only_a_replica_is_promoted_when_it_is_due_and_its_unknown_loss_is_signed_for(
    fall: Fall,
) -> None:
    """Nobody can log in to the replica here, so its lag is not known, and a human signs."""
    night = await fall(PRIMARY, REPLICA)
    await night.the_region_fails()
    early = await night.decision()
    assert (early.action, early.way) == (decisions.Action.WAIT, "promote-replica")
    await night.passes_to(early.start_at)
    assert await night.at_step("hold")
    assert (await night.decision()).action is decisions.Action.HOLD
    await night.passes_to((await night.decision()).cut_over_at)
    asked = await night.decision()
    assert (asked.action, asked.reasons[0].id) == (decisions.Action.ASK, "cutover.loss")
    assert night.writes() == []
    await night.says("approve", accept_loss="24h")
    await night.passes("1m")
    assert await night.idle()
    assert night.record() == "orders-r.postgres.database.azure.com"
    assert (await night.decision()).action is decisions.Action.DONE
    (run,) = [run for run in await night.runs("orders") if run.playbook.name == "promote-replica"]
    facts = await night.store.outages.facts(night.id_of("orders"), nights.OUTAGE_ID)
    assert (run.created_by, facts.copy.state, facts.copy.way) == (
        "responder",
        copies.State.PROMOTED,
        "promote-replica",
    )


async def test_a_replica_is_left_alone_when_the_region_returns_first(fall: Fall) -> None:
    night = await fall(PRIMARY, REPLICA)
    await night.the_region_fails()
    await night.passes_to((await night.decision()).start_at)
    assert await night.at_step("hold")
    await night.region_up()
    await night.passes("2h30m")
    assert await night.idle()
    assert night.writes() == []
    assert night.record() == "orders.postgres.database.azure.com"
