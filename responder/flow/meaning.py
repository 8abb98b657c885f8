"""What the expressions of a playbook come to for one run now: requirements, conditions, settings, notices. Pure.

What is not known never counts as yes: a requirement that cannot be told is not met, a condition that cannot be told
does not hold. In a sentence it reads "not known", so that no announcement is lost for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from responder import expressions
from responder.core import announcements, contexts, playbooks, runs
from responder.core.playbooks import templates

Values = Mapping[str, Any]

_LANGUAGE = expressions.Cel()


def is_asked(run: runs.Run, step: playbooks.Step, records: Mapping[str, runs.StepRecord]) -> bool:
    """Whether values are needed before the step is begun."""
    if step.id in records:
        return False
    first = not records and bool(run.playbook.requires or run.playbook.notice("started"))
    return first or (isinstance(step.when, str) and bool(step.when)) or _has_holes(step)


def values(
    situation: contexts.Situation, records: Mapping[str, runs.StepRecord], kinds: Mapping[str, playbooks.Kind]
) -> Values:
    """What the names of the vocabulary stand for."""
    return contexts.values(situation, records, kinds)


def unmet(playbook: playbooks.Playbook, known: Values) -> list[str]:
    """The requirements that do not hold, as sentences."""
    found = []
    for requirement in playbook.requires:
        met, why = holds(requirement.that, known)
        if not met:
            found.append(requirement.about + (f" (that cannot be told: {why})" if why else ""))
    return found


def against(step: playbooks.Step, known: Values, outputs: Mapping[str, Mapping[str, Any]]) -> str:
    """Why the step is skipped; empty: it is not."""
    if isinstance(step.when, str):
        met, why = holds(step.when, known) if step.when else (True, "")
    else:  # a snapshot from before conditions were expressions
        met, why = all(condition.holds(outputs) for condition in step.when), ""
    return "" if met else "its condition does not hold" + (f", as it cannot be told: {why}" if why else "")


def given(step: playbooks.Step, known: Values) -> Mapping[str, Any] | None:
    """The step's settings with every expression filled in; None when there is none.

    A setting that is one expression and comes to null is left out.

    Raises:
        Unknown: a setting that is one expression has no value.
    """
    if not _has_holes(step):
        return None
    filled = {name: _filled(value, known) for name, value in step.settings.items()}
    return {name: value for name, value in filled.items() if value is not None}


def settled(step: playbooks.Step, kind: playbooks.Kind | None, filled: Mapping[str, Any] | None) -> playbooks.Step:
    """The step with its settings as they count: defaults of its kind, overlaid by the playbook's."""
    defaults = {s.name: s.default for s in kind.settings if s.default is not None} if kind else {}
    return replace(step, settings=defaults | dict(step.settings if filled is None else filled))


def notice(
    run: runs.Run, moment: str, known: Values, now: datetime, *, also: str = ""
) -> announcements.Announcement | None:
    """What the playbook wants announced at this moment of the run; None: nothing.

    Args:
        also: what is said in any case, behind the playbook's words.
    """
    wanted = run.playbook.notice(moment)
    if wanted is None:
        return None
    text = " ".join(part for part in (_sentence(wanted.text, known), also) if part)
    return announcements.Announcement(
        key=f"{run.id}/{moment}",
        kind=wanted.kind or f"run.{moment}",
        subject=_sentence(wanted.subject, known),
        text=text,
        at=now,
        to=known.get("tolerance.owner"),
        facts={"run": run.id, "server": run.server_id, "outage": run.outage_id or ""},
    )


def foreseen(value: Any, known: Values) -> Any:
    """A setting as far as it can be filled in before any step has run; the rest stays as it is written."""
    match value:
        case str() if templates.OPEN in value:
            source = templates.alone(value)
            if source is not None and not _is_later(source):
                return templates.plain(_or_none(source, known))
            found = templates.parts(value)
            return "".join(p if isinstance(p, str) else _foreseen_hole(p.source, known) for p in found)
        case list():
            return [foreseen(item, known) for item in value]
        case dict():
            return {key: foreseen(item, known) for key, item in value.items()}
    return value


def _is_later(source: str) -> bool:
    return "steps." in "".join(source.split())


def _foreseen_hole(source: str, known: Values) -> str:
    if _is_later(source):
        return f"${{{{{source}}}}}"
    return templates.said(_or_none(source, known))


def holds(source: str, known: Values) -> tuple[bool, str]:
    """Whether a condition holds, and why that cannot be told if so."""
    try:
        found = _LANGUAGE.evaluate(source, known)
    except playbooks.Unknown as error:
        return False, str(error)
    return found is True, ""


def _has_holes(step: playbooks.Step) -> bool:
    return next(templates.expressions(dict(step.settings)), None) is not None


def _filled(value: Any, known: Values) -> Any:
    """A sentence never fails; a value that is one expression does, when that has no value."""
    match value:
        case str() if templates.alone(value) is None:
            return _sentence(value, known) if templates.OPEN in value else value
        case list():
            return [_filled(item, known) for item in value]
        case dict():
            return {key: _filled(item, known) for key, item in value.items()}
    return templates.fill(value, lambda source: _LANGUAGE.evaluate(source, known))


def _sentence(text: str, known: Values) -> str:
    return "".join(
        part if isinstance(part, str) else templates.said(_or_none(part.source, known))
        for part in templates.parts(text)
    )


def _or_none(source: str, known: Values) -> Any:
    try:
        return _LANGUAGE.evaluate(source, known)
    except playbooks.Unknown:
        return None
