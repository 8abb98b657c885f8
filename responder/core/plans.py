"""Plans: what a run would do to a server, worked out beforehand. Data; nothing here reads or writes.

The hash says what somebody looked at and agreed to. It is made of one part for each thing that matters, so that a run
which is refused for it can say what is different now.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_WHOLE, _PART = 16, 4
"""Hexadecimal digits of the whole, and of each part that only tells which one differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """One thing in the world that a step changes."""

    verb: str
    """`creates`, `deletes`, `points`, `changes`, `promotes`, `calls`, `runs`, ..."""
    what: str
    """ARM id, DNS record, URL or path."""
    detail: str = ""
    """Where to, from what, with what."""

    def __str__(self) -> str:
        return f"{self.verb} {self.what}" + (f" {self.detail}" if self.detail else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A requirement of the playbook, looked at now."""

    that: str
    about: str
    holds: bool
    why: str = ""
    """Why that cannot be told, if so."""
    moving: bool = False
    """It changes by the minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step would do."""

    id: str
    kind: str
    effect: str
    about: str
    when: str = ""
    """Its condition, as it is written."""
    holds: bool | None = True
    """Whether it holds now; None: that is only known when the run comes to it."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """With everything filled in that is known now."""
    touches: tuple[Touch, ...] | None = ()
    """What it changes; None: its kind does not say beforehand."""
    obstacle: str = ""
    """Why it would fail, as far as that can be seen now."""
    fixed: Any = None
    """What of its condition and settings does not change by the minute; this is what the hash depends on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would do, and to what."""

    playbook: str
    version: str
    run: str
    server: str
    server_facts: Mapping[str, Any]
    """The server and its owner's declaration, as far as runs depend on them."""
    outage: str | None
    arguments: Mapping[str, Any]
    requires: tuple[Requirement, ...]
    steps: tuple[Step, ...]

    @property
    def unmet(self) -> tuple[Requirement, ...]:
        """What does not hold, and must."""
        return tuple(one for one in self.requires if not one.holds)

    @property
    def hash(self) -> str:
        """The whole, and behind it each part."""
        parts = self._parts()
        return _digest(parts, _WHOLE) + "".join(_digest(part, _PART) for part in parts.values())

    def differs_from(self, agreed: str) -> tuple[str, ...]:
        """What is different from the plan of that hash, in words; none: it is this one."""
        if agreed == self.hash:
            return ()
        parts = self._parts()
        if len(agreed) != len(self.hash):
            return ("the hash is not one of this version's",)
        found = []
        for i, (name, part) in enumerate(parts.items()):
            start = _WHOLE + i * _PART
            if agreed[start : start + _PART] != _digest(part, _PART):
                found.append(name)
        return tuple(found) or ("something",)

    def _parts(self) -> dict[str, Any]:
        return {
            f"the playbook (now {self.playbook} {self.version})": [self.playbook, self.version],
            f"the run (now {self.run})": self.run,
            f"the server or its tags (now {self.server})": [self.server, dict(self.server_facts)],
            f"the outage (now {self.outage or 'none'})": self.outage,
            "the arguments": dict(self.arguments),
            "what is required": [[one.that, None if one.moving else one.holds] for one in self.requires],
            "conditions and settings of steps": [step.fixed for step in self.steps],
            "what is created, deleted or pointed": [
                [step.id, step.obstacle, [str(touch) for touch in step.touches or ()]] for step in self.steps
            ],
        }


def _digest(value: Any, length: int) -> str:
    plain = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(plain.encode()).hexdigest()[:length]
