"""Which services in which regions, from any of Azure's spellings, and what of it concerns us.

The same list goes by four vocabularies:
    push            impactedServices (JSON in a string, or an array): ServiceName ServiceGuid
                    ImpactedRegions[].RegionName/RegionId
    REST, SDK       impact: impactedService impactedServiceGuid impactedRegions[].impactedRegion/status
    Resource Graph  Impact: the same in PascalCase
    emerging issues impacts: name regions[].name/id
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from responder.core import regions, services
from responder.core.events import Impact, Status
from responder.core.payloads import budgets, wording
from responder.core.payloads.fields import Fields

_NAMES = ("impactedService", "serviceName", "name", "service")
_IDS = ("serviceId", "impactedServiceId", "id")  # a name that was once given, too: it stays when the other changes
_GUIDS = ("impactedServiceGuid", "serviceGuid", "guid")
_REGIONS = ("impactedRegions", "regions")
_REGION_NAMES = ("impactedRegion", "regionName", "name", "region")
_REGION_IDS = ("regionId", "id")

# `Global` and `Region Unknown` occur in real events; the others are guesses at the same idea.
_NO_REGIONS = {"global", "regionunknown", "unknown", "nonregional", "allregions", "multipleregions", "none", "null"}
# A region newer than our table must not be lost: servers there carry its name as their location.
_GEOGRAPHY = re.compile(r"\s*\([^()]{0,40}\)\s*")  # `(US) East US 2`, the regional display name of Resource Manager
_LIKE_A_REGION = re.compile(r"[a-z][a-z0-9]{2,39}")


def read(listed: Iterable[object], status: Status, region: str | None = None) -> tuple[Impact, ...]:
    """Impacts as listed. `status` and `region` are the event's, for those that give none of their own."""
    return tuple(dict.fromkeys(impact for entry in listed for impact in _of_service(entry, status, _parts(region))))


def is_whole(listed: Iterable[object]) -> bool:
    """Whether every service comes with its regions: then what the list lacks is left out."""
    return all(isinstance(entry, dict) and Fields(entry).items(*_REGIONS) for entry in listed)


def _parts(region: str | None) -> list[str]:
    """`region` names one of several; or several."""
    return re.split("[,;|]", region or "")[:200]


def scalar(service: str | None, region: str | None, status: Status) -> tuple[Impact, ...]:
    """Impacts from `service` and `region`, which name one of several each: only where there is no list."""
    if service is None and region is None:
        return ()
    name = service or ""
    relation = services.relation(name)
    return tuple(
        Impact(service=name, relation=relation, region=region_name(part), status=status) for part in _parts(region)
    )


def _of_service(entry: object, status: Status, otherwise: list[str]) -> Iterator[Impact]:
    if budgets.current().impacts > budgets.current().most_impacts:
        return  # the body is marked already; tens of thousands more cost time and change nothing
    service = Fields({"name": entry} if isinstance(entry, str) else entry)
    names = [service.text(*fields_, limit=200) for fields_ in (_NAMES, _IDS)]
    guid = service.text(*_GUIDS, limit=100)
    name = names[0] or names[1] or guid
    if name is None:
        return
    relation = services.strongest(services.relation(each or "", guid) for each in names)
    budget, ours = budgets.current(), relation is not services.Relation.UNRELATED
    for listed in service.items(*_REGIONS) or otherwise:
        if not budget.takes_impact(ours):
            return
        region = Fields({"name": listed} if isinstance(listed, str) else listed)
        yield Impact(
            service=name,
            relation=relation,
            region=region_name(region.text(*_REGION_NAMES, limit=100), region.text(*_REGION_IDS, limit=100)),
            status=_status(region, status),
        )


def _status(region: Fields, otherwise: Status) -> Status:
    """REST: status is per service and region, and the newest update (the first) can withdraw one of them."""
    newest = Fields(next(iter(region.items("updates", "impactUpdates")), None))
    if any(map(wording.is_false_positive, wording.tags(newest))):
        return Status.RESOLVED
    return wording.STATUSES.get(region.word("status") or "", otherwise)


@functools.lru_cache(maxsize=4_096)
def region_name(name: str | None, id_: str | None = None) -> regions.RegionName | None:
    """The programmatic name, or None for what is no region."""
    name = _GEOGRAPHY.sub("", name or "")
    found = (
        regions.find(name)
        or regions.find(id_ or "")
        or regions.find(name.replace("-", " "))
        or _by_status_page_id(id_ or "")
    )
    if found:
        return found.name
    for candidate in map(regions.normalise, (id_ or "", name or "")):
        if _LIKE_A_REGION.fullmatch(candidate) and candidate not in _NO_REGIONS:
            return candidate
    return None


def _words(name: str) -> frozenset[str]:
    return frozenset(re.findall("[a-z]+|[0-9]+", name.lower())) - {"pacific"}


_BY_WORDS = {_words(region.display_name): region for region in regions.REGIONS.values()}


def _by_status_page_id(id_: str) -> regions.Region | None:
    """The status page has the same words in another order: `us-central`, `us-east-2`, `asia-pacific-southeast`."""
    return _BY_WORDS.get(_words(id_)) if "-" in id_ else None


def suspected(impacts: tuple[Impact, ...]) -> tuple[Impact, ...]:
    """The same where the text names PostgreSQL and the list does not: each service may have taken it along."""
    if any(impact.relation is services.Relation.POSTGRESQL for impact in impacts):
        return impacts
    return tuple(replace(impact, relation=services.Relation.DEPENDENCY) for impact in impacts)


def concerning_us(impacts: tuple[Impact, ...], status: Status) -> tuple[tuple[Impact, ...], Status]:
    """The impacts that matter to PostgreSQL, and what the event as a whole then says.

    In each region the closest service decides. An active event in which all that concerns us is resolved is resolved
    for us, though other services may still be down: `status` of REST is per service and region.
    """
    related = [impact for impact in impacts if impact.relation is not services.Relation.UNRELATED]
    postgresql_in = {impact.region for impact in related if impact.relation is services.Relation.POSTGRESQL}
    deciding = [
        impact
        for impact in related or impacts
        if impact.relation is services.Relation.POSTGRESQL or impact.region not in postgresql_in
    ]
    if status is not Status.ACTIVE or not deciding:
        return tuple(deciding), status
    live = tuple(impact for impact in deciding if impact.status is not Status.RESOLVED)
    return (live, status) if live else (tuple(deciding), Status.RESOLVED)
