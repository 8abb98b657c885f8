"""`check_tools`: are the programs there that a dump takes, and new enough? Fails before anything is made.

https://www.postgresql.org/docs/current/app-pgdump.html: a dump takes a pg_dump that is at least as new as the server.
"""

from __future__ import annotations

from responder.core import playbooks, runs
from responder.steps import doors

EFFECT = "read"
ABOUT = "Fails when pg_dump or pg_restore is missing or older than the server."
OUTPUTS = (
    playbooks.Output(name="verdict", words=("ready",), about="ready"),
    playbooks.Output(name="version", about="of pg_dump and pg_restore"),
)


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Look for them on the path, and see that the server lets us in."""
    found = await ctx.doors.dumps.tools(ctx.situation.server.version)
    if found.why:
        return runs.Fail(why=found.why)
    await ctx.doors.dumps.databases(ctx.situation.server.fqdn)  # asked now, not when a server has been made already
    return runs.Done(output={"verdict": "ready", "version": found.version})
