"""Estate: an outage of three regions and four services over 100,000 servers, 10,000 of them hit.

Match: who is concerned, by the index, against a loop over all servers that asks each the same question.
Decide: one pass (read everything, match, gather the facts of 10,000, decide), against a bare loop that calls the
decision on facts that lie ready; beside it whole turns, which write decisions, runs and the audit, too. The longest
time that the event loop was held up is measured by a task that does nothing but look at the clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from responder import playbook_files, steps
from responder.core import decisions, estates, evidence, outages, regions, servers, services, tolerances
from responder.flow import assess, facts, known_estate, pauses, wakes
from responder.store import sqlite
from tests.benchmarks import measures

SERVERS = 100_000
_SHARE = 10  # one server of so many is hit
_HIT = ("eastus2", "westeurope", "japaneast")
_OTHERS = ("centralus", "northeurope", "japanwest", "eastus", "westus3", "uksouth", "canadacentral", "brazilsouth")
_SERVICES = (
    "Azure Database for PostgreSQL flexible servers",
    "Azure Database for PostgreSQL",
    "Storage",
    "Virtual Machines",
)
_SUBSCRIPTIONS = tuple(f"00000000-0000-0000-0000-0000000000{number:02}" for number in range(20))
_BEGAN = datetime(2026, 3, 4, 4, tzinfo=UTC)
_NOW = _BEGAN + timedelta(minutes=40)


async def measure(effort: measures.Effort) -> list[measures.Row]:
    """Two rows."""
    listed = [_server(number) for number in range(max(200, effort.of(SERVERS)))]
    hit, index = [_outage(name) for name in _HIT], estates.Estate(listed)
    affected = [server for outage in hit for server in index.affected_by(outage)]
    match = await measures.compare(
        "estate: match", "server", lambda: _matched(index, hit), lambda: _scanned(listed, hit), effort
    )
    each = 1000 * match.median(lambda ours, _: ours.seconds / _ROUNDS)
    found = [f"{len(affected):,} of {len(listed):,} servers are matched in {each:.2f} ms"]
    match = measures.Row(name=match.name, unit=match.unit, pairs=match.pairs, notes=found)
    return [match, await _decide(listed, hit, effort)]


_ROUNDS = 20
"""One match is too short to be measured."""


async def _matched(index: estates.Estate, hit: Sequence[outages.Outage]) -> measures.Sample:
    watch = measures.Stopwatch()
    count = sum(len(index.affected_by(outage)) for _ in range(_ROUNDS) for outage in hit)
    return watch.read(count)


async def _scanned(listed: Sequence[servers.Server], hit: Sequence[outages.Outage]) -> measures.Sample:
    watch = measures.Stopwatch()
    by_region = {outage.region: outage for outage in hit}
    found = [
        server
        for server in listed
        if (outage := by_region.get(server.region)) and outage.concern(server) is not outages.Concern.NONE
    ]
    return watch.read(len(found))


async def _decide(
    listed: Sequence[servers.Server], hit: Sequence[outages.Outage], effort: measures.Effort
) -> measures.Row:
    pairs, first, later, stalls = [], [], [], []
    pauses.collect_seldom()  # as the daemon does
    ends = time.perf_counter() + effort.seconds
    while len(pairs) < effort.turns and (not pairs or time.perf_counter() < ends):
        async with _store(listed, hit) as store:
            stage = _stage(store)
            await stage._estate.now()  # loaded once, when the daemon starts
            async with _stall() as longest:
                ours = await _pass(store, stage, hit)
                first.append(await _turn(stage, ours.items))
                await stage.turn(_NOW)  # the queue is known now, which is news for those that wait
                later.append(await _turn(stage, ours.items))
            stalls.append(longest)
            assert len(await store.runs.list(2)) == 2
            pairs.append((ours, _bare(await _facts(store, stage._estate, hit))))
    alone, whole, again = (_best(samples) for samples in ([ours for ours, _ in pairs], first, later))
    notes = [
        f"{pairs[0][0].items:,} servers read, matched and decided about in one pass: {alone:.2f} CPU s",
        f"the whole turn with it, the first time (decisions, runs and their audit are written): {whole:.2f} CPU s,"
        f" when little is new: {again:.2f} CPU s; the store's thread included",
        f"longest stall of the event loop {1000 * min(s[0] for s in stalls):.0f} ms in the calmest of {len(stalls)},"
        f" its own work at a stretch {1000 * max(s[1] for s in stalls):.0f} ms in the worst",
    ]
    return measures.Row(name="estate: decide", unit="server", pairs=pairs, notes=notes)


def _best(samples: Sequence[measures.Sample]) -> float:
    """CPU seconds. The least: whoever shares the machine's caches only ever adds."""
    return min(sample.cpu for sample in samples)


