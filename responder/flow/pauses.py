"""Long work in slices: whoever does it lets everybody else on the event loop have a turn, again and again."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

_SLICE = 0.005
"""Seconds at a stretch. What cannot be cut comes on top; nobody should wait for a twentieth of a second in all."""


def collect_seldom() -> None:
    """Let the collector look at everything more seldom: each look is a pause of all, and grows with what there is.

    Almost nothing here is in cycles; reference counts take care of the rest.
    """
    gc.set_threshold(50_000, 20, 50)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """While inside, the collector does not look: what is made here is needed until the end, and every look at it is a
    pause of all that frees nothing."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """While modules are loaded: the collector does not look, and never looks again at what there is afterwards.

    They stay to the end, and a full look at all that a daemon loads is a pause of 60 ms of CPU time and more.
    """
    with uncollected():
        try:
            yield
        finally:
            gc.freeze()


class Pauses:
    """Asked between two pieces of work; yields to the loop when a slice is over."""

    def __init__(self, slice_s: float = _SLICE) -> None:
        self._slice = slice_s
        self._until = time.monotonic() + slice_s

    async def breathe(self) -> None:
        """Go on at once, or after the others had their turn."""
        if time.monotonic() >= self._until:
            await asyncio.sleep(0)
            self._until = time.monotonic() + self._slice


async def let_go(items: list[Any] | dict[Any, Any], size: int = 500) -> None:
    """Empty something long by and by: what dies together with it takes everybody's time at once."""
    rest = Pauses()
    while items:
        if isinstance(items, list):
            del items[-size:]
        else:
            for key in list(itertools.islice(items, size)):
                del items[key]
        await rest.breathe()


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items, so many at a time."""
    return (items[first : first + size] for first in range(0, len(items), size))
