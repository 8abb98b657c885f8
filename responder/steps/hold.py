"""`hold`: keep the finished copy until the decision says to cut over, or that it is not needed.

Output `verdict`: `cut-over`, `not-needed`, or `refresh` where the copy lacks rows of a healthy spell, there is time for
a newer one, and a later `restore` of the playbook (`anew: true`) makes it. In a run that a human started, their yes
counts at once; after a no the copy is kept until the region is back. Without an outage there is nothing else to go by:
a no throws the copy away.
While somebody says hold it waits; after go-now it asks the guard instead of the clock.
"""

from __future__ import annotations

from datetime import timedelta

from responder.core import cutovers, decisions, playbooks, runs
from responder.steps import doors

EFFECT = "read"
ABOUT = "Keeps the copy until the decision, or a human, says what becomes of it."
OUTPUTS = (
    playbooks.Output(
        name="verdict",
        words=("cut-over", "not-needed", "refresh"),
        about="cut-over, not-needed, or refresh: there is time for a newer copy, and a later step for it",
    ),
)

_LONG = timedelta(hours=1)
_HELD = "hold"


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Ask the newest decision; without an outage, the newest signal."""
    word, said = ctx.situation.consent, ctx.situation.said
    decision = ctx.situation.decision
    if decision is not None and decision.action is decisions.Action.STAND_DOWN:
        return runs.Done(output={"verdict": "not-needed"})
    if said.held is not None:
        return runs.Wait(until=ctx.next_review(), topic=_HELD)
    if ctx.run.outage_id is None:
        return _without_outage(ctx, word)
    if ctx.by_hand and word is not None and word.topic is runs.Topic.APPROVE:
        return runs.Done(output={"verdict": "cut-over"})
    if decision is None:
        return runs.Wait(until=ctx.now + ctx.doors.rules.policy.review, topic="decision")
    if decision.action is decisions.Action.CUT_OVER:
        return runs.Done(output={"verdict": "cut-over"})
    if decision.refresh and runs.renewal_from(ctx.run, ctx.step.id, ctx.records):
        return runs.Done(output={"verdict": "refresh"})
    if ctx.step.id in said.hurried:
        return _hurried(ctx)
    topic = "approval" if decision.action is decisions.Action.ASK else "decision"
    return runs.Wait(until=ctx.next_review(), topic=topic)


def _hurried(ctx: doors.Context) -> runs.Outcome:
    """Somebody said go-now: not when it is due, but as soon as the guard has nothing against it."""
    facts = ctx.situation.facts
    if facts is None:
        return runs.Wait(until=ctx.next_review(), topic="decision")
    refusals = cutovers.refusals(decisions.cut_over_request(facts, ctx.doors.rules.policy, ctx.now))
    if not refusals:
        return runs.Done(output={"verdict": "cut-over"})
    topic = "approval" if any(refusal.signable for refusal in refusals) else "decision"
    return runs.Wait(until=ctx.next_review(), topic=topic)


def _without_outage(ctx: doors.Context, word: runs.Signal | None) -> runs.Outcome:
    if word is None:
        return runs.Wait(until=ctx.now + _LONG, topic="approval")
    return runs.Done(output={"verdict": "cut-over" if word.topic is runs.Topic.APPROVE else "not-needed"})
