"""`restore`: bring up a copy of the server, in the paired region from its newest geo-replicated backup (`from:
geo-backup`), or in its own region as it was at a moment (`from: point-in-time`, with `to` and `zone`).

What is asked for is written down before it is asked for, under a name that derives from (server, run, number): after a
crash the copy is found and adopted instead of made twice. The operation's token is saved before the first poll. The
source server is never asked anything.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from responder import clock
from responder.core import (
    decisions,
    errors,
    networks,
    plans,
    playbooks,
    regions,
    restore_times,
    restores,
    runs,
    servers,
    ways,
)
from responder.steps import doors

EFFECT = "once"

GEO, IN_TIME = "geo-backup", "point-in-time"
"""What `from` may say."""

ABOUT = "Asks Azure for a copy, in the paired region or as the server was at a moment, and waits until it is there."
SETTINGS = (
    playbooks.Setting(
        name="from",
        type=playbooks.Type.CHOICE,
        choices=(GEO, IN_TIME),
        default=GEO,
        about="the newest backup in the paired region, or the backups in the server's own region",
    ),
    playbooks.Setting(name="to", type=playbooks.Type.TIME, about="the moment to go back to; as late as can be"),
    playbooks.Setting(name="zone", about="availability zone, in the server's own region; Azure chooses"),
    playbooks.Setting(name="group", about="resource group, in the server's own region; that of the server"),
    playbooks.Setting(
        name="anew",
        type=playbooks.Type.FLAG,
        default=False,
        about="a newer copy beside the one that is held, for rows of a healthy spell; not waited for past the cut-over",
    ),
)
OUTPUTS = (
    playbooks.Output(
        name="verdict",
        words=("restored", "not-needed", "too-late"),
        about="restored, not-needed when the region came back first, or too-late: the cut-over is due",
    ),
    playbooks.Output(name="copy", about="the ARM id of the copy"),
    playbooks.Output(name="fqdn", about="its host name"),
    playbooks.Output(name="region", about="where it is, like centralus"),
    playbooks.Output(
        name="to", type=playbooks.Type.TIME, about="the moment it was restored to; null: as late as can be"
    ),
    playbooks.Output(name="use", about="stand-in when it may take the place of the server, else beside"),
    playbooks.Output(name="kind", about="geo-restore or point-in-time-restore"),
    playbooks.Output(name="size_class", about="small, middle or large"),
    playbooks.Output(name="requested_at", type=playbooks.Type.TIME, about="when Azure was asked"),
    playbooks.Output(name="accepted_at", type=playbooks.Type.TIME, about="when it had accepted; null: not known"),
    playbooks.Output(name="ready_at", type=playbooks.Type.TIME, about="when the copy was seen to be ready"),
)

TAG_RUN = restores.RUN_TAG
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

_STUCK = {"disabled", "inaccessible", "stopped"}
"""States that somebody has to see to: the key of its encryption cannot be reached, or it was stopped."""

_ASKED_FOR = ("copy", "region", "to", "zone", "network", "requested_at")

_WANTED = {decisions.Action.START, decisions.Action.RESTORING}


def precheck(step: playbooks.Step, run: runs.Run, server: servers.Server) -> None:
    """Refuse what cannot be restored before there is a run of it.

    Raises:
        InputError: the moment is no moment, in the future, or older than the backups.
    """
    source = step.settings.get("from")
    if source == IN_TIME or (source != GEO and run.params.get("from") == IN_TIME):
        restores.moment_of(str(run.params.get("to") or ""), server, run.created_at)


def foresee(ctx: doors.Context) -> list[plans.Touch]:
    """The copy it would ask for.

    Raises:
        InputError: there is nowhere to restore to.
    """
    target, region = _target(ctx, 1)
    source = "from the newest geo-redundant backup"
    if ctx.setting("from", GEO) == IN_TIME:
        source = f"as the server was at {ctx.setting('to', 'the last moment there is')}"
    return [plans.Touch(verb="creates", what=target, detail=f"in {region}, {source}")]


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Start the restore, or look at how it is going."""
    saved = ctx.record.saved
    if _overtaken(ctx):
        return runs.Done(output={"verdict": "too-late"})
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
        if _put_off(ctx):
            return runs.Wait(until=ctx.next_review(), topic="decision")
        return runs.Done(output={"verdict": "not-needed"})
    return await _ask(ctx)


