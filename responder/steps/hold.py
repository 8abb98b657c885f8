"""`hold`: keep the finished copy until the decision says to cut over, or that it is not needed.

Output `verdict`: `cut-over` or `not-needed`. In a run that a human started, the human's word counts first; without an
outage there is nothing else to go by.
"""

from __future__ import annotations

from datetime import timedelta

from responder.core import decisions, runs
from responder.steps import doors

EFFECT = "read"

_LONG = timedelta(hours=1)


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Ask the newest decision; without an outage, the newest signal."""
    if ctx.run.outage_id is None or (ctx.by_hand and ctx.situation.consent is not None):
        return _by_hand(ctx)
    decision = ctx.situation.decision
    if decision is None:
        return runs.Wait(until=ctx.now + ctx.doors.rules.policy.review, topic="decision")
    if decision.action is decisions.Action.CUT_OVER:
        return runs.Done(output={"verdict": "cut-over"})
    if decision.action is decisions.Action.STAND_DOWN:
        return runs.Done(output={"verdict": "not-needed"})
    topic = "approval" if decision.action is decisions.Action.ASK else "decision"
    return runs.Wait(until=max(decision.review_at, ctx.now + timedelta(seconds=1)), topic=topic)


def _by_hand(ctx: doors.Context) -> runs.Outcome:
    word = ctx.situation.consent
    if word is None:
        return runs.Wait(until=ctx.now + _LONG, topic="approval")
    return runs.Done(output={"verdict": "cut-over" if word.topic is runs.Topic.APPROVE else "not-needed"})
