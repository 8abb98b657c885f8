"""`discard_copy`: delete the copy that this run made. Only what carries this run's tag is ever deleted.

And nothing that applications are sent to: somebody may have moved the record by hand.
"""

from __future__ import annotations

from responder.core import errors, playbooks, restores, runs, servers
from responder.steps import doors, restore

EFFECT = "idempotent"
ABOUT = "Deletes the copy that this run made, and nothing else."
OUTPUTS = (
    playbooks.Output(name="verdict", about="discarded or nothing-to-discard"),
    playbooks.Output(name="copy", about="the ARM id of the copy"),
)


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Ask for the deletion, or look at how it is going."""
    text = ctx.output_of("restore").get("copy")
    if not text:
        return runs.Done(output={"verdict": "nothing-to-discard"})
    copy = servers.server_id(str(text))
    if "token" in ctx.record.saved:
        return await _poll(ctx, copy)
    found = await ctx.doors.control_plane.find(copy)
    if found is None:
        return runs.Done(output={"verdict": "discarded", "copy": copy})
    if found.tags.get(restore.TAG_RUN) != ctx.run.id:
        return runs.Fail(why=f"{copy} does not carry this run's tag; it is left alone")
    followed = ctx.dns_record()
    if followed is not None and await ctx.doors.dns.read_cname(*followed) == found.fqdn.lower():
        return runs.Fail(why=f"applications are sent to {copy} by {followed[1]}.{followed[0].name}; it is left alone")
    try:
        token = await ctx.doors.control_plane.delete(copy)
    except errors.AzureError as error:
        return runs.Retry(after=ctx.doors.rules.poll, why=str(error))
    await ctx.save({"token": token})
    return runs.Wait(until=ctx.now, topic="operation")


async def reconcile(ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
    """Deleting twice ends the same: `execute` looks first whether the copy is still there."""
    return runs.NotStarted()


async def _poll(ctx: doors.Context, copy: servers.ServerId) -> runs.Outcome:
    try:
        progress = await ctx.doors.control_plane.poll_delete(copy, ctx.record.saved["token"])
    except errors.AzureError as error:
        return ctx.look_again(error)
    match progress:
        case restores.InProgress(retry_after=after):
            return runs.Wait(until=ctx.now + (after or ctx.doors.rules.poll), topic="operation")
        case restores.Succeeded():
            return runs.Done(output={"verdict": "discarded", "copy": copy})
        case restores.Lost():
            return runs.Wait(until=ctx.now, topic="operation", saved={})
        case restores.OperationFailed(code=code, message=message):
            return runs.Retry(after=ctx.doors.rules.retry, why=f"{code}: {message}", saved={})
