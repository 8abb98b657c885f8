"""The index over the estate: it finds whom a look at every single server would find, and changes as the estate does."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from responder.core import estates, outages, regions, servers, services
from tests.core import cases

REGIONS = [regions.RegionName(name) for name in ("eastus2", "centralus", "westeurope")]
SUBSCRIPTIONS = [cases.SUBSCRIPTION, cases.OTHER_SUBSCRIPTION, cases.SUBSCRIPTION.upper()]
SERVICES = [services.Relation.POSTGRESQL, services.Relation.DEPENDENCY, services.Relation.UNRELATED]

numbers = st.integers(0, 11)
a_server = st.builds(
    lambda number, region, subscription, family: cases.server(
        id=servers.ServerId(f"/s/{number}"),
        name=f"s{number}",
        region=region,
        subscription_id=subscription,
        family=family,
    ),
    numbers,
    st.sampled_from(REGIONS),
    st.sampled_from(SUBSCRIPTIONS),
    st.sampled_from(list(servers.Family)),
)
told = st.dictionaries(
    st.sampled_from([cases.SUBSCRIPTION, cases.OTHER_SUBSCRIPTION]),
    st.builds(
        outages.Told,
        named_at=st.just(cases.HEARD),
        postgresql_at=st.sampled_from([None, cases.HEARD]),
        trimmed_at=st.sampled_from([None, cases.at(2)]),
    ),
)
an_outage = st.builds(
    lambda region, relation, told: cases.outage(
        id=outages.outage_id("QX3L-7PG", region), region=region, relation=relation, told=told
    ),
    st.sampled_from(REGIONS),
    st.sampled_from(SERVICES),
    told,
)


def scanned(listed: list[servers.Server], outage: outages.Outage) -> list[servers.Server]:
    known = {server.id: server for server in listed}
    return [server for server in known.values() if outage.concern(server) is not outages.Concern.NONE]


def by_id(found: list[servers.Server]) -> list[servers.Server]:
    return sorted(found, key=lambda server: server.id)


@given(st.lists(a_server), an_outage)
def test_the_index_finds_whom_a_look_at_every_server_finds(
    listed: list[servers.Server], outage: outages.Outage
) -> None:
    assert by_id(estates.Estate(listed).affected_by(outage)) == by_id(scanned(listed, outage))


@given(st.lists(a_server), st.lists(a_server, max_size=4), st.sets(numbers, max_size=3), an_outage)
def test_a_changed_estate_is_the_one_that_is_built_anew_and_the_old_one_stays(
    listed: list[servers.Server], news: list[servers.Server], gone: set[int], outage: outages.Outage
) -> None:
    news = list({server.id: server for server in news}.values())
    left = {servers.ServerId(f"/s/{number}") for number in gone} - {server.id for server in news}
    before = estates.Estate(listed)
    affected = before.affected_by(outage)
    after = before.changed_by(news, left)
    anew = [server for server in {s.id: s for s in (*listed, *news)}.values() if server.id not in left]
    assert by_id(list(after)) == by_id(anew)
    assert by_id(after.affected_by(outage)) == by_id(scanned(anew, outage))
    assert before.affected_by(outage) == affected
    assert sum(after.counts().values()) == len(after) == len(anew)


def test_a_server_that_moved_to_another_region_is_found_there_only() -> None:
    here = cases.server()
    moved = replace(here, region=REGIONS[1])
    after = estates.Estate([here]).changed_by([moved])
    assert (after.in_region(REGIONS[0]), after.in_region(REGIONS[1])) == ([], [moved])
    assert after.get(here.id) == moved


def test_three_regions_and_four_services_concern_exactly_the_servers_there() -> None:
    listed = [
        cases.server(id=servers.ServerId(f"/s/{number}"), name=f"s{number}", region=region)
        for number, region in enumerate(
            itertools.islice(itertools.cycle([*REGIONS, regions.RegionName("uksouth")]), 40)
        )
    ]
    hit = [cases.outage(id=outages.outage_id("X", region), region=region) for region in REGIONS]
    index = estates.Estate(listed)
    assert [len(index.affected_by(outage)) for outage in hit] == [10, 10, 10]