async def _pass(store: sqlite.Store, stage: assess.Assess, hit: Sequence[outages.Outage]) -> measures.Sample:
    """As a turn does it, up to where it would write."""
    watch = measures.Stopwatch()
    with pauses.uncollected():
        known = await facts.turn(store, await facts.ill(store), estate=await stage._estate.now())
        judged = [await stage._decide(outage, known, decisions.Policy(), _NOW) for outage in hit]
        sample = watch.read(sum(len(one.taken) for one in judged))
        for one in judged:
            await pauses.let_go(one.taken)
        await known.let_go()
    return sample


async def _turn(stage: assess.Assess, items: int) -> measures.Sample:
    watch = measures.Stopwatch()
    await stage.turn(_NOW)
    return watch.read(items)


@contextlib.asynccontextmanager
async def _store(listed: Sequence[servers.Server], hit: Sequence[outages.Outage]) -> AsyncIterator[sqlite.Store]:
    """A store that knows all servers, the outages, and that every server answered until its region went away."""
    with tempfile.TemporaryDirectory(prefix="responder-bench-") as folder:
        store = await sqlite.open_store(Path(folder) / "store.db")
        try:
            await store.estate.put_servers(listed)
            await store.outages.put(hit)
            down = {outage.region for outage in hit}
            await store.estate.put_health({server.id: _health(server.region in down) for server in listed})
            yield store
        finally:
            await store.close()


def _stage(store: sqlite.Store) -> assess.Assess:
    rules = assess.Rules(
        policy=decisions.Policy(),
        defaults=tolerances.Tolerance(),
        playbooks=playbook_files.load_all(None, steps.KINDS),
    )
    return assess.Assess(store, rules, wake=wakes.Wake(), act=wakes.Wake())


async def _facts(
    store: sqlite.Store, estate: known_estate.KnownEstate, hit: Sequence[outages.Outage]
) -> list[decisions.Facts]:
    known, index = await facts.turn(store), await estate.now()
    gathered = [await facts.gather(store, outage, index.affected_by(outage), estate.tolerance, known) for outage in hit]
    return [fact for group in gathered for fact in group]


def _bare(pending: Sequence[decisions.Facts]) -> measures.Sample:
    policy, watch = decisions.Policy(), measures.Stopwatch()
    for fact in pending:
        decisions.decide(fact, policy, _NOW)
    return watch.read(len(pending))


@contextlib.asynccontextmanager
async def _stall() -> AsyncIterator[list[float]]:
    """The longest times, in seconds, by which the event loop was late for a task that wants two milliseconds, and that
    its thread was at work meanwhile: on a machine that is shared, the first is mostly somebody else's."""
    longest = [0.0, 0.0]

    async def look() -> None:
        while True:
            before, cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0.002)
            longest[0] = max(longest[0], time.perf_counter() - before - 0.002)
            longest[1] = max(longest[1], time.thread_time() - cpu)

    task = asyncio.create_task(look())
    try:
        yield longest
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _server(number: int) -> servers.Server:
    hit = number % _SHARE == 0
    name = f"server-{number}"
    names = _HIT if hit else _OTHERS
    subscription = _SUBSCRIPTIONS[number // 7 % len(_SUBSCRIPTIONS)]
    address = servers.Address(
        subscription_id=subscription, resource_group="group", family=servers.Family.FLEXIBLE, name=name
    )
    return servers.Server(
        id=servers.id_of(address),
        name=name,
        family=servers.Family.FLEXIBLE if number % 5 else servers.Family.SINGLE,
        subscription_id=subscription,
        resource_group="group",
        region=regions.RegionName(names[number // _SHARE % len(names)]),
        tier="GeneralPurpose",
        sku="Standard_D4ds_v5",
        version="16",
        storage_gb=(64, 512, 4096)[number % 3],
        geo_backup=number % 4 != 0,
        fqdn=f"{name}.postgres.database.azure.com",
        state="Ready",
        tags={"outage-rto": ("4h", "8h", "24h", "2d")[number // 3 % 4], "outage-rpo": "1h", "team": "shop"},
        seen_at=_BEGAN,
    )


def _outage(name: str) -> outages.Outage:
    region = regions.RegionName(name)
    return outages.Outage(
        id=outages.outage_id("8TGK-9Q0", region),
        tracking_id="8TGK-9Q0",
        region=region,
        status=outages.Status.ACTIVE,
        impact_start=_BEGAN,
        heard_at=_BEGAN + timedelta(minutes=20),
        updated_at=_BEGAN + timedelta(minutes=20),
        subscriptions=_SUBSCRIPTIONS,
        relation=services.Relation.POSTGRESQL,
        services=_SERVICES,
        title="Loss of power",
    )


def _health(down: bool) -> evidence.Health:
    well = evidence.observe(evidence.Health(), evidence.Probe(at=_BEGAN, answered=True, detail="answers, offers TLS"))
    if not down:
        return evidence.observe(well, evidence.Probe(at=_NOW, answered=True, detail="answers, offers TLS"))
    silent = evidence.observe(
        well, evidence.Probe(at=_BEGAN + timedelta(minutes=1), answered=False, detail="no answer")
    )
    return evidence.observe(silent, evidence.Probe(at=_NOW, answered=False, detail="no answer within 5 s"))
