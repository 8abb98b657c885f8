"""What a playbook may be written in: step kinds, names, and who checks its expressions. Reads nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from responder.core.playbooks import declared, types


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """What a playbook may be written in."""

    kinds: Mapping[str, declared.Kind]
    expressions: declared.Expressions
    vocabulary: Mapping[str, types.Type]
    """Names that every expression may use: `server.name`, ..."""
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Of some of them, all that they may be: `tolerance.cutover`, ..."""
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Step kinds that exist and cannot be used here, and why."""
