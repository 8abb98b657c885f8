"""Planning a run: the same planner for `playbooks plan`, `run --dry-run`, `run --plan HASH` and the API.

It makes the run that would be submitted, and asks the step kinds themselves what they would change. Nothing is written,
and nothing outside of the store is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from responder import settings
from responder import steps as kinds
from responder.core import contexts, errors, plans, playbooks, runs
from responder.core.playbooks import templates
from responder.flow import frozen, meaning, requests, rules, situations
from responder.outward import http, programs
from responder.steps import doors
from responder.store import stores


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """What planning needs."""

    store: stores.Store
    books: Mapping[str, playbooks.Playbook]
    config: settings.Settings
    registry: kinds.Registry = field(default=kinds.BUILT_IN)

    @property
    def rules(self) -> doors.Rules:
        """What steps are limited by."""
        return rules.of(self.config)

    async def plan(self, request: requests.RunRequest, now: datetime) -> tuple[runs.Run, plans.Plan]:
        """The run that the request would submit, and what it would do.

        Raises:
            InputError: unknown playbook, parameter or server.
        """
        run = await requests.planned(self.store, self.books, request, now)
        situation = await situations.gather(self.store, run, self.config.tolerance())
        known = meaning.values(situations.context(situation, run), {}, self.registry.declared)
        server, tolerance = situation.server, situation.tolerance
        plan = plans.Plan(
            playbook=run.playbook.name,
            version=run.playbook.version,
            run=run.id,
            server=run.server_id,
            server_facts={**_plain(replace(server, seen_at=None, state="")), "tolerance": _plain(tolerance)},
            outage=run.outage_id,
            arguments=run.params,
            requires=tuple(_requirement(one, known) for one in run.playbook.requires),
            steps=tuple(self._step(run, step, situation, known, now) for step in run.playbook.steps),
        )
        return run, plan

    async def agreed(self, request: requests.RunRequest, now: datetime, agreed: str | None) -> runs.Run:
        """The run of a request, once what it requires holds and, if a hash is given, it is the plan that was seen.

        Raises:
            RefusedError: a requirement does not hold, or something is different now.
        """
        run, plan = await self.plan(request, now)
        different = plan.differs_from(agreed) if agreed is not None else ()
        if different:
            raise errors.RefusedError(
                "run.plan-differs",
                f"This is not the plan that was agreed to. Different now: {'; '.join(different)}.",
                remedy="Look at it with `responder playbooks plan`, and give the new hash.",
            )
        if plan.unmet:
            told = " ".join(one.about + (f" ({one.why})" if one.why else "") for one in plan.unmet)
            raise errors.RefusedError(
                "run.requires",
                f"{run.playbook.name} requires what does not hold for {run.server_id.rpartition('/')[2]}: {told}",
                remedy="Choose another playbook: `responder playbooks list`.",
            )
        return run

    async def held_back(self, run: runs.Run, now: datetime) -> list[str]:
        """What would keep the run from being started now, in sentences. No part of the plan: it passes."""
        held, active = await frozen.freeze_of(self.store, run, now), await self.store.runs.active_for(run.server_id)
        found = [f"{held.sentence()}. {held.remedy()}"] if held is not None else []
        if active is not None and active.id != run.id:
            found.append(f"Another run of this server has not ended: {active.id}.")
        return found

    def _step(
        self, run: runs.Run, step: playbooks.Step, situation: doors.Situation, known: meaning.Values, now: datetime
    ) -> plans.Step:
        kind = self.registry.declared.get(step.kind)
        when = step.when if isinstance(step.when, str) else ""
        later, moving = _is_later(when), _moves(when)
        holds = None if later or (when and moving) else not meaning.against(step, known, {})
        foreseen = {name: meaning.foreseen(value, known) for name, value in step.settings.items()}
        shown = {name: value for name, value in foreseen.items() if value is not None}
        settled = meaning.settled(step, kind, shown)
        touches, obstacle = self._foreseen(run, settled, situation, now) if holds is not False else ((), "")
        return plans.Step(
            id=step.id,
            kind=step.kind,
            effect=kind.effect if kind else "",
            about=step.about or (kind.about if kind else ""),
            when=when,
            holds=holds,
            settings=settled.settings,
            touches=touches,
            obstacle=obstacle,
            fixed=[step.id, when, holds, _fixed(dict(step.settings), known)],
        )

    def _foreseen(
        self, run: runs.Run, step: playbooks.Step, situation: doors.Situation, now: datetime
    ) -> tuple[tuple[plans.Touch, ...] | None, str]:
        """What the step's kind says that it would change, and what stands in its way."""
        try:
            kind = self.registry.get(step.kind)
            foresee = getattr(kind, "foresee", None)
            if foresee is None:
                return (() if kind.EFFECT == "read" else None), ""
            found: Sequence[plans.Touch] = foresee(_context(self, run, step, situation, now))
            return tuple(found), ""
        except errors.InputError as error:
            return (), str(error)


