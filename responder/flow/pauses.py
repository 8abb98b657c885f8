"""Long work in slices: whoever does it lets everybody else on the event loop have a turn, again and again."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

_SLICE = 0.01
"""Seconds at a stretch. A tenth of what a person notices, and signs of life of hubs and leases take far longer."""


def collect_seldom() -> None:
    """Let the collector look at everything more seldom: each look is a pause of all, and grows with what there is.

    Almost nothing here is in cycles; reference counts take care of the rest.
    """
    gc.set_threshold(50_000, 20, 50)


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


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items, so many at a time."""
    return (items[first : first + size] for first in range(0, len(items), size))
