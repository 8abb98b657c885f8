"""What a step kind says of itself, and the port to the language that conditions are written in.

Playbooks are checked against this when they are loaded; `lint`, `show`, `schema` and `plan` tell it to people.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from responder.core import errors
from responder.core.playbooks import types

EFFECTS = ("read", "idempotent", "once")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One entry that `with:` of a step kind may have."""

    name: str
    type: types.Type = types.Type.TEXT
    about: str
    default: Any = None
    """What counts when it is left out. None: nothing does."""
    required: bool = False
    choices: tuple[str, ...] = ()
    """For a choice: the words to choose from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One field that a step kind leaves behind for later steps."""

    name: str
    """As the step stores it. One that ends in `_s` and is a duration is stored in seconds, and called without `_s` in
    expressions."""
    type: types.Type = types.Type.TEXT
    about: str
    words: tuple[str, ...] = ()
    """What a text may be; a playbook that compares it with another is refused. Empty: any."""

    @property
    def called(self) -> str:
        """Its name in expressions."""
        return self.name.removesuffix("_s") if self.type is types.Type.DURATION else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A step kind, as far as playbooks need to know it."""

    name: str
    effect: str
    """`read`, `idempotent` or `once`."""
    about: str
    settings: tuple[Setting, ...] = ()
    outputs: tuple[Output, ...] = ()

    def setting(self, name: str) -> Setting | None:
        """The setting of that name."""
        return next((setting for setting in self.settings if setting.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What is wrong with an expression."""

    message: str
    line: int
    column: int
    name: str | None = None
    """The name that nothing is known by, when that is what is wrong."""


class Unknown(Exception):
    """An expression has no value now: something in it is not known, or does not fit."""


class Expressions(Protocol):
    """The language of `when`, `requires` and `${{ }}`. Reads nothing and ends always."""

    def check(self, source: str, names: Mapping[str, types.Type], wants: types.Type | None) -> tuple[Complaint, ...]:
        """What is wrong with it, given the names it may use and the type it must have (None: any)."""

    def evaluate(self, source: str, values: Mapping[str, Any]) -> Any:
        """Its value. Raises `Unknown`."""


def described(name: str, module: object) -> Kind:
    """What a step kind declares: `EFFECT`, and `ABOUT`, `SETTINGS` and `OUTPUTS` where it has them.

    Raises:
        InputError: it has no such effect, is effective and cannot reconcile, or declares what is no declaration.
    """
    effect = getattr(module, "EFFECT", None)
    if not callable(getattr(module, "execute", None)):
        raise _bad("steps.no-execute", f"Step kind {name!r} has nothing to execute.", "Give it `execute`.")
    for function in filter(None, (getattr(module, "execute", None), getattr(module, "reconcile", None))):
        _insist_on_shape(name, function)
    if effect not in EFFECTS:
        text = f"Step kind {name!r} does not say what it does to the world."
        raise _bad("steps.no-effect", text, f"Give it `EFFECT`: {', '.join(EFFECTS)}.")
    if effect != "read" and not callable(getattr(module, "reconcile", None)):
        text = f"Step kind {name!r} has an effect and cannot find out what became of it after a crash."
        raise _bad("steps.no-reconcile", text, "Give it `reconcile`.")
    settings, outputs = tuple(getattr(module, "SETTINGS", ())), tuple(getattr(module, "OUTPUTS", ()))
    if not all(isinstance(s, Setting) for s in settings) or not all(isinstance(o, Output) for o in outputs):
        text = f"Step kind {name!r} declares settings or outputs that are none."
        raise _bad("steps.bad-declaration", text, "Use playbooks.Setting and playbooks.Output.")
    about = getattr(module, "ABOUT", None) or (module.__doc__ or name).strip().splitlines()[0]
    return Kind(name=name, effect=effect, about=str(about), settings=settings, outputs=outputs)


def _insist_on_shape(name: str, function: object) -> None:
    """`async def execute(ctx)`: anything else would be found out in the middle of a run."""
    called = getattr(function, "__name__", "execute")
    if not inspect.iscoroutinefunction(function):
        raise _bad(
            "steps.not-async", f"Step kind {name!r}: {called} is not `async`.", f"Write `async def {called}(ctx)`."
        )
    try:
        inspect.signature(function).bind(None)
    except TypeError as error:
        text = f"Step kind {name!r}: {called} cannot be called with the context alone: {error}."
        raise _bad("steps.bad-call", text, "Of a class, name an instance.") from error


def named(step_id: str) -> str:
    """A step's id as expressions write it: a hyphen would be a minus."""
    return step_id.replace("-", "_")


def _bad(error_id: str, message: str, remedy: str) -> errors.InputError:
    return errors.InputError(error_id, message, remedy=remedy)