def as_json(plan: plans.Plan) -> dict[str, Any]:
    """A plan for `--json` and for the API."""
    return {
        "hash": plan.hash,
        "playbook": plan.playbook,
        "playbook_version": plan.version,
        "run": plan.run,
        "server": plan.server,
        "outage": plan.outage,
        "arguments": dict(plan.arguments),
        "possible": not plan.unmet,
        "requires": [
            {"that": one.that, "about": one.about, "holds": one.holds, "why": one.why} for one in plan.requires
        ],
        "steps": [_step_json(step) for step in plan.steps],
    }


def _step_json(step: plans.Step) -> dict[str, Any]:
    touches = None
    if step.touches is not None:
        touches = [{"verb": t.verb, "what": t.what, "detail": t.detail} for t in step.touches]
    return {
        "id": step.id,
        "do": step.kind,
        "state": "pending",
        "effect": step.effect,
        "about": step.about,
        "when": step.when,
        "holds": step.holds,
        "with": dict(step.settings),
        "touches": touches,
        "obstacle": step.obstacle,
    }


def _requirement(one: playbooks.Requirement, known: meaning.Values) -> plans.Requirement:
    holds, why = meaning.holds(one.that, known)
    return plans.Requirement(that=one.that, about=one.about, holds=holds, why=why, moving=_moves(one.that))


def _context(
    planner: Planner, run: runs.Run, step: playbooks.Step, situation: doors.Situation, now: datetime
) -> doors.Context:
    """What a step kind is given to look ahead: the rules, and no door that leads anywhere."""
    closed: Any = doors.Closed()

    async def nowhere(_: Mapping[str, Any]) -> None:
        raise AssertionError("a plan writes nothing")

    return doors.Context(
        run=replace(run, step=step.id),
        step=step,
        record=runs.StepRecord(id=step.id, state=runs.StepState.BEGUN, attempts=1, started_at=now),
        outputs={},
        situation=situation,
        doors=doors.Doors(
            control_plane=closed,
            dns=closed,
            databases=closed,
            outbox=closed,
            records=closed,
            dumps=closed,
            rules=planner.rules,
            http=http.Http(planner.config.steps.http_request),
            programs=programs.Programs(planner.config.steps.command),
        ),
        now=now,
        save=nowhere,
    )


def _is_later(source: str) -> bool:
    return "steps." in "".join(source.split())


def _moves(source: str) -> bool:
    squeezed = "".join(source.split())
    return any(name in squeezed for name in contexts.MOVING)


def _fixed(value: Any, known: meaning.Values) -> Any:
    """The settings as the hash takes them: what moves by the minute as it is written, the rest by its value."""
    match value:
        case str() if templates.OPEN in value:
            moving = any(_moves(source) or _is_later(source) for source in templates.expressions(value))
            return value if moving else meaning.foreseen(value, known)
        case list():
            return [_fixed(item, known) for item in value]
        case dict():
            return {key: _fixed(item, known) for key, item in value.items()}
    return value


def _plain(value: Any) -> dict[str, Any]:
    return {name: str(item) if item is not None else None for name, item in asdict(value).items()}
