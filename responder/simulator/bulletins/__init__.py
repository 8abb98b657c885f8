"""Service Health communications in our words, and the exact shape each of Azure's channels gives them.

Pure: a `Bulletin` in, plain JSON values out; it delivers nothing and reads no clock. Every identifier Azure would draw
at random is derived from the bulletin, so that the same bulletin is the same bytes on every delivery.

Where a published capture and a document disagree, the capture wins.
"""

from __future__ import annotations

from responder.simulator.bulletins.alerts import RULE, activity_log_alert, common_alert
from responder.simulator.bulletins.listing import UNMITIGATED, rest_event
from responder.simulator.bulletins.records import diagnostic_record
from responder.simulator.bulletins.values import Bulletin, Json

__all__ = [
    "RULE",
    "UNMITIGATED",
    "Bulletin",
    "Json",
    "activity_log_alert",
    "common_alert",
    "diagnostic_record",
    "rest_event",
]
