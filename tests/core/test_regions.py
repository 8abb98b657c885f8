"""Region names and pairs: where a geo-redundant backup is."""

import pytest

from responder.core import regions


@pytest.mark.parametrize("name", ["East US 2", "eastus2", "EASTUS2", " East  US 2 ", "east us2"])
def test_any_spelling_of_a_region_is_one_region(name: str):
    found = regions.find(name)
    assert found is not None
    assert (found.name, found.display_name) == ("eastus2", "East US 2")


@pytest.mark.parametrize("name", ["Global", "Region Unknown", "", "eastus9", "East US (Stage)"])
def test_what_is_no_region_has_no_pair_and_is_shown_as_it_came(name: str):
    assert regions.find(name) is None
    assert regions.pair_of(name) is None
    assert regions.display(name) == name


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        pytest.param("eastus2", "centralus", id="an ordinary pair"),
        pytest.param("Central US", "eastus2", id="and back"),
        pytest.param("brazilsouth", "southcentralus", id="one way, into another geography"),
        pytest.param("westus3", "eastus", id="one way"),
        pytest.param("usgoviowa", None, id="no pair in its cloud any more"),
        pytest.param("italynorth", None, id="a region without a pair"),
    ],
)
def test_a_geo_restore_goes_to_the_published_pair_and_nowhere_else(name: str, pair: str | None):
    assert regions.pair_of(name) == pair


def test_pairs_are_not_always_mutual():
    """Restoring Brazil South goes to South Central US; restoring that one goes to North Central US."""
    assert regions.pair_of("southcentralus") == "northcentralus"


@pytest.mark.parametrize("region", regions.REGIONS.values(), ids=lambda region: region.name)
def test_every_region_of_the_table_is_consistent(region: regions.Region):
    """A pair that is a typing error would send a restore to nowhere."""
    assert region.name == region.name.lower().replace(" ", "")
    assert regions.display(region.name) == region.display_name
    assert region.cloud in {"public", "usgov", "china"}
    if region.pair is not None:
        assert region.pair != region.name
        assert regions.REGIONS[region.pair].cloud == region.cloud


def test_restricted_regions_are_known_because_a_restore_there_can_be_refused():
    pair = regions.find(regions.pair_of("francecentral") or "")
    assert pair is not None
    assert pair.restricted