async def reconcile(ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
    """A restore may have been begun and nothing more is known: is the copy there?"""
    if ctx.record.taken:
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
    intent = {
        **_intent(ctx),
        "copy": request.target_id,
        "region": request.target_region,
        "to": request.to.isoformat() if request.to else None,
        "zone": request.zone,
        "network": [request.network.subnet, request.network.dns_zone] if request.network else None,
        "requested_at": ctx.now.isoformat(),
    }
    await ctx.save(intent)
    ctx.check()
    try:
        token = await ctx.doors.control_plane.restore(request)
    except errors.AzureError as error:
        return await _refused(ctx, request, intent, error)
    await ctx.save({**intent, "token": token, "accepted_at": clock.now().isoformat()})
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
    if (stuck := stuck_in(found)) is not None:
        return runs.Retry(after=ctx.doors.rules.retry, why=stuck)
    if not found.ready:
        return runs.Wait(until=ctx.now + ctx.doors.rules.poll, topic="operation")
    return runs.Done(
        output={
            "verdict": "restored",
            "copy": request.target_id,
            "fqdn": found.fqdn,
            "region": request.target_region,
            "to": request.to.isoformat() if request.to else None,
            "use": "stand-in" if runs.stands_in(ctx.run) else "beside",
            **_figures(ctx, request),
        }
    )


def _figures(ctx: doors.Context, request: restores.RestoreRequest) -> dict[str, Any]:
    """How long it took, for the beliefs about the next one. `accepted_at` is unknown where the answer was lost."""
    saved = ctx.record.saved
    return {
        "kind": "geo-restore" if request.to is None else "point-in-time-restore",
        "size_class": restore_times.size_class(ctx.situation.server.storage_gb),
        "requested_at": saved.get("requested_at"),
        "accepted_at": saved.get("accepted_at"),
        "ready_at": ctx.now.isoformat(),
    }


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


def stuck_in(found: restores.FoundServer) -> str | None:
    """Why waiting for it is in vain until somebody has seen to it; None: it is not."""
    if found.state.lower() not in _STUCK:
        return None
    return f"Azure shows {found.id} as {found.state}, which does not become Ready by itself"


def tried(ctx: doors.Context, step: playbooks.Step, record: runs.StepRecord) -> list[servers.ServerId]:
    """Every copy that a step of this run may have left behind, whatever became of it."""
    own = dataclasses.replace(ctx, step=step)
    found = [str(record.saved["copy"])] if record.saved.get("copy") else []
    with contextlib.suppress(errors.InputError):  # there is nowhere to restore to now, hence nowhere to look
        found += [_target(own, number)[0] for number in range(1, int(record.saved.get("number", 1)) + 1)]
    return list(dict.fromkeys(servers.server_id(each) for each in found))


def _intent(ctx: doors.Context) -> dict[str, Any]:
    """What was asked for, without the handles of an operation that is over."""
    saved = ctx.record.saved
    return {"number": int(saved.get("number", 1)), **{key: saved[key] for key in _ASKED_FOR if key in saved}}


def _overtaken(ctx: doors.Context) -> bool:
    """The cut-over is due, and there is an older copy: a newer one is not waited for."""
    decision = ctx.situation.decision
    due = decision is not None and decision.action is decisions.Action.CUT_OVER
    return due and bool(ctx.setting("anew", False))


def _put_off(ctx: doors.Context) -> bool:
    """The newer copy is to be made, only later: it lost its turn in the wave, or the server has just answered."""
    decision = ctx.situation.decision
    later = {"refresh-waits", "refresh-soon"}
    put_off = decision is not None and any(reason.id in later for reason in decision.reasons)
    return put_off and bool(ctx.setting("anew", False))


def _still_wanted(ctx: doors.Context) -> bool:
    """The last look before money is spent: a region that came back meanwhile needs no copy."""
    decision = ctx.situation.decision
    if ctx.setting("anew", False):
        return decision is not None and decision.refresh
    return ctx.by_hand or (decision is not None and decision.action in _WANTED)


def _request(ctx: doors.Context) -> restores.RestoreRequest:
    """The request as it was written down, else as it would be made now.

    Raises:
        InputError: there is nowhere to restore to.
    """
    saved = ctx.record.saved
    if "copy" in saved and "region" in saved:
        target, region = servers.server_id(str(saved["copy"])), regions.normalise(str(saved["region"]))
        to = datetime.fromisoformat(str(saved["to"])) if saved.get("to") else None
        zone, network = str(saved.get("zone") or ""), _network_of(saved, region)
    else:
        target, region = _target(ctx, int(saved.get("number", 1)))
        to, zone = _moment(ctx), str(ctx.setting("zone", ""))
        network = None if to is not None else _network(ctx, region)
    return restores.RestoreRequest(
        source=ctx.situation.server,
        target_id=target,
        target_region=region,
        tags={TAG_RUN: ctx.run.id},
        to=to,
        zone=zone,
        network=network,
    )


def _network_of(saved: Mapping[str, Any], region: regions.RegionName) -> networks.Network | None:
    """The network as it was written down."""
    if not saved.get("network"):
        return None
    subnet, dns_zone = saved["network"]
    return networks.Network(region=region, subnet=str(subnet), dns_zone=str(dns_zone))


def _network(ctx: doors.Context, region: regions.RegionName) -> networks.Network | None:
    """Where the geo-restored copy of a private server goes.

    Raises:
        InputError: nothing was prepared for it.
    """
    server = ctx.situation.server
    if not server.subnet:
        return None
    found = networks.chosen(ctx.doors.rules.policy.networks, server, region)
    if isinstance(found, networks.Network):
        return found
    text = ways.SENTENCES[found].format(pair=regions.display(region))
    raise errors.InputError("restore.no-network", text, remedy="Then say `responder runs retry`.")


def _moment(ctx: doors.Context) -> datetime | None:
    if ctx.setting("from", GEO) == GEO:
        return None
    return restores.moment_of(str(ctx.setting("to", "")), ctx.situation.server, ctx.now)


def _target(ctx: doors.Context, number: int) -> tuple[servers.ServerId, regions.RegionName]:
    if ctx.setting("from", GEO) == IN_TIME:
        return copy_beside(ctx, number, "pit"), ctx.situation.server.region
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
        name=servers.copy_name(server, _cause(ctx), number),
    )
    return servers.id_of(address), region


def _cause(ctx: doors.Context) -> str:
    """What a copy is named after: the run, and for a newer one beside it the step, too."""
    return f"{ctx.run.id}/{ctx.step.id}" if ctx.setting("anew", False) else ctx.run.id


def copy_beside(ctx: doors.Context, number: int, kind: str) -> servers.ServerId:
    """The id of a server that is made beside the source: in its region and its group, unless `group` says another."""
    server = ctx.situation.server
    address = servers.Address(
        subscription_id=server.subscription_id,
        resource_group=str(ctx.setting("group", server.resource_group)),
        family=server.family,
        name=servers.copy_name(server, _cause(ctx), number, kind),
    )
    return servers.id_of(address)
