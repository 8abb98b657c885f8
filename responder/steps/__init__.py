"""Step kinds: one file each. A step does one thing through its doors, never sleeps, and answers with an outcome.

effect      may be repeated            after a crash between intent and outcome
read        freely                     executed again
idempotent  yes, with the same end     reconciled, then executed again if it had not begun
once        never blindly              reconciled: look at Azure, adopt what is there
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Protocol, cast

import structlog

from responder.core import errors, playbooks, runs
from responder.steps import doors

_log = structlog.get_logger(__name__)

_GROUP = "responder.steps"
"""Entry points of other packages: name of the step kind = module or object."""


class StepKind(Protocol):
    """The Python behind one `do:` of a playbook. A module is one: these are its functions."""

    EFFECT: str
    """`read`, `idempotent` or `once`."""

    async def execute(self, ctx: doors.Context) -> runs.Outcome:
        """Do it, or go on with it after a wait."""

    async def reconcile(self, ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
        """Find out what became of an effect whose outcome was never written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The step kinds there are on this machine."""

    kinds: Mapping[str, StepKind]
    declared: Mapping[str, playbooks.Kind]
    """What each says of itself."""
    unusable: Mapping[str, errors.InputError] = field(default_factory=dict)
    """Those that are there and cannot be used, and why."""

    def get(self, name: str) -> StepKind:
        """The step kind of that name.

        Raises:
            InputError: there is none. A run keeps the playbook it started with; the program may have changed since.
        """
        kind = self.kinds.get(name)
        if kind is None:
            why = f" that can be used: {self.unusable[name]}" if name in self.unusable else "."
            remedy = "Cancel the run, and start it anew; or install what brought that step kind again."
            raise errors.InputError("run.unknown-step", f"There is no step kind {name!r}{why}", remedy=remedy)
        return kind


def _modules() -> dict[str, object]:
    """Every module of this folder that is a step kind: that executes something. Its file is all it takes."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__))
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "execute")}


KINDS = cast("Mapping[str, StepKind]", _modules())  # those that only read have nothing to reconcile
"""The step kinds that come with the product, by the name playbooks use."""


def registry(
    kinds: Mapping[str, StepKind] = KINDS, unusable: Mapping[str, errors.InputError] | None = None
) -> Registry:
    """The kinds with what they declare.

    Raises:
        InputError: one of them is effective and cannot reconcile, or declares what is no declaration.
    """
    declared = {name: playbooks.described(name, kind) for name, kind in kinds.items()}
    return Registry(kinds=kinds, declared=declared, unusable=unusable or {})


BUILT_IN = registry()


def discovered(off: Mapping[str, str]) -> Registry:
    """The step kinds that come with the product, and those of other packages (entry points `responder.steps`).

    One that is broken stops nothing but the playbooks that use it.

    Args:
        off: kinds that the settings have switched off, and what switches them on.
    """
    unusable = {name: _off(name, remedy) for name, remedy in off.items()}
    usable = {name: kind for name, kind in KINDS.items() if name not in off}
    foreign: dict[str, list[metadata.EntryPoint]] = {}
    for point in sorted(metadata.entry_points(group=_GROUP), key=lambda p: (p.name, p.value)):
        foreign.setdefault(point.name, []).append(point)
    for name, points in foreign.items():
        try:
            if name in KINDS:
                raise _broken(points, "that name belongs to a step kind of the product")
            usable[name] = _load(points)
        except errors.InputError as error:
            _log.error("step-kind.unusable", name=name, error=str(error))
            unusable |= {} if name in KINDS else {name: error}
    return registry(usable, unusable)


def _load(points: Sequence[metadata.EntryPoint]) -> StepKind:
    if len(points) > 1:
        raise _broken(points, "several packages bring it")
    try:
        kind = points[0].load()
    except (Exception, SystemExit) as error:  # whatever somebody else's import raises; one that exits is no end of ours
        raise _broken(points, f"it cannot be loaded: {type(error).__name__}: {error}") from error
    try:
        playbooks.described(points[0].name, kind)
    except errors.InputError as error:
        raise _broken(points, f"{error.message} {error.remedy}") from error
    return cast("StepKind", kind)


def _broken(points: Sequence[metadata.EntryPoint], why: str) -> errors.InputError:
    origins = ", ".join(f"{p.value} of {p.dist.name}" if p.dist else p.value for p in points)
    text = f"The step kind {points[0].name} ({origins}) is of no use: {why.rstrip('.')}."
    return errors.InputError("steps.broken", text, remedy="Mend the package, or remove it.")


def _off(name: str, remedy: str) -> errors.InputError:
    return errors.InputError("steps.off", f"{name} is switched off.", remedy=remedy)
