"""The JSON Schema of playbook files: editors complete, explain and check by it. `lint` checks more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from responder.core.playbooks import declared, types

_NAME = "^[a-z][a-z0-9]*([-_][a-z0-9]+)*$"
_PARAMETER = "^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
_DURATION = {"type": "string", "pattern": "^(P.*|[0-9].*[dhms])$"}
_HOLE = {"type": "string", "pattern": r"\$\{\{"}
_JSON: dict[types.Type, dict[str, Any]] = {
    types.Type.TEXT: {"type": "string"},
    types.Type.NUMBER: {"type": "number"},
    types.Type.FLAG: {"type": "boolean"},
    types.Type.DURATION: _DURATION,
    types.Type.TIME: {"type": "string"},
    types.Type.CHOICE: {"type": "string"},
    types.Type.LIST: {"type": "array"},
    types.Type.MAP: {"type": "object"},
    types.Type.ANY: {},
}


def schema(kinds: Iterable[declared.Kind]) -> dict[str, Any]:
    """The schema for playbooks that use these step kinds, in draft 7, which editors know best."""
    known = sorted(kinds, key=lambda kind: kind.name)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Playbook of the PostgreSQL outage responder",
        "type": "object",
        "additionalProperties": False,
        "required": ["title", "purpose", "steps"],
        "properties": {
            "title": _text("What it does, in one line."),
            "purpose": _text("What it is for, and what it never does."),
            "parameters": _parameters(),
            "requires": _requires(),
            "steps": {
                "description": "What is done, in this order.",
                "type": "array",
                "minItems": 1,
                "items": _step(known),
            },
            "notify": _notify(),
        },
    }


def _text(about: str) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "description": about}


def _object(properties: dict[str, Any], *required: str, about: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:
        found["required"] = list(required)
    return found | ({"description": about} if about else {})


def _parameters() -> dict[str, Any]:
    entry = _object(
        {
            "type": {"enum": [type_.value for type_ in types.PARAMETER_TYPES], "default": "text"},
            "default": {"type": ["string", "number", "boolean", "null"], "description": "Null: nothing is given."},
            "about": {"type": "string", "description": "What it is for."},
            "choices": {"type": "array", "items": {"type": "string"}, "description": "For the type choice."},
            "required": {"type": "boolean", "default": False, "description": "No run starts without it."},
        }
    )
    return {
        "description": "What a caller may set with --set NAME=VALUE.",
        "type": "object",
        "propertyNames": {"pattern": _PARAMETER},
        "additionalProperties": entry,
    }


def _requires() -> dict[str, Any]:
    entry = _object(
        {
            "that": _text("The condition, in CEL."),
            "about": _text("The same as a sentence; told when it does not hold."),
        },
        "that",
        "about",
    )
    return {"description": "What must hold before a run starts.", "type": "array", "items": entry}


def _notify() -> dict[str, Any]:
    entry = _object(
        {
            "subject": _text("One line."),
            "text": _text("What there is to say."),
            "kind": {"type": "string", "description": "What receivers sort by."},
        },
        "subject",
        "text",
    )
    moments = dict.fromkeys(("started", "done", "failed", "cancelled"), entry)
    return _object(moments, about="What is announced of the run itself.")


def _step(kinds: list[declared.Kind]) -> dict[str, Any]:
    retry = _object(
        {
            "attempts": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 5},
            "first": {**_DURATION, "description": "Least pause after its first failure; doubled each time."},
            "longest": {**_DURATION, "description": "What the pause grows to at most."},
        },
        about="When it fails.",
    )
    step = _object(
        {
            "id": {"type": "string", "pattern": _NAME, "description": "Its name in this playbook and in the journal."},
            "do": {
                "description": "The step kind.",
                "oneOf": [{"const": kind.name, "description": f"{kind.about} ({kind.effect})"} for kind in kinds],
            },
            "about": {"type": "string", "description": "What it is for; shown to people."},
            "with": {"type": "object", "description": "Settings of the step kind."},
            "when": {"type": ["string", "boolean"], "description": "The condition, in CEL; else it is skipped."},
            "timeout": {**_DURATION, "description": "From its beginning, waits included."},
            "retry": retry,
            "on_failure": {"type": "string", "pattern": "^(stop|continue|step:.+)$", "default": "stop"},
        },
        "id",
        "do",
    )
    return step | {"allOf": [_with(kind) for kind in kinds]}


def _with(kind: declared.Kind) -> dict[str, Any]:
    """What `with` may hold when `do` is this kind."""
    required = [setting.name for setting in kind.settings if setting.required]
    settings = _object({setting.name: _setting(setting) for setting in kind.settings}, *required, about=kind.about)
    then: dict[str, Any] = {"properties": {"with": settings}}
    if required:
        then["required"] = ["with"]
    return {"if": {"properties": {"do": {"const": kind.name}}, "required": ["do"]}, "then": then}


def _setting(setting: declared.Setting) -> dict[str, Any]:
    plain = dict(_JSON[setting.type])
    if setting.choices:
        plain["enum"] = list(setting.choices)
    any_of = [plain, _HOLE] if plain and plain != {"type": "string"} else [plain]
    found = {"description": setting.about, **(any_of[0] if len(any_of) == 1 else {"anyOf": any_of})}
    return found | ({"default": setting.default} if setting.default is not None else {})
