"""The settings file as a document: plain values, and the line of each. Knows no setting, repeats no value.

Stricter than YAML asks for: a name that is given twice is refused, for YAML lets the later one win in silence, and a
whole section is lost when two examples are put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from responder.core import errors


class Document:
    """What a file says."""

    def __init__(self, value: Any, root: yaml.Node | None) -> None:
        self.value = value
        self._root = root

    def line(self, path: Sequence[int | str]) -> int | None:
        """The line of what lies there, or of the innermost part around it that is there; None: the whole file."""
        node, line = self._root, None
        for part in path:
            found = _inside(node, part)
            if found is None:
                break
            node, line = found
        return line


def _inside(node: yaml.Node | None, part: int | str) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        pairs = ((key, value) for key, value in node.value if key.value == str(part))
        return next(((value, key.start_mark.line + 1) for key, value in pairs), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line + 1
    return None


def read(path: Path) -> Document:
    """Read a file.

    Raises:
        InputError: `settings.unreadable`, or `settings.not-yaml` with its line.
    """
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        remedy = "Give the path of the settings file with --config."
        raise errors.InputError(
            "settings.unreadable", f"Cannot be read: {error.strerror}.", remedy=remedy, place=str(path)
        ) from error
    except UnicodeDecodeError as error:
        text = "This is not YAML: it is not UTF-8 text."
        raise errors.InputError("settings.not-yaml", text, remedy="Save it as UTF-8.", place=str(path)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date or a number that is none
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "some text or value in it cannot be read"
        raise errors.InputError(
            "settings.not-yaml", f"This is not YAML: {problem}.", remedy="Correct it there.", place=place
        ) from error


def _parsed(text: str) -> Document:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        return Document(None if root is None else loader.construct_document(root), root)
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """YAML's plain values only."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                problem = f"{key.value!r} is given twice, and only the later one would count"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        value = super().construct_scalar(node)
        if isinstance(value, str) and ("\0" in value or not _is_text(value)):
            problem = "there is a character that no text can have"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return value


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half a character, written as an escape
        return False
    return True
