"""`copy_firewall_rules`: let in at the copy who was let in at its source. A restored server comes without any rule.

The rules are those that were captured while the source was healthy; its region is asked nothing. Output `verdict`:
`copied`, `incomplete` (with `refused`), or `not-captured`.
"""

from __future__ import annotations

from collections.abc import Sequence

from responder.core import changes, configurations, plans, playbooks, runs, servers
from responder.steps import changing, doors

EFFECT = "idempotent"
ABOUT = "Lets in at the copy who was let in at the server while it was healthy."
OUTPUTS = (
    playbooks.Output(
        name="verdict", words=("copied", "incomplete", "not-captured"), about="copied, incomplete, or not-captured"
    ),
    playbooks.Output(name="told", about="the same as a sentence"),
    playbooks.Output(name="written", type=playbooks.Type.NUMBER, about="how many were written"),
    playbooks.Output(name="refused", type=playbooks.Type.MAP, about="what Azure refused, and why"),
)


def foresee(ctx: doors.Context) -> list[plans.Touch]:
    """What it would write; how many rules were captured is only seen then."""
    return [plans.Touch(verb="changes", what="firewall rules of the copy", detail="to those captured of the server")]


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Write the next rule that is missing, or look at how the last one is going."""
    captured = await ctx.doors.records.captured(ctx.situation.server.id)
    if captured is None:
        return changing.not_captured("Firewall rules")

    def missing(copy: servers.ServerId, there: configurations.Configuration) -> Sequence[changes.Change]:
        rules = configurations.missing_rules(captured.configuration.rules, there.rules)
        return [changes.FirewallRule(server_id=copy, name=r.name, start=r.start, end=r.end) for r in rules]

    return await changing.until_complete(ctx, missing, "Firewall rules")


async def reconcile(ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
    """`execute` looks at the copy first, and writes only what is missing."""
    return runs.NotStarted()
