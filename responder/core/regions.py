"""Azure regions: names and pairs.

Facts only. A pair says where geo-redundant backups go; it does not say that PostgreSQL or quota exist there.
Names: Service Health speaks display names (`East US 2`), Resource Manager programmatic ones (`eastus2`), and sometimes
mixes both. For every public region the programmatic name is the display name in lower case without blanks.

Sources: the locations operation of Azure Resource Manager (2026-03) and
https://learn.microsoft.com/azure/reliability/regions-paired, https://learn.microsoft.com/azure/reliability/regions-list
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType

RegionName = NewType("RegionName", str)
"""Programmatic name, lower case, no blanks: `eastus2`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One Azure region as published."""

    name: RegionName
    display_name: str
    pair: RegionName | None
    """The region that this one replicates to and geo-restores into; not always symmetric. None: no pair."""
    restricted: bool
    """Access needs a request to Microsoft: a restore there can be refused for lack of it."""
    cloud: str
    """`public`, `usgov` or `china`."""


def normalise(name: str) -> RegionName:
    """The programmatic form of any spelling of a region: `East US 2`, `eastus2` and `EASTUS2` are one."""
    return RegionName(re.sub(r"\s+", "", name).lower())


def find(name: str) -> Region | None:
    """The region of that name in any spelling, or None for `Global`, `Region Unknown` and names not published yet."""
    known = REGIONS.get(name)  # type: ignore[call-overload]  # most names come in the one form already
    return known if known is not None else REGIONS.get(normalise(name))


def pair_of(name: str) -> RegionName | None:
    """The region that geo-redundant backups of `name` go to, or None when there is no pair or no such region."""
    region = find(name)
    return region.pair if region else None


def display(name: str) -> str:
    """The name people read; an unknown region is shown as it came."""
    region = find(name)
    return region.display_name if region else name


# display name | display name of the pair | access | cloud
_TABLE = """
Australia Central | Australia Central 2 | open | public
Australia Central 2 | Australia Central | restricted | public
Australia East | Australia Southeast | open | public
Australia Southeast | Australia East | open | public
Austria East | - | open | public
Belgium Central | - | open | public
Brazil South | South Central US | open | public
Brazil Southeast | Brazil South | restricted | public
Canada Central | Canada East | open | public
Canada East | Canada Central | open | public
Central India | South India | open | public
Central US | East US 2 | open | public
Central US EUAP | East US 2 EUAP | open | public
Chile Central | - | open | public
Denmark East | - | open | public
East Asia | Southeast Asia | open | public
East US | West US | open | public
East US 2 | Central US | open | public
East US 2 EUAP | Central US EUAP | open | public
France Central | France South | open | public
France South | France Central | restricted | public
Germany North | Germany West Central | restricted | public
Germany West Central | Germany North | open | public
Indonesia Central | - | open | public
Israel Central | - | open | public
Italy North | - | open | public
Japan East | Japan West | open | public
Japan West | Japan East | open | public
Jio India Central | Jio India West | open | public
Jio India West | Jio India Central | open | public
Korea Central | Korea South | open | public
Korea South | Korea Central | restricted | public
Malaysia West | - | open | public
Mexico Central | - | open | public
New Zealand North | - | open | public
North Central US | South Central US | open | public
North Europe | West Europe | open | public
Norway East | Norway West | open | public
Norway West | Norway East | restricted | public
Poland Central | - | open | public
Qatar Central | - | open | public
South Africa North | South Africa West | open | public
South Africa West | South Africa North | restricted | public
South Central US | North Central US | open | public
Southeast Asia | East Asia | open | public
South India | Central India | open | public
Spain Central | - | open | public
Sweden Central | Sweden South | open | public
Sweden South | Sweden Central | restricted | public
Switzerland North | Switzerland West | open | public
Switzerland West | Switzerland North | restricted | public
Taiwan North | - | restricted | public
UAE Central | UAE North | restricted | public
UAE North | UAE Central | open | public
UK South | UK West | open | public
UK West | UK South | open | public
West Central US | West US 2 | open | public
West Europe | North Europe | open | public
West India | South India | open | public
West US | East US | open | public
West US 2 | West Central US | open | public
West US 3 | East US | open | public
China East | China North | open | china
China East 2 | China North 2 | open | china
China East 3 | China North 3 | open | china
China North | China East | open | china
China North 2 | China East 2 | open | china
China North 3 | China East 3 | open | china
US DoD Central | US DoD East | open | usgov
US DoD East | US DoD Central | open | usgov
US Gov Arizona | US Gov Texas | open | usgov
US Gov Iowa | - | open | usgov
US Gov Texas | US Gov Virginia | open | usgov
US Gov Virginia | US Gov Texas | open | usgov
"""


def _read(line: str) -> Region:
    display_name, pair, access, cloud = (field.strip() for field in line.split("|"))
    return Region(
        name=normalise(display_name),
        display_name=display_name,
        pair=None if pair == "-" else normalise(pair),
        restricted=access == "restricted",
        cloud=cloud,
    )


REGIONS: dict[RegionName, Region] = {r.name: r for r in map(_read, _TABLE.strip().splitlines())}
