"""What people and machines see: rows as plain JSON values. The shapes are a promise: fields are added, not renamed."""

from __future__ import annotations

from responder.flow.views.deciding import of_beliefs, of_decision
from responder.flow.views.estate import inventory, of_server, of_statement, of_succession
from responder.flow.views.happening import incident, incidents, of_outage
from responder.flow.views.plain import Json, seconds, time
from responder.flow.views.running import (
    of_ask,
    of_freeze,
    of_freezes,
    of_noted,
    of_price,
    of_run,
    of_run_briefly,
    of_signal,
    run,
)

__all__ = [  # callers say `views.X`, wherever X lies in here
    "Json",
    "incident",
    "incidents",
    "inventory",
    "of_ask",
    "of_beliefs",
    "of_decision",
    "of_freeze",
    "of_freezes",
    "of_noted",
    "of_outage",
    "of_price",
    "of_run",
    "of_run_briefly",
    "of_server",
    "of_signal",
    "of_statement",
    "of_succession",
    "run",
    "seconds",
    "time",
]
