"""`copy_parameters`: set at the copy the server parameters that somebody had set at its source; restart it if need be.

They are those that were captured while the source was healthy; its region is asked nothing. Nobody uses the copy yet,
so a restart disturbs nobody. Output `verdict`: `copied`, `incomplete` (with `refused`), or `not-captured`.
"""

from __future__ import annotations

from collections.abc import Sequence

from responder.core import changes, configurations, plans, playbooks, runs, servers
from responder.steps import changing, doors

EFFECT = "idempotent"
ABOUT = "Sets at the copy what was set at the server while it was healthy, and restarts the copy if need be."
OUTPUTS = (
    playbooks.Output(
        name="verdict", words=("copied", "incomplete", "not-captured"), about="copied, incomplete, or not-captured"
    ),
    playbooks.Output(name="told", about="the same as a sentence"),
    playbooks.Output(name="written", type=playbooks.Type.NUMBER, about="how many were written"),
    playbooks.Output(name="refused", type=playbooks.Type.MAP, about="what Azure refused, and why"),
)


def foresee(ctx: doors.Context) -> list[plans.Touch]:
    """What it would write; which parameters were captured is only seen then."""
    detail = "to those captured of the server, with a restart if need be"
    return [plans.Touch(verb="changes", what="server parameters of the copy", detail=detail)]


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Set the next parameter that is missing, or look at how the last one is going."""
    captured = await ctx.doors.records.captured(ctx.situation.server.id)
    if captured is None:
        return changing.not_captured("Server parameters")

    def missing(copy: servers.ServerId, there: configurations.Configuration) -> Sequence[changes.Change]:
        left = configurations.missing_parameters(captured.configuration.parameters, there.parameters)
        found: list[changes.Change] = [changes.Parameter(server_id=copy, name=p.name, value=p.value) for p in left]
        return found if not there.restart_pending else [*found, changes.Restart(server_id=copy)]

    return await changing.until_complete(ctx, missing, "Server parameters")


async def reconcile(ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
    """`execute` looks at the copy first, and sets only what is missing."""
    return runs.NotStarted()
