"""`restore`: bring up a copy of the server in the paired region from its newest geo-replicated backup.

The name of the copy derives from (server, run, number), so after a crash it is found and adopted instead of made
twice. The operation's token is saved before the first poll. The source server is never asked anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from responder.core import decisions, errors, regions, restores, runs, servers
from responder.steps import doors

EFFECT = "once"

TAG_RUN = "outage-run"
"""Azure tag with the id of the run that made a copy: only that run adopts or deletes it."""

# After these the copy may be there: the answer was lost, or the name is taken, perhaps by an earlier try of ours.
_LOOK_FIRST = {
    "Ambiguous",
    "ServerIsBusy",
    "ServerBusy",
    "ServerNameAlreadyExists",
    "ResourceAlreadyExists",
    "Conflict",
}

_WANTED = {decisions.Action.START, decisions.Action.RESTORING}


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Start the restore, or look at how it is going."""
    saved = ctx.record.saved
    if "token" in saved:
        return await _poll(ctx, saved)
    if "adopted" in saved:
        return await _look(ctx, saved)
    if not _still_wanted(ctx):
        return runs.Done(output={"verdict": "not-needed"})
    try:
        request = _request(ctx, int(saved.get("number", 1)))
        token = await ctx.doors.control_plane.restore(request)
    except errors.InputError as error:
        return runs.Fail(why=str(error))
    except errors.AzureError as error:
        return await _refused(ctx, error)
    await ctx.save({**_number(saved), "token": token, "copy": request.target_id})
    return runs.Wait(until=ctx.now, topic="operation")


async def reconcile(ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
    """A restore was begun and nothing more is known: is the copy there?"""
    if "token" in ctx.record.saved or "adopted" in ctx.record.saved:
        return runs.NotStarted()  # its handle was saved: `execute` goes on from it
    request = _request(ctx, int(ctx.record.saved.get("number", 1)))
    found = await ctx.doors.control_plane.find(request.target_id)
    if found is None:
        return runs.NotStarted()
    return _adopt(ctx, request, found)


async def _poll(ctx: doors.Context, saved: Mapping[str, Any]) -> runs.Outcome:
    request = _request(ctx, int(saved.get("number", 1)))
    try:
        progress = await ctx.doors.control_plane.poll_restore(request, saved["token"])
    except errors.AzureError as error:
        return ctx.look_again(error)
    match progress:
        case restores.InProgress(retry_after=after):
            return runs.Wait(until=ctx.now + (after or ctx.doors.rules.poll), topic="operation")
        case restores.Succeeded():
            return await _look(ctx, saved)
        case restores.Lost():
            adopted = {**_number(saved), "adopted": True, "copy": request.target_id}
            return runs.Wait(until=ctx.now, topic="operation", saved=adopted)
        case restores.OperationFailed(code=code, message=message):
            again = {"number": int(saved.get("number", 1)) + 1}
            return runs.Retry(after=ctx.doors.rules.retry, why=f"{code}: {message}", saved=again)


async def _look(ctx: doors.Context, saved: Mapping[str, Any]) -> runs.Outcome:
    """Look at the copy itself: after success, and where the operation's token is of no use."""
    request = _request(ctx, int(saved.get("number", 1)))
    try:
        found = await ctx.doors.control_plane.find(request.target_id)
    except errors.AzureError as error:
        return ctx.look_again(error)
    if found is None:
        return runs.Retry(after=ctx.doors.rules.retry, why="the copy is not there", saved=_number(saved))
    if not found.ready:
        return runs.Wait(until=ctx.now + ctx.doors.rules.poll, topic="operation")
    return runs.Done(
        output={"verdict": "restored", "copy": request.target_id, "fqdn": found.fqdn, "region": request.target_region}
    )


async def _refused(ctx: doors.Context, error: errors.AzureError) -> runs.Outcome:
    """The request failed. Whether it had an effect is only known by looking."""
    after = max(ctx.doors.rules.retry, error.retry_after or timedelta())
    if error.code not in _LOOK_FIRST:
        return runs.Retry(after=after, why=str(error))
    request = _request(ctx, int(ctx.record.saved.get("number", 1)))
    found = await ctx.doors.control_plane.find(request.target_id)
    if found is None:
        return runs.Retry(after=after, why=str(error))
    return _adopt(ctx, request, found)


def _adopt(ctx: doors.Context, request: restores.RestoreRequest, found: restores.FoundServer) -> runs.Outcome:
    if found.tags.get(TAG_RUN) != ctx.run.id:
        return runs.Fail(why=f"{request.target_id} exists and was not made by this run; it is left alone")
    adopted = {**_number(ctx.record.saved), "adopted": True, "copy": request.target_id}
    return runs.Wait(until=ctx.now, topic="operation", saved=adopted)


def _number(saved: Mapping[str, Any]) -> dict[str, Any]:
    return {"number": int(saved.get("number", 1))}


def _still_wanted(ctx: doors.Context) -> bool:
    """The last look before money is spent: a region that came back meanwhile needs no copy."""
    decision = ctx.situation.decision
    return ctx.by_hand or (decision is not None and decision.action in _WANTED)


def _request(ctx: doors.Context, number: int) -> restores.RestoreRequest:
    server, region = ctx.situation.server, ctx.target_region()
    if region is None:
        raise errors.InputError(
            "restore.no-pair",
            f"{regions.display(server.region)} has no paired region.",
            remedy="Dump and restore by hand into a region of your choice.",
        )
    group = ctx.situation.tolerance.target_group or ctx.doors.rules.resource_groups.get(region)
    if not group:
        raise errors.InputError(
            "restore.no-group",
            f"No resource group is configured for copies in {region}.",
            remedy=f"Set restore.resource_groups.{region}, or the tag outage-target-group on the server.",
        )
    address = servers.Address(
        subscription_id=server.subscription_id,
        resource_group=group,
        family=server.family,
        name=servers.copy_name(server, ctx.run.id, number),
    )
    return restores.RestoreRequest(
        source=server,
        target_id=servers.id_of(address),
        target_region=region,
        tags={TAG_RUN: ctx.run.id},
    )
