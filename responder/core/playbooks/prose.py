"""A playbook as it is read aloud, over the telephone, at night."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping

from responder.core import durations
from responder.core.playbooks import declared, shapes, templates

_WIDTH = 118
EFFECTS = {
    "read": "It only reads.",
    "idempotent": "Done twice, it ends the same.",
    "once": "Done once: after a crash it is first found out what became of it.",
}


def aloud(book: shapes.Playbook, kinds: Mapping[str, declared.Kind]) -> str:
    """The whole playbook in sentences, with a paragraph for each step."""
    parts = [_wrapped(f"{book.name}: {book.title}"), textwrap.fill(_one_line(book.purpose), _WIDTH)]
    if book.requires:
        parts.append("\n".join(["Before it starts, this must hold:", *_requires(book)]))
    if book.parameters:
        parts.append("\n".join(["What may be set:", *(_wrapped(f"  {_parameter(p)}") for p in book.parameters)]))
    parts.append("What happens, in this order:")
    parts += [_step(number, step, book, kinds) for number, step in enumerate(book.steps, 1)]
    if book.notices:
        parts.append("\n".join(["What is announced of the run itself:", *_notices(book)]))
    return "\n\n".join(parts)


def _requires(book: shapes.Playbook) -> Iterator[str]:
    return (_wrapped(f"  - {one.about} ({_one_line(one.that)})") for one in book.requires)


def _parameter(parameter: shapes.Parameter) -> str:
    kind = f"one of {', '.join(parameter.choices)}" if parameter.choices else f"a {parameter.type}"
    default = parameter.default if parameter.default is not None else "nothing"
    usual = "must be given" if parameter.required else f"{templates.said(default)} when left out"
    about = f": {parameter.about}" if parameter.about else ""
    return f"{parameter.name} ({kind}; {usual}){about}"


def _notices(book: shapes.Playbook) -> Iterator[str]:
    return (_wrapped(f"  - {one.on}: {one.subject}") for one in book.notices)


def _step(number: int, step: shapes.Step, book: shapes.Playbook, kinds: Mapping[str, declared.Kind]) -> str:
    kind = kinds.get(step.kind)
    first = f"{number}. {step.id}. {_sentence(step.about or (kind.about if kind else ''))}"
    lines = [first]
    if kind is not None:
        lines.append(f"   {_sentence(kind.about)} {EFFECTS[kind.effect]} [{kind.name}]")
    lines += [f"   {line}" for line in _terms(step, book)]
    lines += [f"   {name}: {_value(value)}" for name, value in step.settings.items()]
    return "\n".join(_wrapped(line) for line in lines)


def _terms(step: shapes.Step, book: shapes.Playbook) -> Iterator[str]:
    if step.when:
        yield f"Only if {_condition(step)}."
    if step.timeout:
        yield f"It has failed when it is not done within {durations.show(step.timeout)}."
    if step.attempts != 5 or step.first:
        yield f"When it fails, it is tried up to {_times(step.attempts)}{_pauses(step)}."
    after = {"stop": "the run ends as failed", "continue": "the run goes on with the next step"}
    last = book.steps[-1].id == step.id
    target = step.on_failure.removeprefix("step:")
    if step.on_failure != "stop" and not last:
        yield f"When it has failed for good, {after.get(step.on_failure, f'the run goes on at {target}')}."
    elif step.on_failure == "continue":
        yield "When it has failed for good, the run ends as done."


def _condition(step: shapes.Step) -> str:
    """What a step is skipped without: `verdict of restore is "restored"`."""
    if not isinstance(step.when, str):
        return " and ".join(f"{one.output} of {one.step} is {' or '.join(one.equals)}" for one in step.when)
    said = re.sub(r"\bsteps\.(\w+)\.(\w+)", r"\2 of \1", _one_line(step.when))
    for sign, word in ((" == ", " is "), (" != ", " is not "), (" && ", " and "), (" || ", " or ")):
        said = said.replace(sign, word)
    return said


def _pauses(step: shapes.Step) -> str:
    if step.first is None:
        return ""
    longest = f" up to {durations.show(step.longest)}" if step.longest else ""
    return f", pausing {durations.show(step.first)} first and twice as long each time{longest}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _value(value: object) -> str:
    return _one_line(value) if isinstance(value, str) else str(value)


def _wrapped(line: str) -> str:
    return "\n".join(textwrap.wrap(line, _WIDTH, subsequent_indent="    ", break_long_words=False))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _sentence(text: str) -> str:
    text = _one_line(text)
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."
