"""Playbooks: a title, typed parameters, and an ordered list of steps. Data, not code; a run keeps a snapshot.

`read` takes what a YAML loader made of a file and refuses what it does not understand, naming the place.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from responder.core import errors

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "text": str,
    "number": (int, float),
    "flag": bool,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One thing a caller may set with `--set name=value`."""

    name: str
    type: str
    """`text`, `number` or `flag`."""
    default: Any
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`when:` of a step: an earlier step's output must equal one of these values."""

    step: str
    output: str
    equals: tuple[str, ...]

    def holds(self, outputs: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether it holds; a step that was skipped has no output, so no value."""
        return str(outputs.get(self.step, {}).get(self.output, "")) in self.equals


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a playbook."""

    id: str
    kind: str
    """`do:` in the file: the step kind that carries it out."""
    about: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """`with:` in the file."""
    when: tuple[Condition, ...] = ()
    """All must hold, or the step is skipped."""
    attempts: int = 5
    """How often a failing step is tried before the run fails."""
    on_failure: str = "stop"
    """`stop` ends the run as failed; `continue` goes on with the next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """A playbook as loaded."""

    name: str
    title: str
    purpose: str
    steps: tuple[Step, ...]
    parameters: tuple[Parameter, ...] = ()

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

    def arguments(self, given: Mapping[str, Any], *, place: str = "--set") -> dict[str, Any]:
        """Defaults overlaid by what was given, each checked against its type."""
        known = {p.name: p for p in self.parameters}
        for name in given:
            if name not in known:
                raise errors.InputError(
                    "playbook.unknown-parameter",
                    f"Playbook {self.name} has no parameter {name!r}.",
                    remedy=f"It knows: {', '.join(known) or 'none'}.",
                    place=place,
                )
        return {n: _typed(p, given[n], place) if n in given else p.default for n, p in known.items()}


def read(document: Any, *, name: str, place: str, kinds: Iterable[str]) -> Playbook:
    """A playbook from a parsed YAML document.

    Args:
        place: the file, for messages.
        kinds: the step kinds that exist.

    Raises:
        InputError: anything unknown, missing or contradictory.
    """
    top = _mapping(document, place)
    _only(top, {"title", "purpose", "parameters", "steps"}, place)
    steps: list[Step] = []
    for i, item in enumerate(_list(top.get("steps"), f"{place}: steps")):
        steps.append(_step(item, f"{place}: steps[{i}]", frozenset(kinds), [s.id for s in steps]))
    if not steps:
        raise _bad("playbook.empty", "A playbook needs at least one step.", f"{place}: steps", "Add one.")
    parameters = [
        _parameter(n, spec, f"{place}: parameters.{n}")
        for n, spec in _mapping(top.get("parameters") or {}, f"{place}: parameters").items()
    ]
    return Playbook(
        name=name,
        title=_text(top, "title", place),
        purpose=_text(top, "purpose", place),
        steps=tuple(steps),
        parameters=tuple(parameters),
    )


def _step(item: Any, place: str, kinds: frozenset[str], earlier: list[str]) -> Step:
    entry = _mapping(item, place)
    _only(entry, {"id", "do", "about", "with", "when", "attempts", "on_failure"}, place)
    step_id, kind = _text(entry, "id", place), _text(entry, "do", place)
    if not _NAME.fullmatch(step_id):
        raise _bad("playbook.bad-id", f"{step_id!r} is not a step id.", place, "Use lower-case words with hyphens.")
    if step_id in earlier:
        raise _bad("playbook.double-id", f"Two steps are called {step_id!r}.", place, "Rename one.")
    if kind not in kinds:
        known = ", ".join(sorted(kinds))
        raise _bad("playbook.unknown-step", f"There is no step kind {kind!r}.", f"{place}.do", f"Known: {known}.")
    attempts, on_failure = entry.get("attempts", 5), entry.get("on_failure", "stop")
    if not isinstance(attempts, int) or isinstance(attempts, bool) or not 1 <= attempts <= 100:
        raise _bad("playbook.bad-attempts", "attempts is not a number from 1 to 100.", f"{place}.attempts", "Fix it.")
    if on_failure not in ("stop", "continue"):
        raise _bad("playbook.bad-on-failure", f"{on_failure!r} is neither stop nor continue.", place, "Choose one.")
    return Step(
        id=step_id,
        kind=kind,
        about=str(entry.get("about", "")),
        settings=_settings(entry.get("with") or {}, f"{place}.with"),
        when=_conditions(entry.get("when") or {}, f"{place}.when", earlier),
        attempts=attempts,
        on_failure=on_failure,
    )


def _settings(item: Any, place: str) -> dict[str, Any]:
    """What a snapshot can keep: a bare date, which YAML makes a date of, would fail at the first run instead."""
    settings = _mapping(item, place)
    try:
        json.dumps(settings, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        text = "Only texts, numbers, flags, lists and `name: value` lines can be kept."
        raise _bad("playbook.not-plain", text, place, "Put dates and times in quotes.") from error
    return settings


def _conditions(item: Any, place: str, earlier: list[str]) -> tuple[Condition, ...]:
    found = []
    for key, value in _mapping(item, place).items():
        step, dot, output = key.partition(".")
        if not dot or step not in earlier:
            text = f"{key!r} does not name an output of an earlier step."
            raise _bad("playbook.bad-condition", text, place, "Write it like `hold.verdict: cut-over`.")
        values = value if isinstance(value, list) else [value]
        found.append(Condition(step=step, output=output, equals=tuple(str(v) for v in values)))
    return tuple(found)


def _parameter(name: str, item: Any, place: str) -> Parameter:
    entry = _mapping(item, place)
    _only(entry, {"type", "default", "about"}, place)
    kind = entry.get("type", "text")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise _bad("playbook.bad-type", f"{kind!r} is no type.", place, f"Known: {', '.join(_TYPES)}.")
    parameter = Parameter(name=name, type=kind, default=None, about=str(entry.get("about", "")))
    return Parameter(
        name=name, type=kind, default=_typed(parameter, entry.get("default"), place), about=parameter.about
    )


def _typed(parameter: Parameter, value: Any, place: str) -> Any:
    if isinstance(value, str) and parameter.type == "number":
        try:
            value = float(value)
        except ValueError:
            pass  # refused below, with the place
    if isinstance(value, str) and parameter.type == "flag" and value.lower() in ("true", "false", "yes", "no"):
        value = value.lower() in ("true", "yes")
    if value is not None and not _is_a(parameter.type, value):
        text = f"{parameter.name}: {value!r} is not a {parameter.type}."
        raise _bad("playbook.bad-value", text, place, "Give a value of that type.")
    return value


def _is_a(kind: str, value: Any) -> bool:
    if kind == "number" and (isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value))):
        return False
    return isinstance(value, _TYPES[kind])


def _mapping(item: Any, place: str) -> dict[str, Any]:
    if not isinstance(item, dict) or not all(isinstance(key, str) for key in item):
        raise _bad("playbook.not-a-mapping", "Expected `name: value` lines.", place, "See the shipped playbooks.")
    return item


def _list(item: Any, place: str) -> list[Any]:
    if not isinstance(item, list):
        raise _bad("playbook.not-a-list", "Expected a list.", place, "Start each entry with a dash.")
    return item


def _only(entry: Mapping[str, Any], allowed: set[str], place: str) -> None:
    for key in entry:
        if key not in allowed:
            known = ", ".join(sorted(allowed))
            raise _bad("playbook.unknown-key", f"{key!r} is not known here.", place, f"Known: {known}.")


def _text(entry: Mapping[str, Any], key: str, place: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _bad("playbook.missing", f"{key} is missing.", place, f"Add `{key}:` with a text.")
    return value.strip()


def _bad(error_id: str, message: str, place: str, remedy: str) -> errors.InputError:
    return errors.InputError(error_id, message, remedy=remedy, place=place)


def _plain(playbook: Playbook) -> dict[str, Any]:
    return {
        "title": playbook.title,
        "purpose": playbook.purpose,
        "parameters": [[p.name, p.type, p.default] for p in playbook.parameters],
        "steps": [
            [s.id, s.kind, dict(s.settings), [[c.step, c.output, list(c.equals)] for c in s.when], s.attempts,
             s.on_failure]
            for s in playbook.steps
        ],
    }  # fmt: skip
