"""The ways out for one server, cheapest in data first, and what stands against each.

    wait for the standby  ->  promote a replica  ->  restore to another zone  ->  geo-restore into the pair

Knows facts of the inventory and of the moment; judges no evidence, no time and no tolerance but the RPO. Rules:
https://learn.microsoft.com/azure/postgresql/backup-restore/concepts-backup-restore,
https://learn.microsoft.com/azure/postgresql/read-replica/concepts-read-replicas-promote and, for Single Server,
https://learn.microsoft.com/azure/postgresql/single-server/concepts-business-continuity.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from responder.core import networks, regions, servers


class Name(StrEnum):
    """The ways out."""

    WAIT = "wait"
    """For the standby in another zone. Loses nothing."""
    PROMOTE = "promote-replica"
    """Loses what had not been replicated."""
    IN_REGION = "point-in-time-restore"
    """Into another zone of the same region. Loses minutes."""
    GEO_RESTORE = "geo-restore"
    """Into the paired region. Loses up to an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why a way is closed, in a sentence for the owner, with what to do before the next time."""

    id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far a replica was behind, measured on it while its primary answered."""

    behind: timedelta
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A read replica of the server."""

    id: servers.ServerId
    region: regions.RegionName
    lag: timedelta | None = None
    """How far it was behind shortly before the server fell silent. None: not measured."""
    lag_at: datetime | None = None
    """When that was measured."""
    impaired: bool = False
    """Its region has an outage of its own, or it does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the paired region gave us when it was asked, in peace."""

    restricted: bool = False
    """PostgreSQL is not offered there to this subscription."""
    why: str = ""
    """Azure's own words."""
    free_vcores: int | None = None
    """What the subscription's quota leaves. None: not asked."""
    needed_by_all: int = 0
    """What the copies of all servers that share this quota would take together. 0: not known."""
    size_missing: bool = False
    """The server's size is not among those that new servers there can have."""
    no_geo_backup: bool = False
    """A server there cannot have geo-redundant backup."""
    no_standby: bool = False
    """A server there cannot have a standby in another zone."""
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is known of the moment, apart from the server. The empty value: nothing in particular."""

    impact_start: datetime
    zonal: bool = False
    """The outage takes one availability zone; servers of others answer."""
    pair_impaired: bool = False
    """An active outage is known for the paired region, too."""
    arm_impaired: bool = False
    """Azure Resource Manager has an active outage in the paired region: restores are refused now, and tried again."""
    offer: Offer | None = None
    """None: nobody has asked."""
    replicas: tuple[Replica, ...] = ()
    playbooks: frozenset[str] | None = None
    """The playbooks there are. None: all."""
    networks: Mapping[str, networks.Network] = field(default_factory=dict)
    """What was prepared for the copies of servers in virtual networks, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way out."""

    name: Name
    obstacles: tuple[Obstacle, ...] = ()
    """What rules it out, weightiest first. Empty: open, as far as we know."""
    remarks: tuple[Obstacle, ...] = ()
    """What makes it doubtful and rules nothing out."""
    loss: timedelta | None = None
    """The newest data it may lose when nothing was measured. None: not known."""
    target: servers.ServerId | None = None
    """The server that exists already: the replica."""

    @property
    def open(self) -> bool:
        """Nothing rules it out."""
        return not self.obstacles


_FIRST_GEO_BACKUP = timedelta(hours=1)
_INVALID = "invalid"


def survey(server: servers.Server, around: Surroundings, losses: tuple[timedelta, timedelta]) -> tuple[Way, ...]:
    """Every way there could be for this server in this outage, cheapest in data first.

    Args:
        losses: the newest data that a geo-restore and a restore within the region may lose.
    """
    found = [_geo_restore(server, around, losses[0])]
    if around.zonal:
        found.insert(0, _in_region(server, around, losses[1]))
    if around.replicas:
        found.insert(0, _promote(server, around))
    if around.zonal and server.zone_redundant:
        found.insert(0, Way(name=Name.WAIT, loss=timedelta()))
    return tuple(found)


def best(found: tuple[Way, ...], rpo: timedelta | None) -> Way | None:
    """The first open way whose loss the owner accepts; then one whose loss is measured by standing ready; then the one
    that loses least.

    None: none is open. Waiting for the standby is not among them: it is waiting.
    """
    usable = [way for way in found if way.open and way.name is not Name.WAIT]
    for way in usable:
        if rpo is not None and way.loss is not None and way.loss <= rpo:
            return way
    for way in usable:
        if way.loss is None:  # a replica: to stand ready costs nothing, and measures its lag
            return way
    return min(usable, key=lambda way: way.loss if way.loss is not None else timedelta.max, default=None)


def _promote(server: servers.Server, around: Surroundings) -> Way:
    found = _no_playbook(Name.PROMOTE, around)
    able = [replica for replica in around.replicas if not replica.impaired and replica.region != server.region]
    if not able and around.zonal:
        able = [replica for replica in around.replicas if not replica.impaired]
    if not able:
        found = (_say("replica-impaired"), *found)
        return Way(name=Name.PROMOTE, obstacles=found)
    if server.elastic:
        found = (_say("elastic-cluster"), *found)
    nearest = min(able, key=lambda replica: (replica.lag is None, replica.lag or timedelta(), replica.id))
    remarks = (_say("lag-unknown"),) if nearest.lag is None else ()
    return Way(name=Name.PROMOTE, obstacles=found, remarks=remarks, loss=nearest.lag, target=nearest.id)


def _in_region(server: servers.Server, around: Surroundings, loss: timedelta) -> Way:
    found = list(_no_playbook(Name.IN_REGION, around))
    if server.family is servers.Family.SINGLE:
        found.append(_say("no-zones"))
    elif not server.zone_redundant:
        # Azure shows no redundancy of backups; only with a zone-redundant standby are they surely in other zones.
        found.append(_say("backup-in-the-zone"))
    if server.elastic:
        found.append(_say("elastic-cluster"))
    if not server.zone:
        found.append(_say("zone-unknown"))
    return Way(name=Name.IN_REGION, obstacles=tuple(found), loss=loss)


def _geo_restore(server: servers.Server, around: Surroundings, loss: timedelta) -> Way:
    pair = regions.pair_of(server.region)
    found = [
        *_against_the_backup(server, around),
        *_against_the_pair(server, around, pair),
        *_against_the_place(server, around, pair),
        *_no_playbook(Name.GEO_RESTORE, around),
    ]
    remarks = []
    if around.arm_impaired and pair is not None:
        remarks.append(_say("arm-impaired", pair=regions.display(pair)))
    if server.zone_region is not None and server.zone_region == server.region:
        remarks.append(_say("dns-zone-in-region", region=regions.display(server.region)))
    if around.offer is not None and pair is not None:
        remarks += _doubts_of_the_offer(server, around.offer, regions.display(pair))
    return Way(name=Name.GEO_RESTORE, obstacles=tuple(found), remarks=tuple(remarks), loss=loss)


def _against_the_backup(server: servers.Server, around: Surroundings) -> list[Obstacle]:
    found = []
    if server.tier.lower() == "basic":
        found.append(_say("basic-tier"))
    elif not server.geo_backup:
        found.append(_say("no-geo-backup"))
    elif server.backups_since is not None and around.impact_start - server.backups_since < _FIRST_GEO_BACKUP:
        found.append(_say("too-young"))
    if server.elastic:
        found.append(_say("elastic-cluster"))
    if server.own_key and server.geo_backup and not server.geo_key:
        found.append(_say("no-geo-key"))
    elif server.own_key and server.geo_key_status.lower() == _INVALID:
        found.append(_say("geo-key-invalid"))
    return found


def _against_the_pair(server: servers.Server, around: Surroundings, pair: regions.RegionName | None) -> list[Obstacle]:
    if pair is None:
        return [_say("no-pair", region=regions.display(server.region))]
    found, there, offer = [], regions.display(pair), around.offer
    if around.pair_impaired:
        found.append(_say("pair-impaired", pair=there))
    if offer is not None and offer.restricted:
        found.append(_say("offer-restricted", pair=there, why=f" ({offer.why})" if offer.why else ""))
    free = offer.free_vcores if offer is not None else None
    needed = server.vcores if free is not None else None
    if free is not None and needed is not None and free < needed:
        found.append(_say("no-quota", pair=there, free=str(free), needed=str(needed)))
    return found


def _doubts_of_the_offer(server: servers.Server, offer: Offer, pair: str) -> list[Obstacle]:
    """What may still work, and does not cost anything to try."""
    found, free, all_ = [], offer.free_vcores, offer.needed_by_all
    if offer.size_missing:
        found.append(_say("size-not-offered", size=server.sku, pair=pair))
    if free is not None and server.vcores is not None and server.vcores <= free < all_:
        found.append(_say("quota-tight", pair=pair, free=str(free), needed=str(all_)))
    if offer.no_standby and server.zone_redundant:
        found.append(_say("no-standby-there", pair=pair))
    if offer.no_geo_backup:
        found.append(_say("no-geo-backup-there", pair=pair))
    return found


def _against_the_place(server: servers.Server, around: Surroundings, pair: regions.RegionName | None) -> list[Obstacle]:
    found = []
    if server.subnet and pair is not None:
        network = networks.chosen(around.networks, server, pair)
        if isinstance(network, str):
            found.append(_say(network, pair=regions.display(pair)))
    if server.target_group_region is not None and server.target_group_region == server.region:
        found.append(_say("group-in-region", region=regions.display(server.region)))
    return found


def _no_playbook(name: Name, around: Surroundings) -> tuple[Obstacle, ...]:
    if around.playbooks is None or name.value in around.playbooks:
        return ()
    return (_say("no-playbook", name=name.value),)


def _say(id_: str, **words: str) -> Obstacle:
    return Obstacle(id=f"way.{id_}", text=SENTENCES[id_].format(**words)) if words else _plain(id_)


@functools.cache
def _plain(id_: str) -> Obstacle:
    return Obstacle(id=f"way.{id_}", text=SENTENCES[id_])


SENTENCES: Mapping[str, str] = {
    "basic-tier": "The Basic tier has no geo-redundant backup and cannot be geo-restored; dump and restore to another "
    "tier.",
    "no-geo-backup": "It was created without geo-redundant backup, which cannot be added later; dump and restore into "
    "a new server that has it.",
    "too-young": "It was less than an hour old when the outage began, so its first geo-redundant backup is not there.",
    "elastic-cluster": "It is an elastic cluster, which Azure neither restores elsewhere nor promotes.",
    "no-geo-key": "It is encrypted with a key of yours and its geo-redundant backup has none in the paired region; "
    "create it anew with a geo-backup key.",
    "geo-key-invalid": "The key of its geo-redundant backup is invalid: correct the vault or the identity in the "
    "paired region.",
    "no-pair": "{region} has no paired region, so there is nowhere to geo-restore to.",
    "pair-impaired": "The paired region {pair} has an outage of its own; a restore there waits until it ends.",
    "offer-restricted": "PostgreSQL is not offered to this subscription in {pair}{why}; ask Microsoft for access.",
    "no-quota": "The quota in {pair} leaves {free} vCores and the copy needs {needed}; ask for more.",
    "size-not-offered": "The size {size} is not among those that {pair} offers now, and a geo-restore keeps the size: "
    "it may be refused. In peace, move the server to a size that both regions offer.",
    "quota-tight": "The quota in {pair} leaves {free} vCores, and the copies of all servers that share it need "
    "{needed}: the last may find none; ask for more.",
    "no-standby-there": "{pair} offers no standby in another zone, so the copy will have none.",
    "no-geo-backup-there": "{pair} offers no geo-redundant backup, so the copy will have none later either.",
    "private-network": "It lives in a virtual network, so its copy needs a delegated subnet and a private DNS zone in "
    "{pair}, in its own subscription; prepare them and name them in restore.networks of the settings.",
    "no-such-network": "Its tag outage-network names none of restore.networks that lies in {pair} and its "
    "subscription; correct one of both.",
    "several-networks": "It lives in a virtual network, and restore.networks has several for {pair}; choose one by its "
    "tag outage-network.",
    "group-in-region": "The resource group for its copy lies in {region} itself and takes no writes while that is "
    "down; name one in the paired region.",
    "arm-impaired": "Azure Resource Manager is impaired in {pair}: the restore may be refused, and is tried again.",
    "dns-zone-in-region": "The resource group of its DNS zone lies in {region}, so the record may not be switched "
    "while that is down.",
    "replica-impaired": "No replica of it is both in a healthy place and answering.",
    "lag-unknown": "How far its replica is behind is not known, so promoting it takes a human's yes.",
    "no-zones": "Single Server knows no availability zones.",
    "backup-in-the-zone": "Without a zone-redundant standby its local backups may lie in the zone that is down.",
    "zone-unknown": "Its availability zone is not known, so neither is another one.",
    "no-playbook": "There is no playbook {name}.",
}
