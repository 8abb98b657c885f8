"""Reading the steps of a playbook, and checking every expression in it against the names it may use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from responder.core import durations
from responder.core.playbooks import declared, nodes, report, shapes, templates, types
from responder.core.playbooks.languages import Language

Names = types.Names

_ID = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
KEYS = ("id", "do", "about", "with", "when", "timeout", "retry", "on_failure")
_MOST_ATTEMPTS = 1000
_ENDS = ("done", "failed", "skipped")
"""What `steps.ID.state` may be, for a step that lies behind."""


def is_name(text: str) -> bool:
    """Whether expressions can use it as a name."""
    return _NAME.fullmatch(text) is not None


def read(
    report_: report.Report, node: nodes.Node | None, top: nodes.At, names: Names, language: Language
) -> tuple[shapes.Step, ...]:
    """The steps, in their order; each may speak of those before it."""
    if node is None:
        report_.refuse("playbook.missing", "steps is missing.", top, "Add `steps:` with a list.")
        return ()
    listed = report_.items(node)
    if isinstance(node, nodes.Items) and not listed:
        report_.refuse("playbook.empty", "A playbook needs at least one step.", node.at, "Add one.")
    entries = [(item, report_.fields(item, KEYS)) for item in listed]
    ids = [str(nodes.plain(entry["id"])) if entry and "id" in entry else "" for _, entry in entries]
    found: list[shapes.Step] = []
    for i, (item, entry) in enumerate(entries):
        if entry is not None:
            _check_id(report_, entry, item.at, ids[:i])
            reader = _Step(
                report_, entry, item.at, names_after(found, names, language.kinds), language, later=ids[i + 1 :]
            )
            found.append(reader.read())
    return tuple(found)


def names_after(steps: Sequence[shapes.Step], names: Names, kinds: Mapping[str, declared.Kind]) -> Names:
    """The names known once these steps are behind: `steps.ID.state`, and what their kinds leave."""
    found = names
    for step in steps:
        prefix = f"steps.{declared.named(step.id)}"
        found = found.also({f"{prefix}.state": types.Type.TEXT}, {f"{prefix}.state": _ENDS})
        kind = kinds.get(step.kind)
        outputs = {f"{prefix}.{output.called}": output for output in kind.outputs} if kind else {}
        words = {name: output.words for name, output in outputs.items() if output.words}
        found = found.also({name: output.type for name, output in outputs.items()}, words)
    return found


def _check_id(report_: report.Report, entry: dict[str, nodes.Node], at: nodes.At, earlier: Sequence[str]) -> None:
    id_ = report_.text(entry, "id", at)
    if not id_:
        return
    place = entry["id"].at
    if not _ID.fullmatch(id_):
        remedy = "Use lower-case words with hyphens."
        report_.refuse("playbook.bad-id", f"{id_!r} is not a step id.", place, remedy)
    elif declared.named(id_) in {declared.named(other) for other in earlier}:
        report_.refuse("playbook.double-id", f"Two steps are called {id_!r}.", place, "Rename one.")


class _Step:
    """One step while it is read."""

    def __init__(
        self, report_: report.Report, entry: dict[str, nodes.Node], at: nodes.At, names: Names, language: Language,
        *, later: Sequence[str],
    ) -> None:  # fmt: skip
        self._report = report_
        self._entry = entry
        self._at = at
        self._names = names
        self._language = language
        self._later = later

    def read(self) -> shapes.Step:
        kind = self._kind()
        attempts, first, longest = self._retry()
        id_ = self._entry.get("id")
        return shapes.Step(
            id=str(nodes.plain(id_)) if id_ is not None else "",
            kind=kind,
            about=self._report.value(self._entry, "about", types.Type.TEXT, ""),
            settings=self._settings(self._language.kinds.get(kind)),
            when=self._when(),
            attempts=attempts,
            first=first,
            longest=longest,
            timeout=_span(self._report.value(self._entry, "timeout", types.Type.DURATION, None)),
            on_failure=self._on_failure(),
        )

    def _kind(self) -> str:
        kind = self._report.text(self._entry, "do", self._at)
        known = self._language.kinds
        if not kind or kind in known:
            return kind
        at, why = self._entry["do"].at, self._language.unusable.get(kind)
        if why is not None:
            self._report.refuse("playbook.unusable-step", f"Step kind {kind!r} cannot be used: {why}", at, "")
        else:
            remedy = report.hint(kind, known)
            self._report.refuse("playbook.unknown-step", f"There is no step kind {kind!r}.", at, remedy)
        return kind

    def _retry(self) -> tuple[int, timedelta | None, timedelta | None]:
        node = self._entry.get("retry")
        entry = self._report.fields(node, ("attempts", "first", "longest")) if node is not None else {}
        if not entry:
            return 5, None, None
        attempts = nodes.plain(entry["attempts"]) if "attempts" in entry else 5
        if not isinstance(attempts, int) or isinstance(attempts, bool) or not 1 <= attempts <= _MOST_ATTEMPTS:
            text = f"attempts is not a whole number from 1 to {_MOST_ATTEMPTS}."
            self._report.refuse("playbook.bad-attempts", text, entry["attempts"].at, "Correct it.")
            attempts = 5
        first = _span(self._report.value(entry, "first", types.Type.DURATION, None))
        longest = _span(self._report.value(entry, "longest", types.Type.DURATION, None))
        if longest is not None and (first is None or first > longest):
            text = "longest is what the doubled pause grows to, so it needs a `first` that is no longer."
            self._report.refuse("playbook.bad-retry", text, entry["longest"].at, "Give `first`, too.")
        return attempts, first, longest

    def _on_failure(self) -> str:
        found = self._report.value(self._entry, "on_failure", types.Type.TEXT, "stop")
        if found in ("stop", "continue"):
            return str(found)
        target = found.removeprefix("step:").strip()
        at = self._entry["on_failure"].at
        if not found.startswith("step:"):
            text = f"{found!r} is none of stop, continue and step:ID."
            self._report.refuse("playbook.bad-on-failure", text, at, "Choose one.")
        elif target not in self._later:
            text = f"{target!r} is not the id of a later step."
            self._report.refuse("playbook.bad-on-failure", text, at, report.hint(target, [i for i in self._later if i]))
        return f"step:{target}"

    def _when(self) -> str:
        node = self._entry.get("when")
        if node is None:
            return ""
        if isinstance(node, nodes.Fields):
            remedy = f"Write `when: {_as_expression(node)}`."
            self._report.refuse("playbook.bad-condition", "A condition is one expression.", node.at, remedy)
            return ""
        source = str(nodes.plain(node)).lower() if isinstance(nodes.plain(node), bool) else nodes.plain(node)
        if not isinstance(source, str) or not source.strip():
            remedy = 'Write it like `when: steps.hold.verdict == "cut-over"`.'
            self._report.refuse("playbook.bad-condition", "A condition is one expression.", node.at, remedy)
            return ""
        check(self._report, node, source.strip(), self._names, types.Type.FLAG, self._language)
        return source.strip()

    def _settings(self, kind: declared.Kind | None) -> dict[str, Any]:
        node = self._entry.get("with")
        entries = self._report.entries(node) if node is not None and nodes.plain(node) is not None else ()
        given = {str(key.value) for key, _ in entries}
        for missing in kind.settings if kind else ():
            if missing.required and missing.name not in given:
                text = f"{kind.name if kind else ''} needs the setting {missing.name}: {missing.about}"
                at = node.at if node is not None else self._at
                self._report.refuse("playbook.missing", f"{text}.", at, f"Add `{missing.name}:` under `with`.")
        found = {}
        for key, item in entries:
            name = str(key.value)
            setting = kind.setting(name) if kind else None
            if kind is not None and setting is None:
                known = [each.name for each in kind.settings]
                text = f"{kind.name} has no setting {name!r}."
                self._report.refuse("playbook.unknown-setting", text, key.at, report.hint(name, known))
                continue
            found[name] = self._setting(name, item, setting)
        self._judge(kind, found, {str(key.value): item.at for key, item in entries})
        return found

    def _judge(self, kind: declared.Kind | None, found: Mapping[str, Any], places: Mapping[str, nodes.At]) -> None:
        """What the settings of this machine do not allow. It is no mistake of the file: elsewhere it may be allowed."""
        judge = self._language.judges.get(kind.name) if kind else None
        for name, error in judge(found) if judge else ():
            text = f"This step cannot be carried out here: {error.message}"
            self._report.refuse("playbook.unusable-step", text, places.get(name, self._at), error.remedy)

    def _setting(self, name: str, node: nodes.Node, setting: declared.Setting | None) -> Any:
        value = nodes.plain(node)
        check_texts(self._report, node, self._names, self._language, setting.type if setting else None)
        if not _is_plain(value):
            text = "Only texts, numbers, flags, lists and `name: value` lines can be kept."
            self._report.refuse("playbook.not-plain", text, node.at, "Put it in quotes.")
            return None
        whole = isinstance(value, str) and templates.OPEN in value
        if setting is None or value is None or whole:
            return value
        try:
            return types.typed(setting.type, value, choices=setting.choices)
        except types.Misfit as error:
            self._report.refuse("playbook.bad-value", f"{name}: {error.message}.", node.at, error.remedy)
            return None


def check_texts(
    report_: report.Report, node: nodes.Node, names: Names, language: Language, wants: types.Type | None = None
) -> None:
    """Check the `${{ }}` of every text in a node.

    Args:
        wants: what a text that is one expression and nothing else must come to. None: anything.
    """
    match node:
        case nodes.Items(items=items):
            for item in items:
                check_texts(report_, item, names, language)
        case nodes.Fields(entries=entries):
            for key, item in entries:
                _check_key(report_, key)
                check_texts(report_, item, names, language)
        case nodes.Scalar(value=str() as text) if templates.OPEN in text:
            try:
                holes = [part.source for part in templates.parts(text) if isinstance(part, templates.Hole)]
            except templates.Unclosed as unclosed:
                at = _spot(node, unclosed.number)
                report_.refuse("playbook.unclosed", "This ${{ does not end.", at, "Close it with }}.")
                return
            type_ = wants if templates.alone(text) is not None else None
            for number, source in enumerate(holes):
                _check_at(report_, source, names, type_, language, _spot(node, number))


def _check_key(report_: report.Report, key: nodes.Scalar) -> None:
    """A key stays as it is: what would have to be filled in, or would be kept as `True`, is refused."""
    if key.value is None or isinstance(key.value, bool):
        report_.not_a_name(key)
    elif templates.OPEN in str(key.value):
        text = "A name is not filled in: only values are."
        report_.refuse("playbook.bad-key", text, key.at, "Write the name out, and the ${{ }} behind the colon.")


def check(
    report_: report.Report, node: nodes.Node, source: str, names: Names, wants: types.Type, language: Language
) -> None:
    """Check a value that is an expression as a whole."""
    at = node.text_at if isinstance(node, nodes.Scalar) else node.at
    _check_at(report_, source, names, wants, language, at)


def _check_at(
    report_: report.Report, source: str, names: Names, wants: types.Type | None, language: Language, at: nodes.At
) -> None:
    if templates.OPEN in source:  # within a condition, or within another one
        text = "An expression has no ${{ }} in it."
        report_.refuse("playbook.bad-expression", text, at, "Take the ${{ and the }} away.")
        return
    complaints = language.expressions.check(source, names, wants)
    for name, word, start in () if complaints else _compared(source):
        if word not in names.words.get(name, (word,)):
            line = source.count("\n", 0, start) + 1
            place = at.later(line, start - (source.rfind("\n", 0, start) + 1) + 1)
            text = f"{name} is never {word!r}."
            report_.refuse("playbook.unknown-word", text, place, report.hint(word, names.words[name]))
    for complaint in complaints:
        place = at.later(complaint.line, complaint.column)
        if complaint.name is None:
            report_.refuse("playbook.bad-expression", f"{complaint.message}.", place, _meant(complaint, source))
        else:
            _refuse_name(report_, complaint.name, names, place)


_OTHERWISE = {"and": "&&", "or": "||", "not": "!", "AND": "&&", "OR": "||", "NOT": "!", "=": "==", "is": "=="}
_STRANGE = re.compile(r"\b(?:and|or|not|AND|OR|NOT|is)\b|(?<![=!<>])=(?!=)")
_TEXTS = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""")


