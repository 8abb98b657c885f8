"""Azure services by every name they go by: which are PostgreSQL, and which can take PostgreSQL along.

Names and permanent ids from the Resource Health metadata operation (2026-07-01). The list of dependencies is our
judgement, not Microsoft's: an outage of one of them makes PostgreSQL *suspect*, never proves anything.
https://learn.microsoft.com/rest/api/resourcehealth/metadata
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum


class Relation(StrEnum):
    """What a service is to a PostgreSQL server."""

    POSTGRESQL = "postgresql"
    DEPENDENCY = "dependency"
    CONTROL_PLANE = "control-plane"
    """What restores are asked of. No server goes down with it."""
    UNRELATED = "unrelated"


# `Azure Cosmos DB for PostgreSQL` is another product and stays out.
_POSTGRESQL_NAMES = {
    "azure database for postgresql",
    "azure database for postgresql flexible server",
    "azure database for postgresql flexible servers",
    "azure database for postgresql flexibleserver",
    "azure database for postgresql flexibleservers",
    "azure database for postgresql server",
    "azure database for postgresql servers",
    "azure database for postgresql single server",
    "azure database for postgresql single servers",
    "azurepostgresql",
    "postgresql",
    "postgresql flexible server",
    "postgresql flexible servers",
    "microsoft.dbforpostgresql",
    "microsoft.dbforpostgresql/flexibleservers",
    "microsoft.dbforpostgresql/servers",
}
_POSTGRESQL_IDS = {"3095259c-51a6-44dd-a4ac-848e34b3f75a", "d983ae36-3b4b-426a-b91b-a7d780cf9c3c"}

# name (and the one it had before) -> id
_DEPENDENCIES = {
    "virtual machines": "83c0c143-1bef-482f-9d84-749914effe8f",
    "virtual machine scale sets": "49a16bdd-cb5f-47da-9c37-341332cea4a4",
    "storage accounts": "67402cc3-30f9-4a42-a9ec-e673eb69ec95",
    "storage": "67402cc3-30f9-4a42-a9ec-e673eb69ec95",
    "network infrastructure": "29b3a339-1451-4e30-a90c-ac8f212f456a",
    "virtual network": "e47bb3da-1f1c-43a0-ac52-01c2db7da60d",
    "load balancer": "244b7968-45ac-4390-b067-6b6ef0d9436e",
    "azure dns": "b4ecf4c3-278d-4d5e-88d4-0b54a320c483",
    "key vault": "3cc13ff2-fb8d-4867-bd9b-e79c31b4e9fe",
    "microsoft entra id": "df6d0116-73df-4512-af5f-e7a73797b4cf",
    "microsoft entra id (formerly azure ad)": "df6d0116-73df-4512-af5f-e7a73797b4cf",
    "azure active directory": "df6d0116-73df-4512-af5f-e7a73797b4cf",
    "azure service fabric": "0b1b8d1d-a623-49af-b9cf-653925d81adb",
    "service fabric": "0b1b8d1d-a623-49af-b9cf-653925d81adb",
}
_CONTROL_PLANE = {"azure resource manager", "resource manager"}
_DEPENDENCY_IDS = set(_DEPENDENCIES.values())
_DASHES = re.compile("[-\u2010-\u2015]")


def _fold(name: str) -> str:
    """One spelling for `X - Flexible Server`, `X – flexible server` and the id `xflexibleserver`."""
    return "".join(_DASHES.sub(" ", name).split()).casefold()


_POSTGRESQL = {_fold(name) for name in _POSTGRESQL_NAMES}
_DEPENDENCY = {_fold(name) for name in _DEPENDENCIES}
_CONTROL = {_fold(name) for name in _CONTROL_PLANE}


def relation(name: str, guid: str | None = None) -> Relation:
    """What the service of that name (or permanent id, which outlives renamings) is to PostgreSQL."""
    folded, id_ = _fold(name), (guid or "").strip(" {}").lower()
    if id_ in _POSTGRESQL_IDS or folded in _POSTGRESQL:
        return Relation.POSTGRESQL
    if id_ in _DEPENDENCY_IDS or folded in _DEPENDENCY:
        return Relation.DEPENDENCY
    return Relation.CONTROL_PLANE if folded in _CONTROL else Relation.UNRELATED


def names_control_plane(names: Iterable[str]) -> bool:
    """Whether Azure Resource Manager is among these."""
    return any(_fold(name) in _CONTROL for name in names)


def strongest(relations: Iterable[Relation]) -> Relation:
    """The closest relation among several services."""
    found = set(relations)
    for candidate in (Relation.POSTGRESQL, Relation.DEPENDENCY, Relation.CONTROL_PLANE):
        if candidate in found:
            return candidate
    return Relation.UNRELATED
