"""The composition root: builds every part, runs them as named tasks, and shuts down in order.

    sources ─► intake ─► assess ─► act ─► announce        one store under all of them, one process, one lock

A store that fails makes the stages rest; the web server stays up and answers 503. Any other failed task takes the
service down: systemd starts it again, and the journal knows where it was. Told to stop, it first hears no more, then
begins no run any more and lets the steps under way write their outcome.

    hands ─► parts ─► stations, ears ─► head              life: the hands act before the rest is loaded

So a name of this room is imported when somebody asks for it: who needs the hands alone does not wait for the others.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from responder.service.databases import Databases as Databases
    from responder.service.ears import accept as accept
    from responder.service.ears import connection_of as connection_of
    from responder.service.ears import hubs as hubs
    from responder.service.ears import reconciliation as reconciliation
    from responder.service.hands import actor as actor
    from responder.service.hands import bells as bells
    from responder.service.hands import endpoints_of as endpoints_of
    from responder.service.head import ways_of as ways_of
    from responder.service.parts import Parts as Parts
    from responder.service.parts import assembled as assembled
    from responder.service.stations import assessor as assessor
    from responder.service.stations import capturer as capturer
    from responder.service.stations import one_run as one_run
    from responder.service.stations import planner as planner
    from responder.service.stations import refresh_inventory as refresh_inventory

_NAMES = {
    "databases": ("Databases",),
    "ears": ("accept", "connection_of", "hubs", "reconciliation"),
    "hands": ("actor", "bells", "endpoints_of"),
    "head": ("ways_of",),
    "parts": ("Parts", "assembled"),
    "stations": ("assessor", "capturer", "one_run", "planner", "refresh_inventory"),
}


def __getattr__(name: str) -> Any:
    for module, names in _NAMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
