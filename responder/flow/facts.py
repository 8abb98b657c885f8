"""Gathering the facts of a decision from the store; one place for decisions, steps and `responder decide`.

What all decisions of a turn share (open outages, journals) is read once (`turn`); what is read of each server is read
for many servers at a time (`gather`). Nothing here asks the store about one server after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from responder.core import (
    approvals,
    copies,
    cutovers,
    decisions,
    errors,
    estates,
    evidence,
    offers,
    outages,
    regions,
    runs,
    servers,
    services,
    successions,
    tolerances,
    urgency,
    ways,
    witness,
    zones,
)
from responder.flow import known_estate, pauses
from responder.store import apart, sqlite
from responder.store import journals as rows

_LIVE = (copies.State.RESTORING, copies.State.READY)
_BATCH = 500
_LAG_LASTS = timedelta(minutes=15)
"""How long before a server was last well the lag of its replica may have been measured."""
_NOTHING: tuple[copies.Copy, cutovers.Consent | None] = (copies.Copy(), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What every decision of one turn is taken on."""

    still_open: Sequence[outages.Outage]
    """Outages that we are not finished with, oldest first."""
    journals: dict[servers.ServerId, Sequence[rows.Journal]] = field(default_factory=dict)
    """Of each server, newest first: runs of open outages, those by hand since these began, and what has not ended."""
    spoiled: frozenset[servers.ServerId] = frozenset()
    """Servers with a journal that this version cannot read: nothing is decided about them."""

    ill: Ill | None = None
    """Who is not well, when that was read a moment ago."""
    estate: estates.Estate | None = None
    """All servers: for who is silent beside whom, and who replicates whom. None: neither is asked."""

    offered: Mapping[offers.Place, offers.Offered] = field(default_factory=dict)
    """What the regions that copies of open outages go to gave, when they were last asked."""

    def runs_of(self, server_id: servers.ServerId, outage_id: outages.OutageId | None) -> list[rows.Journal]:
        """The journals of one server in one outage (None: in no outage), newest first."""
        return [one for one in self.journals.get(server_id, ()) if one.run.outage_id == outage_id]

    def active(self, server_id: servers.ServerId) -> runs.Run | None:
        """The run of that server that had not ended when the turn began."""
        return next((one.run for one in self.journals.get(server_id, ()) if not one.run.state.ended), None)

    def pair_impaired(self, region: regions.RegionName) -> bool:
        """Whether an active outage is known for the paired region."""
        return regions.pair_of(region) in self.impaired

    @property
    def impaired(self) -> frozenset[regions.RegionName]:
        """Regions with an active outage that takes servers."""
        return frozenset(other.region for other in self.still_open if other.active and other.takes_servers)

    def arm_impaired(self, region: regions.RegionName) -> bool:
        """Whether Resource Manager has an active outage in the paired region."""
        pair = regions.pair_of(region)
        named = (other for other in self.still_open if other.active and other.region == pair)
        return any(services.names_control_plane(other.services) for other in named)

    async def let_go(self) -> None:
        """Nobody needs it any more."""
        await pauses.let_go(self.journals)
        if self.ill is not None:
            await pauses.let_go(self.ill.looks)


