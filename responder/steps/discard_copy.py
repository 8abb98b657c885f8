"""`discard_copy`: delete a copy that we made. By default the one of this run; only what carries its tag is deleted.

With `of: others`, of the copies of this run all but the one that counts: the older when a newer was verified. It does
not keep a cut-over waiting. With `of: any-run`, one that an earlier run left behind: the parameter `copy` names it,
unless there is only one. Never anything that applications are sent to: by the DNS record, which somebody may have moved
by hand, or by the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from responder.core import decisions, errors, plans, playbooks, restores, runs, servers
from responder.steps import doors, restore

EFFECT = "idempotent"
ABOUT = "Deletes the copy that this run made, or one that an earlier run left behind, and nothing else."
SETTINGS = (
    playbooks.Setting(
        name="of",
        type=playbooks.Type.CHOICE,
        choices=("this-run", "any-run", runs.OTHERS),
        default="this-run",
        about="whose copy; others: of this run's copies all but the one that counts",
    ),
    playbooks.Setting(name="copy", about="of any-run: which, by name or id; may be left out when there is only one"),
)
OUTPUTS = (
    playbooks.Output(
        name="verdict",
        words=("discarded", "nothing-to-discard", "put-off"),
        about="discarded, nothing-to-discard, or put-off: of others, the cut-over is due",
    ),
    playbooks.Output(name="copy", about="the ARM id of the copy"),
)

ANY_RUN = "any-run"

_BUSY = {"ServerIsBusy", "ServerBusy", "ServerIsNotReady", "OperationInProgress", "Conflict"}
_BEING_MADE = {"provisioning", "creating", "restoring"}
_MAKERS = ("restore", "create_server")


def foresee(ctx: doors.Context) -> list[plans.Touch]:
    """The copy of this very run, or the one that is named."""
    if ctx.setting("of") == ANY_RUN:
        named = str(ctx.setting("copy", "the one copy that earlier runs have left"))
        return [plans.Touch(verb="deletes", what=named, detail="if it was made from this server and nobody uses it")]
    return [plans.Touch(verb="deletes", what="the copy that this run made", detail="and nothing else")]


async def execute(ctx: doors.Context) -> runs.Outcome:
    """Ask for the deletion, or look at how it is going. Several tries of a restore may have left several copies."""
    if ctx.setting("of") == runs.OTHERS and _cut_over_is_due(ctx):
        return runs.Done(output={"verdict": "put-off"})
    if "token" in ctx.record.saved:
        return await _poll(ctx, servers.server_id(str(ctx.record.saved.get("copy") or ctx.copy()["copy"])))
    try:
        copies = await _meant(ctx)
    except errors.InputError as error:
        return runs.Fail(why=str(error))
    if not copies:
        return runs.Done(output={"verdict": "nothing-to-discard"})
    for copy in copies:
        found = await ctx.doors.control_plane.find(copy)
        if found is not None:
            return await _obstacle(ctx, found) or await _delete(ctx, found)
    return runs.Done(output={"verdict": "discarded", "copy": copies[-1]})


async def reconcile(ctx: doors.Context) -> runs.Outcome | runs.NotStarted:
    """Deleting twice ends the same: `execute` looks first whether the copy is still there."""
    return runs.NotStarted()


def _cut_over_is_due(ctx: doors.Context) -> bool:
    decision = ctx.situation.decision
    done = ctx.output_of("cut_over").get("verdict") == "cut-over"
    return not done and decision is not None and decision.action is decisions.Action.CUT_OVER


async def _meant(ctx: doors.Context) -> Sequence[servers.ServerId]:
    """What is to go.

    Raises:
        InputError: it is not clear which.
    """
    if ctx.setting("of") == runs.OTHERS:
        return [copy for copy in _of_this_run(ctx) if copy != ctx.copy().get("copy")]
    if ctx.setting("of") != ANY_RUN:
        return _of_this_run(ctx)
    left = await ctx.doors.records.copies_of(ctx.situation.server.id)
    named = str(ctx.setting("copy", "")).strip()
    if servers.address_of(named) is not None:
        return [servers.server_id(named)]
    chosen = [each.id for each in left if not named or each.name == named.lower()]
    if len(chosen) == 1 or not left:
        return chosen
    names = ", ".join(sorted(each.name for each in left))
    raise errors.InputError(
        "discard.which", f"It is not clear which copy is meant; there are {names}.", remedy="Name one: --set copy=NAME."
    )


def _of_this_run(ctx: doors.Context) -> Sequence[servers.ServerId]:
    """The copy of this run, and those that failed tries of its restore may have left behind."""
    made_by = [step.id for step in ctx.run.playbook.steps if step.kind in _MAKERS]
    found = [str(ctx.outputs[id_]["copy"]) for id_ in made_by if ctx.outputs.get(id_, {}).get("copy")]
    for step in ctx.run.playbook.steps:
        record = ctx.records.get(step.id)
        if record is not None and step.kind == "restore":
            found += restore.tried(ctx, step, record)
        elif record is not None and step.kind in _MAKERS and record.saved.get("copy"):
            found.append(str(record.saved["copy"]))
    return list(dict.fromkeys(servers.server_id(each) for each in found))


async def _obstacle(ctx: doors.Context, found: restores.FoundServer) -> runs.Outcome | None:
    """Why it is left alone; None: nothing stands against it."""
    if ctx.setting("of") == ANY_RUN:
        source = ctx.situation.server.id
        if not found.ours or found.tags.get(restores.SOURCE_TAG) != source[:256]:
            return runs.Fail(why=f"{found.id} is no copy of {source} that we made; it is left alone")
    elif found.tags.get(restore.TAG_RUN) != ctx.run.id:
        return runs.Fail(why=f"{found.id} does not carry this run's tag; it is left alone")
    followed = ctx.dns_record()
    if followed is not None and await ctx.doors.dns.read_cname(*followed) == found.fqdn.lower():
        return runs.Fail(
            why=f"applications are sent to {found.id} by {followed[1]}.{followed[0].name}; it is left alone"
        )
    for used in await ctx.doors.records.in_use(ctx.situation.server.id):
        if used.server_id == found.id:
            return runs.Fail(why=f"applications were sent to {found.id} by {used.run_id}; it is left alone")
    return None


async def _delete(ctx: doors.Context, found: restores.FoundServer) -> runs.Outcome:
    copy = found.id
    ctx.check()
    try:
        token = await ctx.doors.control_plane.delete(copy)
    except errors.AzureError as error:
        if error.code in _BUSY and found.state.lower() in _BEING_MADE:  # the restore takes as long as it takes
            after = max(ctx.doors.rules.poll, error.retry_after or timedelta())
            return runs.Wait(until=ctx.now + after, topic="operation")
        return runs.Retry(after=ctx.doors.rules.poll, why=str(error))
    await ctx.save({"token": token, "copy": copy})
    return runs.Wait(until=ctx.now, topic="operation")


async def _poll(ctx: doors.Context, copy: servers.ServerId) -> runs.Outcome:
    try:
        progress = await ctx.doors.control_plane.poll_delete(copy, ctx.record.saved["token"])
    except errors.AzureError as error:
        return ctx.look_again(error)
    match progress:
        case restores.InProgress(retry_after=after):
            return runs.Wait(until=ctx.now + (after or ctx.doors.rules.poll), topic="operation")
        case restores.Succeeded() if ctx.setting("of") == ANY_RUN or set(await _meant(ctx)) <= {copy}:
            return runs.Done(output={"verdict": "discarded", "copy": copy})
        case restores.Succeeded() | restores.Lost():
            return runs.Wait(until=ctx.now, topic="operation", saved={})
        case restores.OperationFailed(code=code, message=message):
            return runs.Retry(after=ctx.doors.rules.retry, why=f"{code}: {message}", saved={})
