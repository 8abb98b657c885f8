"""Two tracking ids for one region: a server has one run and one copy, and the most urgent decision about it counts."""

from __future__ import annotations

from responder.core import decisions, outages, runs
from tests.scenarios import night as nights
from tests.scenarios.conftest import Fall

SECOND = outages.OutageId("9ABC-1D0@eastus2")


async def active(night: nights.Night) -> list[runs.Run]:
    return [run for run in await night.runs() if not run.state.ended]


async def test_an_outage_that_is_waited_out_does_not_keep_another_from_its_restore(fall: Fall) -> None:
    night = await fall(nights.declared(hedge="none"))
    await night.region_down()
    await night.passes("5m")
    # Of the first nobody knows that databases are meant; the second says so.
    await night.tell(impact_start="-PT2M", end_in="1h")
    await night.passes("10m")
