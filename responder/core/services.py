"""Azure services by every name they go by: which are PostgreSQL, and which can take PostgreSQL along.

Names and permanent ids from the Resource Health metadata operation (2026-07-01). The list of dependencies is our
judgement, not Microsoft's: an outage of one of them makes PostgreSQL *suspect*, never proves anything.
https://learn.microsoft.com/rest/api/resourcehealth/metadata
"""

from __future__ import annotations

import functools
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


# A name is PostgreSQL's when nothing is left of it without these, in any order: all spellings, and the portal's
# languages (its own translations of "Azure Database for PostgreSQL - Flexible Server").
_POSTGRESQL_WORDS = (
    *("azure", "microsoft", "database", "databases", "db", "for", "flexible", "single", "server", "servers", "preview"),
    *("datenbank", "für", "fur", "flexibler", "flexible", "einzelserver", "einzelner"),  # German
    *("base", "données", "donnees", "pour", "serveur", "serveurs", "flexibles", "unique", "de"),  # French
    *("datos", "para", "servidor", "servidores", "único", "unico", "dados", "flexível", "flexivel"),  # Spanish, Portug.
    *("flessibile", "flessibili", "singolo", "per", "di"),  # Italian
    *("voor", "flexibele", "enkele"),  # Dutch
    *("baza", "danych", "dla", "usługa", "serwer", "elastyczny", "pojedynczy"),  # Polish
    *("databáze", "pro", "flexibilní", "jednoúčelový"),  # Czech
    *("för", "flexibel", "enskild", "til", "fleksibel"),  # Swedish, Danish, Norwegian
    *("veritabanı", "için", "esnek", "sunucu"),  # Turkish
    *("adatbázis", "rugalmas", "kiszolgáló"),  # Hungarian
    *("база", "данных", "для", "гибкий", "сервер"),  # Russian
    *("用", "フレキシブル", "サーバー", "サーバ", "データベース", "シングル", "単一"),  # Japanese
    *(
        "适用于",
        "的",
        "数据库",
        "灵活",
        "服务器",
        "单一",
        "適用於",
        "資料庫",
        "彈性",
        "伺服器",
        "彈性伺服器",
    ),  # Chinese
    *("용", "데이터베이스", "유연한", "서버", "단일"),  # Korean
)
_OTHER_PRODUCTS = re.compile("cosmos|citus|hyperscale|servergroup")
"""`Azure Cosmos DB for PostgreSQL` is another product, by whatever name."""
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
_LONGEST = 200
"""Characters of a name of a service."""
_DASHES = re.compile("[-\u2010-\u2015]")


def _fold(name: str) -> str:
    """One spelling for `X - Flexible Server`, `X – flexible server` and the id `xflexibleserver`."""
    return "".join(_DASHES.sub(" ", name).split()).casefold()


_POSTGRESQL: dict[str, set[str]] = {}
"""By first letter."""
for _word in ("postgresql", "postgres", *map(_fold, _POSTGRESQL_WORDS)):
    _POSTGRESQL.setdefault(_word[0], set()).add(_word)
_DEPENDENCY = {_fold(name) for name in _DEPENDENCIES}
_CONTROL = {_fold(name) for name in _CONTROL_PLANE}


@functools.lru_cache(maxsize=1_024)
def _is_postgresql(folded: str) -> bool:
    """Whether a name with PostgreSQL in it consists of those words and of punctuation."""
    reached = {0}  # ends of what can be read so, from the left; the words are not told apart by blanks any more
    for at, character in enumerate(folded[: _LONGEST + 1]):
        if at in reached:
            if not character.isalnum():
                reached.add(at + 1)
            reached |= {at + len(word) for word in _POSTGRESQL.get(character, ()) if folded.startswith(word, at)}
    return len(folded) in reached


def _guid(text: str) -> str:
    """As it is listed above: with its hyphens, in lower case, without braces."""
    digits = text.strip(" {}()").replace("-", "").lower()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def relation(name: str, guid: str | None = None) -> Relation:
    """What the service of that name (or permanent id, which outlives renamings) is to PostgreSQL."""
    folded, id_ = _fold(name), _guid(guid or "")
    if id_ in _POSTGRESQL_IDS:
        return Relation.POSTGRESQL
    if "postgres" in folded and not _OTHER_PRODUCTS.search(folded):
        # `Microsoft Defender for PostgreSQL` is another service, and a reason to look.
        return Relation.POSTGRESQL if _is_postgresql(folded) else Relation.DEPENDENCY
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
