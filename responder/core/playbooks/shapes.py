"""What a playbook is made of. A run keeps a snapshot, so a field may be added here and never change its meaning."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from responder.core import durations, errors
from responder.core.playbooks import types


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One thing a caller may set with `--set name=value`."""

    name: str
    type: str
    """`text`, `number`, `flag`, `duration`, `time` or `choice`."""
    default: Any = None
    """None: nothing is given, unless the caller does."""
    about: str = ""
    choices: tuple[str, ...] = ()
    """For `choice`: the words to choose from."""
    required: bool = False
    """No run starts without it. The daemon starts no playbook that has such a parameter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`when:` as it was before conditions were expressions; runs that began then keep it in their snapshot."""

    step: str
    output: str
    equals: tuple[str, ...]

    def holds(self, outputs: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether it holds; a step that was skipped has no output, so no value."""
        return str(outputs.get(self.step, {}).get(self.output, "")) in self.equals


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What must hold before a run starts."""

    that: str
    """The condition, as an expression."""
    about: str
    """The same as a sentence: told when it does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is announced at a moment of the run itself."""

    on: str
    """`started`, `done`, `failed` or `cancelled`."""
    subject: str
    text: str
    kind: str = ""
    """What receivers sort by; empty: `run.` and the moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a playbook."""

    id: str
    kind: str
    """`do:` in the file: the step kind that carries it out."""
    about: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """`with:` in the file; texts may hold `${{ }}`."""
    when: str | tuple[Condition, ...] = ""
    """The expression that must hold, or the step is skipped. Empty: it is never skipped."""
    attempts: int = 5
    """How often a failing step is tried before it has failed for good."""
    first: timedelta | None = None
    """Least pause after its first failure; doubled from failure to failure. None: the step's own."""
    longest: timedelta | None = None
    """What the doubled pause grows to at most."""
    timeout: timedelta | None = None
    """From its beginning, waits included. None: it may take as long as it takes."""
    on_failure: str = "stop"
    """`stop` ends the run as failed; `continue` goes on with the next step; `step:ID` goes on at a later one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """A playbook as loaded."""

    name: str
    title: str
    purpose: str
    steps: tuple[Step, ...]
    parameters: tuple[Parameter, ...] = ()
    requires: tuple[Requirement, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def version(self) -> str:
        """Content hash: two playbooks with the same version do the same."""
        return hashlib.sha256(json.dumps(_plain(self), sort_keys=True).encode()).hexdigest()[:12]

    def step(self, step_id: str) -> Step | None:
        """The step of that id."""
        return next((step for step in self.steps if step.id == step_id), None)

    def after(self, step_id: str) -> Step | None:
        """The step that follows; None after the last."""
        ids = [step.id for step in self.steps]
        i = ids.index(step_id) + 1
        return self.steps[i] if i < len(ids) else None

    def notice(self, moment: str) -> Notice | None:
        """What is to be announced at that moment."""
        return next((notice for notice in self.notices if notice.on == moment), None)

    def arguments(self, given: Mapping[str, Any], *, place: str = "--set") -> dict[str, Any]:
        """Defaults overlaid by what was given, each checked against its type.

        Raises:
            InputError: an unknown name, a value of another type, or nothing for a parameter that must be given.
        """
        known = {p.name: p for p in self.parameters}
        for name in given:
            if name not in known:
                raise errors.InputError(
                    "playbook.unknown-parameter",
                    f"Playbook {self.name} has no parameter {name!r}.",
                    remedy=f"It knows: {', '.join(known) or 'none'}.",
                    place=place,
                )
        return {name: _argument(p, given, place) for name, p in known.items()}


def _argument(parameter: Parameter, given: Mapping[str, Any], place: str) -> Any:
    value = given.get(parameter.name)
    if value is None:
        if parameter.required:
            about = f" ({parameter.about})" if parameter.about else ""
            raise errors.InputError(
                "playbook.missing-parameter",
                f"{parameter.name} must be given{about}.",
                remedy=f"Give --set {parameter.name}=VALUE." if place == "--set" else f"Give {parameter.name}.",
                place=place,
            )
        return parameter.default
    try:
        return types.typed(types.Type(parameter.type), value, choices=parameter.choices, spoken=True)
    except types.Misfit as error:
        text = f"{parameter.name}: {error.message}."
        raise errors.InputError("playbook.bad-value", text, remedy=error.remedy, place=place) from error


def _plain(playbook: Playbook) -> dict[str, Any]:
    return {
        "title": playbook.title,
        "purpose": playbook.purpose,
        "parameters": [[p.name, p.type, p.default, list(p.choices), p.required] for p in playbook.parameters],
        "requires": [[r.that, r.about] for r in playbook.requires],
        "notices": [[n.on, n.kind, n.subject, n.text] for n in playbook.notices],
        "steps": [_plain_step(step) for step in playbook.steps],
    }


def _plain_step(step: Step) -> list[Any]:
    when = step.when if isinstance(step.when, str) else [[c.step, c.output, list(c.equals)] for c in step.when]
    spans = [durations.write(span) if span else None for span in (step.first, step.longest, step.timeout)]
    return [step.id, step.kind, dict(step.settings), when, step.attempts, *spans, step.on_failure]
