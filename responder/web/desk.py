"""What the HTTP handlers are given: rows to read, a door for events, bells to ring. Nothing that acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from responder import settings
from responder.core import playbooks
from responder.flow import intake, wakes
from responder.store import sqlite


class Source(Protocol):
    """What a source of events tells about itself."""

    @property
    def name(self) -> str: ...

    last_ok_at: datetime | None
    last_event_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything behind the HTTP server."""

    config: settings.Settings
    store: sqlite.Store
    intake: intake.Intake
    playbooks: Mapping[str, playbooks.Playbook]
    sources: Sequence[Source]
    assess: wakes.Wake
    act: wakes.Wake
