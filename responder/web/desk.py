"""What the HTTP handlers are given: rows to read, a door for events, bells to ring. Nothing that acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from responder import settings, steps
from responder.core import playbooks
from responder.flow import intake, listening, shelf, wakes
from responder.store import sqlite


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything behind the HTTP server."""

    config: settings.Settings
    store: sqlite.Store
    intake: intake.Intake
    playbooks: Mapping[str, playbooks.Playbook]
    sources: Sequence[listening.Ear]
    assess: wakes.Wake
    act: wakes.Wake
    registry: steps.Registry = steps.BUILT_IN
    shelf: shelf.Shelf | None = None
    """What `playbooks` are taken from, where they can be loaded anew."""
