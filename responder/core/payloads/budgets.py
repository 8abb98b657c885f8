"""How much work one body may ask for, counted. It measures nothing by the clock: the same body asks for the same.

Every limit is far above what Azure sends, and a hostile megabyte stays a matter of a fraction of a second. What lies
beyond a limit is not read: it is set apart with the limit as its reason, and the whole body is kept beside it.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from dataclasses import dataclass

MOST_PIECES = 5_000
"""Pieces taken from one body. Event Grid batches at most so many, and a megabyte holds 2,000 health records."""
MOST_READINGS = 30_000
"""Strings and pieces of text that are tried as JSON. A record needs two or three."""
MOST_TOKENS = 300_000
"""Brackets and quoted strings looked at one by one, where a body is no JSON as a whole. A megabyte of records has
90,000, and in single quotes they are looked at three times."""
MOST_FIELDS = 2_000
"""Fields of one object that is asked for its fields. Azure's largest has about 60."""
_IMPACTS, _IMPACT_CHARACTERS = 5_000, 64
"""Services in regions of one body that concern us; more when it is so long. Twenty services in every region are 1,500,
and one takes some sixty characters."""
_OTHER_IMPACTS, _OTHER_IMPACT_CHARACTERS = 2_000, 128
"""The same of services that PostgreSQL does not stand on: they are named for completeness only."""
_CHARACTERS_EACH = 12
_CHARACTERS_MORE = 1 << 20


class ExceededError(Exception):
    """The body asks for more work than any that Azure sends. Its text is the reason for the quarantine."""


@dataclass(slots=True)
class Budget:
    """The work of one body."""

    size: int = 0
    """Characters of the body, unpacked."""
    characters: int = 0
    """Read as JSON, each as often as it was read."""
    readings: int = 0
    tokens: int = 0
    pieces: int = 0
    impacts: int = 0
    other_impacts: int = 0

    @property
    def most_characters(self) -> int:
        """An envelope, a string within it and one within that are three readings of the same character."""
        return _CHARACTERS_EACH * self.size + _CHARACTERS_MORE

    @property
    def most_impacts(self) -> int:
        """Services in regions that concern us."""
        return max(_IMPACTS, self.size // _IMPACT_CHARACTERS)

    @property
    def most_other_impacts(self) -> int:
        """Those that do not."""
        return max(_OTHER_IMPACTS, self.size // _OTHER_IMPACT_CHARACTERS)

    def refuses_reading(self, length: int) -> str:
        """Count one reading of so many characters. Not empty: it must not be done, and why."""
        if self.readings >= MOST_READINGS:
            return f"more than {MOST_READINGS} pieces of text to be read"
        if self.characters + length > self.most_characters:
            return f"more than {self.most_characters} characters to be read"
        self.readings += 1
        self.characters += length
        return ""

    def left_of_tokens(self) -> int:
        """How many more brackets and strings may be looked at."""
        return max(MOST_TOKENS - self.tokens, 0)

    def takes_impact(self, concerns_us: bool) -> bool:
        """Count one service in one region. False: it is one too many."""
        if concerns_us:
            self.impacts += 1
            return self.impacts <= self.most_impacts
        self.other_impacts += 1
        return self.other_impacts <= self.most_other_impacts


_CURRENT: contextvars.ContextVar[Budget | None] = contextvars.ContextVar("payloads-budget", default=None)


@contextlib.contextmanager
def counting() -> Iterator[Budget]:
    """The work of whatever is read inside counts together. Inside another one: nothing new begins."""
    outer = _CURRENT.get()
    if outer is not None:
        yield outer
        return
    mark = _CURRENT.set(budget := Budget())
    try:
        yield budget
    finally:
        _CURRENT.reset(mark)


def current() -> Budget:
    """The budget of the body that is being read; one of its own for what is read outside of a body."""
    return _CURRENT.get() or Budget(size=_CHARACTERS_MORE)
