"""Outages as JSON, each with the servers it concerns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from responder import clock
from responder.core import (
    brakes,
    decisions,
    outages,
    regions,
    servers,
)
from responder.flow import pauses
from responder.flow.views.deciding import of_decision
from responder.flow.views.estate import of_statement
from responder.flow.views.plain import Json, time
from responder.flow.views.running import of_run
from responder.store import journals, sqlite
from responder.store import outages as store_outages


def of_outage(outage: outages.Outage) -> Json:
    """An outage as last told."""
    return {
        "id": outage.id,
        "tracking_id": outage.tracking_id,
        "region": outage.region,
        "region_name": regions.display(outage.region),
        "status": outage.status.value,
        "title": outage.title,
        "services": list(outage.services),
        "subscriptions": list(outage.subscriptions),
        "impact_start": time(outage.impact_start),
        "heard_at": time(outage.heard_at),
        "updated_at": time(outage.updated_at),
        "resolved_at": time(outage.resolved_at),
        "expected_end": time(outage.expected_end),
        "reopened": outage.reopened,
        "suspected_by_us": outage.ours,
        "merged_into": outage.merged_into,
    }


async def incidents(store: sqlite.Store, limit: int = 50) -> Json:
    """Every outage known, newest first, and what could not be read."""
    return {
        "incidents": [of_outage(outage) for outage in await store.outages.list(limit)],
        "intake": await store.intake.counts(),
    }


async def incident(
    store: sqlite.Store, outage: outages.Outage, page: store_outages.Page | None = None, *, brief: bool = False
) -> Json:
    """One outage with the servers it concerns: the newest decision of each, its facts, and its runs.

    Args:
        brief: without facts, and subscriptions that were told are only counted: for a screen, not a record.
        page: which of them; None: the first five hundred. `next_offset` says where the next ones begin, `actions` how
            many there are of all, by what was decided.
    """
    page, actions = page or store_outages.Page(), await store.outages.actions(outage.id)
    known = await store.outages.decided(outage.id, page)
    ids = [one.decision.server for one in known]
    names, said = await store.estate.some(ids), await store.estate.statements(ids)
    now = clock.now()
    freezes = await store.brakes.standing(now)
    wanted = journals.Wanted(outages=[outage.id], since=outage.impact_start, servers=ids, whole=True)
    own: dict[servers.ServerId, list[Json]] = defaultdict(list)
    for journal in (await store.journals.read(wanted))[0]:
        if journal.run.outage_id == outage.id:
            own[journal.run.server_id].append(of_run(journal.run, journal.steps))
    shown, rest = [], pauses.Pauses()
    for one in known:
        id_ = one.decision.server
        shown.append(
            {
                "name": names[id_].name if id_ in names else id_,
                "id": id_,
                "decision": {**of_decision(one.decision, None), "facts": None if brief else one.facts},
                "resource_health": of_statement(said.get(id_)),
                "runs": own[id_],
                "frozen": _frozen(freezes, names.get(id_), one.decision, now),
            }
        )
        await rest.breathe()
    total = sum(count for action, count in actions.items() if page.action in (None, action))
    following = page.offset + page.limit
    counted = {"subscriptions": [], "subscriptions_total": len(outage.subscriptions)} if brief else {}
    return {
        **of_outage(outage),
        **counted,
        "servers": sorted(shown, key=lambda row: str(row["name"])),
        "servers_total": total,
        "actions": actions,
        "next_offset": following if following < total else None,
    }


def _frozen(
    freezes: Sequence[brakes.Freeze], server: servers.Server | None, decision: decisions.Decision, now: datetime
) -> str | None:
    """Who keeps runs from being started for a server, why and until when; null: nobody."""
    place = brakes.Place(server=decision.server, region=server.region if server else None, outage=decision.outage)
    held = brakes.freeze_on(freezes, place, now)
    return f"{held.sentence()}. {held.remedy()}" if held is not None else None
