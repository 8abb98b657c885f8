"""`verify`: does the copy answer, and what is its newest row? The data loss is measured here, not assumed.

A replica that was promoted must also have stopped following.
"""

from __future__ import annotations

from responder.core import decisions, playbooks, runs
from responder.steps import doors

EFFECT = "read"
ABOUT = "Logs in to the copy and finds its newest row: the data loss is measured, not assumed."
OUTPUTS = (
    playbooks.Output(name="sql", type=playbooks.Type.FLAG, about="a login and a query succeeded"),
    playbooks.Output(name="recovery_point", type=playbooks.Type.TIME, about="the time of its newest row"),
    playbooks.Output(name="data_loss_s", type=playbooks.Type.DURATION, about="from its newest row to the last written"),
    playbooks.Output(name="used_gb", type=playbooks.Type.NUMBER, about="what its databases take on disk"),
    playbooks.Output(name="first_query_at", type=playbooks.Type.TIME, about="when a query first succeeded"),
    playbooks.Output(name="why", about="why less is known than could be"),
)


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Look at the copy. One that speaks PostgreSQL but lets nobody in is usable, and its loss unmeasured."""
    copy = ctx.copy()
    if not copy.get("fqdn"):
        return runs.Fail(why="no copy was made by an earlier step")
    look = await ctx.doors.databases.look(str(copy["fqdn"]))
    if not look.answers:
        return runs.Retry(after=ctx.doors.rules.poll, why=look.why or "the copy does not answer")
    if look.replica and copy.get("verdict") == "promoted":
        return runs.Retry(after=ctx.doors.rules.poll, why="it still takes no writes")
    facts, point = ctx.situation.facts, look.newest_row
    loss = max((decisions.last_written(facts) - point).total_seconds(), 0.0) if facts and point else None
    return runs.Done(
        output={
            "sql": look.sql,
            "recovery_point": point.isoformat() if point else None,
            "data_loss_s": loss,
            "why": look.why,
            "first_query_at": ctx.now.isoformat() if look.sql else None,
            "used_gb": round(look.used_bytes / 1e9, 3) if look.used_bytes is not None else None,
        }
    )