def _meant(complaint: declared.Complaint, source: str) -> str:
    """What is written differently in this language, where it cannot be read and has a word of another one in it."""
    strange = _STRANGE.search(_TEXTS.sub('""', source))
    if strange is None or "yntax error" not in complaint.message:
        return "See playbooks/README.md."
    return f"Write `{_OTHERWISE[strange[0]]}` for `{strange[0]}`."


_QUOTED = r"""(?P<q>["'])(?P<word>[^"'\\]*)(?P=q)"""
_NAME_OF = r"(?P<name>[a-z_]+(?:\.[a-z0-9_]+)+)"
_COMPARED = (
    re.compile(rf"{_NAME_OF}\s*[!=]=\s*{_QUOTED}"),
    re.compile(rf"{_QUOTED}\s*[!=]=\s*{_NAME_OF}(?![\w.(\[])"),
)
_ONE_OF = re.compile(rf"{_NAME_OF}\s+in\s+\[(?P<list>[^\]]*)\]")


def _compared(source: str) -> Iterator[tuple[str, str, int]]:
    """Each name that is compared with a text that is written out: the name, the text, and where it stands."""
    for pattern in _COMPARED:
        for match in pattern.finditer(source):
            yield match["name"], match["word"], match.start("q")
    for match in _ONE_OF.finditer(source):
        for one in re.finditer(_QUOTED, match["list"]):
            yield match["name"], one["word"], match.start("list") + one.start()


