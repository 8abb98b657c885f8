"""One zone or the whole region: told by who is silent beside whom."""

from __future__ import annotations

from datetime import timedelta

import pytest

from responder.core import evidence, servers, zones
from tests.core import cases
from tests.core.cases import at, down, never_reached

NOW = at(1)
SILENT = down(NOW, since=at(0))
JUST = down(NOW, since=NOW - timedelta(minutes=1))
FIREWALLED = never_reached(NOW)


def told(**by_zone: list[evidence.Health | None]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Zones by name, `z` before it; None: a server that answers."""
    listed, looks = [], {}
    for zone, healths in by_zone.items():
        for i, health in enumerate(healths):
            id_ = servers.ServerId(f"/{zone}/{i}")
            listed.append(cases.server(id=id_, zone=zone.removeprefix("z")))
            if health is not None:
                looks[id_] = {"here": health}
    return zones.told_apart(listed, looks)


@pytest.mark.parametrize(
    ("by_zone", "down_", "well"),
    [
        pytest.param({"z1": [SILENT, SILENT], "z2": [None, None], "z3": [None]}, {"1"}, ("2", "3"), id="one zone"),
        pytest.param({"z1": [SILENT], "z2": [SILENT]}, set(), (), id="all zones: it is the region"),
        pytest.param({"z1": [None], "z2": [None]}, set(), (), id="none"),
        pytest.param({"z1": [JUST, JUST], "z2": [None]}, set(), (), id="not silent for long enough"),
        pytest.param({"z1": [FIREWALLED], "z2": [None]}, set(), (), id="never reached from here"),
        pytest.param({"z1": [SILENT, None, None], "z2": [None]}, set(), (), id="one server of three is no zone"),
        pytest.param({"z1": [SILENT], "z2": [JUST]}, set(), (), id="the other zone has begun to fail"),
        pytest.param({"z": [SILENT], "z2": [None]}, set(), (), id="a server whose zone is not known"),
    ],
)
def test_a_zone_is_down_when_most_of_it_is_and_another_is_well(
    by_zone: dict[str, list[evidence.Health | None]], down_: set[str], well: tuple[str, ...]
):
    assert told(**by_zone) == (frozenset(down_), well)


def test_a_server_that_one_vantage_point_still_reaches_does_not_count_as_silent():
    server = cases.server(zone="1")
    other = cases.server(id=servers.ServerId("/other"), zone="2")
    looks = {server.id: {"east": SILENT, "west": cases.up(NOW)}}
    assert zones.told_apart([server, other], looks) == (frozenset(), ())


# Two subscriptions number the zones of one region each in their own way.

OURS, THEIRS = cases.SUBSCRIPTION, cases.OTHER_SUBSCRIPTION


def beside(*listed: tuple[str, str, evidence.Health | None]) -> dict[str, zones.Told]:
    """Servers as (subscription, zone, health); None: it answers."""
    found, looks = [], {}
    for i, (subscription, zone, health) in enumerate(listed):
        id_ = servers.ServerId(f"/{i}")
        found.append(cases.server(id=id_, subscription_id=subscription, zone=zone))
        if health is not None:
            looks[id_] = {"here": health}
    return dict(zones.by_subscription(found, looks))


def test_a_zone_of_one_subscription_is_not_compared_with_one_of_another():
    told = beside((OURS, "1", SILENT), (THEIRS, "2", None), (THEIRS, "3", None))
    assert told == {OURS: zones.REGION, THEIRS: zones.REGION}


def test_each_subscription_is_told_its_own_number_of_the_zone_that_is_down():
    told = beside((OURS, "1", SILENT), (OURS, "2", None), (THEIRS, "1", None), (THEIRS, "2", SILENT))
    assert told == {OURS: (frozenset({"1"}), ("2",)), THEIRS: (frozenset({"2"}), ("1",))}


def test_subscriptions_are_the_same_in_any_case():
    assert beside((OURS.upper(), "1", SILENT), (OURS, "2", None)) == {OURS: (frozenset({"1"}), ("2",))}
