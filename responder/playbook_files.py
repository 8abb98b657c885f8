"""Playbook files: the shipped ones, overlaid by the user's folder. Reads files; what they mean is `core.playbooks`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from responder.core import errors, playbooks

_SHIPPED = (Path(__file__).parent / "playbooks", Path(__file__).parent.parent / "playbooks")
"""In an installed wheel, and in a checkout."""


def load_all(overlay: Path | None, kinds: Iterable[str]) -> dict[str, playbooks.Playbook]:
    """Every playbook by name; one in `overlay` replaces the shipped one of the same name.

    Raises:
        InputError: a file that cannot be used, with file, place and remedy. Nothing is loaded then.
    """
    known = tuple(kinds)
    shipped = next((folder for folder in _SHIPPED if folder.is_dir()), None)
    if shipped is None:
        raise errors.InputError(
            "playbooks.not-shipped", "The shipped playbooks are missing.", remedy="Install the package again."
        )
    if overlay is not None and not overlay.is_dir():
        raise errors.InputError(
            "playbooks.no-folder", "There is no such folder.", remedy="Correct `playbooks`.", place=str(overlay)
        )
    found: dict[str, playbooks.Playbook] = {}
    for folder in (shipped, overlay):
        for path in sorted(folder.glob("*.yaml")) if folder else ():
            found[path.stem] = load(path, known)
    return found


def load(path: Path, kinds: Iterable[str]) -> playbooks.Playbook:
    """One playbook file.

    Raises:
        InputError: no YAML, or not a playbook; names file, line or field, and the remedy.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:  # the latter for bytes that are no text, and dates that are none
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "some text or value in it cannot be read"
        raise errors.InputError(
            "playbook.not-yaml", f"This is not YAML: {problem}.", remedy="Correct it there.", place=place
        ) from error
    except OSError as error:
        raise errors.InputError(
            "playbook.unreadable", "The file cannot be read.", remedy="Check its rights.", place=str(path)
        ) from error
    return playbooks.read(document, name=path.stem, place=str(path), kinds=kinds)
