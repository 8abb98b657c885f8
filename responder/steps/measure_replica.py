"""`measure_replica`: find a read replica of the server, and its newest row. Asks the replica, never the server itself.

A replica follows its primary without the primary waiting for it: what it lacks is what promoting it loses. Of several,
the one with the newest row is chosen; the parameter `replica` (a name or an ARM id) names another.
https://learn.microsoft.com/azure/postgresql/read-replica/concepts-read-replicas
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from responder.core import decisions, playbooks, runs, servers
from responder.steps import doors

EFFECT = "read"
ABOUT = "Finds a read replica of the server, and the newest row in it: what it lacks is what promoting it loses."
SETTINGS = (playbooks.Setting(name="replica", about="which, by name or id; the one with the newest row"),)
OUTPUTS = (
    playbooks.Output(name="verdict", words=("measured",), about="measured"),
    playbooks.Output(name="copy", about="the ARM id of the replica"),
    playbooks.Output(name="fqdn", about="its host name"),
    playbooks.Output(name="region", about="where it is, like centralus"),
    playbooks.Output(name="sql", type=playbooks.Type.FLAG, about="a login and a query succeeded"),
    playbooks.Output(name="recovery_point", type=playbooks.Type.TIME, about="the time of its newest row"),
    playbooks.Output(name="data_loss_s", type=playbooks.Type.DURATION, about="what promoting it loses"),
    playbooks.Output(name="why", about="why less is known than could be"),
)


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Look at every replica that may be meant."""
    candidates = await _candidates(ctx)
    if not candidates:
        named = ctx.setting("replica")
        what = f"{named} is no read replica of {ctx.situation.server.name}" if named else "it has no read replica"
        return runs.Fail(why=f"{what}, as far as the inventory knows; see `responder inventory`")
    looks = [(replica, await ctx.doors.databases.look(replica.fqdn)) for replica in candidates]
    answering = [(replica, look) for replica, look in looks if look.answers]
    if not answering:
        why = "; ".join(f"{replica.name}: {look.why}" for replica, look in looks)
        return runs.Retry(after=ctx.doors.rules.poll, why=f"no replica answers: {why}")
    replica, look = max(answering, key=lambda each: (each[1].newest_row is not None, each[1].newest_row or _NEVER))
    return runs.Done(output=measured(ctx, replica, look))


def measured(ctx: doors.Context, replica: servers.Server, look: doors.Look) -> dict[str, Any]:
    """What a look showed of a replica, and what promoting it would lose."""
    facts, point = ctx.situation.facts, look.newest_row
    until = decisions.last_written(facts) if facts else ctx.now
    return {
        "verdict": "measured",
        "copy": replica.id,
        "fqdn": replica.fqdn,
        "region": replica.region,
        "sql": look.sql,
        "recovery_point": point.isoformat() if point else None,
        "data_loss_s": max((until - point).total_seconds(), 0.0) if point else None,
        "why": look.why,
    }


async def _candidates(ctx: doors.Context) -> Sequence[servers.Server]:
    found = await ctx.doors.records.replicas_of(ctx.situation.server.id)
    named = str(ctx.setting("replica", ""))
    if named:
        return [each for each in found if each.name == named.lower() or each.id == servers.server_id(named)]
    # One in the server's own region is down with it.
    away = [each for each in found if each.region != ctx.situation.server.region]
    return away or found


_NEVER = datetime.fromisoformat("0001-01-01T00:00:00+00:00")
