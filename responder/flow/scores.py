"""Scorecards from stored rows: what was decided and done for each server of an outage, and what its probes showed.

Reads; writes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from responder.core import decisions, outages, runs, scorecards, servers
from responder.store import history, sqlite

Action = decisions.Action


async def of_outage(
    store: sqlite.Store,
    outage: outages.Outage,
    takes: timedelta,
    now: datetime,
    only: servers.ServerId | None = None,
) -> list[scorecards.Score]:
    """One score for each server that was decided about, by name.

    Args:
        only: of this one alone, and nothing of the others is read. None: of all for whom somebody waited, so without
            those that applications had been sent away from before.
        takes: from a supposed cut-over until applications are served.
        now: up to when it is known how things went, for an outage that is not closed.
    """
    as_of = await store.outages.closed_at(outage.id) or now
    silent, latest = await store.history.silences(outage.id, only), await store.history.latest(outage.id, only)
    ways = await courses(store, outage, only)
    found = []
    for server_id, (decision, facts) in latest.items():
        if only is None and facts.superseded is not None and decision.action is Action.OBSERVE:
            continue
        case = scorecards.Case(
            server=server_id,
            name=facts.server.name,
            outage=outage.id,
            impact_start=outage.impact_start,
            tolerance=facts.tolerance,
            silences=silent.get(server_id, ()),
            course=ways[server_id],
            as_of=as_of,
            takes=takes,
        )
        found.append(scorecards.judge(case))
    return sorted(found, key=lambda score: score.case.name)


async def courses(
    store: sqlite.Store, outage: outages.Outage, only: servers.ServerId | None = None
) -> dict[servers.ServerId, scorecards.Course]:
    """What was done for each server of an outage, or for one; in shadow mode, what would have been."""
    by_server: dict[servers.ServerId, list[history.Taken]] = defaultdict(list)
    for taken in await store.history.taken(outage.id, only):
        by_server[taken.server].append(taken)
    made = await _made(store, outage.id, only)
    return {id_: course(taken, made.get(id_, ())) for id_, taken in by_server.items()}


Made = tuple[runs.Run, Mapping[str, runs.StepRecord]]


async def _made(
    store: sqlite.Store, outage_id: outages.OutageId, only: servers.ServerId | None
) -> dict[servers.ServerId, list[Made]]:
    """The runs of an outage with their steps, by server, oldest first."""
    found: dict[servers.ServerId, list[Made]] = defaultdict(list)
    listed = store.runs.list(1_000_000, outage_id=outage_id) if only is None else store.runs.of(only, outage_id)
    for run in reversed(await listed):
        found[run.server_id].append((run, await store.runs.steps(run.id)))
    return found


def course(taken: Sequence[history.Taken], made: Iterable[Made]) -> scorecards.Course:
    """From the decisions about one server, and its runs. A run is what was done, whatever was decided."""
    real = [found for found in (_of_run(run, steps) for run, steps in made) if found is not None]
    away = [one for one in taken if one.action is not Action.OBSERVE]
    asked = next((one.at for one in taken if one.action is Action.ASK), None)
    why = away[-1].why if away else ""
    if real:
        moved = next((one for one in real if one.moved_at is not None), None)
        last = moved or real[-1]
        return scorecards.Course(
            started_at=real[0].started_at,
            ready_at=last.ready_at,
            asked_at=asked,
            moved_at=last.moved_at,
            dropped_at=last.dropped_at,
            loss=last.loss if last.loss is not None else _loss(taken),
            why=why,
        )
    if any(one.shadow for one in taken):
        return _supposed(taken, asked, why)
    return scorecards.Course(asked_at=asked, why=why)


def _supposed(taken: Sequence[history.Taken], asked: datetime | None, why: str) -> scorecards.Course:
    """In shadow mode the decisions are all there is."""

    def first(*actions: Action) -> datetime | None:
        return next((one.at for one in taken if one.action in actions), None)

    return scorecards.Course(
        started_at=first(Action.START),
        ready_at=first(Action.HOLD, Action.ASK, Action.CUT_OVER),
        asked_at=asked,
        moved_at=first(Action.CUT_OVER),
        dropped_at=first(Action.STAND_DOWN),
        loss=_loss(taken),
        why=why,
        supposed=True,
    )


def _loss(taken: Sequence[history.Taken]) -> timedelta | None:
    """What the last decision that moves, or else the last that names a loss, says would be lost."""
    named = [one for one in taken if one.loss is not None]
    moving = [one for one in named if one.action is Action.CUT_OVER]
    return (moving or named)[-1].loss if named else None


def _of_run(run: runs.Run, records: Mapping[str, runs.StepRecord]) -> scorecards.Course | None:
    """What one run did, read off its journal; None when it made no copy."""
    copy = runs.copy_of(run, records)
    if copy.started_at is None:
        return None
    moved = _moving_step(run, records)
    dropped = [r.ended_at for s in run.playbook.steps if s.kind == "discard_copy" and (r := _done(records, s.id))]
    measured = [record.output.get("data_loss_s") for record in records.values()]
    lost: Any = next((span for span in reversed(measured) if span is not None), None) if moved else None
    return scorecards.Course(
        started_at=copy.started_at,
        ready_at=copy.ready_at,
        moved_at=moved.ended_at if moved else None,
        dropped_at=dropped[0] if dropped else None,
        loss=timedelta(seconds=float(lost)) if lost is not None else None,
    )


def _done(records: Mapping[str, runs.StepRecord], step_id: str) -> runs.StepRecord | None:
    record = records.get(step_id)
    return record if record is not None and record.state is runs.StepState.DONE else None


def _moving_step(run: runs.Run, records: Mapping[str, runs.StepRecord]) -> runs.StepRecord | None:
    """The step that sent the applications away. A hold says `cut-over`, too, and only means that it may be done."""
    done = [(step.kind, record) for step in run.playbook.steps if (record := _done(records, step.id)) is not None]
    for verdict in ("cut-over", "promoted"):  # a replica is promoted first, and then applications are sent to it
        for kind, record in done:
            if kind != "hold" and record.output.get("verdict") == verdict:
                return record
    return None
