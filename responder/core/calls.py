"""What steps ask of other systems and of programs, and what came of it. Values only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An HTTP call."""

    method: str
    url: str
    headers: Mapping[str, str | Mapping[str, str]]
    """A value is a text, or `{secret: NAME}`, with `before` in front of it if given."""
    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    body: str
    """Its beginning; secrets that were sent are blotted out."""
    retry_after: str | None = None


def blotted(text: str, secrets: Iterable[str]) -> str:
    """The text without these, each of which may stand in it more than once. None of them is empty."""
    for secret in sorted(secrets, key=len, reverse=True):  # of one that begins another, the rest must not stay
        text = text.replace(secret, "***")
    return text


class NotSent(Exception):
    """The call never left: it may be made again."""


class Unanswered(Exception):
    """The call may have arrived, and nobody knows what came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended."""

    code: int | None
    """Its exit code; None: its time was up, and it was killed."""
    said: str
    """The end of what it wrote to stdout and stderr."""