Looks = Mapping[str, evidence.Health]
"""What each vantage point has seen of one server, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ill:
    """The servers that are not well, as far as anybody says so: in peace a few."""

    looks: dict[servers.ServerId, Looks]
    silent: frozenset[servers.ServerId]
    """Those among them that some vantage point finds silent."""
    said: Mapping[servers.ServerId, witness.Statement]
    """What Resource Health last said, of every server it ever spoke of."""


async def ill(store: sqlite.Store) -> Ill:
    """Who is silent to somebody, or spoken ill of by Resource Health."""
    found: dict[servers.ServerId, Looks] = {}
    after: servers.ServerId | None = servers.ServerId("")
    while after is not None:
        page, after = await store.estate.silent(after)
        found |= page
    silent, said = frozenset(found), await store.estate.statements()
    reported = [id_ for id_, statement in said.items() if statement.unhealthy and id_ not in silent]
    if reported:
        looks = await store.estate.looks(reported)
        found |= {id_: looks.get(id_, {}) for id_ in reported}
    return Ill(looks=found, silent=silent, said=said)


async def turn(
    store: sqlite.Store,
    ill: Ill | None = None,
    *,
    about: outages.Outage | None = None,
    of: Collection[servers.ServerId] | None = None,
    estate: estates.Estate | None = None,
) -> Turn:
    """Read what a turn's decisions share.

    Args:
        ill: who is not well, when that was read a moment ago.
        about: an outage that counts although it may be closed.
        of: the journals of these servers only. None: of all.
        estate: all servers, when the decisions are to look beside each.
    """
    still_open = await store.outages.open()
    counted = {outage.id: outage for outage in (*still_open, *([about] if about else []))}
    if not counted:
        return Turn(still_open=still_open, ill=ill, estate=estate)
    since = min(outage.impact_start for outage in counted.values())
    found, spoiled = await store.journals.read(rows.Wanted(outages=list(counted), since=since, servers=of))
    by_server: dict[servers.ServerId, Sequence[rows.Journal]] = {}
    for journal in found:
        by_server[journal.run.server_id] = (*by_server.get(journal.run.server_id, ()), journal)
    pairs = {pair for outage in counted.values() if (pair := regions.pair_of(outage.region)) is not None}
    return Turn(
        still_open=still_open,
        journals=by_server,
        spoiled=frozenset(spoiled),
        ill=ill,
        estate=estate,
        offered=await store.peacetime.offers(pairs),
    )


async def gather(
    store: sqlite.Store,
    outage: outages.Outage,
    affected: Sequence[servers.Server],
    tolerance_of: known_estate.Declared | tolerances.Tolerance,
    known: Turn | None = None,
) -> list[decisions.Facts]:
    """The facts of every affected server, in the order given; without those whose journals cannot be read.

    Args:
        tolerance_of: what reads a server's declaration, or the defaults under its tags.
        known: what the turn's decisions share. None: it is read now, for these servers.

    Raises:
        StoreError: `store.unreadable`, when it is read now and cannot be.
    """
    if known is None:
        known = await turn(store, about=outage, of=[server.id for server in affected])
        if known.spoiled:
            what = f"The journal of {', '.join(sorted(known.spoiled))} cannot be read by this version of responder."
            raise errors.StoreError(apart.UNREADABLE, what, remedy="Run the version that wrote it.")
    declared = known_estate.declared(tolerance_of)
    impaired, arm = known.pair_impaired(outage.region), known.arm_impaired(outage.region)
    beside = _Beside(known, outage)
    lags = await store.peacetime.lags([replica.id for server in affected for replica in beside.followers(server.id)])
    found, rest = [], pauses.Pauses()
    for batch in pauses.batches(affected, _BATCH):
        looks, said = await _witnesses(store, [server.id for server in batch], known.ill)
        succeeded = await store.successions.of([server.id for server in batch])
        for server in batch:
            if server.id in known.spoiled:
                continue
            told = succeeded.get(server.id, ())
            back = frozenset(one.run for one in told if one.ended_at is not None)
            copy, consent = copy_of(known, server.id, outage, back)
            found.append(
                decisions.Facts(
                    server=server,
                    tolerance=declared(server),
                    outage=outage,
                    health=own_look(looks.get(server.id, {})),
                    vantages=several(looks.get(server.id, {})),
                    copy=copy,
                    pair_impaired=impaired,
                    arm_impaired=arm,
                    zonal=beside.zonal(server),
                    well_zones=beside.zones_of(server)[1],
                    replicas=beside.replicas_of(server.id, looks.get(server.id, {}), lags),
                    offer=beside.offer(server),
                    consent=consent,
                    witness=said.get(server.id),
                    superseded=successions.standing(told),
                )
            )
            await rest.breathe()
    return found


class _Beside:
    """What the servers beside a server tell about it."""

    def __init__(self, known: Turn, outage: outages.Outage) -> None:
        self._estate, self._impaired, self._ill = known.estate, known.impaired, known.ill
        self._outage, self._offers = outage, known.offered
        region, self._needed = outage.region, Counter[tuple[offers.Place, str]]()
        if known.estate is not None and known.offered:
            self._needed.update(offers.needed(known.estate.in_region(region)))
        self._zones: Mapping[str, zones.Told] = {}
        if known.estate is not None and known.ill is not None:
            self._zones = zones.by_subscription(known.estate.in_region(region), known.ill.looks)

    def zones_of(self, server: servers.Server) -> zones.Told:
        return self._zones.get(server.subscription_id.lower(), zones.REGION)

    def zonal(self, server: servers.Server) -> bool:
        down, well = self.zones_of(server)
        return bool(well) and server.zone in down

    def followers(self, id_: servers.ServerId) -> Sequence[servers.Server]:
        return self._estate.replicas_of(id_) if self._estate is not None else ()

    def replicas_of(
        self, id_: servers.ServerId, looks: Looks, lags: Mapping[servers.ServerId, ways.Lag]
    ) -> tuple[ways.Replica, ...]:
        silent = self._ill.silent if self._ill is not None else frozenset()
        # What was measured long before the server was last well says nothing about how it fell silent.
        well = max(filter(None, (look.last_answer_at for look in looks.values())), default=self._outage.impact_start)
        found = []
        for replica in self.followers(id_):
            lag = lags.get(replica.id)
            lag = lag if lag is not None and well - lag.at <= _LAG_LASTS else None
            found.append(
                ways.Replica(
                    id=replica.id,
                    region=replica.region,
                    impaired=replica.region in self._impaired or replica.id in silent,
                    lag=lag.behind if lag else None,
                    lag_at=lag.at if lag else None,
                )
            )
        return tuple(found)

    def offer(self, server: servers.Server) -> ways.Offer | None:
        place = offers.place_of(server)
        if place is None or place not in self._offers:
            return None
        by_all = self._needed[place, offers.quota_of(server.sku)]
        return offers.about(self._offers[place], server, by_all, self._outage.impact_start)


async def _witnesses(
    store: sqlite.Store, ids: Sequence[servers.ServerId], known: Ill | None
) -> tuple[Mapping[servers.ServerId, Looks], Mapping[servers.ServerId, witness.Statement]]:
    """What our probes and Resource Health say of these; only what is not known yet is read."""
    if known is None:
        return await store.estate.looks(ids), await store.estate.statements(ids)
    looks: dict[servers.ServerId, Looks] = {id_: known.looks[id_] for id_ in ids if id_ in known.looks}
    others = [id_ for id_ in ids if id_ not in known.looks]
    return (looks | await store.estate.looks(others) if others else looks), known.said


def own_look(looks: Looks) -> evidence.Health:
    """What the one vantage point has seen; of several, what the newest look belongs to."""
    if len(looks) == 1:
        return next(iter(looks.values()))
    seen = [(health.last.at, name) for name, health in looks.items() if health.last is not None]
    return looks[max(seen)[1]] if seen else evidence.Health()


def several(looks: Looks) -> Looks:
    """The looks where there is more than one vantage point."""
    return looks if len(looks) > 1 else {}


def copy_of(
    known: Turn, server_id: servers.ServerId, outage: outages.Outage, back: Collection[runs.RunId] = ()
) -> tuple[copies.Copy, cutovers.Consent | None]:
    """The copy that counts for one server in one outage, and the newest human word about it.

    Args:
        back: runs whose cut-over counts no more, since applications were taken back.
    """
    if all(journal.tells_nothing for journal in known.journals.get(server_id, ())):
        return _NOTHING
    copy, consent = _newest(known, server_id, outage.id, back)
    if copy.state not in _LIVE:
        copy = _promoted(known, server_id, outage, back) or copy
    if copy.state not in (*_LIVE, copies.State.PROMOTED):
        copy, consent = _of_another(known, server_id, outage) or (copy, consent)
    return copy, consent


def _newest(
    known: Turn, server_id: servers.ServerId, outage_id: outages.OutageId, back: Collection[runs.RunId] = ()
) -> tuple[copies.Copy, cutovers.Consent | None]:
    """Of the newest run that makes one to take the server's place."""
    for journal in known.runs_of(server_id, outage_id):
        if runs.stands_in(journal.run):
            if journal.run.id in back:
                return _NOTHING
            consent = approvals.consent(journal.words, requester=journal.run.created_by)
            return runs.copy_of(journal.run, journal.steps), consent
    return _NOTHING


