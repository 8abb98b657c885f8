"""From nodes to a playbook. Whatever is not understood is refused at its line and column, all of it at once."""

from __future__ import annotations

from dataclasses import dataclass

from responder.core import errors
from responder.core.playbooks import nodes, shapes, steps_reading, templates, types
from responder.core.playbooks.languages import Language
from responder.core.playbooks.report import Report

_TOP = ("title", "purpose", "parameters", "requires", "steps", "notify")
_PARAMETER = ("type", "default", "about", "choices", "required")
_RESERVED = frozenset({"in", "true", "false", "null"})
"""Of CEL, what may not stand behind a dot. https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax"""
_MOMENTS = ("started", "done", "failed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What came of reading a file."""

    playbook: shapes.Playbook | None
    """None: it has problems."""
    problems: tuple[errors.InputError, ...] = ()


def examine(node: nodes.Node, *, name: str, place: str, language: Language) -> Examined:
    """Read a playbook, and collect everything that is wrong with it.

    Args:
        place: the file, for messages.
    """
    report = Report(place)
    top = report.fields(node, _TOP)
    if top is None:
        return Examined(playbook=None, problems=report.in_order())
    parameters = _parameters(report, top.get("parameters"))
    chosen = {f"params.{p.name}": p.choices for p in parameters if p.choices}
    names = types.Names(language.vocabulary, language.words)
    names = names.also({f"params.{p.name}": types.Type(p.type) for p in parameters}, chosen)
    requires = _requires(report, top.get("requires"), names, language)
    steps = steps_reading.read(report, top.get("steps"), node.at, names, language)
    after = steps_reading.names_after(steps, names, language.kinds)
    found = shapes.Playbook(
        name=name,
        title=report.text(top, "title", node.at),
        purpose=report.text(top, "purpose", node.at),
        steps=steps,
        parameters=parameters,
        requires=requires,
        notices=_notices(report, top.get("notify"), after, language),
    )
    whole = None if report.problems else found
    return Examined(playbook=whole, problems=report.in_order())


def _parameters(report: Report, node: nodes.Node | None) -> tuple[shapes.Parameter, ...]:
    if node is None or nodes.plain(node) is None:
        return ()
    entries = report.entries(node)
    found = []
    for key, item in entries:
        name = str(key.value)
        if name in _RESERVED:
            text = f"{name!r} is a word of the language: params.{name} could not be read."
            report.refuse("playbook.bad-id", text, key.at, "Take another name.")
        elif not steps_reading.is_name(name):
            remedy = "Use lower-case words joined by _, as in --set to_zone=2."
            report.refuse("playbook.bad-id", f"{name!r} is no name for a parameter.", key.at, remedy)
        elif (parameter := _parameter(report, name, item)) is not None:
            found.append(parameter)
    return tuple(found)


def _parameter(report: Report, name: str, node: nodes.Node) -> shapes.Parameter | None:
    entry = report.fields(node, _PARAMETER)
    if entry is None:
        return None
    kind = nodes.plain(entry["type"]) if "type" in entry else types.Type.TEXT
    if kind not in types.PARAMETER_TYPES:
        known = ", ".join(types.PARAMETER_TYPES)
        report.refuse("playbook.bad-type", f"{kind!r} is no type.", entry["type"].at, f"Known: {known}.")
        return None
    choices = tuple(report.texts(entry["choices"])) if "choices" in entry else ()
    if (kind == types.Type.CHOICE) != bool(choices):
        text = "A choice needs `choices`, and nothing else has them."
        report.refuse("playbook.bad-choices", text, node.at, "Write `choices: [standalone, switchover]`.")
        return None
    required = report.value(entry, "required", types.Type.FLAG, False)
    default = None
    if "default" in entry and nodes.plain(entry["default"]) is not None:
        default = report.value(entry, "default", types.Type(kind), None, choices=choices)
        if isinstance(default, str) and templates.OPEN in default:
            text = f"The default of {name} is not filled in: a parameter is what it is."
            remedy = "Write it out, or put the ${{ }} into the step that uses it."
            report.refuse("playbook.bad-value", text, entry["default"].at, remedy)
        if required:
            text = f"{name} must be given, so its default counts never."
            report.refuse("playbook.bad-value", text, entry["default"].at, "Take `required` or `default` away.")
    return shapes.Parameter(
        name=name,
        type=str(types.Type(kind)),
        default=default,
        about=report.value(entry, "about", types.Type.TEXT, ""),
        choices=choices,
        required=bool(required),
    )


def _requires(
    report: Report, node: nodes.Node | None, names: types.Names, language: Language
) -> tuple[shapes.Requirement, ...]:
    found = []
    for item in report.items(node) if node is not None else ():
        entry = report.fields(item, ("that", "about"))
        if entry is None:
            continue
        that = report.text(entry, "that", item.at)
        if that:
            steps_reading.check(report, entry["that"], that, names, types.Type.FLAG, language)
        found.append(shapes.Requirement(that=that, about=report.text(entry, "about", item.at)))
    return tuple(found)


def _notices(
    report: Report, node: nodes.Node | None, names: types.Names, language: Language
) -> tuple[shapes.Notice, ...]:
    found = []
    for key, item in report.entries(node) if node is not None else ():
        if key.value not in _MOMENTS:
            report.unknown(str(key.value), _MOMENTS, key.at)
            continue
        entry = report.fields(item, ("subject", "text", "kind"))
        if entry is None:
            continue
        for each in entry.values():
            steps_reading.check_texts(report, each, names, language)
        found.append(
            shapes.Notice(
                on=str(key.value),
                subject=report.text(entry, "subject", item.at),
                text=report.text(entry, "text", item.at),
                kind=report.value(entry, "kind", types.Type.TEXT, ""),
            )
        )
    return tuple(found)
