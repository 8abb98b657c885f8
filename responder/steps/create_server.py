"""`create_server`: make a new, empty server beside this one, of its size and version, with geo-redundant backup.

Geo-redundancy is fixed when a server is created. What is asked for is written down first, under a name that derives
from (server, run, number): after a crash it is found and adopted. The administrator is the login of the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from responder.core import changes, errors, plans, playbooks, restores, runs, servers
from responder.steps import doors, restore

EFFECT = "once"
ABOUT = "Makes a new, empty server with geo-redundant backup in the server's own region, of its size and version."
SETTINGS = (playbooks.Setting(name="group", about="its resource group; that of the server"),)
OUTPUTS = (
    playbooks.Output(name="verdict", words=("created",), about="created"),
    playbooks.Output(name="copy", about="the ARM id of the new server"),
    playbooks.Output(name="fqdn", about="its host name"),
    playbooks.Output(name="region", about="where it is, like eastus2"),
)

_LOOK_FIRST = {
    "Ambiguous",
    "ServerIsBusy",
    "ServerBusy",
    "ServerNameAlreadyExists",
    "ResourceAlreadyExists",
    "Conflict",
}


def foresee(ctx: doors.Context) -> list[plans.Touch]:
    """The server it would make first; a second try's has another name."""
    detail = f"in {ctx.situation.server.region}, empty, with geo-redundant backup"
    return [plans.Touch(verb="creates", what=_creation(ctx).server_id, detail=detail)]


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Ask for it, or look at how it is going."""
    saved = ctx.record.saved
    if "token" in saved:
        return await _poll(ctx, saved)
    if "copy" in saved:
        # It was asked for once, and nothing is known of the answer: never again without looking.
        try:
            there = await reconcile(ctx)
        except errors.AzureError as error:
            return ctx.look_again(error)
        if not isinstance(there, runs.NotStarted):
            return there
    creation = _creation(ctx)
    intent = {"number": int(saved.get("number", 1)), "copy": creation.server_id}
    await ctx.save(intent)
    ctx.check()
    try:
        token = await ctx.doors.control_plane.change(creation)
    except errors.AzureError as error:
        soon = error.code in _LOOK_FIRST
        after = max(ctx.doors.rules.poll if soon else ctx.doors.rules.retry, error.retry_after or timedelta())
        return runs.Retry(after=after, why=str(error), saved=intent)
    await ctx.save({**intent, "token": token})
    return runs.Wait(until=ctx.now, topic="operation")


async def reconcile(ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
    """It may have been asked for and nothing more is known: is it there?"""
    saved = ctx.record.saved
    if "token" in saved or "copy" not in saved:
        return runs.NotStarted()  # its handle was saved, or nothing was asked for yet
    copy = servers.server_id(str(saved["copy"]))
    found = await ctx.doors.control_plane.find(copy)
    if found is None:
        return runs.NotStarted()
    if found.tags.get(restore.TAG_RUN) != ctx.run.id:
        return runs.Fail(why=f"{copy} exists and was not made by this run; it is left alone")
    if (stuck := restore.stuck_in(found)) is not None:
        return runs.Retry(after=ctx.doors.rules.retry, why=stuck)
    if not found.ready:
        return runs.Wait(until=ctx.now + ctx.doors.rules.poll, topic="operation")
    return runs.Done(output={"verdict": "created", "copy": copy, "fqdn": found.fqdn, "region": found.region})


async def _poll(ctx: doors.Context, saved: Mapping[str, Any]) -> runs.Outcome:
    intent = {key: value for key, value in saved.items() if key != "token"}
    try:
        progress = await ctx.doors.control_plane.poll_change(_creation(ctx), saved["token"])
    except errors.AzureError as error:
        return ctx.look_again(error)
    match progress:
        case restores.InProgress(retry_after=after):
            return runs.Wait(until=ctx.now + (after or ctx.doors.rules.poll), topic="operation")
        case restores.Succeeded() | restores.Lost():
            return runs.Wait(until=ctx.now, topic="operation", saved=intent)  # the target tells
        case restores.OperationFailed(code=code, message=message):
            again = {"number": int(saved.get("number", 1)) + 1}
            why = f"{code}: {message} (look whether {saved['copy']} was left behind)"
            return runs.Retry(after=ctx.doors.rules.retry, why=why, saved=again)


def _creation(ctx: doors.Context) -> changes.Creation:
    saved, server = ctx.record.saved, ctx.situation.server
    number = int(saved.get("number", 1))
    target = servers.server_id(str(saved["copy"])) if "copy" in saved else restore.copy_beside(ctx, number, "new")
    return changes.Creation(server_id=target, source=server, region=server.region, tags={restore.TAG_RUN: ctx.run.id})
