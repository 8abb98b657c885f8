"""Holding brakes and letting them go: by people over the command line and the API, and by a wave that goes wrong.

What is frozen is stored and told in one transaction. The gate asks the same rows; nothing is remembered in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from responder.core import announcements, brakes, controls, errors, outages, regions
from responder.flow import requests
from responder.store import apart, stores

_log = structlog.get_logger(__name__)

RESTORE = "restore"
"""The step kind whose failures spend the error budget of a wave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants frozen, or let go. At most one of region, server and wave; none: everything."""

    by: str
    reason: str
    region: str = ""
    server: str = ""
    """ARM id, or a name that only one server has."""
    wave: str = ""
    """Outage id; its restores. Only to let go: a wave is halted by its error budget."""
    lasts: timedelta | None = None


async def scope_of(store: stores.Store, asked: Asked) -> brakes.Scope:
    """The scope meant.

    Raises:
        InputError: two scopes at once, no such region, server or outage, or no reason given.
    """
    if not asked.reason.strip():
        raise errors.InputError("brake.no-reason", "No reason is given.", remedy="Say why: everybody will ask.")
    if sum(map(bool, (asked.region, asked.server, asked.wave))) > 1:
        raise errors.InputError(
            "brake.scopes", "More than one scope is named.", remedy="Name one: a region, a server, or none for all."
        )
    if asked.region:
        found = regions.find(asked.region)
        if found is None:
            raise errors.InputError(
                "brake.region", f"{asked.region!r} is no Azure region.", remedy="Write it like eastus2."
            )
        return brakes.Scope(kind=brakes.Kind.REGION, name=found.name)
    if asked.server:
        server = await requests.find_server(store, asked.server)
        return brakes.Scope(kind=brakes.Kind.SERVER, name=server.id)
    if asked.wave:
        if await store.outages.get(outages.OutageId(asked.wave)) is None:
            raise errors.InputError(
                "incident.unknown", f"There is no outage {asked.wave!r}.", remedy="See `responder incidents list`."
            )
        return brakes.Scope(kind=brakes.Kind.WAVE, name=asked.wave)
    return brakes.EVERYTHING


async def freeze(store: stores.Store, asked: Asked, now: datetime) -> brakes.Freeze:
    """Hold a brake. Holding it again changes its reason and its end.

    Raises:
        InputError: as `scope_of`, and for a time that is none.
    """
    if asked.lasts is not None and asked.lasts <= timedelta():
        raise errors.InputError("brake.time", "A freeze of no length holds nothing.", remedy="Give it like 2h.")
    scope = await scope_of(store, asked)
    if scope.kind is brakes.Kind.WAVE:
        raise errors.InputError(
            "brake.wave", "A wave is halted by its error budget.", remedy="Freeze its region instead."
        )
    until = now + asked.lasts if asked.lasts is not None else None
    held = brakes.Freeze(scope=scope, by=asked.by, reason=asked.reason.strip(), since=now, until=until)
    await store.brakes.freeze(held, [_told(held, "frozen", f"Frozen: {scope.words()}", _HELD, now)])
    return held


async def lift(store: stores.Store, asked: Asked, now: datetime) -> list[brakes.Freeze]:
    """Let a brake go, and the halted waves inside its scope. Nothing held: nothing happens, and the answer is empty."""
    scope = await scope_of(store, asked)
    standing = await store.brakes.standing(now)
    found = [one for one in standing if brakes.lifts(scope, one.scope, await _region_of(store, one.scope))]
    news = [
        _told(one, "lifted", f"Not frozen any more: {one.scope.words()}", f"{asked.by} lifted it: {asked.reason}.", now)
        for one in found
    ]
    await store.brakes.lift([one.scope for one in found], by=asked.by, why=asked.reason, at=now, news=news)
    return found


async def run_out(store: stores.Store, now: datetime) -> None:
    """Let go of freezes whose time is over, and say so."""
    for over in await store.brakes.run_out(now):
        told = _told(over, "lifted", f"Not frozen any more: {over.scope.words()}", "Its time is over.", now)
        await store.brakes.lift([over.scope], by=brakes.OURSELVES, why="its time is over", at=now, news=[told])


async def lapse(store: stores.Store, now: datetime) -> None:
    """End the pauses and holds of single runs whose time is over. A freeze, a no or a missing yes stands as it did."""
    for word in await store.runs.lapsing(now):
        said = controls.standing(await store.runs.signals(word.run_id))
        try:
            run = await store.runs.get(word.run_id)
        except errors.StoreError as error:
            if error.error_id != apart.UNREADABLE:
                raise
            continue  # left to the version that wrote it, which claims it, too
        ending = controls.lapse(word, said, now) if run is not None and not run.state.ended else None
        await store.runs.lapse(word, ending)
        if ending is not None:
            _log.info("run.let-go", run=word.run_id, word=word.topic, by=word.by)


async def mind_the_wave(
    store: stores.Store, outage: outages.OutageId | None, budget: brakes.Budget, now: datetime
) -> brakes.Freeze | None:
    """Halt the restores of an outage when more of them failed than its error budget allows; the halt, if it is new."""
    if outage is None:
        return None
    scope = brakes.Scope(kind=brakes.Kind.WAVE, name=outage)
    since = await store.brakes.let_go_at(scope)
    why = brakes.spent(await store.brakes.restores(outage, since, budget.of), budget)
    if not why:
        return None
    halt = brakes.Freeze(scope=scope, by=brakes.OURSELVES, reason=why, since=now)
    told = _told(halt, "halted", f"The restores of {outage} are halted", _HALTED, now)
    return halt if await store.brakes.freeze(halt, [told]) else None


_HELD = (
    "Nothing new is begun there: no run, no restore, no cut-over, and no copy is thrown away. What is under way in "
    "Azure is still watched; probing, deciding and telling go on."
)
_HALTED = (
    "Too many of them failed, so no further restore is begun until somebody has looked. Copies that exist are made "
    "ready and kept, and cut-overs to them go on."
)


async def _region_of(store: stores.Store, scope: brakes.Scope) -> regions.RegionName | None:
    if scope.kind is not brakes.Kind.WAVE:
        return None
    outage = await store.outages.get(outages.OutageId(scope.name))
    return outage.region if outage else None


def _told(held: brakes.Freeze, what: str, subject: str, text: str, now: datetime) -> announcements.Announcement:
    lifts = "" if what == "lifted" else f" {held.remedy()}"
    return announcements.Announcement(
        key=f"brake/{held.scope}/{what}/{now.isoformat()}",
        kind=f"brake.{what}",
        subject=subject,
        text=f"{held.sentence()}. {text}{lifts}",
        at=now,
        facts={"scope": str(held.scope)},
    )
