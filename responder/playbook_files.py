"""Playbook files: the shipped ones, overlaid by the user's folders. Reads files; what they mean is `core.playbooks`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from responder import expressions
from responder.core import contexts, errors, playbooks
from responder.core.playbooks import nodes, templates

_SHIPPED = (Path(__file__).parent / "playbooks", Path(__file__).parent.parent / "playbooks")
"""In an installed wheel, and in a checkout."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The quick one where PyYAML was built with it."""
_LARGEST = 256 * 1024
"""Bytes. A playbook is read by people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A playbook and where it comes from."""

    playbook: playbooks.Playbook
    path: Path
    shipped: bool
    shadows: tuple[Path, ...] = ()
    """Files of the same name that it stands before, the nearest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Every playbook by name."""

    found: Mapping[str, Found]
    unusable: Mapping[str, errors.InputError] = field(default_factory=dict)
    """Playbooks that are not there because a step kind they use cannot be used on this machine, and why."""

    @property
    def playbooks(self) -> dict[str, playbooks.Playbook]:
        """The playbooks alone."""
        return {name: found.playbook for name, found in self.found.items()}


def language(
    kinds: Mapping[str, object],
    unusable: Mapping[str, errors.InputError] | None = None,
    judges: Mapping[str, playbooks.Judge] | None = None,
) -> playbooks.Language:
    """What playbooks may be written in, with these step kinds, and with what the settings allow them."""
    return playbooks.Language(
        kinds={name: playbooks.described(name, kind) for name, kind in kinds.items()},
        expressions=expressions.Cel(),
        vocabulary=contexts.TYPES,
        words=contexts.WORDS,
        judges=judges or {},
        unusable={name: str(error) for name, error in (unusable or {}).items()},
    )


def shipped_folder() -> Path:
    """Where the shipped playbooks lie."""
    found = next((folder for folder in _SHIPPED if folder.is_dir()), None)
    if found is None:
        remedy = "Install the package again."
        raise errors.InputError("playbooks.not-shipped", "The shipped playbooks are missing.", remedy=remedy)
    return found


def load_all(overlay: Path | Sequence[Path] | None, kinds: Mapping[str, object]) -> dict[str, playbooks.Playbook]:
    """Every playbook by name, when no step kind is unusable; see `library`."""
    return library(overlay, language(kinds)).playbooks


def library(overlay: Path | Sequence[Path] | None, speech: playbooks.Language, *, spare: bool = False) -> Library:
    """Every playbook by name; one in a later folder replaces those of the same name before.

    Args:
        spare: a file with a mistake costs its own playbook, and no other. For whoever must go on in the night; who is
            about to make files count wants all of them or none.

    Raises:
        InputError: a file with a mistake, with file, line, column and remedy, unless they are spared; or a folder that
            is not there.
    """
    found: dict[str, Found] = {}
    unusable: dict[str, errors.InputError] = {}
    for path, shipped in files(overlay):
        name, examined = path.stem, examine(path, speech)
        if examined.playbook is not None:
            before = found.get(name)
            shadows = (before.path, *before.shadows) if before else ()
            found[name] = Found(playbook=examined.playbook, path=path, shipped=shipped, shadows=shadows)
            unusable.pop(name, None)
            continue
        if not (spare or _only_unusable(examined)):
            raise _first(examined.problems)
        if path.suffix != ".yaml":  # it stands for nothing
            unusable[path.name] = _first(examined.problems)
            continue
        # What it replaces must not come back in its place: its owner did not want that one.
        found.pop(name, None)
        unusable[name] = _first(examined.problems)
    return Library(found=found, unusable=unusable)


def insist(found: Library, names: Iterable[str], also: Iterable[str] = ()) -> None:
    """Make sure of the playbooks that the daemon starts by itself.

    Args:
        names: it cannot do without.
        also: it starts, too; where one cannot be used, that way out is closed.

    Raises:
        InputError: one of `names` cannot be used here, or any of them needs to be given something.
    """
    needed_ones = tuple(names)
    for name in (*needed_ones, *also):
        if name in found.unusable and name not in needed_ones:
            continue
        if name in found.unusable:
            raise found.unusable[name]
        book = found.found[name].playbook
        needed = [parameter.name for parameter in book.parameters if parameter.required]
        if needed:
            raise errors.InputError(
                "playbook.needs-arguments",
                f"The daemon starts {name} by itself, and nobody would give it {', '.join(needed)}.",
                remedy="Give every parameter a default, or the playbook another name.",
                place=str(found.found[name].path),
            )