def _promoted(
    known: Turn, server_id: servers.ServerId, outage: outages.Outage, back: Collection[runs.RunId] = ()
) -> copies.Copy | None:
    """The copy that applications run on already: for this outage, for another open one, or by hand since it began.

    Another copy of the old server would lack everything they have written since.
    """
    for cause in dict.fromkeys([outage.id, *(other.id for other in known.still_open), None]):
        for journal in known.runs_of(server_id, cause):
            if journal.run.id in back:
                continue
            copy = runs.copy_of(journal.run, journal.steps)
            if copy.state is copies.State.PROMOTED and (cause or journal.run.created_at >= outage.impact_start):
                return copy
    return None


def _of_another(
    known: Turn, server_id: servers.ServerId, outage: outages.Outage
) -> tuple[copies.Copy, cutovers.Consent | None] | None:
    """The copy that another open outage has made or is making, and the word about it: a second one is of no use."""
    for other in known.still_open:
        if other.id != outage.id and other.region == outage.region:
            found = _newest(known, server_id, other.id)
            if found[0].state in _LIVE:
                return found
    return None


async def leading(
    store: sqlite.Store, server: servers.Server, own: outages.Outage
) -> tuple[outages.Outage, decisions.Decision | None]:
    """The outage whose newest decision about the server counts, and that decision: its own, or a more urgent one."""
    found = own, await store.outages.decision(server.id, own.id)
    for other in await store.outages.open():
        if other.id != own.id and other.concern(server) is not outages.Concern.NONE:
            decision = await store.outages.decision(server.id, other.id)
            if urgency.of(decision) > urgency.of(found[1]):
                found = other, decision
    return found


def newest_word(signals: Sequence[runs.Signal]) -> runs.Signal | None:
    """The newest approve or decline, in the order they were stored: clocks can be set back, the journal cannot."""
    words = [signal for signal in signals if signal.topic in (runs.Topic.APPROVE, runs.Topic.DECLINE)]
    return words[-1] if words else None
