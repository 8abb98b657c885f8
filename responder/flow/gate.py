"""The gate before every effect: pause, freezes, caps. Asked of stored rows at the last moment before a step begins.

What is under way goes through: it is only looked at. What is stopped waits as a row and keeps what it has saved.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from responder import clock
from responder import steps as kinds
from responder.core import brakes, controls, playbooks, runs, servers
from responder.flow import frozen
from responder.store import stores

_LOOK_AGAIN = timedelta(minutes=5)
"""At a freeze without an end. Lifting it wakes what it holds, so this only counts when that was lost."""
_TURN = timedelta(seconds=20)
"""At a cap that is reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """What keeps a step from beginning."""

    waiting_for: str
    """`pause`, `freeze` or `turn`."""
    until: datetime | None
    """When to look again; None: when somebody says something."""
    why: str

    def halt(self, run: runs.Run) -> runs.Run:
        """The run as it waits here."""
        waiting = replace(run, state=runs.State.WAITING, wake_at=self.until, waiting_for=self.waiting_for)
        return replace(waiting, strikes=0)

    def wait(self, now: datetime) -> runs.Wait:
        """The same for a step whose intent is written."""
        return runs.Wait(until=self.until or now + _LOOK_AGAIN, topic=self.waiting_for)


class Gate:
    """Stands before the effects of all runs."""

    def __init__(self, store: stores.Store, policy: brakes.Policy, registry: kinds.Registry = kinds.BUILT_IN) -> None:
        self._store = store
        self._policy = policy
        self._kinds = registry.kinds

    async def stop(self, run: runs.Run, step: playbooks.Step, said: controls.Standing) -> Stop | None:
        """Why the step may not begin now; None: it may, and its place under the caps is taken.

        Ask only about a step that has nothing under way.
        """
        if said.paused is not None:
            why = f"{said.paused.by} paused it: {said.paused.payload.get('reason') or 'no reason given'}"
            return Stop(waiting_for=controls.PAUSE, until=None, why=why)
        if not acts(step.kind, self._kinds):
            return None
        now, place = clock.now(), await frozen.place_of(self._store, run)
        freeze = brakes.freeze_on(await self._store.brakes.standing(now), place, now, kind=step.kind)
        if freeze is not None:
            until = min(freeze.until or now + _LOOK_AGAIN, now + _LOOK_AGAIN)
            return Stop(waiting_for=controls.FREEZE, until=until, why=freeze.sentence())
        reached = await self._store.brakes.take_place(run, place, self._policy.caps, now)
        if reached:
            jitter = _TURN * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not cryptography
            return Stop(waiting_for=controls.TURN, until=now + jitter, why=reached)
        return None


def acts(kind: str, known: Mapping[str, kinds.StepKind] = kinds.KINDS) -> bool:
    """Whether steps of this kind do something in the world: more than looking, and more than telling people."""
    found = known.get(kind)
    return found is not None and found.EFFECT != "read" and not getattr(found, "TELLS", False)


def only_look() -> list[str]:
    """The step kinds that do nothing in the world."""
    return [kind for kind in kinds.KINDS if not acts(kind)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What keeps runs from being started by themselves, read once for a turn's decisions."""

    freezes: Sequence[brakes.Freeze]
    past: Mapping[servers.ServerId, Sequence[brakes.Past]]
    """Of servers whose runs have acted and ended not long ago."""
    cooldown: timedelta
    now: datetime

    def why(self, playbook: playbooks.Playbook, place: brakes.Place) -> str:
        """Why no such run is started there, in a sentence; empty: nothing is against it.

        The cooldown is for runs that act: waiting an outage out is never held up by it.
        """
        held = brakes.freeze_on(self.freezes, place, self.now)
        if held is not None:
            return held.sentence()
        if not any(acts(step.kind) for step in playbook.steps):
            return ""
        found = brakes.cooling(self.past.get(place.server, ()), self.cooldown, self.now)
        return brakes.cooled_sentence(*found, self.now) if found else ""


async def held(store: stores.Store, cooldown: timedelta, now: datetime) -> Held:
    """Read what holds now."""
    freezes, past = await store.brakes.standing(now), await store.brakes.past(now - cooldown, only_look())
    return Held(freezes=freezes, past=past, cooldown=cooldown, now=now)