def files(overlay: Path | Sequence[Path] | None) -> Iterator[tuple[Path, bool]]:
    """Every file in the order in which they replace each other, and whether it is a shipped one.

    Raises:
        InputError: a folder that is not there.
    """
    folders = [overlay] if isinstance(overlay, Path) else list(overlay or ())
    for folder in folders:
        if not folder.is_dir():
            raise errors.InputError(
                "playbooks.no-folder", "There is no such folder.", remedy="Correct `playbooks`.", place=str(folder)
            )
    for folder, shipped in ((shipped_folder(), True), *((folder, False) for folder in folders)):
        yield from ((path, shipped) for path in sorted(folder.iterdir()) if is_playbook(path))


def is_playbook(path: Path) -> bool:
    """Whether a file of a folder is meant to be one. `.yml` is: it is refused by name, and not passed over."""
    return path.suffix.lower() in (".yaml", ".yml") and not path.name.startswith(".")


def examine(path: Path, speech: playbooks.Language) -> playbooks.Examined:
    """One file, with everything that is wrong with it. Raises nothing."""
    try:
        found = examine_text(_text(path), name=path.stem, place=str(path), speech=speech)
    except errors.InputError as error:
        return playbooks.Examined(playbook=None, problems=(error,))
    named = _misnamed(path)
    return found if named is None else playbooks.Examined(playbook=None, problems=(named, *found.problems))


def _misnamed(path: Path) -> errors.InputError | None:
    """A playbook is called by the name of its file, and what does not end in .yaml is nobody's."""
    if path.suffix != ".yaml":
        text = f"The name of a playbook ends in .yaml, not in {path.suffix or 'nothing'}."
        return errors.InputError("playbook.bad-name", text, remedy=f"Call it {path.stem}.yaml.", place=str(path))
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", path.stem):
        text = f"{path.stem!r} is not the name of a playbook."
        remedy = "Name the file in lower-case words with hyphens, like move-away.yaml."
        return errors.InputError("playbook.bad-name", text, remedy=remedy, place=str(path))
    return None


def examine_text(text: str, *, name: str, place: str, speech: playbooks.Language) -> playbooks.Examined:
    """The same for a text that lies in no file."""
    try:
        return playbooks.examine(_nodes(text, place), name=name, place=place, language=speech)
    except errors.InputError as error:
        return playbooks.Examined(playbook=None, problems=(error,))


def load(path: Path, kinds: Mapping[str, object]) -> playbooks.Playbook:
    """One playbook file.

    Raises:
        InputError: no YAML, or not a playbook; names file, line, column and the remedy.
    """
    examined = examine(path, language(kinds))
    if examined.playbook is None:
        raise _first(examined.problems)
    return examined.playbook


def _only_unusable(examined: playbooks.Examined) -> bool:
    """It is right, and what it uses cannot be used here: that is told, and the others are loaded."""
    return bool(examined.problems) and all(p.error_id == "playbook.unusable-step" for p in examined.problems)


def _first(problems: Sequence[errors.InputError]) -> errors.InputError:
    first, others = problems[0], len(problems) - 1
    if not others:
        return first
    more = f"{first.remedy} And {others} more: `responder playbooks lint` shows all.".strip()
    return errors.InputError(first.error_id, first.message, remedy=more, place=first.place)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            text = f"The file is larger than {_LARGEST // 1024} KiB."
            raise errors.InputError("playbook.too-large", text, remedy="Shorten it.", place=str(path))
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        text, before = "This is not YAML: it is not UTF-8 text.", error.object[: error.start].decode("utf-8", "replace")
        place = f"{path}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
        raise errors.InputError("playbook.not-yaml", text, remedy="Save it as UTF-8.", place=place) from error
    except FileNotFoundError as error:
        remedy = "Check its name; a link may lead nowhere."
        raise errors.InputError(
            "playbook.missing-file", "There is no such file.", remedy=remedy, place=str(path)
        ) from error
    except OSError as error:
        text, remedy = f"It cannot be read: {error.strerror}.", "Check that it is a file, and its rights."
        raise errors.InputError("playbook.unreadable", text, remedy=remedy, place=str(path)) from error


