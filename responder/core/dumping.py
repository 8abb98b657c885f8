"""What is said of copying a database by dump and restore. Values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The programs that dump and restore."""

    version: str = ""
    why: str = ""
    """Why they cannot be used, with the remedy; empty: they can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One database that is copied from server to server."""

    key: str
    """Names it in this process."""
    source: str
    """Host name."""
    target: str
    """Host name."""
    database: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is."""

    ended: bool
    why: str = ""
    """Why it failed; empty: it did not."""