def _refuse_name(report_: report.Report, name: str, names: Names, at: nodes.At) -> None:
    words = name.split(".")
    inside = [known for known in names if known.startswith(".".join(words[:-1]) + ".")] if len(words) > 1 else []
    if words[0] == "steps" and len(words) > 1 and not any(n.startswith(f"steps.{words[1]}.") for n in names):
        steps = sorted({n.split(".")[1] for n in names if n.startswith("steps.")})
        text = f"{words[1]!r} is not an earlier step."
        remedy = report.hint(words[1], steps) if steps else "Only steps further up can be spoken of."
        report_.refuse("playbook.unknown-name", text, at, remedy)
        return
    remedy = report.hint(name, inside or names)
    if not inside and len(remedy) > 200:
        remedy = f"Names begin with {', '.join(sorted({known.split('.')[0] for known in names}))}."
    report_.refuse("playbook.unknown-name", f"Nothing is called {name}.", at, remedy)


def _spot(node: nodes.Scalar, number: int) -> nodes.At:
    return node.spots[number] if number < len(node.spots) else node.at


def _span(text: str | None) -> timedelta | None:
    return durations.parse(text) if text else None


def _is_plain(value: Any) -> bool:
    """Whether a snapshot can keep it."""
    try:
        json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _as_expression(node: nodes.Fields) -> str:
    """An old condition (`hold.verdict: cut-over`) in today's words."""
    found = []
    for key, item in node.entries:
        step, _, output = str(key.value).partition(".")
        name = f"steps.{declared.named(step)}.{output or 'verdict'}"
        value = nodes.plain(item)
        found.append(f"{name} in {json.dumps(value)}" if isinstance(value, list) else f"{name} == {json.dumps(value)}")
    return " && ".join(found)