def _nodes(text: str, place: str) -> nodes.Node:
    try:
        root = _composed(text)
        if root is None:
            remedy = "See the shipped playbooks."
            raise errors.InputError("playbook.not-a-mapping", "It is empty.", remedy=remedy, place=f"{place}:1:1")
        return _Composed(text, place).node(root)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a number that is none
        mark = getattr(error, "problem_mark", None)
        where = f"{place}:{mark.line + 1}:{mark.column + 1}" if mark else place
        problem = getattr(error, "problem", None) or "some text or value in it cannot be read"
        message = f"This is not YAML: {problem}."
        raise errors.InputError("playbook.not-yaml", message, remedy="Correct it there.", place=where) from error


_SHORT = 10_000
"""Characters that cannot nest deeper than the machine's stack."""
_DEEPEST = 500


def _composed(text: str) -> yaml.Node | None:
    if len(text) > _SHORT and _depth(text) > _DEEPEST:
        raise RecursionError  # the C library goes down level by level, and ends the whole process when it is too many
    try:
        return yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader)  # says better what is wrong, and where


def _depth(text: str) -> int:
    """How deep it nests, at least, up to where it stops being YAML."""
    depth = deepest = 0
    with contextlib.suppress(yaml.YAMLError):
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.CollectionStartEvent | yaml.CollectionEndEvent):
                depth += 1 if isinstance(event, yaml.CollectionStartEvent) else -1
                deepest = max(deepest, depth)
    return deepest


class _Composed:
    """YAML's tree as nodes. One visit for each: no node stands for several."""

    def __init__(self, text: str, place: str) -> None:
        self._text = text
        self._place = place
        self._seen: set[int] = set()
        self._values = yaml.SafeLoader("")

    def node(self, found: yaml.Node) -> nodes.Node:
        at = nodes.At(found.start_mark.line + 1, found.start_mark.column + 1)
        if id(found) in self._seen:
            place = f"{self._place}:{at.line}:{at.column}"
            text = "What stands here is used again by an alias (*)."
            raise errors.InputError("playbook.alias", text, remedy="Write it out at both places.", place=place)
        self._seen.add(id(found))
        match found:
            case yaml.MappingNode():
                return nodes.Fields(tuple((self._scalar(key), self.node(item)) for key, item in found.value), at)
            case yaml.SequenceNode():
                return nodes.Items(tuple(self.node(item) for item in found.value), at)
        return self._scalar(found)

    def _scalar(self, found: yaml.Node) -> nodes.Scalar:
        at = nodes.At(found.start_mark.line + 1, found.start_mark.column + 1)
        if not isinstance(found, yaml.ScalarNode):
            place = f"{self._place}:{at.line}:{at.column}"
            remedy = "Put a value with { or [ in quotes."
            raise errors.InputError("playbook.not-a-name", "A name is one word.", remedy=remedy, place=place)
        start, raw = found.start_mark.index, self._text[found.start_mark.index : found.end_mark.index]
        first_line = str(found.value).strip().partition("\n")[0].partition(" ")[0]
        offset = max(raw.find(first_line), 0) if first_line else 0
        spots, i = [], -1
        while (i := raw.find(templates.OPEN, i + 1)) >= 0:
            spots.append(self._at(start + i + len(templates.OPEN)))
        return nodes.Scalar(self._value(found), at, self._at(start + offset), tuple(spots))

    def _value(self, found: yaml.ScalarNode) -> bool | int | float | str | None:
        """What the text stands for. A date stays a text: no snapshot keeps a date."""
        kind = found.tag.rpartition(":")[2]
        if kind in ("null", "bool", "int", "float"):
            try:
                value = self._values.construct_object(found)
            except ValueError as error:  # a number that is none, or of thousands of digits
                raise self._unkept(found, "This number cannot be read.", "Shorten it, or put it in quotes.") from error
            assert value is None or isinstance(value, bool | int | float)
            return value
        text = str(found.value)
        if not text.isascii() and text != text.encode("utf-8", "replace").decode("utf-8"):
            raise self._unkept(
                found, "This text has half a character in it.", "Write the character itself, not \\uD83D."
            )
        return text

    def _unkept(self, found: yaml.ScalarNode, text: str, remedy: str) -> errors.InputError:
        place = f"{self._place}:{found.start_mark.line + 1}:{found.start_mark.column + 1}"
        return errors.InputError("playbook.not-yaml", text, remedy=remedy, place=place)

    def _at(self, index: int) -> nodes.At:
        line = self._text.count("\n", 0, index) + 1
        return nodes.At(line, index - (self._text.rfind("\n", 0, index) + 1) + 1)
