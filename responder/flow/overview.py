"""Everything that somebody who is woken must see at once, in one bounded answer: the console's first page.

Brakes first, then what waits for people, then outages and runs. However many servers are down, lists are cut to their
first few with the count of all, and who looks often, or on many screens, is given what was read a moment ago. Nothing
in the answer changes merely because time passes, so that whoever has it need not be sent it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from responder import clock, settings
from responder.core import brakes, controls, hearing, outages
from responder.flow import listening, questions, shelf, views, workings
from responder.store import stores

FEW = 20
"""Of each list."""
_OUTAGES, _OVER = 50, 5
_AGAIN = 2.0  # seconds that one reading is good for
_SHARE = 5.0  # times as long as it took: all who look together take at most a sixth of the daemon
_OLDEST = 8.0  # seconds: whoever looks must be able to tell a slow daemon from a dead one


class Overview:
    """Reads when somebody looks, and not more often than it can afford."""

    def __init__(
        self, store: stores.Store, config: settings.Settings, ears: Sequence[listening.Ear], books: shelf.Shelf | None
    ) -> None:  # fmt: skip
        self._store = store
        self._config = config
        self._ears = ears
        self._books = books
        self._reading = asyncio.Lock()
        self._known: tuple[views.Json, datetime] | None = None
        self._until = 0.0

    async def look(self) -> tuple[views.Json, datetime]:
        """The overview, and the moment it is of."""
        async with self._reading:
            began = clock.ticks()
            if self._known is None or began >= self._until:
                now = clock.now()
                self._known = await self._read(now), now
                took = clock.ticks() - began
                self._until = began + took + min(max(_AGAIN, _SHARE * took), _OLDEST)
            return self._known

    async def _read(self, now: datetime) -> views.Json:
        store, config = self._store, self._config
        found = await workings.read(store, now)
        rules = questions.rules(config)
        asked = await questions.find(store, rules, now)
        return {
            "mode": config.mode,
            "shadow": list(config.shadow().names),
            "servers": found.servers,
            **self._heard(now),
            "brakes": await self._brakes(found),
            "approvals": {
                "first": questions.as_json(asked, rules, most=FEW)["approvals"],
                "total": len(asked.questions),
                "more": asked.more,
            },
            "outages": await self._outages(),
            "runs": {
                "first": [views.of_run_briefly(run) for run in await store.runs.going_on(limit=FEW)],
                "total": sum(found.waiting.values()),
                "waiting": dict(found.waiting),
            },
            "away": await self._away(),
            "instances": workings.members(found),
            "store": store.database.place,
            "intake": {"quarantined": (await store.intake.counts())["quarantined"]},
            "announcements": {
                "undelivered": found.unsent.announcements,
                "failing": found.unsent.failing,
                "since": views.time(found.unsent.since),
            },
            "playbooks": self._playbooks(),
        }

    def _heard(self, now: datetime) -> views.Json:
        heard = listening.look(self._ears, self._config.hearing.policy(), now)
        whole = heard.overall
        return {
            "hearing": {"state": whole.state.value, "sentence": whole.sentence, "starting": whole.starting},
            "sources": [_source(facts, verdict) for facts, verdict in heard.sources],
        }

    async def _brakes(self, found: workings.Workings) -> views.Json:
        told = await workings.told(self._store, most=FEW)
        stuck = await self._store.runs.list(limit=FEW, waiting_for=controls.QUARANTINE)
        refused = (workings.bucket(key, one, found.now) for key, one in sorted(found.buckets.items()))
        return {
            "freezes": [{**views.of_freeze(one), "remedy": one.remedy()} for one in found.freezes],
            "runs": told.told,
            "runs_more": told.more,
            "quarantined": [workings.short(run) for run in stuck],
            "quarantined_total": found.waiting.get(controls.QUARANTINE, 0),
            "full": _full(found, self._config.brakes.policy().caps),
            "azure": [one for one in refused if one["refused_until"] is not None],
        }

    async def _outages(self) -> views.Json:
        store = self._store
        going_on = await store.outages.open()
        counted = [(outage, await store.outages.actions(outage.id)) for outage in going_on]
        counted.sort(key=lambda one: -sum(one[1].values()))
        ids = {outage.id for outage in going_on}
        over = [one for one in await store.outages.list(_OVER + len(ids)) if one.id not in ids][:_OVER]
        return {
            "first": [_outage(outage, actions) for outage, actions in counted[:_OUTAGES]],
            "total": len(going_on),
            "over": [_outage(outage, await store.outages.actions(outage.id)) for outage in over],
        }

    async def _away(self) -> views.Json:
        """The servers that applications were sent away from, and the command that says they are back."""
        found, total = await self._store.successions.newest(FEW)
        first = [{"server": one.name, "ends_it": one.ends_it, **views.of_succession(one)} for one in found]
        return {"first": first, "total": total}

    def _playbooks(self) -> views.Json:
        state = self._books.state if self._books is not None else None
        problem = state.problem if state is not None else None
        unusable = self._books.library.unusable if self._books is not None else {}
        return {
            "problem": str(problem) if problem is not None else None,
            "changed_on_disk": state.changed if state is not None else False,
            "unusable": {name: str(error) for name, error in unusable.items()},
        }


def _outage(outage: outages.Outage, actions: dict[str, int]) -> views.Json:
    """Thousands of subscriptions may have been told: here they are only counted."""
    shown = views.of_outage(outage)
    told = len(shown.pop("subscriptions"))
    return {**shown, "subscriptions_total": told, "servers_total": sum(actions.values()), "actions": actions}


def _source(facts: hearing.Facts, verdict: hearing.Verdict) -> views.Json:
    """What a source that hears says about itself names spans, which grow: whoever looks is given the moment."""
    troubled = verdict.state in (hearing.State.BLIND, hearing.State.LAGGING)
    return {
        "source": facts.source,
        "state": verdict.state.value,
        "sentence": verdict.sentence if troubled else "",
        "starting": verdict.starting,
        "last_event_at": views.time(facts.last_event_at),
        "restarts": facts.restarts,
        "vouches": facts.vouches,
    }


def _full(found: workings.Workings, caps: brakes.Caps) -> list[views.Json]:
    """The caps that are reached: runs wait for room there."""
    sides = (
        ("subscription", found.under_way_of, caps.per_subscription),
        ("region", found.under_way, caps.per_region),
    )
    return [
        {"of": side, "name": name, "under_way": count, "most": most}
        for side, counts, most in sides
        for name, count in sorted(counts.items())
        if count >= most
    ]
