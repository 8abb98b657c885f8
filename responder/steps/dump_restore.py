"""`dump_restore`: copy every database of the server into the new one, by pg_dump and pg_restore.

One database after the other, each in one transaction. The programs run beside us and are looked at again and again. One
that was interrupted is begun anew on an empty database: nothing is ever half there. Only a server that this run has
made is written to. Roles, their passwords and rights do not come along: Azure lets nobody read them.
https://learn.microsoft.com/azure/postgresql/migrate/how-to-migrate-using-dump-and-restore
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from responder.core import dumping, plans, playbooks, runs, servers
from responder.steps import doors, restore

EFFECT = "idempotent"
ABOUT = "Copies every database into the new server, by pg_dump and pg_restore."
OUTPUTS = (
    playbooks.Output(name="verdict", words=("copied",), about="copied"),
    playbooks.Output(name="databases", type=playbooks.Type.LIST, about="their names"),
)


def foresee(ctx: doors.Context) -> list[plans.Touch]:
    """Which databases there are is only asked then."""
    return [plans.Touch(verb="changes", what="the databases of the new server", detail="from a dump of this one's")]


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Begin with the next database, or look at the one under way."""
    saved, target = ctx.record.saved, str(ctx.output_of("create_server").get("fqdn") or "")
    if not target:
        return runs.Fail(why="no server was made by an earlier step")
    source = ctx.situation.server.fqdn
    if "databases" not in saved:
        names = await ctx.doors.dumps.databases(source)
        return runs.Wait(until=ctx.now, topic="copying", saved={"databases": list(names), "done": []})
    left = [name for name in saved["databases"] if name not in saved["done"]]
    if not left:
        return runs.Done(output={"verdict": "copied", "databases": saved["databases"]})
    job = dumping.Job(key=f"{ctx.run.id}/{left[0]}", source=source, target=target, database=left[0])
    state = ctx.doors.dumps.state(job)
    if state is None:
        return await _begin(ctx, job)
    return _going(ctx, job, state, saved)


async def reconcile(ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
    """What was under way is begun anew, on an empty database."""
    return runs.NotStarted()


async def _begin(ctx: doors.Context, job: dumping.Job) -> runs.Outcome:
    copy = servers.server_id(str(ctx.output_of("create_server")["copy"]))
    found = await ctx.doors.control_plane.find(copy)
    if found is None or found.tags.get(restore.TAG_RUN) != ctx.run.id:
        return runs.Fail(why=f"{copy} does not carry this run's tag; nothing is written to it")
    ctx.check()  # it empties the database, which another instance may be filling by now
    await ctx.doors.dumps.begin(job)
    return runs.Wait(until=ctx.now + ctx.doors.rules.poll, topic="copying")


def _going(ctx: doors.Context, job: dumping.Job, state: dumping.Progress, saved: Mapping[str, Any]) -> runs.Outcome:
    if not state.ended:
        return runs.Wait(until=ctx.now + ctx.doors.rules.poll, topic="copying")
    if state.why:
        return runs.Retry(after=ctx.doors.rules.retry, why=f"{job.database}: {state.why}")
    return runs.Wait(until=ctx.now, topic="copying", saved={**saved, "done": [*saved["done"], job.database]})
