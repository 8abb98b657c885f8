"""What holds runs back and who carries them on, read for people and metrics: brakes, budgets, instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from responder import settings
from responder.core import brakes, controls, runs, throttles
from responder.flow import gate, views
from responder.store import instances, locks, outbox, stores
from responder.store import throttles as rows

_NEWS = timedelta(minutes=10)
"""Older answers of Azure's say nothing any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workings:
    """All of it at one moment."""

    now: datetime
    me: str
    """This process among the instances."""
    freezes: Sequence[brakes.Freeze]
    under_way: Mapping[str, int]
    """Runs with an effect under way, by region."""
    under_way_of: Mapping[str, int]
    """The same by subscription."""
    waiting: Mapping[str, int]
    """Runs that have not ended, by what they wait for; `nothing`: they are due."""
    buckets: Mapping[rows.Key, throttles.Bucket]
    members: Sequence[instances.Instance]
    """Empty: one process has the store for itself."""
    leaders: Mapping[str, str]
    in_hand: Mapping[str, int]
    servers: int
    outages: int
    """Open ones, by region."""
    unsent: outbox.Unsent


async def read(store: stores.Store, now: datetime) -> Workings:
    """As the store has it."""
    return Workings(
        now=now,
        me=store.tenure.id,
        freezes=await store.brakes.standing(now),
        under_way=await store.brakes.under_way(),
        under_way_of=await store.brakes.under_way_of(),
        waiting=await store.brakes.waiting(),
        buckets=await store.throttles.since(now - _NEWS),
        members=await store.register.list(),
        leaders=await store.register.leaders(),
        in_hand=await store.register.in_hand(),
        servers=await store.estate.count(),
        outages=len(await store.outages.open()),
        unsent=await store.outbox.unsent(),
    )


async def braked(store: stores.Store, policy: brakes.Policy, now: datetime) -> views.Json:
    """Everything that keeps something from beginning, in one answer."""
    found = await read(store, now)
    return {
        **views.of_freezes(found.freezes),
        "runs": (await told(store)).told,
        "quarantined": [short(run) for run in await store.runs.list(limit=1000, waiting_for=controls.QUARANTINE)],
        "waiting": dict(found.waiting),
        "cooling": await _cooling(store, policy, now),
        "caps": {
            "per_subscription": policy.caps.per_subscription,
            "per_region": policy.caps.per_region,
            "subscriptions": dict(found.under_way_of),
            "regions": dict(found.under_way),
        },
        "azure": [bucket(key, one, now) for key, one in sorted(found.buckets.items())],
    }


async def sharing(store: stores.Store, now: datetime) -> views.Json:
    """Who shares the store: each with its lease, what it leads, and how many runs it has in hand."""
    found = await read(store, now)
    leases = {one.id: views.time(one.lease_until) for one in found.members}
    shown = [{**one, "lease_until": leases[one["id"]]} for one in members(found)]
    return {"store": store.database.place, "instances": shown}


def members(found: Workings) -> list[views.Json]:
    """The same, without the leases: they are renewed all the time."""
    return [
        {
            "id": one.id,
            "about": one.about,
            "role": "daemon" if one.daemon else "command line",
            "started_at": views.time(one.started_at),
            "leads": sorted(stage for stage, leader in found.leaders.items() if leader == one.id),
            "runs": found.in_hand.get(one.id, 0),
            "me": one.id == found.me,
        }
        for one in found.members
    ]


def holder(config: settings.Settings) -> str:
    """Who holds a store that is one file; empty: nobody, or it is no file."""
    return locks.holder(config.store.path.absolute()) if config.store.url is None else ""


class Told(NamedTuple):
    """Runs that somebody paused or held."""

    told: list[views.Json]
    more: bool
    """There may be more than were looked at."""


async def told(store: stores.Store, most: int | None = None) -> Told:
    """Runs that somebody paused or held, and has not let go since. `most`: of so many at most; None: of all."""
    ids, found = await store.brakes.told(), []
    for id_ in ids[:most]:
        said = controls.standing(await store.runs.signals(id_))
        for what, word in (("pause", said.paused), ("hold", said.held)):
            if word is not None:
                shown = {"run": id_, "what": what, "by": word.by, "at": views.time(word.at)}
                reason = str(word.payload.get("reason") or "")
                found.append({**shown, "reason": reason, "until": views.time(word.until)})
    return Told(found, most is not None and len(ids) > most)


def short(run: runs.Run) -> views.Json:
    """A run in quarantine."""
    return {"run": run.id, "server": run.server_id, "why": run.why, "strikes": run.strikes}


async def _cooling(store: stores.Store, policy: brakes.Policy, now: datetime) -> list[views.Json]:
    found = []
    for server, past in sorted((await store.brakes.past(now - policy.cooldown, gate.only_look())).items()):
        hot = brakes.cooling(past, policy.cooldown, now)
        if hot is not None:
            sentence = brakes.cooled_sentence(*hot, now)
            found.append({"server": server, "until": views.time(hot[1]), "sentence": sentence})
    return found


def bucket(key: rows.Key, known: throttles.Bucket, now: datetime) -> views.Json:
    """One of Azure's budgets, as far as it was heard of."""
    blocked = known.blocked_until if known.blocked_until is not None and known.blocked_until > now else None
    return {
        "subscription": key[0],
        "kind": key[1].value,
        "told": known.remaining,
        "left": round(throttles.left(known, key[1], now)),
        "seen_at": views.time(known.seen_at),
        "refused_until": views.time(blocked),
    }
