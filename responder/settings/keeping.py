"""How long the journal keeps what nobody needs any more. Deletes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import pydantic

from responder.settings import fields


def _long_enough(value: timedelta | None) -> timedelta | None:
    if value is not None and value < timedelta(days=7):
        raise ValueError("keep it for a week at least, or null for ever")
    return value


def _longer_than_news_comes(value: timedelta | None) -> timedelta | None:
    if value is not None and value < timedelta(days=90):
        raise ValueError("keep it for 90 days at least, or null for ever")
    return value


Kept = Annotated[fields.Years | None, pydantic.AfterValidator(_long_enough)]

KeptLong = Annotated[fields.Years | None, pydantic.AfterValidator(_longer_than_news_comes)]


class Retention(fields.Part):
    """How long the journal keeps what nobody needs any more. What an open outage or a run under way may need is kept,
    whatever is written here. The audit is kept for ever."""

    arrivals: Kept = timedelta(days=180)
    """What arrived and was read, with its events. 180 days: an event must be remembered for longer than a hub (up to 90
    days) or Resource Health can tell it once more, or it would count as news. null: for ever."""
    quarantine: Kept = timedelta(days=365)
    """What arrived and could not be read. A year: time for a version that can read it. null: for ever."""
    announcements: Kept = timedelta(days=180)
    """What was told and delivered. Half a year, for looking back. null: for ever."""
    decisions: Kept = timedelta(days=365)
    """Decisions that a newer one has replaced, with their facts; the newest about each server is kept. A year: they are
    the bulk of the store, and the reports about past outages are made of them. null: for ever."""
    journals: Kept = timedelta(days=365)
    """What was written about each step of runs that have ended. A year: auditors ask late. null: for ever."""
    runs: KeptLong = timedelta(days=400)
    """Runs that have ended, with their steps, words and questions. 400 days: a year and the time in which somebody asks
    about it; 90 at least. One whose copy still exists is kept. null: for ever."""
    outages: KeptLong = timedelta(days=400)
    """Outages that are closed, with their decisions and probes, when all their runs are gone. As long as runs; 90 days
    at least, for Azure explains an outage weeks after it. null: for ever."""
    every: fields.Duration = timedelta(hours=1)
    """Between looks. An hour: little is to be done each time."""

    def ages(self) -> dict[str, timedelta | None]:
        """By what becomes so old."""
        return {
            "arrivals": self.arrivals,
            "quarantine": self.quarantine,
            "announcements": self.announcements,
            "decisions": self.decisions,
            "journals": self.journals,
            "runs": self.runs,
            "outages": self.outages,
        }
