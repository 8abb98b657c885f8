"""`watch`: wait the outage out, and hand over when the decision changes its mind.

Output `verdict`: `over` (the region is back), `handed-over` (a geo-restore is due and takes the server from here), or
`other-cause` (the outage is not the reason why the server is silent: somebody has to look).
"""

from __future__ import annotations

from responder.core import decisions, playbooks, runs
from responder.steps import doors

EFFECT = "read"
ABOUT = "Waits until the outage is over, or something better than waiting is due."
OUTPUTS = (
    playbooks.Output(
        name="verdict",
        words=("over", "handed-over", "other-cause"),
        about="over, handed-over, or other-cause: the outage is not why it is silent",
    ),
)


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Ask the newest decision."""
    decision, outage = ctx.situation.decision, ctx.situation.outage
    if outage is None:
        return runs.Done(output={"verdict": "over"})
    if decision is None:
        return runs.Wait(until=ctx.now + ctx.doors.rules.policy.review, topic="decision")
    if decision.playbook not in (None, decisions.WAIT_IT_OUT):
        return runs.Done(output={"verdict": "handed-over"})
    if decision.action is decisions.Action.OBSERVE and not outage.goes_on_for(ctx.situation.server):
        seen = decision.reasons[0].id
        if seen in ("unknown", "failing"):
            return runs.Wait(until=ctx.next_review(), topic="decision")
        back = seen in ("up", "closed")
        return runs.Done(output={"verdict": "over" if back else "other-cause"})
    return runs.Wait(until=ctx.next_review(), topic="decision")
