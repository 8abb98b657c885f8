"""Runs: one playbook being carried out for one server. A cursor and a journal.

shapes   where a run and its steps are, what a step answers, what people say
moving   what becomes of a run after an outcome; `advance` is the whole machine
making   the copy that a run has made, read off its journal

Nothing sleeps inside a step: waiting for a deadline, an approval, an Azure operation or a back-off is a row with
`wake_at`.
"""

from __future__ import annotations

from responder.core.runs.making import (
    MAKERS,
    OTHERS,
    copy_of,
    left,
    not_meant,
    perhaps_left,
    renewal_from,
    stands_in,
)
from responder.core.runs.moving import (
    advance,
    anew,
    back_off,
    begin,
    cancelled,
    deadline,
    failed_step,
    overdue,
    refused,
    skip,
    under_way,
)
from responder.core.runs.shapes import (
    Done,
    Fail,
    NotStarted,
    Outcome,
    Retry,
    Run,
    RunId,
    Signal,
    State,
    StepRecord,
    StepState,
    Topic,
    Wait,
    new,
    run_id,
)

__all__ = [  # callers say `runs.X`, wherever X lies in here
    "MAKERS",
    "OTHERS",
    "Done",
    "Fail",
    "NotStarted",
    "Outcome",
    "Retry",
    "Run",
    "RunId",
    "Signal",
    "State",
    "StepRecord",
    "StepState",
    "Topic",
    "Wait",
    "advance",
    "anew",
    "back_off",
    "begin",
    "cancelled",
    "copy_of",
    "deadline",
    "failed_step",
    "left",
    "new",
    "not_meant",
    "overdue",
    "perhaps_left",
    "refused",
    "renewal_from",
    "run_id",
    "skip",
    "stands_in",
    "under_way",
]
