"""`restore`: bring up a copy of the server in the paired region from its newest geo-replicated backup.

What is asked for is written down before it is asked for, under a name that derives from (server, run, number): after a
crash the copy is found and adopted instead of made twice. The operation's token is saved before the first poll. The
source server is never asked anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from responder.core import decisions, errors, playbooks, regions, restores, runs, servers
from responder.steps import doors

EFFECT = "once"
ABOUT = "Asks Azure for a copy in the paired region, and waits until it is there."
OUTPUTS = (
    playbooks.Output(name="verdict", about="restored, or not-needed when the region came back first"),
    playbooks.Output(name="copy", about="the ARM id of the copy"),
    playbooks.Output(name="fqdn", about="its host name"),
    playbooks.Output(name="region", about="where it is, like centralus"),
)

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
        return await _look(ctx)
    if "copy" in saved:
        # It was asked for once, and nothing is known of the answer: never again without looking.
        try:
            there = await reconcile(ctx)
        except errors.AzureError as error:
            return ctx.look_again(error)
        if not isinstance(there, runs.NotStarted):
            return there
    if not _still_wanted(ctx):
        return runs.Done(output={"verdict": "not-needed"})
    return await _ask(ctx)


async def reconcile(ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
    """A restore may have been begun and nothing more is known: is the copy there?"""
    if "token" in ctx.record.saved or "adopted" in ctx.record.saved:
        return runs.NotStarted()  # its handle was saved: `execute` goes on from it
    request = _request(ctx)
    found = await ctx.doors.control_plane.find(request.target_id)
    if found is None:
        return runs.NotStarted()
    return _adopt(ctx, request, found)


async def _ask(ctx: doors.Context) -> runs.Outcome:
    """Ask for the restore. What is asked for is written down first: tags and settings may change meanwhile."""
    try:
        request = _request(ctx)
    except errors.InputError as error:
        return runs.Fail(why=str(error))
    intent = {**_intent(ctx), "copy": request.target_id, "region": request.target_region}
    await ctx.save(intent)
    try:
        token = await ctx.doors.control_plane.restore(request)
    except errors.AzureError as error:
        return await _refused(ctx, request, intent, error)
    await ctx.save({**intent, "token": token})
    return runs.Wait(until=ctx.now, topic="operation")


async def _poll(ctx: doors.Context, saved: Mapping[str, Any]) -> runs.Outcome:
    request = _request(ctx)
    try:
        progress = await ctx.doors.control_plane.poll_restore(request, saved["token"])
    except errors.AzureError as error:
        return ctx.look_again(error)
    match progress:
        case restores.InProgress(retry_after=after):
            return runs.Wait(until=ctx.now + (after or ctx.doors.rules.poll), topic="operation")
        case restores.Succeeded():
            return await _look(ctx)
        case restores.Lost():
            return runs.Wait(until=ctx.now, topic="operation", saved={**_intent(ctx), "adopted": True})
        case restores.OperationFailed(code=code, message=message):
            why = f"{code}: {message} (look whether {request.target_id} was left behind)"
            again = {"number": int(saved.get("number", 1)) + 1}
            return runs.Retry(after=ctx.doors.rules.retry, why=why, saved=again)


async def _look(ctx: doors.Context) -> runs.Outcome:
    """Look at the copy itself: after success, and where the operation's token is of no use."""
    request = _request(ctx)
    try:
        found = await ctx.doors.control_plane.find(request.target_id)
    except errors.AzureError as error:
        return ctx.look_again(error)
    if found is None:
        return runs.Retry(after=ctx.doors.rules.retry, why="the copy is not there", saved=_intent(ctx))
    if not found.ready:
        return runs.Wait(until=ctx.now + ctx.doors.rules.poll, topic="operation")
    return runs.Done(
        output={"verdict": "restored", "copy": request.target_id, "fqdn": found.fqdn, "region": request.target_region}
    )


async def _refused(
    ctx: doors.Context, request: restores.RestoreRequest, intent: Mapping[str, Any], error: errors.AzureError
) -> runs.Outcome:
    """The request failed. Whether it had an effect is only known by looking."""
    after = max(ctx.doors.rules.retry, error.retry_after or timedelta())
    if error.code not in _LOOK_FIRST:
        return runs.Retry(after=after, why=str(error), saved=intent)
    try:
        found = await ctx.doors.control_plane.find(request.target_id)
    except errors.AzureError as blind:
        return runs.Retry(after=after, why=f"{error}; and then {blind}", saved=intent)
    if found is None:
        return runs.Retry(after=after, why=str(error), saved=intent)
    return _adopt(ctx, request, found)


def _adopt(ctx: doors.Context, request: restores.RestoreRequest, found: restores.FoundServer) -> runs.Outcome:
    if found.tags.get(TAG_RUN) != ctx.run.id:
        return runs.Fail(why=f"{request.target_id} exists and was not made by this run; it is left alone")
    adopted = {**_intent(ctx), "adopted": True, "copy": request.target_id, "region": request.target_region}
    return runs.Wait(until=ctx.now, topic="operation", saved=adopted)


def _intent(ctx: doors.Context) -> dict[str, Any]:
    """What was asked for, without the handles of an operation that is over."""
    saved = ctx.record.saved
    return {"number": int(saved.get("number", 1)), **{key: saved[key] for key in ("copy", "region") if key in saved}}


def _still_wanted(ctx: doors.Context) -> bool:
    """The last look before money is spent: a region that came back meanwhile needs no copy."""
    decision = ctx.situation.decision
    return ctx.by_hand or (decision is not None and decision.action in _WANTED)


def _request(ctx: doors.Context) -> restores.RestoreRequest:
    """The request as it was written down, else as it would be made now.

    Raises:
        InputError: there is nowhere to restore to.
    """
    saved = ctx.record.saved
    if "copy" in saved and "region" in saved:
        target, region = servers.server_id(str(saved["copy"])), regions.normalise(str(saved["region"]))
    else:
        target, region = _target(ctx, int(saved.get("number", 1)))
    return restores.RestoreRequest(
        source=ctx.situation.server, target_id=target, target_region=region, tags={TAG_RUN: ctx.run.id}
    )


def _target(ctx: doors.Context, number: int) -> tuple[servers.ServerId, regions.RegionName]:
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
    return servers.id_of(address), region
