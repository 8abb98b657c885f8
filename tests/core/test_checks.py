"""What the check concludes from facts: rights, clocks, regions, tags, groups."""

from __future__ import annotations

from datetime import timedelta

import pytest

from responder.core import checks, regions, rights, servers, tolerances

EAST, CENTRAL, THIRD = (regions.normalise(name) for name in ("eastus2", "centralus", "swedencentral"))
SUBSCRIPTION = "5b0e5c5e-2f53-4a53-9a0d-3a3f5d9b7702"


def server(name: str, **more: object) -> servers.Server:
    given: dict[str, object] = {"region": EAST, "geo_backup": True, "tags": {"outage-rto": "4h"}, **more}
    return servers.Server(
        id=servers.ServerId(f"/subscriptions/{SUBSCRIPTION}/servers/{name}"),
        name=name,
        family=servers.Family.FLEXIBLE,
        subscription_id=SUBSCRIPTION,
        resource_group="rg-shop",
        tier="GeneralPurpose",
        **given,  # type: ignore[arg-type]
    )


def told(*estate: servers.Server) -> dict[servers.ServerId, tolerances.Tolerance]:
    return {one.id: tolerances.read(one.tags) for one in estate}


def verdicts(found: list[checks.Finding]) -> list[str]:
    return [str(finding.verdict) for finding in found]


# Rights.


def test_a_pattern_allows_what_it_matches_in_any_case() -> None:
    grant = rights.Grant(actions=("microsoft.dbforpostgresql/*", "*/read"))
    assert rights.missing(rights.READER | rights.WRITER, [grant]) == ()


def test_what_an_assignment_leaves_out_another_may_give() -> None:
    less = rights.Grant(actions=("*",), not_actions=("*/delete",))
    deleting = "Microsoft.DBforPostgreSQL/flexibleServers/delete"
    assert deleting in rights.missing(rights.WRITER, [less])
    assert rights.missing(rights.WRITER, [less, rights.Grant(actions=(deleting, "*/servers/delete"))]) == ()


def test_without_single_servers_their_rights_are_not_asked_for() -> None:
    flexible = rights.Grant(actions=("Microsoft.DBforPostgreSQL/flexibleServers/*", "Microsoft.Authorization/*"))
    assert rights.missing(rights.for_kinds(rights.WRITER, single=False), [flexible]) == ()
    assert rights.missing(rights.for_kinds(rights.WRITER, single=True), [flexible]) != ()


# Where the responder lives.


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        pytest.param([], ["warning"], id="not said"),
        pytest.param(["swedencentral"], ["ok"], id="a third region"),
        pytest.param(["Central US"], ["warning"], id="where copies go"),
        pytest.param(["eastus2"], ["failed"], id="where servers live"),
    ],
)
def test_a_responder_that_an_outage_takes_along_is_found(own: list[str], expected: list[str]) -> None:
    assert verdicts(checks.blast_radius(own, [server("shop")])) == expected


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(0, "ok"), (-4, "ok"), (20, "warning"), (-20, "warning"), (90, "failed"), (-90, "failed")]
)
def test_a_clock_that_is_wrong_is_found_in_both_directions(seconds: int, verdict: str) -> None:
    assert checks.clock(timedelta(seconds=seconds)).verdict == verdict


# Tags.


def test_a_tag_that_cannot_be_read_fails_and_says_what_it_costs() -> None:
    bad = server("shop", tags={"outage-rto": "4"})
    (finding,) = checks.declared([bad], told(bad))
    assert finding.verdict == "failed"
    assert finding.text.startswith("shop: tag outage-rto: ")
    assert "undeclared" in finding.remedy


def test_undeclared_servers_are_counted_and_some_are_named() -> None:
    many = [server(f"s{number}", tags={}) for number in range(7)]
    (finding,) = checks.declared(many, told(*many))
    assert (finding.verdict, "7 of 7" in finding.text, "s0, s1, s2, s3, s4 and 2 more" in finding.text) == (
        "warning",
        True,
        True,
    )


def test_a_declared_server_without_geo_backup_is_a_warning() -> None:
    bare = server("shop", geo_backup=False)
    assert verdicts(checks.declared([bare], told(bare))) == ["warning"]


# Groups for copies.

LIES = {(SUBSCRIPTION, "rg-recovery"): CENTRAL, (SUBSCRIPTION, "rg-here"): EAST}


@pytest.mark.parametrize(
    ("tags", "by_region", "verdict", "words"),
    [
        pytest.param({}, {"centralus": "rg-recovery"}, "ok", "rg-recovery (Central US)", id="in the pair"),
        pytest.param({}, {}, "failed", "no group for copies in Central US", id="none"),
        pytest.param({}, {"centralus": "rg-gone"}, "failed", "rg-gone is not seen", id="not there"),
        pytest.param({}, {"centralus": "rg-here"}, "failed", "the region of shop itself", id="in the region itself"),
        pytest.param({"outage-target-group": "RG-Recovery"}, {}, "ok", "RG-Recovery", id="by its tag"),
    ],
)
def test_the_group_for_a_copy_has_to_be_there_and_outside(
    tags: dict[str, str], by_region: dict[str, str], verdict: str, words: str
) -> None:
    shop = server("shop", tags={"outage-rto": "4h", **tags})
    (finding,) = checks.groups([shop], told(shop), by_region, LIES)
    assert (finding.verdict, words in finding.text) == (verdict, True), finding


def test_servers_that_cannot_or_need_not_be_copied_need_no_group() -> None:
    estate = [server("a", tags={}), server("b", geo_backup=False)]
    assert verdicts(checks.groups(estate, told(*estate), {}, {})) == ["ok"]
