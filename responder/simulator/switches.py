"""Faults by name: what scenario files and the control endpoint can arm, with arguments as they stand in YAML or JSON.

Only translates. What a fault does is said where it is kept: `faults` for Resource Manager, `amqp.faults` for hubs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pydantic

from responder.simulator import faults
from responder.simulator.amqp import faults as hub_faults

_MANAGER = ("throttle", "fail_operation", "slow_operation", "refuse_capacity", "answer", "drop_answer", "clear")
_HUBS = (
    "drop_connections",
    "lose_connections",
    "freeze",
    "thaw",
    "refuse_connections",
    "accept_connections",
    "detach_receivers",
    "fail_tokens",
    "accept_tokens",
)

KINDS: frozenset[str] = frozenset({*_MANAGER, "down", *(f"hub_{name}" for name in _HUBS)})
"""`hub_freeze` is `freeze` of the event hubs; `down` says how Resource Manager behaves in a region that is down."""


class UnknownFault(LookupError):
    """There is no fault of that name. The message lists those there are."""


def check_kind(kind: str) -> str:
    """The name itself. Raises `UnknownFault`."""
    if kind not in KINDS:
        raise UnknownFault(f"there is no fault '{kind}'; choose one of {', '.join(sorted(KINDS))}")
    return kind


class Switches:
    """The faults of one simulated cloud."""

    def __init__(self, manager: faults.Faults, hubs: hub_faults.Faults) -> None:
        self._manager = manager
        self._hubs = hubs

    async def arm(self, kind: str, arguments: Mapping[str, Any]) -> None:
        """Arm a fault. Durations are ISO 8601 or seconds. Raises `UnknownFault`, or ValueError for its arguments."""
        try:
            outcome = pydantic.validate_call(self._function(check_kind(kind)))(**arguments)
        except pydantic.ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise ValueError(f"fault {kind}: {wrong}") from error
        if inspect.isawaitable(outcome):
            await outcome

    def _function(self, kind: str) -> Callable[..., Any]:
        if kind == "down":
            return self._down
        if kind in _MANAGER:
            return getattr(self._manager, kind)  # type: ignore[no-any-return]
        return getattr(self._hubs, kind.removeprefix("hub_"))  # type: ignore[no-any-return]

    def _down(self, hangs: bool = False, wait: timedelta = timedelta(0)) -> None:
        """A region that is down never answers (`hangs`), or answers 503 after `wait`."""
        self._manager.down_hangs = hangs
        self._manager.down_wait = wait
