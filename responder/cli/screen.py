"""What a terminal may be told: text and colours. Titles, tags, reasons and answers of servers are written by strangers,
and a terminal obeys what is hidden in them: it would clear the screen, or show "all is well" over what we say.

Changes no words; only what no person can see is shown as an escape (`\\u001b`).
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

_COLOUR = r"\x1b\[[0-9;]*m"
_OBEYED = re.compile(rf"({_COLOUR})|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|\r(?!\n)")
"""Controls of terminals, and what turns the direction of reading round. Line ends, tabs and colours are not changed."""


class Screen:
    """A text stream in front of another one."""

    def __init__(self, behind: TextIO) -> None:
        self._behind = behind

    def write(self, text: str) -> int:
        """Write it, harmless."""
        if not isinstance(text, str):
            raise TypeError("text, not bytes")  # as every text stream; click asks by trying
        self._behind.write(harmless(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)


def harmless(text: str) -> str:
    """The text without what a terminal would obey."""
    return _OBEYED.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    return found[1] or f"\\u{ord(found[0]):04x}"  # inside of JSON it means the same


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Meanwhile, whatever is printed is harmless."""
    out, err = cast(TextIO, Screen(sys.stdout)), cast(TextIO, Screen(sys.stderr))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield
