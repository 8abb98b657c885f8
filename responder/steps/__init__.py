"""Step kinds: one file each. A step does one thing through its doors, never sleeps, and answers with an outcome.

effect      may be repeated            after a crash between intent and outcome
read        freely                     executed again
idempotent  yes, with the same end     reconciled, then executed again if it had not begun
once        never blindly              reconciled: look at Azure, adopt what is there
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from responder.core import errors, runs
from responder.steps import cut_over, discard_copy, doors, hold, notify, restore, verify, watch


class Effect(StrEnum):
    """What a step kind does to the world."""

    READ = "read"
    IDEMPOTENT = "idempotent"
    ONCE = "once"


class StepKind(Protocol):
    """The Python behind one `do:` of a playbook. A module is one: these are its functions."""

    EFFECT: str
    """`read`, `idempotent` or `once`."""

    async def execute(self, ctx: doors.Context) -> runs.Outcome:
        """Do it, or go on with it after a wait."""

    async def reconcile(self, ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
        """Find out what became of an effect whose outcome was never written."""


def _checked(kinds: Mapping[str, object]) -> Mapping[str, StepKind]:
    for name, kind in kinds.items():
        effect = Effect(getattr(kind, "EFFECT", ""))
        if effect is not Effect.READ and not hasattr(kind, "reconcile"):
            raise errors.InputError(
                "steps.no-reconcile",
                f"Step kind {name!r} has an effect and cannot find out what became of it after a crash.",
                remedy="Give it `reconcile`.",
            )
    return kinds  # type: ignore[return-value]  # modules satisfy the protocol; checked above


KINDS: Mapping[str, StepKind] = _checked(
    {
        "cut_over": cut_over,
        "discard_copy": discard_copy,
        "hold": hold,
        "notify": notify,
        "restore": restore,
        "verify": verify,
        "watch": watch,
    }
)
"""Every step kind by the name playbooks use."""
