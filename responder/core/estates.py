"""The estate as an index: which servers an outage concerns, without looking at the others.

    region ──► service kind (product, subscription) ──► servers

How an outage concerns a server depends on the server's region and subscription alone (`Outage.concern`), so one server
answers for its whole group, and a hundred thousand servers are matched by looking at a few dozen groups.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from responder.core import outages, regions, servers

Kind = tuple[servers.Family, str]
"""A product, in one subscription (lower case)."""


class Estate:
    """All servers, found by id, by region, and by outage. Changed only by `changed_by`, which gives another one."""

    def __init__(self, listed: Iterable[servers.Server] = ()) -> None:
        self._by_id: dict[servers.ServerId, servers.Server] = {server.id: server for server in listed}
        self._groups: dict[regions.RegionName, dict[Kind, list[servers.Server]]] = defaultdict(dict)
        for server in self._by_id.values():
            self._groups[server.region].setdefault(_kind(server), []).append(server)
        self._replicas = _replicas(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[servers.Server]:
        return iter(self._by_id.values())

    def __contains__(self, id_: servers.ServerId) -> bool:
        return id_ in self._by_id

    def get(self, id_: servers.ServerId) -> servers.Server | None:
        """The server of that id."""
        return self._by_id.get(id_)

    def replicas_of(self, id_: servers.ServerId) -> list[servers.Server]:
        """The read replicas of that server."""
        return self._replicas.get(id_, [])

    def in_region(self, region: regions.RegionName) -> list[servers.Server]:
        """Every server of a region."""
        return [server for group in self._groups.get(region, {}).values() for server in group]

    def counts(self) -> Mapping[regions.RegionName, int]:
        """How many servers each region has."""
        return {region: sum(map(len, kinds.values())) for region, kinds in self._groups.items() if kinds}

    def affected_by(self, outage: outages.Outage) -> list[servers.Server]:
        """Every server that the outage concerns, named or suspected; no probe is asked."""
        found: list[servers.Server] = []
        for group in self._groups.get(outage.region, {}).values():
            if group and outage.concern(group[0]) is not outages.Concern.NONE:
                found += group
        return found

    def changed_by(self, news: Collection[servers.Server], gone: Collection[servers.ServerId] = ()) -> Estate:
        """The estate after some servers are new or changed, and some gone. This one stays as it is."""
        after = Estate()
        after._by_id = dict(self._by_id)
        touched: set[tuple[regions.RegionName, Kind]] = set()
        for id_ in (*gone, *(server.id for server in news)):
            before = after._by_id.pop(id_, None)
            if before is not None:
                touched.add((before.region, _kind(before)))
        for server in news:
            after._by_id[server.id] = server
        out = {*gone, *(server.id for server in news)}
        after._groups = defaultdict(dict, {region: dict(kinds) for region, kinds in self._groups.items()})
        for region, kind in touched:
            after._groups[region][kind] = [server for server in after._groups[region][kind] if server.id not in out]
        own: set[tuple[regions.RegionName, Kind]] = set()
        for server in news:
            key = (server.region, _kind(server))
            if key not in own and key not in touched:  # a list that the other estate still uses
                after._groups[server.region][key[1]] = list(after._groups[server.region].get(key[1], ()))
            own.add(key)
            after._groups[server.region][key[1]].append(server)
        after._replicas = _replicas(after._by_id.values())
        return after


def _replicas(listed: Iterable[servers.Server]) -> dict[servers.ServerId, list[servers.Server]]:
    found: dict[servers.ServerId, list[servers.Server]] = {}
    for server in listed:
        if server.replica_of is not None:
            found.setdefault(server.replica_of, []).append(server)
    return found


def _kind(server: servers.Server) -> Kind:
    return server.family, server.subscription_id.lower()
