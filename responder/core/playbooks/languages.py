"""What a playbook may be written in: step kinds, names, and who checks its expressions. Reads nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from responder.core import errors
from responder.core.playbooks import declared, types

Judge = Callable[[Mapping[str, Any]], Iterable[tuple[str, errors.InputError]]]
"""Of the settings of a step: which one is not allowed, and why. Says nothing of what is filled in later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """What a playbook may be written in."""

    kinds: Mapping[str, declared.Kind]
    expressions: declared.Expressions
    vocabulary: Mapping[str, types.Type]
    """Names that every expression may use: `server.name`, ..."""
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Of some of them, all that they may be: `tolerance.cutover`, ..."""
    judges: Mapping[str, Judge] = field(default_factory=dict)
    """Of some step kinds, who tells what of a step's settings is not allowed on this machine."""
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Step kinds that exist and cannot be used here, and why."""
